// Who is it? The one small interface behind AUTH: whatever can answer the questions of a sasl::Server (sasl/server.hpp)
// is a back end: the users file, PAM, Dovecot's auth socket. None ever waits on the loop, and none tells in its answer,
// nor by its time, whether a user exists (S-087). Passwords and tokens never reach a log or an error's text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "event/task.hpp"
#include "sasl/server.hpp"

namespace mansio::auth {

// Of the session that wants to know.
struct Facts {
  Facts() = default;
  std::string client_address, local_address;     // numeric; "" for a unix socket
  std::uint16_t client_port = 0, local_port = 0;
  std::string fingerprint;                       // SHA-256 of the client's certificate, lower-case hex; "": none
  bool encrypted = false;
};

class Backend {
 public:
  Backend() = default;
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // Trouble of its own is Answer::unavailable, and is told in the log once.
  virtual event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) = 0;
  // Those whose questions it can answer, best first.
  virtual std::vector<std::string_view> mechanisms() const = 0;
};

}  // namespace mansio::auth
