#include "auth/backends.hpp"

#include <algorithm>

namespace mansio::auth {

event::Task<sasl::Answer> Backends::ask(sasl::Question question, Facts facts) {
  auto backend = question.kind == sasl::Question::Kind::certificate ? certificates_ : passwords_;   // kept while it works
  if (!backend) co_return sasl::Answer(sasl::Answer::Verdict::denied);
  auto task = backend->ask(std::move(question), std::move(facts));
  auto answer = co_await task;
  co_return answer;
}

// Best first is the order of the mechanisms' table.
std::vector<std::string_view> Backends::mechanisms() const {
  std::vector<std::string_view> known, out;
  for (const auto& backend : {passwords_, certificates_}) {
    if (backend) std::ranges::copy(backend->mechanisms(), std::back_inserter(known));
  }
  std::ranges::copy_if(sasl::mechanism_names(), std::back_inserter(out),
                       [&](std::string_view name) { return std::ranges::find(known, name) != known.end(); });
  return out;
}

}  // namespace mansio::auth
