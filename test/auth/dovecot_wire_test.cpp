#include "auth/dovecot_wire.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "asking.hpp"

namespace mansio::auth {
namespace {

std::string describe(std::string_view text) {
  auto line = parse_dovecot_line(text);
  if (!line) return "error";
  static const char* const kinds[] = {"version", "mechanism", "done", "accepted", "denied", "challenge", "other"};
  std::string out = kinds[static_cast<int>(line->kind)];
  if (line->id != 0) out += " " + std::to_string(line->id);
  if (!line->name.empty()) out += " " + line->name;
  return line->temporary ? out + " temporary" : out;
}

}  // namespace

TEST_CASE("lines of Dovecot's are read") {
  struct Row { std::string line; const char* want; };
  const std::vector<Row> rows{
      {"VERSION\t1\t2", "version 1"}, {"VERSION\t2\t0", "version 2"}, {"VERSION", "error"}, {"VERSION\tx", "error"},
      {"MECH\tPLAIN\tplaintext", "mechanism PLAIN"}, {"MECH\t", "error"}, {"MECH", "error"},
      {"DONE", "done"}, {"SPID\t5", "other"}, {"CUID\t1", "other"}, {"COOKIE\tabc", "other"}, {"", "other"}, {"NEWS\tx\ty", "other"},
      {"OK\t7\tuser=bob\tpass=x", "accepted 7 bob"}, {"OK\t7", "accepted 7"}, {"OK", "error"}, {"OK\t-1", "error"}, {"OK\t4294967296", "error"},
      {"OK\t7\tuser=bob\x01tx", "error"}, {"OK\t7\tuser=" + std::string(321, 'a'), "error"}, {"OK\t7\tuser=\xff", "error"},
      {"OK\t1\tuser=a\x01yb", "accepted 1 ayb"},
      {"OK\t7\tuser=bob\tnologin", "denied 7 bob"}, {"OK\t7\tnologin=gone\tuser=bob", "denied 7 bob"}, {"OK\t7\tproxy=y\thost=x\tuser=bob\tnopassword=y", "denied 7 bob"},
      {"OK\t7\tuser=nologin\tproxyish=y", "accepted 7 nologin"},
      {"FAIL\t3\tuser=bob", "denied 3"}, {"FAIL\t3\tuser=bob\ttemp", "denied 3 temporary"}, {"FAIL\t3\tcode=temp_fail", "denied 3 temporary"},
      {"FAIL\t3\tuser_disabled\tcode=user_disabled", "denied 3"}, {"FAIL\t3\treason=temp", "denied 3"},
      {"CONT\t9\teyJ9", "challenge 9"}, {"CONT\t9", "challenge 9"}, {std::string(16385, 'x'), "error"},
  };
  for (const auto& row : rows) {
    INFO(row.line.substr(0, 60));
    CHECK(describe(row.line) == row.want);
  }
}

TEST_CASE("what can't stand in a field is escaped, and comes back") {
  CHECK(escape_dovecot(std::string("a\tb\r\n\x01\0c", 8)) == std::string("a\x01tb\x01r\x01n\x01" "1\x01" "0c"));
  std::mt19937 random(4);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (auto n = random() % 20; n > 0; --n) text += static_cast<char>(random() % 256);
    CHECK(unescape_dovecot(escape_dovecot(text)) == text);
    (void)unescape_dovecot(text);
    (void)parse_dovecot_line(text);
    (void)parse_dovecot_line("OK\t1\tuser=" + text);
  }
  CHECK(unescape_dovecot("a\x01").size() == 1);
  CHECK(unescape_dovecot("\x01l") == "\n");
}

TEST_CASE("a request says who asks and ends with its message") {
  auto line = make_dovecot_request(5, "PLAIN", "smtp\tx", from("2001:db8::7"), std::string("\0bob\0pw", 7));
  CHECK(line.view() == "AUTH\t5\tPLAIN\tservice=smtp\x01tx\tsecured\tlip=192.0.2.1\tlport=587\trip=2001:db8::7\trport=4711\tresp=AGJvYgBwdw==\n");
  CHECK(make_dovecot_request(6, "XOAUTH2", "smtp", Facts(), "").view() == "AUTH\t6\tXOAUTH2\tservice=smtp\tresp=\n");
}

}  // namespace mansio::auth
