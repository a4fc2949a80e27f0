// Watch: calls back whenever a descriptor of another library's (libldap's socket, inotify) can be read or written. The
// descriptor stays its owner's, who must destroy the Watch before closing it.
#pragma once
#include <functional>

#include "event/loop.hpp"

namespace mansio::event {

class Watch {
 public:
  enum : unsigned { readable = 1, writable = 2 };       // events, may be joined
  // `ready` may destroy the Watch. An error of the descriptor counts as both: its owner's next call on it will tell.
  using Ready = std::function<void(unsigned events)>;
  static Result<Watch> start(Loop& loop, int fd, unsigned events, Ready ready);
  Watch(Watch&& other) noexcept;
  Watch& operator=(Watch&& other) noexcept;
  ~Watch();

  void want(unsigned events);        // 0: nothing for now

 private:
  struct Box;
  explicit Watch(Box* box) noexcept : box_(box) {}
  void close() noexcept;
  Box* box_;
};

}  // namespace mansio::event
