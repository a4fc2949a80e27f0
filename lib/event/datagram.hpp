// Datagram: one connected UDP socket, with a random source port from the kernel. Only what the peer's address and port
// sent is ever seen. One coroutine receives at a time; each receive has a Deadline. A receive gives a view into the
// loop's one shared buffer: use or copy it before the next await.
#pragma once
#include <coroutine>
#include <string_view>

#include "event/stream.hpp"

namespace mansio::event {

class Datagram {
 public:
  struct Box;

  // The address must be numeric. Fault::full without descriptors, Fault::system when there is no way to the peer.
  static Result<Datagram> connect(Loop& loop, const Endpoint& to);
  Datagram(Datagram&& other) noexcept;
  Datagram& operator=(Datagram&& other) noexcept;
  ~Datagram();   // closes; nobody may be waiting

  // Never waits: a datagram that the kernel doesn't take is an Error.
  Result<> send(std::string_view bytes);

  class ReceiveAwaiter {
   public:
    ReceiveAwaiter(Box* box, Deadline deadline) noexcept : box_(box), deadline_(deadline) {}
    bool await_ready();
    bool await_suspend(std::coroutine_handle<> waiting);
    Result<std::string_view> await_resume();

   private:
    Box* box_;
    Deadline deadline_;
  };
  // One datagram, perhaps an empty one; timed_out, cancelled after interrupt(), system when the peer's port is closed.
  // It always passes through the loop, so that a flood of datagrams can't hold it.
  ReceiveAwaiter receive(Deadline deadline) noexcept { return ReceiveAwaiter(box_, deadline); }

  // A waiting receive, and every later one, returns Fault::cancelled.
  void interrupt();

 private:
  explicit Datagram(Box* box) noexcept : box_(box) {}
  Box* box_;
};

}  // namespace mansio::event
