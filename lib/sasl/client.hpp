// The client side of SASL (RFC 4422), one object for one try to log in to a smart host. No I/O:
//   begin()     the initial response, or nullopt when the server speaks first (LOGIN)
//   respond()   the answer to a challenge (bytes, base64 undone); an error means: send "*", do not go on
//   finish()    when the server said 235: an error means that it did not prove what it has to (SCRAM), so it is not
//               the server that we know
// SCRAM's respond() derives keys, up to a third of a second at a million iterations: call it off the loop.
// Errors never hold a secret: Fault::invalid (the credentials, or the server's words), Fault::denied (the server says
// no, or is not who it should be).
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "crypto/secret.hpp"
#include "sasl/binding.hpp"

namespace mansio::sasl {

struct Credentials {
  std::string user;
  crypto::Secret password;   // for PLAIN, LOGIN, SCRAM; empty: none
  crypto::Secret token;      // for OAUTHBEARER, XOAUTH2; empty: none
  bool certificate = false;  // for EXTERNAL: TLS shows one
};

class Client {
 public:
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  virtual Result<std::optional<crypto::Secret>> begin() = 0;
  virtual Result<crypto::Secret> respond(std::string_view challenge) = 0;
  virtual Result<> finish() { return {}; }

 protected:
  Client() = default;
};

struct ClientContext {
  std::vector<std::string> offered;  // by the server's EHLO, after TLS if there is any
  std::vector<std::string> allowed;  // by the configuration; empty: all
  bool clear_allowed = false;  // the password or token may be shown: the connection is verified, or the admin said so
  ChannelBindings bindings;
};

// The best mechanism that both sides have and the credentials fit, or "" for none: EXTERNAL, the tokens',
// SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN.
std::string_view choose_mechanism(const ClientContext& context, const Credentials& credentials);

// Whether it is one of those, by its registered name.
bool is_client_mechanism(std::string_view name);

// For a name that choose_mechanism gave; nullptr for others. Keeps copies of both.
std::unique_ptr<Client> make_client(std::string_view mechanism, const ClientContext& context,
                                    const Credentials& credentials);

}  // namespace mansio::sasl
