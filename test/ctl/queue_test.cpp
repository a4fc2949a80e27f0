#include "ctl/queue.hpp"

#include <catch2/catch.hpp>

namespace mansio::ctl {
namespace {

constexpr std::int64_t now = 1'800'000'000;

Json waiting() {
  return Json{{"id", "1xoTWy-000009-Ab"}, {"sender", "alice@ex.test"}, {"age_seconds", 7500}, {"size", 12345}, {"frozen", false}, {"reason", "450 4.4.2 later"},
              {"state", "waiting"}, {"destination", "internet mx.one.test:25"}, {"next_attempt", now + 840}, {"attempts", 3},
              {"recipients", Json::array({Json{{"address", "bob@one.test"}, {"done", true}}, Json{{"address", "carol@two.test"}, {"done", false}},
                                          Json{{"address", "dave@two.test"}, {"done", false}}})}};
}

}  // namespace

TEST_CASE("a message is a line of the listing, and why it waits another one") {
  Json message = waiting();
  CHECK(list_lines(message, now) == "1xoTWy-000009-Ab    2h 5m    12 KiB  in 14m      alice@ex.test -> carol@two.test +1\n  450 4.4.2 later\n");
  CHECK(list_titles() == "ID                    AGE      SIZE  NEXT TRY    FROM -> TO\n");
  struct Row {
    const char *state, *shown;
  };
  for (auto [state, shown] : {Row{"due", "  due         alice"}, Row{"trying", "  trying now  alice"}, Row{"frozen", "  frozen      alice"},
                              Row{"closed", "  closed      alice"}, Row{"paused", "  paused      alice"}}) {
    message["state"] = state;
    CHECK(list_lines(message, now).find(shown) != std::string::npos);
  }
  message["reason"] = "";
  message["sender"] = "";
  message["transport"] = "backup";
  CHECK(list_lines(message, now) == "1xoTWy-000009-Ab    2h 5m    12 KiB  paused      <> -> carol@two.test +1 by backup\n");
}

TEST_CASE("nothing of a message reaches the terminal unescaped") {
  Json message = waiting();
  message["sender"] = "\"\x1b[2J\"@ex.test";
  message["reason"] = "450 \x1b]0;title\x07\n";
  message["recipients"][1]["address"] = "\x9b\x31m@two.test";
  message["recipients"][1]["status"] = "\r\x08";
  message["state"] = "\x1b";
  message["destination"] = "domain \x1b";
  message["transport"] = message["user"] = message["helo"] = message["client_name"] = message["client_address"] = message["closed_why"] = "\x1b[1m";
  for (const std::string& page : {list_lines(message, now), message_page(message, now)}) {
    for (char c : page) CHECK((static_cast<unsigned char>(c) >= 0x20 || c == '\n'));
    CHECK(page.find('\x7f') == std::string::npos);
  }
}

TEST_CASE("all that is known of a message is a page") {
  Json message = waiting();
  message.update(Json{{"received", now - 7500}, {"expires", now + 338100}, {"delay_warned", true}, {"smtputf8", false}, {"protocol", "ESMTPS"}, {"client_address", "192.0.2.1"},
                      {"client_name", "mx.ex.test"}, {"client_port", 4711}, {"helo", "mx.ex.test"}, {"body", "8bitmime"}});
  message["recipients"] = Json::array({Json{{"address", "bob@one.test"}, {"done", true}, {"state", "delivered"}, {"status", "250 2.0.0 ok"}},
                                       Json{{"address", "carol@two.test"}, {"done", false}, {"state", "waiting"}, {"status", "450 4.4.2 later"}, {"host", "mx.two.test"}, {"warned", true},
                                            {"retry", {{"schedule", "1h for 4d"}, {"setting", "routes[1].retry"}, {"place", "/m.conf:7"}, {"expires", now + 338100},
                                                       {"delay_warning", 43200}, {"warning_setting", "delay_warning"}, {"warning_place", "default"}}}},
                                       Json{{"address", "dave@two.test"}, {"done", false}, {"state", "waiting"}}});
  std::string page = message_page(message, now);
  for (const char* part : {"Message 1xoTWy-000009-Ab\n", "  from        alice@ex.test\n", "              by ESMTPS from mx.ex.test [192.0.2.1]:4711\n",
                           "  size        12 KiB, 8bitmime\n", "  state       waiting, next try in 14m (", "  waits for   mx.one.test\n",
                           "  attempts    3, the sender was told of the delay\n", "  given up    in 3d 21h (",
                           "    delivered bob@one.test\n              250 2.0.0 ok\n", "    waiting   carol@two.test\n              mx.two.test said: 450 4.4.2 later\n",
                           "              routes[1].retry: 1h for 4d (/m.conf:7); a notice after 12h, sent (default)\n",
                           "    waiting   dave@two.test\n              not tried yet\n"}) {
    INFO(page << "\nhas " << part);
    CHECK(page.find(part) != std::string::npos);
  }
}

TEST_CASE("a destination's name is shown as people say it") {
  CHECK(destination_text("local") == "local");
  CHECK(destination_text("domain one.test") == "one.test");
  CHECK(destination_text("internet mx1.one.test:25,mx2.one.test:26") == "mx1.one.test, mx2.one.test:26");
  CHECK(destination_text("?") == "not known yet");
}

TEST_CASE("a summary has columns of age, the sum first, and so many rows as are wanted") {
  Json total{{"total", true}, {"messages", 12}, {"bytes", 12000}, {"ages", {10, 2, 0}}, {"waiting", 11}, {"frozen", 1}};
  Json one{{"name", "domain one.test"}, {"messages", 9}, {"bytes", 9000}, {"ages", {9, 0, 0}}, {"closed", 9}, {"closed_until", now + 60}, {"closed_why", "dead"}};
  Json two{{"name", "local"}, {"messages", 3}, {"bytes", 3000}, {"ages", {1, 2, 0}}, {"waiting", 2}, {"frozen", 1}};
  Json last{{"minutes", {5, 1280}}, {"by", "destination"}};
  CHECK(summary_page({one, two, total}, last, 1, now) ==
        "DESTINATION  ALL     SIZE  <5m  <1280m  1280m+  STATE\n"
        "total         12   12 KiB   10       2       .  11 waiting, 1 frozen\n"
        "one.test       9  8.8 KiB    9       .       .  9 closed (next probe in 1m): dead\n"
        "and 1 more; --limit 0 shows all\n");
  CHECK(summary_page({one, two, total}, last, 0, now).find("\nlocal          3  2.9 KiB    1       2       .  2 waiting, 1 frozen\n") != std::string::npos);
}

TEST_CASE("which messages are meant is one filter for the daemon") {
  Invocation invocation;
  QueueFilter filter;
  CHECK(filter.empty());
  filter.ids = {"1xoTWy-000009-Ab"};
  CHECK(filter.names_messages());
  filter.ids.emplace_back("1xoTWy-*");
  CHECK_FALSE(filter.names_messages());
  filter.senders = {"<>"};
  filter.older = "1h30m";
  filter.smaller = "10K";
  filter.not_frozen = filter.untried = true;
  CHECK(filter.any_option());
  auto json = filter.json(invocation);
  REQUIRE(json);
  CHECK(*json == Json{{"ids", {"1xoTWy-000009-Ab", "1xoTWy-*"}}, {"senders", {"<>"}}, {"older", 5400}, {"smaller", 10240}, {"frozen", false}, {"tried", false}});
  filter.older = "5";
  CHECK_FALSE(filter.json(invocation));
}

}  // namespace mansio::ctl
