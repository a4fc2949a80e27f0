// SCRAM's server side (RFC 5802), with and without channel binding. For a user without keys it goes on with a decoy's
// to the end, and only then fails.
#pragma once
#include <string>

#include "sasl/scram_message.hpp"
#include "sasl/server.hpp"

namespace mansio::sasl {

class ScramServer final : public Server {
 public:
  struct Setup {
    crypto::Hash hash = crypto::Hash::sha256;
    bool bound = false;          // this is the -PLUS mechanism
    bool bound_offered = false;  // -PLUS was advertised in this session
    ChannelBindings bindings;
    const Decoy* decoy = nullptr;
    std::string nonce;  // our part, for tests; empty: random
  };
  explicit ScramServer(Setup setup);

 private:
  Step heard(std::string_view response) override;
  Step told(const Answer& answer) override;
  Step heard_first(std::string_view response);
  Step heard_final(std::string_view response);
  std::string bound_bytes() const;

  enum class Stage : std::uint8_t { first, keys, final, end } stage_ = Stage::first;
  Setup setup_;
  ClientFirst first_;
  crypto::ScramKeys keys_;
  std::string user_, name_;  // as claimed; as the back end names it
  std::string nonce_, server_first_;
  bool known_ = false;  // keys_ are the user's, not a decoy's
};

}  // namespace mansio::sasl
