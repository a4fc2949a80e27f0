#include "sasl/scram_client.hpp"

#include "base/encoding.hpp"
#include "crypto/password.hpp"
#include "crypto/saslprep.hpp"
#include "crypto/scram_keys.hpp"
#include "sasl/server.hpp"
#include "sasl/simple_clients.hpp"

namespace mansio::sasl {

Result<std::optional<crypto::Secret>> ScramClient::begin() {
  if (auto good = check_credential(setup_.credentials.user, user_max, "user name"); !good)
    return std::unexpected(good.error());
  auto password = setup_.credentials.password.view();
  if (auto good = check_credential(password, crypto::password_max, "password"); !good)
    return std::unexpected(good.error());
  // RFC 5802 §5.1 and §2.2: both prepared.
  auto user = crypto::saslprep(setup_.credentials.user);
  auto prepared = crypto::saslprep(password);
  if (!user || !prepared)
    return fail(Fault::invalid, "the user name or the password has characters that SCRAM does not take");
  password_ = crypto::Secret(*prepared);
  crypto::wipe(*prepared);
  if (setup_.bound) {
    // RFC 9266 §2: tls-exporter where there is one.
    std::string_view type = setup_.bindings.exporter.empty() ? "tls-server-end-point" : "tls-exporter";
    auto bytes = setup_.bindings.find(type);
    if (!bytes) return fail(Fault::invalid, "no channel binding");
    gs2_ = "p=" + std::string(type) + ",,";
    binding_ = *bytes;
  } else {
    // RFC 5802 §6: "y" lets the server find out that its offer of -PLUS was taken away. Only who could have bound
    // says so.
    gs2_ = setup_.bindings.any() ? "y,," : "n,,";
  }
  nonce_ = setup_.nonce.empty() ? base64_encode(crypto::random_bytes(18)) : setup_.nonce;
  first_bare_ = "n=" + escape_name(*user) + ",r=" + nonce_;
  stage_ = Stage::first;
  return std::optional(crypto::Secret(gs2_ + first_bare_));
}

Result<crypto::Secret> ScramClient::respond(std::string_view challenge) {
  if (stage_ == Stage::first) {
    auto answer = heard_first(challenge);
    stage_ = answer ? Stage::final : Stage::broken;
    return answer;
  }
  if (stage_ == Stage::final) {
    auto good = heard_final(challenge);
    stage_ = good ? Stage::proven : Stage::broken;
    if (!good) return std::unexpected(good.error());
    return crypto::Secret();
  }
  return fail(Fault::invalid, "SCRAM: a challenge out of turn");
}

Result<crypto::Secret> ScramClient::heard_first(std::string_view challenge) {
  auto first = parse_server_first(challenge);
  if (!first) return std::unexpected(first.error());
  // RFC 5802 §5.1: our nonce, and something of the server's.
  if (!first->nonce.starts_with(nonce_) || first->nonce.size() == nonce_.size())
    return fail(Fault::denied, "SCRAM: the server's nonce is not ours");
  // Few would let whoever plays the server guess the password from our proof, many would keep us busy.
  if (first->iterations < crypto::scram_iterations_min || first->iterations > crypto::scram_iterations_max) {
    return fail(Fault::denied, "SCRAM: the server asks for less than 4096 or more than 1000000 iterations");
  }
  // RFC 5802 §3.
  std::string salted = crypto::pbkdf2(setup_.hash, password_.view(), first->salt, first->iterations);
  std::string client_key = crypto::hmac(setup_.hash, salted, "Client Key");
  std::string server_key = crypto::hmac(setup_.hash, salted, "Server Key");
  std::string final = "c=" + base64_encode(gs2_ + binding_) + ",r=" + first->nonce;
  std::string message = first_bare_ + "," + std::string(challenge) + "," + final;
  std::string signature = crypto::hmac(setup_.hash, crypto::digest(setup_.hash, client_key), message);
  server_signature_ = crypto::hmac(setup_.hash, server_key, message);
  final += ",p=" + base64_encode(exclusive_or(client_key, signature));
  crypto::wipe(salted);
  crypto::wipe(client_key);
  crypto::wipe(server_key);
  return crypto::Secret(final);
}

Result<> ScramClient::heard_final(std::string_view challenge) {
  auto signature = parse_server_final(challenge);
  if (!signature) return std::unexpected(signature.error());
  if (!crypto::equal_in_constant_time(*signature, server_signature_)) {
    return fail(Fault::denied, "SCRAM: the server does not know the password");
  }
  return {};
}

Result<> ScramClient::finish() {
  if (stage_ != Stage::proven) return fail(Fault::denied, "SCRAM: the server accepted without a proof of its own");
  return {};
}

}  // namespace mansio::sasl
