#include "mail/badmail.hpp"

#include <catch2/catch.hpp>

using namespace mansio;
using namespace mansio::mail;

TEST_CASE("the reason of badmail keeps the envelope of what could not be delivered") {
  BadmailReason reason;
  reason.id = "0123Ab-00000c-01";
  reason.why = "bob@b.test: 550 5.1.1 no such user\n";
  Envelope envelope;
  envelope.recipients.emplace_back(*Address::parse("bob@b.test"));
  reason.envelope = envelope;
  std::string text = format_badmail(reason, Time(std::chrono::seconds(1'700'000'000)));
  CHECK_THAT(text, Catch::StartsWith("0123Ab-00000c-01 was kept on "));
  auto again = parse_badmail(text);
  REQUIRE(again);
  CHECK(again->id == reason.id);
  CHECK(again->why == "bob@b.test: 550 5.1.1 no such user");
  REQUIRE(again->envelope);
  REQUIRE(again->envelope->recipients.size() == 1);
  CHECK(again->envelope->recipients[0].address.text() == "bob@b.test");
}

TEST_CASE("the reason of badmail names the file that a program left, whatever it was called") {
  BadmailReason reason;
  reason.id = "0123Ab-00000c-01";
  reason.why = "no header: a message begins with lines";
  reason.file = "/srv/out/a\nIts owner: root";
  reason.owner = "anna";
  auto again = parse_badmail(format_badmail(reason, Time()));
  REQUIRE(again);
  CHECK(!again->envelope);
  CHECK(again->why == reason.why);
  CHECK(again->file == "/srv/out/a\\nIts owner: root");
  CHECK(again->owner == "anna");
}

TEST_CASE("what is no reason of badmail is refused") {
  for (const char* text : {"", "x", "A was kept on D: it could be neither delivered nor returned.\n\nwhy\n", "\n\n was kept on "}) CHECK(!parse_badmail(text));
}
