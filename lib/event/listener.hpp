// Listener: a bound, listening socket (opened by the parent, or here for tests); calls back with each connection.
#pragma once
#include <functional>

#include "event/stream.hpp"

struct uv_stream_s;

namespace mansio::event {

// socket + bind + listen, for the privileged parent: no loop needed. SO_REUSEADDR; IPv6 sockets are v6-only.
// Address "*" is made by two calls, "0.0.0.0" and "::". Errors name the address and port.
Result<UniqueFd> listen_tcp(const std::string& address, std::uint16_t port);
// Replaces a dead socket at `path` (one that refuses connections), never a living one or another kind of file.
Result<UniqueFd> listen_unix(const std::string& path, unsigned mode);

class Listener {
 public:
  using Accepted = std::function<void(Stream)>;
  static Result<Listener> adopt(Loop& loop, UniqueFd fd, bool unix_socket, Accepted accepted);
  // Other processes listen on the same socket: one connection is taken, then whatever else there is to do comes first. A
  // process that is `crowded` leaves the others a few milliseconds for each.
  using Crowded = std::function<bool()>;
  static Result<Listener> adopt_shared(Loop& loop, UniqueFd fd, bool unix_socket, Accepted accepted, Crowded crowded);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();   // stops listening; connections already accepted live on

  Endpoint local() const;

 private:
  struct Box;
  explicit Listener(Box* box) noexcept : box_(box) {}
  Box* box_;
};

}  // namespace mansio::event
