#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "dns/resolver.hpp"
#include "event/run_on_loop.hpp"
#include "event/timer.hpp"
#include "name_server.hpp"

namespace mansio::dns {
namespace {

using event::Task;
using Given = std::shared_ptr<const Answer>;
using Answers = NameServer::Answers;
using namespace std::chrono_literals;

Task<> ask_into(Resolver* resolver, std::string name, Type type, Given* out) {
  *out = co_await resolver->ask(std::move(name), type);
}

Task<> sleep_for(event::Loop* loop, Duration duration) {
  event::Timer timer(*loop);
  co_await timer.sleep(duration);
}

Task<> stop_when_asked(event::Loop* loop, Resolver* resolver, const NameServer* server, std::size_t questions) {
  event::Timer timer(*loop);
  while (server->count() < questions) co_await timer.sleep(2ms);
  resolver->stop();
}

// The server's thread may be behind: what was sent, it reads soon.
std::size_t count_of(const NameServer& server, std::size_t expected) {
  auto give_up = std::chrono::steady_clock::now() + 5s;
  while (server.count() < expected && std::chrono::steady_clock::now() < give_up) std::this_thread::sleep_for(1ms);
  return server.count();
}

ResolverOptions options_for(std::initializer_list<const NameServer*> servers, Duration timeout = 2s,
                            unsigned attempts = 3) {
  ResolverOptions out;
  for (const auto* server : servers) out.servers.push_back(server->endpoint());
  out.timeout = timeout;
  out.attempts = attempts;
  return out;
}

struct Asking {
  event::OnLoop on;
  Resolver resolver;
  explicit Asking(ResolverOptions options) : resolver(on.loop, on.scope, std::move(options)) {}
  Given ask(std::string name, Type type) {
    Given out;
    on.run(ask_into(&resolver, std::move(name), type, &out));
    REQUIRE(out);
    return out;
  }
  // Waits for all that were spawned.
  void join() { on.run(on_join()); }
  Task<> on_join() {
    event::Timer timer(on.loop);
    while (on.scope.running() > 1) co_await timer.sleep(2ms);  // this one is there too
  }
};

std::string with_address(const Asked& asked, const char* address = "192.0.2.1", std::uint32_t ttl = 300) {
  return asked.begin().answer(asked.name, record::a, ttl, record::address(address)).octets();
}
Answers one_address(const Asked& asked) { return {with_address(asked)}; }
Answers silence(const Asked&) { return {}; }
Answers servfail(const Asked& asked) { return {asked.begin(2).octets()}; }

using Addresses = std::vector<std::string>;

TEST_CASE("each type of record is asked for and found, the question in lower case with RD, AD and EDNS0") {
  NameServer server([](const Asked& asked) -> Answers {
    auto packet = asked.begin(0, flag::answer | flag::authentic);
    auto add = [&](const std::string& data) { packet.answer(asked.name, asked.type, 300, data); };
    switch (asked.type) {
      case record::a: add(record::address("192.0.2.1")); break;
      case record::aaaa: add(record::address("2001:db8::1")); break;
      case record::mx: add(record::mx_data(10, "mx.h.test")); break;
      case record::ptr:
      case record::cname: add(record::name("t.test")); break;
      case record::txt: add(record::strings({"hello"})); break;
      default: add("\3\1\1\xab\xcd");
    }
    return {packet.octets()};
  });
  Asking asking(options_for({&server}));
  CHECK(asking.ask("H.Test.", Type::a)->addresses == Addresses{"192.0.2.1"});
  CHECK(asking.ask("h.test", Type::aaaa)->addresses == Addresses{"2001:db8::1"});
  CHECK(asking.ask("h.test", Type::ptr)->names == Addresses{"t.test"});
  CHECK(asking.ask("h.test", Type::cname)->names == Addresses{"t.test"});
  CHECK(asking.ask("h.test", Type::txt)->texts == Addresses{"hello"});
  CHECK(asking.ask("_25._tcp.h.test", Type::tlsa)->tlsa.at(0).data == "\xab\xcd");
  auto mx = asking.ask("h.test", Type::mx);
  CHECK(mx->mx.at(0).host == "mx.h.test");
  CHECK(mx->outcome == Outcome::found);
  CHECK(mx->secure);
  CHECK(mx->ttl == 300s);
  auto asked = server.asked();
  REQUIRE(asked.size() == 7);
  CHECK(asked[0].name == "h.test");
  for (const auto& a : asked) {
    CHECK(a.flags == (flag::desired | flag::authentic));
    CHECK(a.edns);
  }
}

TEST_CASE("a null MX is found") {
  NameServer server([](const Asked& asked) -> Answers {
    return {asked.begin().answer(asked.name, record::mx, 300, record::mx_data(0, "")).octets()};
  });
  Asking asking(options_for({&server}));
  auto answer = asking.ask("h.test", Type::mx);
  REQUIRE(answer->mx.size() == 1);
  CHECK(answer->mx[0].preference == 0);
  CHECK(answer->mx[0].host == "");
}

TEST_CASE("NXDOMAIN and no data are different, and both proven") {
  NameServer server([](const Asked& asked) -> Answers {
    unsigned code = asked.name == "gone.test" ? 3 : 0;
    return {asked.begin(code).authority("test", record::soa, 300, record::soa_data(60)).octets()};
  });
  Asking asking(options_for({&server}));
  auto gone = asking.ask("gone.test", Type::mx);
  CHECK(gone->outcome == Outcome::nxdomain);
  CHECK(gone->proven_absent());
  CHECK(gone->ttl == 60s);
  CHECK(asking.ask("gone.test", Type::a)->outcome == Outcome::nxdomain);  // known already
  CHECK(server.count() == 1);
  auto empty = asking.ask("empty.test", Type::mx);
  CHECK(empty->outcome == Outcome::no_data);
  CHECK(empty->proven_absent());
  CHECK(asking.ask("empty.test", Type::a)->outcome == Outcome::no_data);
  CHECK(server.count() == 3);
}

TEST_CASE("a server that fails, refuses, refers elsewhere or sends a broken answer is followed by the next") {
  struct {
    const char* what;
    std::function<Answers(const Asked&)> first;
  } cases[] = {
      {"SERVFAIL", servfail},
      {"REFUSED", [](const Asked& a) -> Answers { return {a.begin(5).octets()}; }},
      {"a referral",
       [](const Asked& a) -> Answers {
         return {a.begin().authority("test", record::ns, 5, record::name("ns.test")).octets()};
       }},
      {"lame", [](const Asked& a) -> Answers { return {a.begin(0, flag::response).octets()}; }},
      {"broken", [](const Asked& a) -> Answers { return {with_address(a).substr(0, 40)}; }},
  };
  for (const auto& c : cases) {
    INFO(c.what);
    NameServer first(c.first), second(one_address);
    Asking asking(options_for({&first, &second}));
    CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.1"});
    CHECK(first.count() == 1);
    CHECK(second.count() == 1);
  }
}

TEST_CASE("when all servers fail, each was asked once, and that is no proof of anything") {
  NameServer first(servfail), second(servfail);
  Asking asking(options_for({&first, &second}));
  auto answer = asking.ask("h.test", Type::mx);
  CHECK(answer->outcome == Outcome::failed);
  CHECK_FALSE(answer->proven_absent());
  CHECK(asking.ask("h.test", Type::mx)->outcome == Outcome::failed);  // remembered for a moment
  CHECK(first.count() == 1);
  CHECK(second.count() == 1);
}

TEST_CASE("a server that understands no EDNS0 is asked without") {
  for (unsigned code : {1U, 4U}) {
    NameServer server([code](const Asked& asked) -> Answers {
      if (asked.edns)
        return {code == 1 ? PacketBuilder(asked.id, flag::answer | code).octets() : asked.begin(code).octets()};
      return one_address(asked);
    });
    Asking asking(options_for({&server}));
    CHECK(asking.ask("h.test", Type::a)->found());
    REQUIRE(server.count() == 2);
    CHECK_FALSE(server.asked()[1].edns);
    CHECK(server.asked()[0].id != server.asked()[1].id);
  }
}

TEST_CASE("a lost question is asked again, with another id from another port") {
  NameServer server([](const Asked& asked) { return asked.count < 2 ? Answers() : one_address(asked); });
  Asking asking(options_for({&server}, 200ms));
  CHECK(asking.ask("h.test", Type::a)->found());
  auto asked = server.asked();
  REQUIRE(asked.size() == 3);
  CHECK((asked[0].id != asked[1].id || asked[1].id != asked[2].id));
  CHECK((asked[0].from.sin_port != asked[1].from.sin_port || asked[1].from.sin_port != asked[2].from.sin_port));
}

TEST_CASE("when no server answers it has timed out, after all rounds; that is kept for a moment") {
  NameServer first(silence), second(silence);
  Asking asking(options_for({&first, &second}, 30ms, 2));
  auto answer = asking.ask("h.test", Type::a);
  CHECK(answer->outcome == Outcome::timed_out);
  CHECK_FALSE(answer->proven_absent());
  CHECK(count_of(first, 2) == 2);
  CHECK(count_of(second, 2) == 2);
  CHECK(asking.ask("h.test", Type::a)->outcome == Outcome::timed_out);
  CHECK(first.count() == 2);
}

TEST_CASE("a silent server is asked last for a while; one with a closed port is passed over at once") {
  NameServer silent(silence), good(one_address);
  auto options = options_for({&silent, &good}, 200ms);
  {
    NameServer gone(silence);
    options.servers.insert(options.servers.begin(), gone.endpoint());
  }
  Asking asking(options);
  CHECK(asking.ask("a.test", Type::a)->found());
  CHECK(count_of(silent, 1) == 1);
  CHECK(asking.ask("b.test", Type::a)->found());
  CHECK(silent.count() == 1);
  CHECK(good.count() == 2);
}

TEST_CASE("forged and late answers are passed over, and the real one is waited for") {
  struct {
    const char* what;
    std::function<std::string(const Asked&)> forged;
  } cases[] = {
      {"wrong id",
       [](const Asked& a) {
         Asked w = a;
         ++w.id;
         return with_address(w, "198.51.100.66");
       }},
      {"wrong name",
       [](const Asked& a) {
         Asked w = a;
         w.name = "x.test";
         return with_address(w, "198.51.100.66");
       }},
      {"wrong type",
       [](const Asked& a) {
         Asked w = a;
         w.type = record::aaaa;
         return w.begin(3).octets();
       }},
      {"no question", [](const Asked& a) { return PacketBuilder(a.id, flag::answer | 3).octets(); }},
      {"a question, not an answer", [](const Asked& a) { return a.begin(3, flag::desired).octets(); }},
      {"noise", [](const Asked&) { return std::string("\xff\xff\xff"); }},
      {"nothing", [](const Asked&) { return std::string(); }},
  };
  for (const auto& c : cases) {
    INFO(c.what);
    NameServer server([&](const Asked& asked) -> Answers {
      return {c.forged(asked), c.forged(asked), with_address(asked)};
    });
    Asking asking(options_for({&server}));
    CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.1"});
    CHECK(server.count() == 1);
  }
}

TEST_CASE("records for a name that nobody asked for are not taken") {
  NameServer server([](const Asked& asked) -> Answers {
    auto packet = asked.begin().answer("x.test", record::a, 300, record::address("198.51.100.66"));
    return {packet.answer("H.tesT", record::a, 300, record::address("192.0.2.1")).octets()};
  });
  Asking asking(options_for({&server}));
  CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.1"});
  asking.ask("x.test", Type::a);
  CHECK(server.count() == 2);
}

TEST_CASE("an answer from another port is never seen") {
  NameServer server([](const Asked& asked) -> Answers {
    NameServer::send_from_elsewhere(with_address(asked, "198.51.100.66"), asked.from);
    return one_address(asked);
  });
  Asking asking(options_for({&server}));
  CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.1"});
}

TEST_CASE("a late answer does not become that of the next try, nor of the next question") {
  std::vector<std::pair<std::string, sockaddr_in>> late;
  NameServer* self = nullptr;
  NameServer server([&](const Asked& asked) -> Answers {
    if (asked.count == 0) {
      late.emplace_back(with_address(asked, "198.51.100.66"), asked.from);
      return {};
    }
    for (const auto& [octets, to] : late) self->send(octets, to);
    return one_address(asked);
  });
  self = &server;
  Asking asking(options_for({&server}, 200ms));
  CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.1"});
  CHECK(server.count() == 2);
}

TEST_CASE("a truncated answer is asked for over TCP, where it comes in single octets") {
  NameServer server([](const Asked& asked) -> Answers {
    if (!asked.tcp) return {with_address(asked).replace(2, 1, "\x83").substr(0, 45)};  // cut in the middle of a record
    auto packet = asked.begin();
    for (int i = 0; i < 100; ++i) packet.answer(asked.name, record::txt, 300, record::strings({std::string(200, 'x')}));
    return {packet.octets()};
  });
  Asking asking(options_for({&server}, 5s));
  auto answer = asking.ask("h.test", Type::txt);
  CHECK(answer->found());
  CHECK(answer->texts == std::vector<std::string>(100, std::string(200, 'x')));
  CHECK(server.count() == 2);
}

TEST_CASE("over TCP a truncated, foreign, short or missing answer is a failure of that server") {
  struct {
    const char* what;
    std::function<Answers(const Asked&)> tcp;
  } cases[] = {
      {"TC again", [](const Asked& a) -> Answers { return {a.begin(0, flag::answer | flag::truncated).octets()}; }},
      {"wrong id",
       [](const Asked& a) -> Answers {
         Asked w = a;
         ++w.id;
         return {with_address(w)};
       }},
      {"empty", [](const Asked&) -> Answers { return {""}; }},
      {"closed", [](const Asked&) -> Answers { return {}; }},
  };
  for (const auto& c : cases) {
    INFO(c.what);
    NameServer server([&](const Asked& asked) -> Answers {
      if (asked.tcp) return c.tcp(asked);
      return {asked.begin(0, flag::answer | flag::truncated).octets()};
    });
    NameServer second(one_address);
    Asking asking(options_for({&server, &second}, 1s, 1));
    CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.1"});
    CHECK(server.count() == 2);
  }
}

TEST_CASE("a CNAME chain is followed over several answers, and the least time to live counts") {
  NameServer server([](const Asked& asked) -> Answers {
    auto packet = asked.begin(0, flag::answer | (asked.name == "c.test" ? 0 : flag::authentic));
    if (asked.name == "a.test")
      packet.answer("a.test", record::cname, 100, record::name("b.test"))
          .answer("b.test", record::cname, 50, record::name("C.test"));
    else
      packet.answer(asked.name, record::mx, 300, record::mx_data(5, "mx.test"));
    return {packet.octets()};
  });
  Asking asking(options_for({&server}));
  auto answer = asking.ask("a.test", Type::mx);
  REQUIRE(answer->found());
  CHECK(answer->mx.at(0).host == "mx.test");
  CHECK(answer->name == "c.test");
  CHECK(answer->ttl == 50s);
  CHECK_FALSE(answer->secure);  // not all of the way
  CHECK(server.count() == 2);
  CHECK(server.asked()[1].name == "c.test");
}

TEST_CASE("a CNAME to nothing is NXDOMAIN or no data, but the chain's own name exists") {
  NameServer server([](const Asked& asked) -> Answers {
    if (asked.name == "a.test")
      return {asked.begin().answer("a.test", record::cname, 100, record::name("b.test")).octets()};
    return {asked.begin(3).authority("test", record::soa, 60, record::soa_data(60)).octets()};
  });
  Asking asking(options_for({&server}));
  CHECK(asking.ask("a.test", Type::mx)->outcome == Outcome::nxdomain);
  CHECK(asking.ask("a.test", Type::cname)->found());
}

TEST_CASE("CNAME loops and endless chains fail, in one answer or over many") {
  NameServer server([](const Asked& asked) -> Answers {
    auto packet = asked.begin();
    if (asked.name == "a.test")
      packet.answer("a.test", record::cname, 100, record::name("b.test"));
    else if (asked.name == "b.test")
      packet.answer("b.test", record::cname, 100, record::name("a.test"));
    else
      packet.answer(asked.name, record::cname, 100, record::name("x" + asked.name));
    return {packet.octets()};
  });
  Asking asking(options_for({&server}));
  auto loop = asking.ask("a.test", Type::a);
  CHECK(loop->outcome == Outcome::failed);
  CHECK_FALSE(loop->proven_absent());
  CHECK(server.count() == 11);
  CHECK(asking.ask("endless.test", Type::a)->outcome == Outcome::failed);
  CHECK(server.count() == 22);
}

TEST_CASE("a thousand equal questions at once are asked once, and all get the answer (D-085)") {
  NameServer server([](const Asked& asked) -> Answers {
    std::this_thread::sleep_for(50ms);
    return one_address(asked);
  });
  Asking asking(options_for({&server}));
  std::vector<Given> given(1000);
  for (std::size_t i = 0; i < given.size(); ++i) {
    asking.on.scope.spawn(ask_into(&asking.resolver, i % 2 == 0 ? "h.test" : "H.TEST.", Type::a, &given[i]));
  }
  asking.join();
  CHECK(server.count() == 1);
  for (const auto& answer : given) CHECK((answer && answer->addresses == Addresses{"192.0.2.1"}));
}

TEST_CASE("only so many questions are under way at once; the others wait their turn") {
  NameServer server([](const Asked& asked) { return asked.name.starts_with("slow") ? Answers() : one_address(asked); });
  auto options = options_for({&server}, 150ms, 2);
  options.questions_at_once = 3;
  Asking asking(options);
  std::vector<Given> slow(3), good(50);
  for (std::size_t i = 0; i < slow.size(); ++i) {
    asking.on.scope.spawn(ask_into(&asking.resolver, "slow" + std::to_string(i) + ".test", Type::a, &slow[i]));
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    asking.on.scope.spawn(ask_into(&asking.resolver, "g" + std::to_string(i) + ".test", Type::a, &good[i]));
  }
  asking.join();
  for (const auto& answer : good) CHECK((answer && answer->found()));
  for (const auto& answer : slow) CHECK((answer && answer->outcome == Outcome::timed_out));
  REQUIRE(count_of(server, 56) == 56);
  auto asked = server.asked();  // the second tries of the slow ones stood behind the others
  for (std::size_t i = 0; i < asked.size(); ++i) CHECK(asked[i].name.starts_with("slow") == (i < 3 || i >= 53));
}

TEST_CASE("an answer is kept for its time to live, then asked for anew") {
  NameServer server([](const Asked& asked) -> Answers { return {with_address(asked, "192.0.2.1", 0)}; });
  Asking asking(options_for({&server}));
  CHECK(asking.ask("h.test", Type::a)->ttl == 1s);
  CHECK(asking.ask("h.test", Type::a)->ttl <= 1s);
  CHECK(server.count() == 1);
  asking.on.run(sleep_for(&asking.on.loop, 1010ms));
  CHECK(asking.ask("h.test", Type::a)->found());
  CHECK(server.count() == 2);
}

TEST_CASE("names that can't be asked for are never sent, and without servers everything fails") {
  NameServer server(one_address);
  Asking asking(options_for({&server}));
  for (auto bad : {"", ".", "a..test", "a b.test", "b\xc3\xbc.test", "a\n.test"}) {
    CHECK(asking.ask(bad, Type::a)->outcome == Outcome::bad_name);
  }
  CHECK(asking.ask(std::string(64, 'a') + ".test", Type::a)->outcome == Outcome::bad_name);
  CHECK(server.count() == 0);
  Asking nobody((ResolverOptions()));
  CHECK(nobody.ask("h.test", Type::a)->outcome == Outcome::failed);
}

TEST_CASE("out of descriptors is our own trouble: nothing is kept of it, and many such questions end as well") {
  NameServer server(one_address);
  auto options = options_for({&server});
  options.questions_at_once = 2;
  Asking asking(options);
  asking.ask("first.test", Type::a);  // the loop has all of its own descriptors now
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  int lowest = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
  ::close(lowest);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest);
  ::setrlimit(RLIMIT_NOFILE, &none);
  std::vector<Given> given(500);
  for (std::size_t i = 0; i < given.size(); ++i) {
    asking.on.scope.spawn(ask_into(&asking.resolver, "h" + std::to_string(i) + ".test", Type::a, &given[i]));
  }
  asking.join();
  ::setrlimit(RLIMIT_NOFILE, &before);
  for (const auto& answer : given) CHECK((answer && answer->outcome == Outcome::no_resources));
  CHECK(asking.ask("h0.test", Type::a)->found());
  CHECK(server.count() == 2);
}

TEST_CASE("new servers count from the next question, and what was kept is forgotten") {
  NameServer first(one_address), slow(silence);
  NameServer second([](const Asked& asked) -> Answers { return {with_address(asked, "192.0.2.2")}; });
  Asking asking(options_for({&first}));
  CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.1"});
  asking.resolver.configure(options_for({&slow}, 100ms, 1));
  Given old;
  asking.on.scope.spawn(ask_into(&asking.resolver, "h.test", Type::a, &old));
  asking.resolver.configure(options_for({&second}));
  CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.2"});
  asking.join();
  REQUIRE(old);
  CHECK(old->outcome == Outcome::timed_out);
  CHECK(asking.ask("h.test", Type::a)->addresses == Addresses{"192.0.2.2"});  // the old failure was not kept
}

TEST_CASE("stop() ends all that is under way and all that waits, and later questions at once") {
  NameServer server(silence);
  auto options = options_for({&server}, 10s);
  options.questions_at_once = 2;
  Asking asking(options);
  std::vector<Given> given(100);
  for (std::size_t i = 0; i < given.size(); ++i) {
    asking.on.scope.spawn(ask_into(&asking.resolver, "h" + std::to_string(i / 2) + ".test", Type::a, &given[i]));
  }
  asking.on.scope.spawn(stop_when_asked(&asking.on.loop, &asking.resolver, &server, 2));
  auto begin = std::chrono::steady_clock::now();
  asking.join();
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  for (const auto& answer : given) CHECK((answer && answer->outcome == Outcome::failed));
  CHECK(server.count() == 2);
  CHECK(asking.ask("later.test", Type::a)->outcome == Outcome::failed);
}

TEST_CASE("stop() ends a question that waits for its answer over TCP") {
  std::atomic<bool> released = false;
  NameServer server([&](const Asked& asked) -> Answers {
    for (int i = 0; asked.tcp && !released && i < 5000; ++i) std::this_thread::sleep_for(1ms);
    return {asked.begin(0, flag::answer | flag::truncated).octets()};
  });
  Asking asking(options_for({&server}, 10s));
  Given given;
  asking.on.scope.spawn(ask_into(&asking.resolver, "h.test", Type::a, &given));
  asking.on.scope.spawn(stop_when_asked(&asking.on.loop, &asking.resolver, &server, 2));
  auto begin = std::chrono::steady_clock::now();
  asking.join();
  CHECK(std::chrono::steady_clock::now() - begin < 4s);
  released = true;
  REQUIRE(given);
  CHECK(given->outcome == Outcome::failed);
}

TEST_CASE("every outcome has words") {
  CHECK(describe(Outcome::nxdomain) == "host not found (NXDOMAIN)");
  for (int i = 0; i <= static_cast<int>(Outcome::bad_name); ++i) CHECK(describe(static_cast<Outcome>(i)) != "unknown");
}

}  // namespace
}  // namespace mansio::dns
