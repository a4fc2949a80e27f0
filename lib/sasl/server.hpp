// The server side of SASL (RFC 4422), one object for one try to log in. No I/O, no configuration, no log: it is given
// what the client said (bytes, base64 undone) and says what to do next:
//   Challenge  send these bytes to the client (base64), give its answer to respond()
//   Question   ask the back end (users file, PAM, Dovecot's socket) off the loop, give its Answer to answer()
//   Done       the client is `user`
//   Failed     it is not; `reason` gives the reply, `text` is for the log
// Mechanisms: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), OAUTHBEARER (RFC 7628), XOAUTH2,
// EXTERNAL (RFC 4422 appendix A), GSSAPI (RFC 4752). All lengths are bounded; a call that is out of turn is Failed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "crypto/scram_keys.hpp"
#include "crypto/secret.hpp"
#include "sasl/binding.hpp"

namespace mansio::sasl {

inline constexpr std::size_t user_max = 320;       // octets: a local part, "@" and a domain
inline constexpr std::size_t response_max = 9216;  // RFC 4954 §4: a line of 12288 octets of base64

struct Challenge {
  explicit Challenge(std::string what = {}) : data(std::move(what)) {}
  std::string data;
};

// What a client and a back end make together, token by token (RFC 2743), and what is said within it once it is whole.
// One for each try to log in; quick, as its keys are there.
class SecurityContext {
 public:
  SecurityContext() = default;
  virtual ~SecurityContext() = default;
  SecurityContext(const SecurityContext&) = delete;
  SecurityContext& operator=(const SecurityContext&) = delete;

  virtual bool complete() const = 0;
  virtual Result<std::string> wrap(std::string_view text) = 0;     // signed, not hidden
  virtual Result<std::string> unwrap(std::string_view token) = 0;
};

// One question for every back end; one that can't answer a kind says Answer::denied.
struct Question {
  enum class Kind : std::uint8_t {
    password,     // is `secret` the password of `user`?
    keys,         // the SCRAM keys of `user`; no password to see
    token,        // is `secret` a bearer token that is good for `user`? (user may be empty: the token tells)
    certificate,  // does the client's certificate allow it to be `user`? (empty: whom it names)
    ticket,       // `secret` is a token that makes `context`, or the next step of it: who is the client?
  };
  Question(Kind what, std::string name, crypto::Secret text = {})
      : user(std::move(name)), secret(std::move(text)), kind(what) {}
  std::string user;       // prepared by SASLprep, not folded in case: that is the back end's
  crypto::Secret secret;  // a password is as the client sent it (at most crypto::password_max octets, no control bytes)
  std::shared_ptr<SecurityContext> context;  // of Kind::ticket; null with the first token
  Kind kind;
};

struct Answer {
  enum class Verdict : std::uint8_t {
    accepted,
    denied,       // wrong, or no such user: the same to the client
    unavailable,  // the back end does not work: the client may try later
  };
  explicit Answer(Verdict what, std::string name = {}) : user(std::move(name)), verdict(what) {}
  explicit Answer(crypto::ScramKeys found, std::string name = {})
      : user(std::move(name)), keys(std::move(found)), verdict(Verdict::accepted) {}
  std::string user;                       // as the back end names it; empty: as it was asked
  std::optional<crypto::ScramKeys> keys;  // to Kind::keys
  std::shared_ptr<SecurityContext> context;  // to Kind::ticket, accepted: `user` counts once it is complete
  std::string token;                         // for the client, may be empty
  std::string principal;                     // the user's whole name, when `user` is only a part of it
  Verdict verdict;
};

struct Done {
  explicit Done(std::string name) : user(std::move(name)) {}
  std::string user;
};

struct Failed {
  enum class Reason : std::uint8_t {
    malformed,    // 501 5.5.2: the client does not speak the mechanism
    denied,       // 535 5.7.8
    unavailable,  // 454 4.7.0
  };
  Failed(Reason why, std::string words, std::string name = {})
      : user(std::move(name)), text(std::move(words)), reason(why) {}
  std::string user;  // who was claimed, when that was heard: from outside, to be escaped
  std::string text;  // never holds what the client sent
  Reason reason;
};

using Step = std::variant<Challenge, Question, Done, Failed>;

class Server {
 public:
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The first step. nullopt: AUTH came without an initial response; "" is "=" (RFC 4954 §4).
  Step begin(std::optional<std::string_view> initial);
  Step respond(std::string_view response);  // to the last Challenge
  Step answer(const Answer& answer);        // to the last Question

 protected:
  Server() = default;

 private:
  virtual Step heard(std::string_view response) = 0;
  virtual Step told(const Answer& answer) = 0;
  // What is sent when the client has not begun; most mechanisms send nothing.
  virtual Challenge greeting() const { return Challenge(); }
  Step note(Step step);

  enum class Turn : std::uint8_t { begin, client, back_end, over } turn_ = Turn::begin;
};

class Decoy;

// What a session knows when it offers mechanisms.
struct ServerContext {
  std::vector<std::string> mechanisms;  // allowed by the configuration; empty: none
  bool encrypted = false;               // PLAIN, LOGIN and tokens may be used
  bool certificate = false;             // the client showed one: EXTERNAL may be used, and the back end says by whom
  ChannelBindings bindings;             // of the TLS session; none: no -PLUS
  const Decoy* decoy = nullptr;         // needed for SCRAM; outlives the servers made
};

// All mechanisms' names, best first.
const std::vector<std::string_view>& mechanism_names();

// The mechanisms to be advertised, best first.
std::vector<std::string_view> offered(const ServerContext& context);

// nullptr: not one that is offered. The name is taken in any case of letters.
std::unique_ptr<Server> make_server(std::string_view mechanism, const ServerContext& context);

}  // namespace mansio::sasl
