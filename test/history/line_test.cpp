#include <random>

#include <catch2/catch.hpp>

#include "history/line.hpp"
#include "log/json.hpp"
#include "log/samples.hpp"
#include "log/text.hpp"

using namespace mansio;
using namespace mansio::history;

namespace {

const Time some_time = Time(std::chrono::seconds(1'763'647'400)) + std::chrono::milliseconds(123);

// What the text line holds of an event.
struct TextBound {
  static void cut(std::optional<Duration>& time) {
    if (!time) return;
    time = std::max(*time, Duration{});
    if (*time >= std::chrono::seconds(1)) time = std::chrono::floor<std::chrono::seconds>(*time);
  }
  void operator()(log::Arrival&) const {}
  void operator()(log::Delivery& e) const {
    cut(e.queue_time);
    cut(e.delivery_time);
  }
  void operator()(log::Deferral&) const {}
  void operator()(log::Failure&) const {}
  void operator()(log::Completed& e) const { cut(e.queue_time); }
  void operator()(log::Rejection& e) const { e.recipients = e.headers = {}; }
  void operator()(log::ConnectionTrouble& e) const { cut(e.duration); }
  void operator()(log::Connection& e) const { cut(e.duration); }
  void operator()(log::AuthFailure& e) const { std::replace(e.mechanism.begin(), e.mechanism.end(), '-', '_'); }
  void operator()(log::Notice& e) const { e.panic = false; }
};

void forget_helo(log::Event& event) {
  std::visit([](auto& e) {
    if constexpr (requires { e.host; }) {
      if (e.host.helo == e.host.name) e.host.helo.clear();
    }
  }, event);
}

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  log::Event event() {
    switch (pick(10)) {
      case 0: return arrival();
      case 1: return delivery();
      case 2: return log::Deferral{id(), text(1), text(), text(), text(), static_cast<int>(pick(200)) - 100, text(), remote(pick(2) == 0)};
      case 3: return log::Failure{id(), text(1), text(), text(), text(), text(), remote(pick(2) == 0)};
      case 4: return log::Completed{id(), time()};
      case 5: return rejection();
      case 6: return trouble();
      case 7: return log::AuthFailure{"PLAIN", remote(true), text()};
      case 8: return smtp_connection();
      default: return log::Notice{pick(2) == 0 ? id() : "", "mansio " + text(), pick(2) == 0};
    }
  }

 private:
  std::size_t pick(std::size_t n) { return random_() % n; }
  // Anything that a peer may send, with a liking for what could be taken for grammar.
  std::string text(std::size_t least = 0) {
    static const std::vector<std::string> pieces{" ", "\"", "\\", "<", ">", "(", ")", "[", "]", ":", "=", " H=x [192.0.2.9]", " F=<a>",
        ": ", "\r\n", "\t", std::string(1, '\0'), "\x1b[0m", "\xff", "\xc3\xa4", "\xc2\x85", "\\x20", "a", "b@c.test", "QT=1s", " rejected RCPT <",
        " for ", "defer (0): ", "*", "7"};
    std::string out = least > 0 ? "x" : "";
    for (std::size_t left = pick(6); left > 0; --left) out += pieces[pick(pieces.size())];
    // These end where the grammar says so, with a blank that a word has not: an end of ours can't be told from theirs.
    while (!out.empty() && (out.back() == ':' || out.back() == ']')) out.pop_back();
    return out;
  }
  std::string id() { return "1tBx6K-00000" + std::to_string(pick(10)) + "-AA"; }
  std::optional<Duration> time() {
    if (pick(3) == 0) return std::nullopt;
    return Duration(static_cast<std::int64_t>(pick(2) == 0 ? pick(1000) : pick(2'000'000'000)));
  }
  log::Host remote(bool some) {
    if (!some) return {};
    std::string name = pick(2) == 0 ? "mx" + std::to_string(pick(9)) + ".test" : "";
    std::string helo = pick(2) == 0 ? "h" + text() : "";
    return {name, helo, pick(2) == 0 ? "192.0.2.1" : "2001:db8::1", static_cast<std::uint16_t>(pick(2) * 4025)};
  }
  std::optional<log::Tls> tls() {
    if (pick(2) == 0) return std::nullopt;
    log::Tls out{"TLS1.3", "TLS_AES_256_GCM_SHA384", 256, {}, text(), text()};
    if (pick(2) == 0) out.verified = pick(2) == 0;
    return out;
  }
  std::optional<std::string> sender() { return pick(2) == 0 ? std::nullopt : std::optional(text()); }

  log::Event arrival() {
    log::Arrival out{.id = id(), .sender = text(), .reply_to_id = pick(2) == 0 ? id() : "", .host = remote(pick(2) == 0),
                     .local_address = pick(2) == 0 ? "192.0.2.7" : "", .local_port = 25, .user = text(), .protocol = "esmtp", .tls = tls(),
                     .auth = text(), .size = pick(100000), .body = log::BodyType(pick(3)), .dkim = text(), .message_id = text()};
    if (out.local_address.empty()) out.local_port = 0;
    if (out.sender == "<>") out.sender.clear();
    for (std::size_t left = pick(4); left > 0; --left) out.recipients.push_back(text(1));
    return out;
  }
  log::Event delivery() {
    log::Delivery out{.id = id(), .mark = log::Delivery::Mark(pick(4)), .address = text(1), .original = text(), .sender = sender(),
                      .route = text(), .transport = text(), .size = pick(1000), .host = remote(pick(2) == 0)};
    out.dnssec = !out.host.address.empty() && pick(2) == 0;
    out.tls = tls();
    out.auth = text();
    out.pipelining = pick(2) == 0;
    out.chunking = pick(2) == 0;
    out.reply = text();
    out.queue_time = time();
    out.delivery_time = time();
    return out;
  }
  log::Event rejection() {
    using Stage = log::Rejection::Stage;
    log::Rejection out{.id = pick(2) == 0 ? id() : "", .host = remote(true), .tls = tls(), .sender = sender(), .auth = text(),
                       .stage = Stage(pick(6)), .temporary = pick(2) == 0, .reason = text()};
    if (out.stage == Stage::mail || out.stage == Stage::rcpt || out.stage == Stage::helo) out.argument = text(1);
    if (out.stage == Stage::other) out.argument = "VRFY";
    return out;
  }
  log::Event smtp_connection() {
    using What = log::Connection::What;
    log::Connection out{.what = What(pick(4)), .host = remote(true), .local_address = pick(2) == 0 ? "192.0.2.7" : "", .local_port = 25};
    if (out.local_address.empty()) out.local_port = 0;
    if (out.what == What::begun) out.count = pick(1000);
    else out.duration = time().value_or(Duration(7));
    return out;
  }
  log::Event trouble() {
    using Kind = log::ConnectionTrouble::Kind;
    log::ConnectionTrouble out{.kind = Kind(pick(13)), .host = remote(true)};
    Kind kind = out.kind;
    if (kind == Kind::refused) out.host = {"", "", "192.0.2.1", 9};
    if (kind == Kind::early_talker || kind == Kind::early_pipelining) out.input = text();
    if (kind == Kind::early_pipelining || kind == Kind::too_many_errors || kind == Kind::too_many_nonmail ||
        kind == Kind::syntax_error || kind == Kind::protocol_error) out.command = text();
    if (kind == Kind::syntax_error || kind == Kind::protocol_error || kind == Kind::tls_error || kind == Kind::refused) out.text = text();
    if (kind == Kind::lost || kind == Kind::lost_in_data || kind == Kind::command_timeout || kind == Kind::data_timeout) out.sender = sender();
    if (kind == Kind::lost) out.duration = time();
    if (kind == Kind::no_mail) out.duration = time().value_or(Duration(5));
    if (kind == Kind::no_mail && pick(2) == 0) out.commands = {"EHLO", "RSET"};
    return out;
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("the log's own samples come back from their lines") {
  LineParser parser;
  for (const log::test::Sample& sample : log::test::samples()) {
    CAPTURE(sample.line);
    auto record = parser.parse(log::format_text(sample.event, some_time));
    REQUIRE(record);
    CHECK(record->time == std::chrono::floor<std::chrono::seconds>(some_time));
    log::Event expected = sample.event;
    std::visit(TextBound{}, expected);
    forget_helo(expected);
    CHECK(log::format_json(record->event, some_time) == log::format_json(expected, some_time));
    CHECK(log::format_line(record->event) == sample.line);
  }
}

TEST_CASE("every event comes back from its text line and its JSON object, whatever a peer sent") {
  unsigned seed = std::random_device{}();
  CAPTURE(seed);
  Maker maker(seed);
  LineParser parser;
  for (int i = 0; i < 20'000; ++i) {
    log::Event event = maker.event();
    std::string line = log::format_text(event, some_time);
    log::Event expected = event;
    std::visit(TextBound{}, expected);
    forget_helo(expected);
    auto record = parser.parse(line);
    bool came = record && log::format_json(record->event, some_time) == log::format_json(expected, some_time);
    if (!came) {
      CAPTURE(line);
      REQUIRE(record);
      REQUIRE(log::format_json(record->event, some_time) == log::format_json(expected, some_time));
    }
    std::string object = log::format_json(event, some_time, true);
    auto back = parser.parse(object);
    REQUIRE(back);
    REQUIRE(back->time == some_time);
    REQUIRE(log::format_json(back->event, some_time, true) == object);
  }
}

TEST_CASE("the text of a deferral without a host may end like a host") {
  LineParser parser;
  for (std::string text : {"x H=x [192.0.2.9]:7", "H=a [192.0.2.1] H=x [192.0.2.9]", " H=x [192.0.2.9]", "x H=x (h) [2001:db8::1]:4025"}) {
    log::Event event = log::Deferral{"1tBx6K-000004-AA", "a@b.test", "", "", "", -99, text, {}};
    auto record = parser.parse(log::format_text(event, some_time));
    REQUIRE(record);
    CHECK(log::format_json(record->event, some_time) == log::format_json(event, some_time));
  }
}

TEST_CASE("lines that are none of the grammar's events are notices, and what has no time is no line") {
  LineParser parser;
  auto text = [&](const std::string& line) {
    auto record = parser.parse("2026-11-20 14:03:20 " + line);
    REQUIRE(record);
    REQUIRE(std::holds_alternative<log::Notice>(record->event));
    const auto& notice = std::get<log::Notice>(record->event);
    return notice.id + "|" + notice.text;
  };
  CHECK(text("mansiod 0.1.0 started") == "|mansiod 0.1.0 started");
  CHECK(text("1tBx6K-000001-AA frozen by ann") == "1tBx6K-000001-AA|frozen by ann");
  CHECK(text("1tBx6K-000001-AA == a@b R=x T=y later") == "1tBx6K-000001-AA|== a@b R=x T=y later");
  CHECK(text("1tBx6K-000001-AA ** a@b without end") == "1tBx6K-000001-AA|** a@b without end");
  CHECK(text("H=x [192.0.2.1] did nothing") == "|H=x [192.0.2.1] did nothing");
  CHECK(text("Connection from nowhere") == "|Connection from nowhere");
  CHECK(text("a\\x1bb\\") == std::string("|a\x1b") + "b\\");
  for (const char* line : {"", " ", "  Envelope-from: <>", "2026-11-20", "2026-11-20 14:03:20", "2026-13-20 14:03:20 x", "2026-11-20 25:03:20 x",
                           "2026-11-20 14:63:20 x", "0025-11-20 14:03:20 x", "9999-11-20 14:03:20 x", "{\"time\":\"0026-11-20T14:03:20.123Z\",\"event\":\"notice\"}", "{}", "{\"time\":1}", "{\"time\":\"2026-11-20T14:03:20.123Z\"", "[1]", "{"}) {
    CAPTURE(line);
    CHECK_FALSE(parser.parse(line));
  }
}

TEST_CASE("JSON values of another type count as missing") {
  auto record = parse_json(R"({"time":"2026-11-20T14:03:20.123Z","event":"delivery","id":7,"host":[],"tls":"x","size":-1,"queue_time":1e300,"reply":null})");
  REQUIRE(record);
  const auto& delivery = std::get<log::Delivery>(record->event);
  CHECK((delivery.id.empty() && delivery.host.address.empty() && !delivery.tls && delivery.size == 0 && !delivery.queue_time));
}

TEST_CASE("the envelope and header below a refusal become part of it") {
  log::Rejection rejection{.host = {"", "", "192.0.2.1", 0}, .sender = "a b", .stage = log::Rejection::Stage::data, .reason = "no",
                           .recipients = {"x@y.test", "z z@y.test"}, .headers = {"Subject: a", "  Envelope-to: <no>", "\tfolded"}};
  log::Rejection back;
  std::string details = log::format_reject_details(rejection);
  std::string_view rest = details;
  while (!rest.empty()) {
    CHECK(add_detail(back, rest.substr(0, rest.find('\n'))));
    rest.remove_prefix(rest.find('\n') + 1);
  }
  CHECK(back.recipients == rejection.recipients);
  CHECK(back.headers == rejection.headers);
  CHECK_FALSE(add_detail(back, "2026-11-20 14:03:20 x"));
}

TEST_CASE("ids of both lengths are known") {
  CHECK(is_message_id("1xUytM-0000Gh-Ab"));
  CHECK(is_message_id("1xUytM-0000000Gh12-Ab3d"));
  for (const char* no : {"", "1xUytM-0000Gh-A", "1xUytM_0000Gh-Ab", "1xUyt -0000Gh-Ab", "1xUytM-0000Gh-Abc"}) CHECK_FALSE(is_message_id(no));
}
