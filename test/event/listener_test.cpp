#include "event/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <optional>
#include <vector>

namespace mansio::event {
namespace {

UniqueFd connect_to(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  return fd;
}

}  // namespace

TEST_CASE("two that share a socket take one connection at a time each, a crowded one only what is left to it") {
  UniqueFd first = listen_tcp("127.0.0.1", 0).value();
  UniqueFd second(::dup(first.get()));
  Loop loop;
  std::vector<Stream> at_one, at_two;
  std::optional<Listener> one, two;
  std::size_t wanted = 20;
  bool crowded = false;
  int asked = 0;
  auto look = [&] {
    if (at_one.size() + at_two.size() < wanted) return;
    one.reset();
    two.reset();
  };
  auto made = Listener::adopt_shared(loop, std::move(first), false, [&](Stream s) { at_one.push_back(std::move(s)); look(); }, [&] { ++asked; return crowded; });
  REQUIRE(made);
  one.emplace(std::move(*made));
  made = Listener::adopt_shared(loop, std::move(second), false, [&](Stream s) { at_two.push_back(std::move(s)); look(); }, {});
  REQUIRE(made);
  two.emplace(std::move(*made));
  auto port = one->local().port;
  REQUIRE(port != 0);
  std::vector<UniqueFd> clients;
  SECTION("turn by turn") {
    for (std::size_t i = 0; i < wanted; ++i) clients.push_back(connect_to(port));
    loop.run();
    CHECK(at_one.size() == wanted / 2);
    CHECK(at_two.size() == wanted / 2);
  }
  SECTION("the other one takes all") {
    crowded = true;
    for (std::size_t i = 0; i < wanted; ++i) clients.push_back(connect_to(port));
    loop.run();
    CHECK(at_two.size() > wanted / 2);
    CHECK(at_one.size() + at_two.size() == wanted);
    CHECK(asked > 0);
  }
  SECTION("what nobody else takes") {
    crowded = true;
    two.reset();
    wanted = 3;
    for (std::size_t i = 0; i < wanted; ++i) clients.push_back(connect_to(port));
    loop.run();
    CHECK(at_one.size() == wanted);
  }
  at_one.clear();
  at_two.clear();
  loop.run();
}

}  // namespace mansio::event
