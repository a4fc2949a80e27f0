// GSSAPI with Kerberos (RFC 4752): the client's tokens go to the back end until both ends share a security context, in which
// the two then agree on a security layer and say who acts for whom.
//   client  token …                      server  token …                 until the context is complete
//   client  (nothing)                    server  wrapped: layers, size
//   client  wrapped: layer, size, authorization identity
// The only layer is "none": whoever wants what is said to be hidden takes TLS.
#pragma once
#include <memory>
#include <string>

#include "sasl/server.hpp"

namespace mansio::sasl {

class GssapiServer final : public Server {
 private:
  enum class Stage : std::uint8_t { tokens, last_token, layer };

  Step heard(std::string_view response) override;
  Step told(const Answer& answer) override;
  Step offer_layers();
  Step take_layer(std::string_view response);

  std::shared_ptr<SecurityContext> context_;
  std::string user_, principal_;      // known once the context is complete
  Stage stage_ = Stage::tokens;
};

}  // namespace mansio::sasl
