#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "event/datagram.hpp"
#include "event/timer.hpp"
#include "run_on_loop.hpp"

namespace mansio::event {
namespace {

// An unconnected UDP socket on the loopback, to talk with.
struct UdpPeer {
  UniqueFd fd;
  std::uint16_t port = 0;
  sockaddr_in last{};
  UdpPeer() : fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("bind");
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  std::string receive() {
    char buffer[512];
    socklen_t size = sizeof last;
    ssize_t n = ::recvfrom(fd.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&last), &size);
    return std::string(buffer, n < 0 ? 0 : static_cast<std::size_t>(n));
  }
  void answer(std::string_view bytes, const sockaddr_in& to) const {
    ::sendto(fd.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  Endpoint endpoint() const {
    Endpoint out;
    out.address = "127.0.0.1";
    out.port = port;
    return out;
  }
};

Task<> receive_all(Datagram* socket, std::vector<std::string>* out, Fault* end, Duration limit) {
  for (;;) {
    auto got = co_await socket->receive(Deadline::in(limit));
    if (!got) {
      *end = got.error().fault();
      co_return;
    }
    out->emplace_back(*got);
  }
}

Task<> interrupt_soon(Loop* loop, Datagram* socket) {
  Timer timer(*loop);
  co_await timer.sleep(Duration(20));
  socket->interrupt();
}

TEST_CASE("datagrams go out and come in whole and in order, an empty one too") {
  OnLoop on;
  UdpPeer peer;
  auto socket = Datagram::connect(on.loop, peer.endpoint());
  REQUIRE(socket);
  REQUIRE(socket->send("question"));
  CHECK(peer.receive() == "question");
  peer.answer("one", peer.last);
  peer.answer("", peer.last);
  peer.answer(std::string(1400, 'x'), peer.last);
  std::vector<std::string> got;
  Fault end{};
  on.run(receive_all(&*socket, &got, &end, Duration(50)));
  CHECK(got == std::vector<std::string>{"one", "", std::string(1400, 'x')});
  CHECK(end == Fault::timed_out);
}

TEST_CASE("a datagram from another port is never seen") {
  OnLoop on;
  UdpPeer peer, stranger;
  auto socket = Datagram::connect(on.loop, peer.endpoint());
  REQUIRE(socket->send("question"));
  peer.receive();
  stranger.answer("forged", peer.last);
  peer.answer("real", peer.last);
  std::vector<std::string> got;
  Fault end{};
  on.run(receive_all(&*socket, &got, &end, Duration(50)));
  CHECK(got == std::vector<std::string>{"real"});
}

TEST_CASE("an interrupted receive is cancelled, and so is the next one") {
  OnLoop on;
  UdpPeer peer;
  auto socket = Datagram::connect(on.loop, peer.endpoint());
  std::vector<std::string> got;
  Fault end{};
  on.scope.spawn(interrupt_soon(&on.loop, &*socket));
  on.run(receive_all(&*socket, &got, &end, Duration(5000)));
  CHECK(end == Fault::cancelled);
  end = Fault::invalid;
  on.run(receive_all(&*socket, &got, &end, Duration(5000)));
  CHECK(end == Fault::cancelled);
}

TEST_CASE("a closed port is an error at once") {
  OnLoop on;
  Endpoint nobody = UdpPeer().endpoint();
  auto socket = Datagram::connect(on.loop, nobody);
  REQUIRE(socket->send("question"));
  std::vector<std::string> got;
  Fault end{};
  on.run(receive_all(&*socket, &got, &end, Duration(5000)));
  CHECK(end == Fault::system);
  CHECK(got.empty());
}

TEST_CASE("a Datagram needs a numeric address") {
  OnLoop on;
  Endpoint name;
  name.address = "localhost";
  name.port = 53;
  auto socket = Datagram::connect(on.loop, name);
  REQUIRE_FALSE(socket);
  CHECK(socket.error().fault() == Fault::invalid);
}

}  // namespace
}  // namespace mansio::event
