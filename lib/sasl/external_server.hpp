// EXTERNAL (RFC 4422 appendix A): the client's certificate, which TLS has verified, says who it is; the response may
// ask for one user of those that the certificate allows.
#pragma once
#include <string>

#include "sasl/server.hpp"

namespace mansio::sasl {

class ExternalServer final : public Server {
  Step heard(std::string_view response) override;
  Step told(const Answer& answer) override;

  std::string user_;
};

}  // namespace mansio::sasl
