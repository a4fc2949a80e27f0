#include "sasl/identity.hpp"

#include "crypto/saslprep.hpp"

namespace mansio::sasl {

Result<std::string> prepare_user(std::string_view name) {
  if (name.size() > user_max) return fail(Fault::invalid, "too long");
  auto prepared = crypto::saslprep(name);
  if (prepared && prepared->size() > user_max) return fail(Fault::invalid, "too long");
  return prepared;
}

bool may_act_as(std::string_view authzid, std::string_view user) {
  if (authzid.empty()) return true;
  auto prepared = prepare_user(authzid);
  return prepared && *prepared == user;
}

Failed malformed(std::string text) { return Failed(Failed::Reason::malformed, std::move(text)); }

Failed denied(std::string user) { return Failed(Failed::Reason::denied, "authentication failed", std::move(user)); }

Step conclude(const Answer& answer, const std::string& user) {
  const std::string& name = answer.user.empty() ? user : answer.user;
  switch (answer.verdict) {
    case Answer::Verdict::accepted:
      // A token or a certificate may name nobody.
      return name.empty() ? Step(denied(user)) : Step(Done(name));
    case Answer::Verdict::denied: return denied(user);
    case Answer::Verdict::unavailable: break;
  }
  return Failed(Failed::Reason::unavailable, "the back end does not work", user);
}

}  // namespace mansio::sasl
