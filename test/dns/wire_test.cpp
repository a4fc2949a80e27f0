#include <catch2/catch.hpp>

#include <random>
#include <string>
#include <vector>

#include "dns/wire.hpp"
#include "packet.hpp"

namespace mansio::dns {
namespace {

using Verdict = Reply::Verdict;
using namespace std::chrono_literals;
constexpr std::uint16_t id = 0x1234;

Question question_of(std::string_view name, Type type) { return Question(to_wire(name).value(), type); }

PacketBuilder packet_for(std::string_view name, unsigned type, unsigned flags = flag::answer) {
  PacketBuilder out(id, flags);
  out.question(name, type);
  return out;
}

Reply parse(const PacketBuilder& packet, std::string_view name, Type type) {
  // A copy of its exact size on the heap, so that ASan sees each octet read past the end.
  std::string octets = packet.octets();
  std::vector<char> exact(octets.begin(), octets.end());
  return parse_answer({exact.data(), exact.size()}, id, question_of(name, type));
}

TEST_CASE("names become wire form in lower case and come back") {
  CHECK(to_wire("Ab.C") == std::string("\2ab\1c\0", 6));
  CHECK(to_wire("ab.c.") == std::string("\2ab\1c\0", 6));
  CHECK(to_text(*to_wire("_25._TCP.mx.example.")) == "_25._tcp.mx.example");
  CHECK(to_text(std::string_view("\0", 1)) == "");
  for (auto bad : {"", ".", "a..b", ".a", "a b", "a\tb", "b\xc3\xbc.de", "a\x7f"}) CHECK_FALSE(to_wire(bad));
  std::string label63(63, 'a'), label64(64, 'a');
  CHECK(to_wire(label63));
  CHECK_FALSE(to_wire(label64));
  std::string longest = label63 + '.' + label63 + '.' + label63 + '.' + std::string(61, 'a');  // 255 octets
  CHECK(to_wire(longest));
  CHECK_FALSE(to_wire(longest + 'a'));
  std::string wire = *to_wire(longest);
  CHECK(to_text(wire) == longest);
  wire.insert(0, "\1a");
  CHECK_FALSE(to_text(wire));
  for (std::string_view bad :
       {std::string_view(""), std::string_view("\1a"), std::string_view("\5a\0", 3), std::string_view("\3a.b\0", 5),
        std::string_view("\1\x80\0", 3), std::string_view("\1a\0x", 4)}) {
    CHECK_FALSE(to_text(bad));
  }
}

TEST_CASE("a query asks for recursion and authentic data, with EDNS0 of 1232 octets or without") {
  auto plain = make_query(id, question_of("Example.test", Type::mx), false);
  REQUIRE(plain);
  CHECK(*plain == PacketBuilder(id, flag::desired | flag::authentic).question("example.test", record::mx).octets());
  auto edns = make_query(id, question_of("example.test", Type::mx), true);
  REQUIRE(edns);
  REQUIRE(edns->size() == plain->size() + 11);
  CHECK(edns->substr(12, plain->size() - 12) == plain->substr(12));
  CHECK(edns->substr(plain->size()) == std::string("\0\0\x29\4\xd0\0\0\0\0\0\0", 11));
}

TEST_CASE("MX records keep their order; the root and names in capitals are understood") {
  auto packet = packet_for("example.test", record::mx);
  packet.answer("example.test", record::mx, 300, record::mx_data(20, "MX2.example.test"));
  packet.answer("EXAMPLE.test", record::mx, 60, record::mx_data(10, "mx1.example.test"));
  packet.answer("example.test", record::mx, 300, record::mx_data(0, ""));
  auto reply = parse(packet, "example.test", Type::mx);
  REQUIRE(reply.verdict == Verdict::answered);
  CHECK(reply.answer.found());
  REQUIRE(reply.answer.mx.size() == 3);
  CHECK(reply.answer.mx[0].host == "mx2.example.test");
  CHECK(reply.answer.mx[0].preference == 20);
  CHECK(reply.answer.mx[1].host == "mx1.example.test");
  CHECK(reply.answer.mx[2].host == "");
  CHECK(reply.answer.ttl == 60s);
  CHECK(reply.answer.name == "example.test");
  CHECK_FALSE(reply.answer.secure);
}

TEST_CASE("addresses, pointers, texts and TLSA records") {
  auto a = packet_for("h.test", record::a, flag::answer | flag::authentic);
  a.answer("h.test", record::a, 5, record::address("192.0.2.1"));
  auto reply = parse(a, "h.test", Type::a);
  CHECK(reply.answer.addresses == std::vector<std::string>{"192.0.2.1"});
  CHECK(reply.answer.secure);
  auto aaaa = packet_for("h.test", record::aaaa);
  aaaa.answer("h.test", record::aaaa, 5, record::address("2001:db8::1"));
  CHECK(parse(aaaa, "h.test", Type::aaaa).answer.addresses == std::vector<std::string>{"2001:db8::1"});
  auto ptr = packet_for("1.2.0.192.in-addr.arpa", record::ptr);
  for (auto host : {"good_1.h.test", "bad/host.test", "", "b\xc3\xbc.test"}) {
    ptr.answer("1.2.0.192.in-addr.arpa", record::ptr, 5, record::name(host));
  }
  CHECK(parse(ptr, "1.2.0.192.in-addr.arpa", Type::ptr).answer.names == std::vector<std::string>{"good_1.h.test"});
  auto txt = packet_for("h.test", record::txt);
  txt.answer("h.test", record::txt, 5, record::strings({"v=spf1 ", "", "-all"}));
  txt.answer("h.test", record::txt, 5, record::strings({std::string_view("\0\xff", 2)}));
  txt.answer("h.test", record::txt, 5, record::strings({""}));
  CHECK(parse(txt, "h.test", Type::txt).answer.texts ==
        std::vector<std::string>{"v=spf1 -all", std::string("\0\xff", 2), ""});
  auto tlsa = packet_for("_25._tcp.h.test", record::tlsa);
  tlsa.answer("_25._tcp.h.test", record::tlsa, 5, std::string("\3\1\1\xab\x00\xcd", 6));
  auto answer = parse(tlsa, "_25._tcp.h.test", Type::tlsa).answer;
  REQUIRE(answer.tlsa.size() == 1);
  CHECK(answer.tlsa[0].usage == 3);
  CHECK(answer.tlsa[0].selector == 1);
  CHECK(answer.tlsa[0].matching == 1);
  CHECK(answer.tlsa[0].data == std::string("\xab\x00\xcd", 3));
}

TEST_CASE("records of every length from 0 octets are read without reading past them") {
  struct {
    Type type;
    std::string full;
  } cases[] = {
      {Type::mx, record::mx_data(10, "m.test")},    {Type::a, record::address("192.0.2.1")},
      {Type::aaaa, record::address("2001:db8::1")}, {Type::txt, record::strings({"abc", "de"})},
      {Type::tlsa, "\3\1\1\xab\xcd\xef"},           {Type::cname, record::name("b.test")},
      {Type::ptr, record::name("b.test")},
  };
  for (const auto& c : cases) {
    auto type = static_cast<unsigned>(c.type);
    for (std::size_t size = 0; size <= c.full.size() + 2; ++size) {
      std::string data = c.full.substr(0, size) + std::string(size > c.full.size() ? size - c.full.size() : 0, '\1');
      auto packet = packet_for("h.test", type);
      packet.answer("h.test", type, 5, data);
      auto reply = parse(packet, "h.test", c.type);
      INFO("type " << type << ", " << size << " octets");
      CHECK((reply.verdict == Verdict::answered || reply.verdict == Verdict::server_failed));
      if (size == c.full.size()) CHECK(reply.verdict == Verdict::answered);
      if (size < c.full.size()) CHECK(reply.answer.addresses.empty());  // ldns passes over what is too much
    }
  }
}

TEST_CASE("an MX set with nothing usable in it is found, and empty") {
  auto packet = packet_for("h.test", record::mx);
  packet.answer("h.test", record::mx, 5, record::mx_data(10, "bad host.test"));
  auto reply = parse(packet, "h.test", Type::mx);
  CHECK(reply.verdict == Verdict::answered);
  CHECK(reply.answer.found());
  CHECK(reply.answer.mx.empty());
}

TEST_CASE("what isn't an answer to this question is not ours") {
  auto question = question_of("h.test", Type::a);
  auto good = packet_for("H.test", record::a).answer("h.test", record::a, 5, record::address("192.0.2.1"));
  CHECK(parse_answer(good.octets(), id, question).verdict == Verdict::answered);
  CHECK(parse_answer(good.octets(), id + 1, question).verdict == Verdict::not_ours);
  CHECK(parse_answer(good.octets(), id, question_of("i.test", Type::a)).verdict == Verdict::not_ours);
  CHECK(parse_answer(good.octets(), id, question_of("h.test", Type::aaaa)).verdict == Verdict::not_ours);
  for (unsigned flags : {flag::desired, flag::answer | 0x800U}) {  // a query; another opcode
    CHECK(parse_answer(packet_for("h.test", record::a, flags).octets(), id, question).verdict == Verdict::not_ours);
  }
  auto two = packet_for("h.test", record::a).question("h.test", record::a);
  CHECK(parse_answer(two.octets(), id, question).verdict == Verdict::not_ours);
  CHECK(parse_answer(PacketBuilder(id, flag::answer).octets(), id, question).verdict == Verdict::not_ours);
  for (std::size_t size = 0; size < 12 + question.name.size() + 4; ++size) {
    CHECK(parse_answer(good.octets().substr(0, size), id, question).verdict == Verdict::not_ours);
  }
}

TEST_CASE("only a well-formed answer proves absence") {
  struct {
    const char* what;
    PacketBuilder packet;
    Verdict verdict;
    Outcome outcome;
    Duration ttl;
  } cases[] = {
      {"NXDOMAIN with SOA",
       packet_for("a.h.test", 1, flag::answer | 3).authority("h.test", record::soa, 900, record::soa_data(300)),
       Verdict::answered, Outcome::nxdomain, 300s},
      {"the SOA's own ttl is the smaller",
       packet_for("a.h.test", 1, flag::answer | 3).authority("h.test", record::soa, 200, record::soa_data(300)),
       Verdict::answered, Outcome::nxdomain, 200s},
      {"NXDOMAIN alone", packet_for("a.h.test", 1, flag::answer | 3), Verdict::answered, Outcome::nxdomain, 0s},
      {"the SOA of somebody else says nothing about how long",
       packet_for("a.h.test", 1, flag::answer | 3).authority("x.test", record::soa, 900, record::soa_data(300)),
       Verdict::answered, Outcome::nxdomain, 0s},
      {"no data with SOA", packet_for("a.h.test", 1).authority("test", record::soa, 900, record::soa_data(300)),
       Verdict::answered, Outcome::no_data, 300s},
      {"no data with SOA and NS",
       packet_for("a.h.test", 1)
           .authority("h.test", record::ns, 9, record::name("ns.test"))
           .authority("h.test", record::soa, 900, record::soa_data(300)),
       Verdict::answered, Outcome::no_data, 300s},
      {"no data alone", packet_for("a.h.test", 1), Verdict::answered, Outcome::no_data, 0s},
      {"an authoritative server's no data alone", packet_for("a.h.test", 1, flag::response | flag::authoritative),
       Verdict::answered, Outcome::no_data, 0s},
      {"from a server that knows nothing", packet_for("a.h.test", 1, flag::response), Verdict::server_failed,
       Outcome::failed, 0s},
      {"NXDOMAIN from a server that knows nothing", packet_for("a.h.test", 1, flag::response | 3),
       Verdict::server_failed, Outcome::failed, 0s},
      {"a referral", packet_for("a.h.test", 1).authority("h.test", record::ns, 9, record::name("ns.test")),
       Verdict::server_failed, Outcome::failed, 0s},
      {"SERVFAIL", packet_for("a.h.test", 1, flag::answer | 2), Verdict::server_failed, Outcome::failed, 0s},
      {"REFUSED", packet_for("a.h.test", 1, flag::answer | 5), Verdict::server_failed, Outcome::failed, 0s},
      {"SERVFAIL without the question", PacketBuilder(id, flag::answer | 2), Verdict::server_failed, Outcome::failed,
       0s},
      {"FORMERR without the question", PacketBuilder(id, flag::answer | 1), Verdict::format_error, Outcome::failed, 0s},
      {"NOTIMP", packet_for("a.h.test", 1, flag::answer | 4), Verdict::format_error, Outcome::failed, 0s},
      {"BADVERS", packet_for("a.h.test", 1).extended_code(1), Verdict::format_error, Outcome::failed, 0s},
      {"another extended code", packet_for("a.h.test", 1).extended_code(2), Verdict::server_failed, Outcome::failed,
       0s},
      {"NXDOMAIN with an extended code", packet_for("a.h.test", 1, flag::answer | 3).extended_code(1),
       Verdict::server_failed, Outcome::failed, 0s},
      {"TC", packet_for("a.h.test", 1, flag::answer | flag::truncated), Verdict::truncated, Outcome::failed, 0s},
      {"NXDOMAIN with the record asked for",
       packet_for("a.h.test", 1, flag::answer | 3).answer("a.h.test", 1, 5, record::address("192.0.2.1")),
       Verdict::server_failed, Outcome::found, 5s},
      {"records of another name only",
       packet_for("a.h.test", 1)
           .answer("b.h.test", 1, 5, record::address("192.0.2.1"))
           .authority("h.test", record::soa, 900, record::soa_data(300)),
       Verdict::answered, Outcome::no_data, 300s},
  };
  for (const auto& c : cases) {
    INFO(c.what);
    auto reply = parse(c.packet, "a.h.test", Type::a);
    CHECK(reply.verdict == c.verdict);
    CHECK(reply.answer.outcome == c.outcome);
    if (c.verdict == Verdict::answered) CHECK(reply.answer.ttl == c.ttl);
  }
}

TEST_CASE("records that end early are a failure of the server, not an absence") {
  auto whole = packet_for("h.test", record::a).answer("h.test", record::a, 5, record::address("192.0.2.1")).octets();
  auto question = question_of("h.test", Type::a);
  for (std::size_t size = 12 + question.name.size() + 4; size < whole.size(); ++size) {
    CHECK(parse_answer(whole.substr(0, size), id, question).verdict == Verdict::server_failed);
  }
}

TEST_CASE("a CNAME is followed within the answer, in whatever order it stands") {
  auto packet = packet_for("www.h.test", record::a);
  packet.answer("c.h.test", record::a, 300, record::address("192.0.2.1"));
  packet.answer("b.h.test", record::cname, 20, record::name("C.h.test"));
  packet.answer("www.h.test", record::cname, 300, record::name("b.h.test"));
  auto reply = parse(packet, "www.h.test", Type::a);
  CHECK(reply.verdict == Verdict::answered);
  CHECK(reply.answer.addresses == std::vector<std::string>{"192.0.2.1"});
  CHECK(reply.answer.name == "c.h.test");
  CHECK(reply.answer.ttl == 20s);
  CHECK(reply.links == 2);
  auto asked_for =
      packet_for("www.h.test", record::cname).answer("www.h.test", record::cname, 5, record::name("b.h.test"));
  CHECK(parse(asked_for, "www.h.test", Type::cname).answer.names == std::vector<std::string>{"b.h.test"});
}

TEST_CASE("a CNAME that ends nowhere must be asked for; an SOA or NXDOMAIN says that its target is absent") {
  auto open = packet_for("www.h.test", record::a).answer("www.h.test", record::cname, 50, record::name("c.x.test"));
  auto reply = parse(open, "www.h.test", Type::a);
  CHECK(reply.verdict == Verdict::incomplete);
  CHECK(to_text(reply.next) == "c.x.test");
  CHECK(reply.links == 1);
  CHECK(reply.answer.ttl == 50s);
  auto empty = open;
  reply = parse(empty.authority("x.test", record::soa, 900, record::soa_data(300)), "www.h.test", Type::a);
  CHECK(reply.verdict == Verdict::answered);
  CHECK(reply.answer.outcome == Outcome::no_data);
  CHECK(reply.answer.ttl == 50s);
  auto absent = packet_for("www.h.test", record::a, flag::answer | 3);
  absent.answer("www.h.test", record::cname, 50, record::name("c.x.test"));
  reply = parse(absent.authority("x.test", record::soa, 900, record::soa_data(300)), "www.h.test", Type::a);
  CHECK(reply.answer.outcome == Outcome::nxdomain);
  CHECK(reply.answer.name == "c.x.test");
}

TEST_CASE("a CNAME by RFC 2317 leads through a name with a slash") {
  auto packet = packet_for("1.2.0.192.in-addr.arpa", record::ptr);
  packet.answer("1.2.0.192.in-addr.arpa", record::cname, 5, record::name("1.0/25.2.0.192.in-addr.arpa"));
  packet.answer("1.0/25.2.0.192.in-addr.arpa", record::ptr, 5, record::name("h.test"));
  CHECK(parse(packet, "1.2.0.192.in-addr.arpa", Type::ptr).answer.names == std::vector<std::string>{"h.test"});
}

TEST_CASE("CNAME loops and chains of more than ten are cut") {
  auto loop = packet_for("a.test", record::a);
  loop.answer("a.test", record::cname, 5, record::name("b.test"))
      .answer("b.test", record::cname, 5, record::name("a.test"));
  CHECK(parse(loop, "a.test", Type::a).verdict == Verdict::looped);
  auto self = packet_for("a.test", record::a).answer("a.test", record::cname, 5, record::name("a.test"));
  CHECK(parse(self, "a.test", Type::a).verdict == Verdict::looped);
  for (unsigned length : {10U, 11U, 20U}) {
    auto chain = packet_for("n0.test", record::a);
    for (unsigned i = 0; i < length; ++i) {
      chain.answer("n" + std::to_string(i) + ".test", record::cname, 5,
                   record::name("n" + std::to_string(i + 1) + ".test"));
    }
    chain.answer("n" + std::to_string(length) + ".test", record::a, 5, record::address("192.0.2.1"));
    CHECK(parse(chain, "n0.test", Type::a).verdict == (length <= 10 ? Verdict::answered : Verdict::looped));
  }
  auto one = packet_for("a.test", record::a).answer("a.test", record::cname, 5, record::name("b.test"));
  CHECK(parse_answer(one.octets(), id, question_of("a.test", Type::a), 9).verdict == Verdict::incomplete);
  CHECK(parse_answer(one.octets(), id, question_of("a.test", Type::a), 10).verdict == Verdict::looped);
}

TEST_CASE("a CNAME to the root, or to a name with octets that can't be asked for, fails") {
  for (std::string target : {std::string(""), std::string("a b"), std::string("x\xff")}) {
    auto packet = packet_for("a.test", record::a).answer("a.test", record::cname, 5, record::name(target));
    CHECK(parse(packet, "a.test", Type::a).verdict == Verdict::server_failed);
  }
}

TEST_CASE("compressed names are read, and pointers in a circle are not followed for ever") {
  auto packet = packet_for("h.test", record::mx).octets();
  packet[7] = 2;  // two answers; owner and domain of the exchange point at the question
  std::string owner = "\xc0\x0c";
  std::string fixed = record::number16(record::mx) + record::number16(1) + record::number32(60);
  packet += owner + fixed + record::number16(7) + record::number16(10) + "\2mx" + "\xc0\x0c";
  packet += owner + fixed + record::number16(4) + record::number16(20) + "\xc0\x0c";
  auto reply = parse_answer(packet, id, question_of("h.test", Type::mx));
  REQUIRE(reply.verdict == Verdict::answered);
  REQUIRE(reply.answer.mx.size() == 2);
  CHECK(reply.answer.mx[0].host == "mx.h.test");
  CHECK(reply.answer.mx[1].host == "h.test");
  auto circle = packet_for("h.test", record::mx).octets();
  circle[7] = 1;
  auto here = static_cast<char>(circle.size());
  circle += '\xc0';
  circle += here;
  circle += fixed + record::number16(4) + record::number16(10) + owner;
  CHECK(parse_answer(circle, id, question_of("h.test", Type::mx)).verdict == Verdict::server_failed);
}

TEST_CASE("a hundred thousand mutated packets are read without harm") {
  struct {
    std::string octets;
    Question question;
  } bases[] = {
      {packet_for("h.test", record::mx).answer("h.test", record::mx, 60, record::mx_data(10, "mx.h.test")).octets(),
       question_of("h.test", Type::mx)},
      {packet_for("h.test", record::a)
           .answer("h.test", record::cname, 60, record::name("b.test"))
           .answer("b.test", record::a, 9, record::address("192.0.2.1"))
           .octets(),
       question_of("h.test", Type::a)},
      {packet_for("h.test", record::txt)
           .answer("h.test", record::txt, 60, record::strings({"hello", "there"}))
           .octets(),
       question_of("h.test", Type::txt)},
      {packet_for("h.test", record::tlsa).answer("h.test", record::tlsa, 60, "\3\1\1\xab\xcd").octets(),
       question_of("h.test", Type::tlsa)},
      {packet_for("h.test", record::aaaa)
           .authority("h.test", record::soa, 60, record::soa_data(5))
           .extended_code(0)
           .octets(),
       question_of("h.test", Type::aaaa)},
  };
  std::mt19937 random(20);
  unsigned answered = 0;
  for (int i = 0; i < 100'000; ++i) {
    auto& base = bases[random() % std::size(bases)];
    std::string octets = base.octets;
    std::size_t from = i % 5 == 0 ? 0 : 12 + base.question.name.size() + 4;  // mostly leaves the question alone
    for (auto n = 1 + random() % 4; n > 0 && octets.size() > from + 1; --n) {
      std::size_t at = from + random() % (octets.size() - from);
      switch (random() % 4) {
        case 0: octets[at] = static_cast<char>(random()); break;
        case 1: octets.resize(at); break;
        case 2: octets.insert(at, 1, static_cast<char>(random() % 4 != 0 ? 0xc0 : random())); break;
        default: octets[7] = static_cast<char>(random() % 4); break;
      }
    }
    std::vector<char> exact(octets.begin(), octets.end());
    auto reply = parse_answer({exact.data(), exact.size()}, id, base.question);
    answered += reply.verdict == Verdict::answered ? 1 : 0;
  }
  CHECK(answered > 1000);
}

}  // namespace
}  // namespace mansio::dns
