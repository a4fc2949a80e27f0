#include "sasl/gssapi_server.hpp"

#include "sasl/identity.hpp"

namespace mansio::sasl {
namespace {

constexpr char no_layer = 1;     // RFC 4752 §3.3
constexpr std::size_t layer_size = 4;

}  // namespace

Step GssapiServer::heard(std::string_view response) {
  switch (stage_) {
    case Stage::tokens: {
      if (response.empty()) return malformed("GSSAPI without a token");
      Question question(Question::Kind::ticket, "", crypto::Secret(response));
      question.context = context_;
      return question;
    }
    case Stage::last_token:
      // RFC 4752 §3.1: the client, too, has its context now, and has nothing to say.
      if (!response.empty()) return malformed("GSSAPI: a token after the last one");
      return offer_layers();
    case Stage::layer: break;
  }
  return take_layer(response);
}

Step GssapiServer::told(const Answer& answer) {
  bool good = answer.verdict == Answer::Verdict::accepted && answer.context;
  if (!good || (answer.context->complete() && answer.user.empty())) {
    return conclude(Answer(answer.verdict == Answer::Verdict::accepted ? Answer::Verdict::denied : answer.verdict, answer.user), answer.user);
  }
  context_ = answer.context;
  if (!context_->complete()) {
    if (answer.token.empty()) return malformed("GSSAPI: no token to go on with");
    return Challenge(answer.token);
  }
  user_ = answer.user;
  principal_ = answer.principal;
  if (answer.token.empty()) return offer_layers();
  stage_ = Stage::last_token;
  return Challenge(answer.token);
}

// RFC 4752 §3.2: the layers that there are, and how long a message of one may be.
Step GssapiServer::offer_layers() {
  auto wrapped = context_->wrap(std::string_view("\x01\0\0\0", layer_size));
  if (!wrapped) return Failed(Failed::Reason::unavailable, wrapped.error().text(), user_);
  stage_ = Stage::layer;
  return Challenge(std::move(*wrapped));
}

// RFC 4752 §3.2, §3.3: one layer, a size that without a layer means nothing (some clients send their buffer's), and the rest is
// the authorization identity. A message that isn't the context's is a guess.
Step GssapiServer::take_layer(std::string_view response) {
  auto said = context_->unwrap(response);
  if (!said) return denied(user_);
  if (said->size() < layer_size) return malformed("GSSAPI: no security layer was chosen");
  if (said->front() != no_layer) return malformed("GSSAPI: a security layer that was not offered");
  std::string_view identity = std::string_view(*said).substr(layer_size);
  bool whole = !principal_.empty() && identity == principal_;
  if (!whole && !may_act_as(identity, user_)) return denied(user_);
  return Done(user_);
}

}  // namespace mansio::sasl
