#include "auth/kerberos_backend.hpp"

namespace mansio::auth {

event::Task<sasl::Answer> KerberosBackend::ask(sasl::Question question, Facts facts) {
  using Verdict = sasl::Answer::Verdict;
  if (question.kind != sasl::Question::Kind::ticket) co_return sasl::Answer(Verdict::denied);
  if (under_way_ >= waiting_) co_return sasl::Answer(Verdict::unavailable);
  ++under_way_;
  auto accept = accept_;             // a reload may replace it meanwhile
  std::string why;
  auto work = [&] { return accept(question, why); };
  auto answer = co_await threads_.run(work);
  --under_way_;
  if (answer.verdict != Verdict::accepted) {
    std::string from = facts.client_address.empty() ? "a local client" : "[" + facts.client_address + "]";
    tell_("GSSAPI: " + from + (answer.verdict == Verdict::denied ? " refused: " : " not served: ") + why);
  }
  co_return answer;
}

}  // namespace mansio::auth
