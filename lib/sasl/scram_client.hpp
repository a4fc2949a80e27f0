// SCRAM's client side (RFC 5802), with and without channel binding. It ends well only when the server has shown that
// it knows the user's keys.
#pragma once
#include <string>

#include "crypto/digest.hpp"
#include "sasl/client.hpp"
#include "sasl/scram_message.hpp"

namespace mansio::sasl {

class ScramClient final : public Client {
 public:
  struct Setup {
    crypto::Hash hash = crypto::Hash::sha256;
    bool bound = false;        // this is the -PLUS mechanism
    ChannelBindings bindings;  // that we have
    Credentials credentials;
    std::string nonce;  // for tests; empty: random
  };
  explicit ScramClient(Setup setup) : setup_(std::move(setup)) {}

  Result<std::optional<crypto::Secret>> begin() override;
  Result<crypto::Secret> respond(std::string_view challenge) override;
  Result<> finish() override;

 private:
  Result<crypto::Secret> heard_first(std::string_view challenge);
  Result<> heard_final(std::string_view challenge);

  enum class Stage : std::uint8_t { begin, first, final, proven, broken } stage_ = Stage::begin;
  Setup setup_;
  crypto::Secret password_;  // prepared
  std::string gs2_, binding_, nonce_, first_bare_;
  std::string server_signature_;  // that the server has to send
};

}  // namespace mansio::sasl
