#include "policy/client_name.hpp"

#include <catch2/catch.hpp>

#include <map>

#include "dns/name_server.hpp"
#include "event/run_on_loop.hpp"
#include "event/timer.hpp"

namespace mansio::policy {
namespace {

using config::ClientName;
using State = ClientName::State;
using namespace std::chrono_literals;

event::Task<> look_up_into(ClientNames* names, std::string address, Duration limit, ClientName* out) {
  *out = co_await names->look_up(std::move(address), limit);
}

// Until nothing but this goes on.
event::Task<> wait_for_end(event::OnLoop* on) {
  event::Timer timer(on->loop);
  while (on->scope.running() > 1) co_await timer.sleep(2ms);
}

}  // namespace

TEST_CASE("an address is asked for by its reverse name") {
  CHECK(reverse_name("192.0.2.1") == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name("::ffff:192.0.2.1") == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name("2001:db8::1") == "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
  CHECK(reverse_name("").empty());
  CHECK(reverse_name("mail.example").empty());
}

TEST_CASE("a client without an address has no name, and nobody is asked") {
  event::OnLoop on;
  dns::ResolverOptions nobody;
  dns::Resolver resolver(on.loop, on.scope, nobody);
  ClientNames names(on.loop, on.scope, resolver);
  ClientName name;
  on.run(look_up_into(&names, "", 1s, &name));
  CHECK(name.state == State::known);
  CHECK(name.names.empty());
}

TEST_CASE("where no name server answers, the name is unsure") {
  event::OnLoop on;
  dns::ResolverOptions nobody;
  dns::Resolver resolver(on.loop, on.scope, nobody);
  ClientNames names(on.loop, on.scope, resolver);
  ClientName name;
  on.run(look_up_into(&names, "192.0.2.1", 1s, &name));
  CHECK(name.state == State::unsure);
  CHECK(name.names.empty());
}

TEST_CASE("a name counts when it leads back to the address") {
  // What the zone says of each name; "!" is SERVFAIL, "~" silence, and what is not here does not exist.
  const std::map<std::string, std::vector<std::string>> zone{
      {"1.2.0.192.in-addr.arpa", {"mail.good.test"}}, {"mail.good.test", {"198.51.100.9", "192.0.2.1"}},
      {"2.2.0.192.in-addr.arpa", {"www.bank.test"}}, {"www.bank.test", {"198.51.100.1"}},               // forged
      {"3.2.0.192.in-addr.arpa", {"gone.test"}},
      {"4.2.0.192.in-addr.arpa", {"ill.test"}}, {"ill.test", {"!"}},
      {"5.2.0.192.in-addr.arpa", {"!"}},
      {"6.2.0.192.in-addr.arpa", {"ill.test", "two.test", "three.test"}}, {"two.test", {"192.0.2.6"}}, {"three.test", {"192.0.2.6"}},
      {"7.2.0.192.in-addr.arpa", {"~"}},
      {"8.2.0.192.in-addr.arpa", {"a1.test", "a2.test", "a3.test", "a4.test", "a5.test", "a6.test"}}, {"a6.test", {"192.0.2.8"}},      // one too many
  };
  dns::NameServer server([&](const dns::Asked& asked) -> dns::NameServer::Answers {
    auto found = zone.find(asked.name);
    if (found == zone.end()) return {asked.begin(3).octets()};
    if (found->second.front() == "!") return {asked.begin(2).octets()};
    if (found->second.front() == "~") return {};
    auto packet = asked.begin();
    for (const std::string& value : found->second) {
      packet.answer(asked.name, asked.type, 300, asked.type == dns::record::ptr ? dns::record::name(value.c_str()) : dns::record::address(value.c_str()));
    }
    return {packet.octets()};
  });
  event::OnLoop on;
  dns::ResolverOptions options;
  options.servers.push_back(server.endpoint());
  options.attempts = 1;
  dns::Resolver resolver(on.loop, on.scope, options);
  ClientNames names(on.loop, on.scope, resolver);
  struct Row {
    const char* address;
    State state;
    std::vector<std::string> names;
  };
  for (const Row& row : {Row{"192.0.2.1", State::known, {"mail.good.test"}}, Row{"::ffff:192.0.2.1", State::known, {"mail.good.test"}}, Row{"192.0.2.2", State::known, {}},
                         Row{"192.0.2.3", State::known, {}}, Row{"192.0.2.4", State::unsure, {}}, Row{"192.0.2.5", State::unsure, {}},
                         Row{"192.0.2.6", State::unsure, {"two.test", "three.test"}}, Row{"192.0.2.7", State::unsure, {}}, Row{"192.0.2.8", State::known, {}},
                         Row{"192.0.2.9", State::known, {}}}) {
    INFO(row.address);
    ClientName name;
    auto began = std::chrono::steady_clock::now();
    on.run(look_up_into(&names, row.address, 300ms, &name));
    CHECK(std::chrono::steady_clock::now() - began < 2s);
    CHECK(name.state == row.state);
    CHECK(name.names == row.names);
  }
  resolver.stop();
  on.run(wait_for_end(&on));
}

}  // namespace mansio::policy
