// PLAIN (RFC 4616) and LOGIN (no RFC; draft-murchison-sasl-login): the password itself, so only inside of TLS.
#pragma once
#include <string>

#include "sasl/server.hpp"

namespace mansio::sasl {

class PlainServer final : public Server {
  Step heard(std::string_view response) override;
  Step told(const Answer& answer) override;

  std::string user_;
};

// Asks "Username:", then "Password:"; an initial response is the user's name.
class LoginServer final : public Server {
  Step heard(std::string_view response) override;
  Step told(const Answer& answer) override;
  Challenge greeting() const override;

  std::string user_;
  bool named_ = false;
};

}  // namespace mansio::sasl
