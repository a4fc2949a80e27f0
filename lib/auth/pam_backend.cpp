#include "auth/pam_backend.hpp"

#include "base/text.hpp"
#include "table/passwd_file.hpp"

namespace mansio::auth {

// Lower case, as Dovecot asks PAM too. Another domain stays: to some modules (sssd) it says which directory is meant.
std::string PamBackend::login_name(std::string_view name) const {
  auto canonical = table::canonical_user_name(name);
  auto at = canonical.rfind('@');
  if (at != std::string::npos && !default_domain_.empty() && canonical.substr(at + 1) == default_domain_) canonical.resize(at);
  return canonical;
}

event::Task<sasl::Answer> PamBackend::ask(sasl::Question question, Facts facts) {
  if (question.kind != sasl::Question::Kind::password) co_return sasl::Answer(sasl::Answer::Verdict::denied);
  auto name = login_name(question.user);
  // A name that can be nobody's says nothing of who exists.
  if (name.empty()) co_return sasl::Answer(sasl::Answer::Verdict::denied);
  if (under_way_ >= waiting_) co_return sasl::Answer(sasl::Answer::Verdict::unavailable);
  ++under_way_;
  auto task = check_(std::move(name), std::move(question.secret), std::move(facts.client_address));
  auto answer = co_await task;
  --under_way_;
  co_return answer;
}

}  // namespace mansio::auth
