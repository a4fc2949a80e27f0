// What the connections do when nobody is there; the rest needs a server (test/e2e/test_ldap.py).
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/unique_fd.hpp"
#include "event/loop.hpp"
#include "ldap/directories.hpp"
#include "ldap/house.hpp"

namespace mansio::ldap {
namespace {

event::Task<> ask_pool(Pool* pool, int* errors) {
  Search search;
  search.base = "dc=ex,dc=test";
  search.filter = "(objectClass=*)";
  auto found = co_await pool->ask(std::move(search));
  if (!found) ++*errors;
}

// A port where connections are taken by the kernel and never spoken to; or closed at once.
struct Port {
  Port() {
    fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    uri = fmt::format("ldap://127.0.0.1:{}", ntohs(address.sin_port));
  }
  void listen() { REQUIRE(::listen(fd.get(), 100) == 0); }
  UniqueFd fd;
  std::string uri;
};

struct PoolHouse {
  PoolHouse() { prepare_library(); }
  std::shared_ptr<Pool> pool(std::vector<std::string> servers) {
    settings.name = "company";
    settings.servers = std::move(servers);
    return std::make_shared<Pool>(loop, scope, settings, access, [this](const std::string& text, bool trouble) { told.emplace_back((trouble ? "! " : "") + text); });
  }
  // How long so many questions, asked at once, take to fail.
  Duration fail(Pool& pool, int count) {
    int errors = 0;
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) scope.spawn(ask_pool(&pool, &errors));
    loop.run();
    CHECK(errors == count);
    return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begin);
  }
  event::Loop loop;
  event::Scope scope{[](std::exception_ptr bug) { std::rethrow_exception(bug); }};
  config::Ldap settings;
  Access access;
  std::vector<std::string> told;
};

TEST_CASE("a server that refuses connections is told of once, and not asked again at once") {
  PoolHouse house;
  Port first, second;
  auto pool = house.pool({first.uri, second.uri});
  house.fail(*pool, 100);
  REQUIRE(house.told.size() == 1);
  CHECK(house.told.front().starts_with("! directory company is down, and what it would have to be asked for waits: " + first.uri + ": "));
  CHECK(house.told.front().find("; " + second.uri + ": ") != std::string::npos);
  CHECK(house.fail(*pool, 100) < Duration(500));
  CHECK(house.told.size() == 1);
}

TEST_CASE("a server that says nothing costs one time-out and no more") {
  PoolHouse house;
  house.settings.timeout = Duration(300);
  Port port;
  port.listen();
  auto pool = house.pool({port.uri});
  Duration spent = house.fail(*pool, 200);
  CHECK(spent >= Duration(290));
  CHECK(spent < Duration(3000));
  REQUIRE(house.told.size() == 1);
  CHECK(house.fail(*pool, 200) < Duration(250));
}

TEST_CASE("a TLS handshake that the server doesn't go on with ends") {
  PoolHouse house;
  house.settings.timeout = Duration(200);
  Port port;
  port.listen();
  auto pool = house.pool({"ldaps" + port.uri.substr(4)});
  CHECK(house.fail(*pool, 10) < Duration(3000));       // the loop ends with the last that is under way
  REQUIRE(house.told.size() == 1);
  CHECK(house.told.front().find("no answer while TLS was to begin") != std::string::npos);
}

TEST_CASE("what is wrong with secret files is said by each question") {
  PoolHouse house;
  house.access.problem = "the password can't be read";
  auto pool = house.pool({"ldap://127.0.0.1:9"});
  CHECK(house.fail(*pool, 2) < Duration(500));
}

TEST_CASE("a bind with an empty password is never tried: the directory would take it as nobody's") {
  config::Ldap settings;
  settings.bind_dn = "cn=admin";
  settings.timeout = Duration(200);
  Port port;
  port.listen();
  auto client = Client::open(settings, Access(), port.uri, std::make_shared<Lifeline>());
  REQUIRE_FALSE(client);
  CHECK(client.error().text() == "the file of the password is empty");
}

TEST_CASE("a set of directories takes over what has not changed") {
  PoolHouse house;
  config::Config config;
  config.ldap.resize(2);
  config.ldap[0].name = "a";
  config.ldap[1].name = "b";
  Access access;
  auto make = [&](const std::shared_ptr<Directories>& before) {
    return Directories::make(house.loop, house.scope, config, [&](const config::Ldap&) { return access; }, [](const std::string&, bool) {}, before);
  };
  auto first = make(nullptr);
  CHECK(make(first) == first);
  config.ldap[1].base = "dc=other";
  auto second = make(first);
  CHECK(second != first);
  config.ldap.pop_back();
  auto third = make(second);
  CHECK(third != second);
  access.password = crypto::Secret("new");
  CHECK(make(third) != third);
  auto unknown = event::run_ready(third->find("b", "bob", "ex.test", true));
  CHECK_FALSE(unknown);
  second.reset();
  house.loop.run();
}

}  // namespace
}  // namespace mansio::ldap
