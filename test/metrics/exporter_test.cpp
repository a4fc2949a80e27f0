#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "event/timer.hpp"
#include "metrics/exporter.hpp"
#include "metrics/http.hpp"

using namespace mansio;
using namespace mansio::metrics;

TEST_CASE("GET of /metrics gives the page, all else a refusal") {
  auto status = [](std::string_view request) {
    std::string response = response_to(request, [] { return std::string("x 1\n"); });
    CHECK(response.find("\r\nConnection: close\r\n") != std::string::npos);
    return response.substr(9, 3);
  };
  CHECK(status("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") == "200");
  CHECK(status("GET /metrics?a=b HTTP/1.0\n\n") == "200");
  CHECK(status("GET / HTTP/1.1\r\n\r\n") == "404");
  CHECK(status("GET /metrics/x HTTP/1.1\r\n\r\n") == "404");
  for (const char* method : {"POST", "HEAD", "PUT", "get", "OPTIONS"}) CHECK(status(std::string(method) + " /metrics HTTP/1.1\r\n\r\n") == "405");
  for (const char* line : {"", "GET", "GET /metrics", "GET /metrics HTTP/2", "GET  /metrics HTTP/1.1", "EHLO x y", "GET metrics HTTP/1.1", "GET /metrics\t HTTP/1.1", "\x16\x03\x01"}) {
    CHECK(status(std::string(line) + "\r\n\r\n") == "400");
  }
  CHECK(status(std::string(longest_request, 'x')) == "431");
  std::string whole = response_to("GET /metrics HTTP/1.1\r\n\r\n", [] { return std::string("x 1\n"); });
  CHECK(whole == "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 4\r\nCache-Control: no-store\r\n"
                 "Connection: close\r\n\r\nx 1\n");
  CHECK(response_to("POST /metrics HTTP/1.1\r\n\r\n", {}).find("\r\nAllow: GET\r\n") != std::string::npos);
}

namespace {

UniqueFd connect_to(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  return fd;
}

event::Task<std::string> exporter_page() {
  std::string out = "page\n";
  co_return out;
}

struct House {
  event::Loop loop;
  event::Scope scope{[](std::exception_ptr e) { std::rethrow_exception(e); }};
  Exporter exporter{loop, scope, [] { return exporter_page(); }};
  std::string answer;

  event::Task<> ask(std::uint16_t port, std::string request) {
    event::Endpoint to;
    to.address = "127.0.0.1";
    to.port = port;
    auto soon = event::Deadline::in(Duration(4000));
    auto stream = co_await event::Stream::connect(loop, to, soon);
    if (stream) {
      auto written = co_await stream->write(request, soon);
      while (written) {
        auto piece = co_await stream->read_some(soon);
        if (!piece) break;
        answer += *piece;
      }
    }
    exporter.close();
  }
};

}  // namespace

TEST_CASE("a scraper gets the page over TCP, and the connection ends") {
  House house;
  REQUIRE(house.exporter.listen("127.0.0.1:0"));
  house.scope.spawn(house.ask(house.exporter.local().port, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
  house.loop.run();
  CHECK(house.answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(house.answer.ends_with("\r\n\r\npage\n"));
}

TEST_CASE("silent clients take the places, and nothing more") {
  House house;
  REQUIRE(house.exporter.listen("127.0.0.1:0"));
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 60; ++i) silent.push_back(connect_to(house.exporter.local().port));
  event::Timer timer(house.loop);
  struct Later {
    static event::Task<> go(House* house, event::Timer* timer, std::vector<UniqueFd>* silent) {
      co_await timer->sleep(Duration(50));
      silent->clear();                     // they leave, and there is room again
      co_await timer->sleep(Duration(50));
      std::string request = "GET /metrics HTTP/1.1\r\n\r\n";
      auto port = house->exporter.local().port;
      co_await house->ask(port, std::move(request));
    }
  };
  house.scope.spawn(Later::go(&house, &timer, &silent));
  house.loop.run();
  CHECK(house.answer.ends_with("page\n"));
}

TEST_CASE("where it can't listen it says so, and it moves where it is told") {
  House house;
  CHECK_FALSE(house.exporter.listen("127.0.0.1"));
  CHECK_FALSE(house.exporter.listen("unix:/nonexistent/x"));
  REQUIRE(house.exporter.listen("127.0.0.1:0"));
  std::string path = "/tmp/mansio-exporter-" + std::to_string(::getpid());
  REQUIRE(house.exporter.listen("unix:" + path));
  CHECK(::access(path.c_str(), F_OK) == 0);
  REQUIRE(house.exporter.listen(""));
  CHECK_FALSE(house.exporter.listening());
  CHECK(::access(path.c_str(), F_OK) != 0);
  house.loop.run();
}
