#include "sasl/scram_server.hpp"

#include "base/encoding.hpp"
#include "sasl/decoy.hpp"
#include "sasl/identity.hpp"

namespace mansio::sasl {

ScramServer::ScramServer(Setup setup) : setup_(std::move(setup)) {}

Step ScramServer::heard(std::string_view response) {
  switch (stage_) {
    case Stage::first: return heard_first(response);
    case Stage::final: return heard_final(response);
    case Stage::end:
      // SMTP has no room for data beside the 235, so the server's signature was a challenge (RFC 4954 §4).
      if (!response.empty()) return malformed("SCRAM: more than there should be");
      return Done(name_);
    case Stage::keys: break;
  }
  return malformed("SCRAM: a response out of turn");
}

Step ScramServer::heard_first(std::string_view response) {
  auto first = parse_client_first(response);
  if (!first) return malformed(first.error().text());
  first_ = std::move(*first);
  auto user = prepare_user(first_.user);
  if (!user) return malformed("the user's name: " + user.error().text());
  user_ = std::move(*user);
  if (!may_act_as(first_.authzid, user_)) return denied(user_);
  // RFC 5802 §6: with -PLUS the client binds, to a type that we have; without it must not. A client that could bind
  // and was offered -PLUS has had the offer taken away by somebody between us.
  if ((first_.flag == 'p') != setup_.bound) return malformed("SCRAM: channel binding does not fit the mechanism");
  if (first_.flag == 'y' && setup_.bound_offered) return denied(user_);
  if (setup_.bound && !setup_.bindings.find(first_.binding))
    return malformed("SCRAM: a channel binding that we don't have");
  stage_ = Stage::keys;
  return Question(Question::Kind::keys, user_);
}

Step ScramServer::told(const Answer& answer) {
  if (answer.verdict == Answer::Verdict::unavailable) return conclude(answer, user_);
  // Both are made, so that both take the same time.
  crypto::ScramKeys decoy = setup_.decoy->keys(user_, setup_.hash);
  known_ = answer.verdict == Answer::Verdict::accepted && answer.keys && answer.keys->hash == setup_.hash;
  keys_ = known_ ? *answer.keys : std::move(decoy);
  name_ = answer.user.empty() ? user_ : answer.user;
  nonce_ = first_.nonce + (setup_.nonce.empty() ? base64_encode(crypto::random_bytes(18)) : setup_.nonce);
  server_first_ = "r=" + nonce_ + ",s=" + base64_encode(keys_.salt) + ",i=" + std::to_string(keys_.iterations);
  stage_ = Stage::final;
  return Challenge(server_first_);
}

// What c= has to be: the GS2 header as it came, and the binding (RFC 5802 §7, cbind-input).
std::string ScramServer::bound_bytes() const {
  std::string out = first_.gs2;
  if (setup_.bound) out += setup_.bindings.find(first_.binding).value_or("");
  return out;
}

Step ScramServer::heard_final(std::string_view response) {
  auto final = parse_client_final(response);
  if (!final) return malformed(final.error().text());
  bool right = final->nonce == nonce_;  // RFC 5802 §5.1: the whole of it
  right &= crypto::equal_in_constant_time(final->binding, bound_bytes());
  // RFC 5802 §3.
  std::string message = first_.bare + "," + server_first_ + "," + final->without_proof;
  std::string signature = crypto::hmac(setup_.hash, keys_.stored_key, message);
  right &= final->proof.size() == signature.size();
  std::string client_key = exclusive_or(signature, final->proof);
  right &= crypto::equal_in_constant_time(crypto::digest(setup_.hash, client_key), keys_.stored_key);
  std::string server_signature = crypto::hmac(setup_.hash, keys_.server_key, message);
  if (!right || !known_) return denied(user_);
  stage_ = Stage::end;
  return Challenge("v=" + base64_encode(server_signature));
}

}  // namespace mansio::sasl
