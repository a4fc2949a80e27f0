// Who holds a ticket for this server? The server's end of Kerberos by GSS-API (RFC 4121) for SASL's GSSAPI: answers questions
// of the kind `ticket`. Only Kerberos 5: no negotiation (SPNEGO), no anonymous tickets, no delegation. Nothing is asked of the
// KDC: the key in the keytab says whether a ticket is good.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sasl/server.hpp"

namespace mansio::kerberos {

struct AcceptorOptions {
  AcceptorOptions() = default;
  std::string principal;            // of this server; "": any that the keytab has a key of
  std::vector<std::string> realms;  // whose users log in; none: that of the principal, else of the keytab's first key
  // A file of what was seen within the minutes that a client's clock may be wrong: without it somebody who listens could send
  // a client's words a second time, since a client need not ask for a proof of ours, and then nothing of what it says depends
  // on what we said. "": none is kept.
  std::string replays;
};

class Acceptor {
 public:
  // `keytab`: its bytes. Reads Kerberos' own configuration (/etc/krb5.conf): for a thread.
  static Result<std::shared_ptr<const Acceptor>> make(std::string_view keytab, AcceptorOptions options);
  virtual ~Acceptor() = default;
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  struct Heard {
    explicit Heard(sasl::Answer a, std::string w = {}) : answer(std::move(a)), why(std::move(w)) {}
    sasl::Answer answer;
    std::string why;                // for the log, when it isn't accepted
  };
  // Blocks (the file of replays): for a thread, several at once.
  virtual Heard accept(const sasl::Question& question) const = 0;
  virtual const std::vector<std::string>& realms() const = 0;

 protected:
  Acceptor() = default;
};

}  // namespace mansio::kerberos
