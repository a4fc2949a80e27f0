#include "sasl/plain_server.hpp"

#include "base/text.hpp"
#include "crypto/password.hpp"
#include "sasl/identity.hpp"

namespace mansio::sasl {
namespace {

// Sent as it is to the back end: only what no back end may see is refused.
bool is_password(std::string_view text) {
  return !text.empty() && text.size() <= crypto::password_max && !has_control(text) && is_utf8(text);
}

Step ask_password(std::string_view password, const std::string& user) {
  if (!is_password(password))
    return malformed("a password that is empty, too long, not UTF-8 or holds a control character");
  return Question(Question::Kind::password, user, crypto::Secret(password));
}

}  // namespace

Step PlainServer::heard(std::string_view response) {
  // message = [authzid] NUL authcid NUL passwd (RFC 4616 §2)
  auto fields = split(response, '\0');
  if (fields.size() != 3) return malformed("PLAIN is not three fields");
  auto user = prepare_user(fields[1]);
  if (!user) return malformed("the user's name: " + user.error().text());
  user_ = std::move(*user);
  if (!may_act_as(fields[0], user_)) return denied(user_);
  return ask_password(fields[2], user_);
}

Step PlainServer::told(const Answer& answer) { return conclude(answer, user_); }

Challenge LoginServer::greeting() const { return Challenge("Username:"); }

Step LoginServer::heard(std::string_view response) {
  if (named_) return ask_password(response, user_);
  if (response.empty()) return malformed("no user's name");
  auto user = prepare_user(response);
  if (!user) return malformed("the user's name: " + user.error().text());
  user_ = std::move(*user);
  named_ = true;
  return Challenge("Password:");
}

Step LoginServer::told(const Answer& answer) { return conclude(answer, user_); }

}  // namespace mansio::sasl
