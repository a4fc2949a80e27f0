#include <catch2/catch.hpp>
#include <functional>

#include "ctl/page.hpp"
#include "ctl/why_past.hpp"
#include "ctl/why_plan.hpp"

namespace mansio::ctl {
namespace {

const std::int64_t now_of_tests = 1'790'000'000;

Json ok() { return Json::parse(R"({"code":250,"line":"250 2.1.5 OK","text":"OK"})"); }

// An answer about an address with one destination at a site of one host; `edit` changes it.
Json remote_answer(const std::function<void(Json&)>& edit) {
  Json out = Json::parse(R"({"address":"bob@b.test","from":"","outcome":"ok","destinations_count":1,"refusals":[],
    "rcpt":{"accepted":true,"rule":"relay_to","place":"/m/mansio.conf:4"},
    "steps":[{"kind":"address","parent":null,"text":"bob@b.test","place":""},{"kind":"destination","parent":0,"text":"bob@b.test","place":"","index":0}],
    "destinations":[{"kind":"remote","address":"bob@b.test","route":"all","route_place":"/m/mansio.conf:9","transport":"net","transport_kind":"smtp","transport_place":"/m/mansio.conf:7","site":0}],
    "sites":[{"transport":"net","domain":"b.test","by_mx":true,"hosts":[{"name":"mx.b.test","port":25,"preference":10,"addresses":["192.0.2.1"],"ttl":300,"mx_ttl":60,"secure":true,"mx_secure":true}],
      "tls":{"level":"required","by":"transport","place":"default"},"state":{"state":"open","active":0,"window":1,"waiting":0}}]})");
  out["now"] = now_of_tests;
  out["rcpt"]["status"] = out["sites"][0]["status"] = ok();
  edit(out);
  return out;
}

Json local_answer(const std::string& destination) {
  return remote_answer([&](Json& a) {
    a["destinations"][0] = Json::parse(destination);
    a["sites"] = Json::array();
  });
}

}  // namespace

TEST_CASE("the first line answers in one sentence") {
  const std::string begin = "Mail for bob@b.test is accepted and goes to ", host = begin + "mx.b.test [192.0.2.1]:25 over TLS";
  auto at = [](std::int64_t seconds) { return clock_text(now_of_tests + seconds); };
  struct Row { const char* name; Json answer; std::string want; };
  auto refused = [](int code, const char* line) {
    return remote_answer([&](Json& a) { a["rcpt"] = Json{{"accepted", false}, {"rule", "no_relay"}, {"status", {{"code", code}, {"line", line}}}, {"client", {{"address", "192.0.2.9"}}}}; });
  };
  const Row rows[] = {
      {"a host", remote_answer([](Json&) {}), host + "."},
      {"a login", remote_answer([](Json& a) { a["sites"][0]["login"] = Json{{"user", "me"}, {"file", "/secret"}}; }), host + ", logged in as me."},
      {"no TLS", remote_answer([](Json& a) { a["sites"][0]["tls"]["level"] = "none"; }), begin + "mx.b.test [192.0.2.1]:25 without TLS."},
      {"out of reach", remote_answer([](Json& a) {
         a["sites"][0]["state"] = Json{{"state", "closed"}, {"closed_until", now_of_tests + 840}, {"out_of_reach_since", now_of_tests - 7200}, {"failures", 3}};
       }), host + "; the host has been out of reach for 2h, next try in 14m (" + at(840) + ")."},
      {"paused", remote_answer([](Json& a) { a["sites"][0]["state"]["paused"] = Json{{"title", "outbound"}, {"by", "root"}, {"until", now_of_tests + 60}}; }),
       host + "; outbound is paused by root until " + at(60) + "."},
      {"no host", remote_answer([](Json& a) { a["sites"][0]["status"] = Json{{"code", 556}, {"line", "556 5.1.10 null MX"}}; }),
       "Mail for bob@b.test is accepted and can't be sent, so it is returned: 556 5.1.10 null MX."},
      {"name servers are silent", remote_answer([](Json& a) { a["sites"][0]["status"] = Json{{"code", 451}, {"line", "451 4.4.3 silent"}}; }),
       "Mail for bob@b.test is accepted and has to wait: 451 4.4.3 silent."},
      {"a mailbox", local_answer(R"({"kind":"mailbox","address":"bob@b.test","path":"/home/bob/Maildir","user":"bob"})"), begin + "bob's mailbox /home/bob/Maildir."},
      {"a program", local_answer(R"({"kind":"program","address":"bob@b.test","path":"","command":["/bin/x","y"]})"), begin + "the program /bin/x."},
      {"nowhere", local_answer(R"({"kind":"discard","address":"bob@b.test"})"), begin + "nowhere: it is thrown away."},
      {"refused", refused(550, "550 5.7.1 no"), "Mail for bob@b.test from 192.0.2.9 is refused: 550 5.7.1 no."},
      {"put off", refused(451, "451 4.3.0 later"), "Mail for bob@b.test from 192.0.2.9 is put off: 451 4.3.0 later."},
      {"no address", remote_answer([](Json& a) { a["rcpt"] = Json{{"accepted", false}, {"rule", "syntax"}, {"status", {{"code", 553}, {"text", "a dot too many"}}}}; }),
       "bob@b.test is no address: a dot too many."},
      {"for those who may relay", remote_answer([](Json& a) { a["rcpt"]["others"] = Json{{"accepted", false}}; }),
       "Mail for bob@b.test is accepted from clients that may relay and goes to mx.b.test [192.0.2.1]:25 over TLS."},
      {"several", remote_answer([](Json& a) { a["destinations_count"] = 3; }), begin + "3 places."},
      {"what could steer a terminal", remote_answer([](Json& a) { a["address"] = "\x1b[2Jbob"; }), "Mail for \\x1b[2Jbob is accepted and goes to mx.b.test [192.0.2.1]:25 over TLS."},
      {"an answer that makes no sense", Json::parse(R"({"rcpt":7,"destinations":"x"})"), "Mail for  is refused: ."},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(address_sentence(row.answer) == row.want);
  }
}

TEST_CASE("steps are drawn as a tree, each with its place") {
  Json plan = Json::parse(R"({"steps":[{"kind":"address","parent":null,"text":"t@a.test","place":"/m/mansio.conf:3"},{"kind":"alias","parent":0,"text":"t","place":"/etc/aliases:7"},
    {"kind":"address","parent":1,"text":"bob@a.test","place":""},{"kind":"address","parent":1,"text":"x@b.test","place":""},{"kind":"refusal","parent":2,"text":"550 no","place":"","index":0},
    {"kind":"destination","parent":3,"text":"x@b.test","place":"","index":0},{"kind":"again","parent":99,"text":"lost","place":""}],
    "destinations":[{"kind":"remote","address":"x@b.test","route":"all","route_place":"/m/mansio.conf:9","transport":"net","transport_kind":"smtp","transport_place":"default"}]})");
  Page page(0);
  page.shorten("/m/");
  show_steps(plan, "  ", page);
  CHECK(page.text() ==
        "  t@a.test  [mansio.conf:3]\n"
        "  └─ alias t  [/etc/aliases:7]\n"
        "     ├─ bob@a.test\n"
        "     │  └─ ✗ 550 no\n"
        "     └─ x@b.test\n"
        "        └─ → smtp x@b.test by route all  [mansio.conf:9]\n"
        "             transport net  [default]\n"
        "  lost (stands above already: once is enough)\n");
}

TEST_CASE("on a terminal places stand at the right, and what is too long goes on below") {
  Page page(40);
  page.shorten("/m/");
  page.line("", "  ", "short", "/m/mansio.conf:3");
  page.line("├─ ", "│  ", "a text that is so long that it needs two lines", "/elsewhere:12");
  page.line("", "", std::string(39, 'x'), "/m/y:1");
  CHECK(page.text() ==
        "short                      mansio.conf:3\n"
        "├─ a text that is so long that it needs\n"
        "│  two lines               /elsewhere:12\n" +
            std::string(39, 'x') + "\n" + std::string(37, ' ') + "y:1\n");
  for (std::string_view line : {"short                      mansio.conf:3"}) CHECK(line.size() == 40);
}

TEST_CASE("log records become events with the words of the other side") {
  history::LineParser parser;
  auto event = [&](const std::string& text) {
    auto record = parser.parse("2026-11-20 14:03:20 " + text);
    REQUIRE(record);
    return describe_event(*record);
  };
  Json waits = event("1abcde-000000-00 == x@b.test R=all T=net defer (-44): mx.b.test [192.0.2.1]:25 said: 450 4.2.0 later");
  CHECK(text_of(waits, "what") == "deferral");
  CHECK(text_of(waits, "address") == "x@b.test");
  CHECK(text_of(event("1abcde-000000-00 Completed"), "what") == "completed");
  CHECK(event("SMTP connection from [192.0.2.1]:25 lost").is_null());            // of a connection, not of a message
}

TEST_CASE("what became of a message that is gone is said in one sentence") {
  auto events = [](const char* text) {
    Json out = Json::parse(text);
    for (Json& event : out) event["time"] = now_of_tests - 3600;
    return out;
  };
  const std::string arrival = R"({"what":"arrival","sender":"a@x.test","recipients":["b@y.test"]})", when = "1h ago (" + clock_text(now_of_tests - 3600) + ").";
  struct Row { std::string events; std::string want; };
  for (const Row& row : {Row{"[" + arrival + R"(,{"what":"delivery"},{"what":"completed"}])", "ID from a@x.test to b@y.test was delivered " + when},
                         Row{"[" + arrival + R"(,{"what":"failure"},{"what":"completed"}])", "ID from a@x.test to b@y.test failed " + when},
                         Row{"[" + arrival + R"(,{"what":"delivery"},{"what":"failure"},{"what":"completed"}])",
                             "ID from a@x.test to b@y.test was delivered to 1 and failed for 1; the end was " + when},
                         Row{"[" + arrival + R"(,{"what":"notice","text":"removed by root"},{"what":"completed"}])", "ID from a@x.test to b@y.test was removed by root " + when},
                         Row{"[" + arrival + "]", "ID from a@x.test to b@y.test is not in the queue, and the logs do not tell its end; they spoke of it last " + when}}) {
    CHECK(past_sentence("ID", events(row.events.c_str()), now_of_tests) == row.want);
  }
}

}  // namespace mansio::ctl
