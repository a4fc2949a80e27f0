#include "sasl/external_server.hpp"

#include "sasl/identity.hpp"

namespace mansio::sasl {

Step ExternalServer::heard(std::string_view response) {
  if (!response.empty()) {
    auto user = prepare_user(response);
    if (!user) return malformed("the user's name: " + user.error().text());
    user_ = std::move(*user);
  }
  return Question(Question::Kind::certificate, user_);
}

Step ExternalServer::told(const Answer& answer) { return conclude(answer, user_); }

}  // namespace mansio::sasl
