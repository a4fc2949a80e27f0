#include "auth/backends.hpp"

#include <algorithm>

namespace mansio::auth {

const std::shared_ptr<Backend>& Backends::asked(sasl::Question::Kind kind) const {
  if (kind == sasl::Question::Kind::certificate) return certificates_;
  return kind == sasl::Question::Kind::ticket ? tickets_ : passwords_;
}

event::Task<sasl::Answer> Backends::ask(sasl::Question question, Facts facts) {
  auto backend = asked(question.kind);   // kept while it works
  if (!backend) co_return sasl::Answer(sasl::Answer::Verdict::denied);
  auto task = backend->ask(std::move(question), std::move(facts));
  auto answer = co_await task;
  co_return answer;
}

// Best first is the order of the mechanisms' table.
std::vector<std::string_view> Backends::mechanisms() const {
  std::vector<std::string_view> known, out;
  for (const auto& backend : {passwords_, certificates_, tickets_}) {
    if (backend) std::ranges::copy(backend->mechanisms(), std::back_inserter(known));
  }
  std::ranges::copy_if(sasl::mechanism_names(), std::back_inserter(out),
                       [&](std::string_view name) { return std::ranges::find(known, name) != known.end(); });
  return out;
}

}  // namespace mansio::auth
