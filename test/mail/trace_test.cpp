#include <catch2/catch.hpp>

#include <cstdlib>
#include <ctime>
#include <regex>

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"
#include "mail/received.hpp"

using namespace mansio;
using namespace mansio::mail;

namespace {

Envelope from_network() {
  Envelope e;
  e.helo = "client.example.org";
  e.client_name = "host.example.org";
  e.client_address = "192.0.2.1";
  e.protocol = "ESMTP";
  e.received = Time(std::chrono::seconds(1'700'000'000));
  e.recipients.emplace_back(*Address::parse("bob@example.net"));
  return e;
}

}  // namespace

TEST_CASE("a date has English names, four digits of year and a numeric zone") {
  setenv("TZ", "UTC0", 1);
  tzset();
  CHECK(format_date(Time(std::chrono::seconds(1'700'000'000))) == "Tue, 14 Nov 2023 22:13:20 +0000");
  setenv("TZ", "XXX+3:30", 1);
  tzset();
  CHECK(format_date(Time(std::chrono::seconds(1'700'000'000))) == "Tue, 14 Nov 2023 18:43:20 -0330");
  setenv("TZ", "UTC0", 1);
  tzset();
}

TEST_CASE("Received names client, server, protocol, id and the only recipient") {
  CHECK(format_received(from_network(), "mail.example.net", "1abc") ==
        "Received: from client.example.org (host.example.org [192.0.2.1])\r\n"
        "\tby mail.example.net with ESMTP id 1abc\r\n"
        "\tfor <bob@example.net>; Tue, 14 Nov 2023 22:13:20 +0000\r\n");
  Envelope two = from_network();
  two.recipients.emplace_back(*Address::parse("carol@example.net"));
  two.client_address = "2001:db8::1";
  two.client_name.clear();
  CHECK(format_received(two, "mail.example.net", "1abc") ==
        "Received: from client.example.org ([IPv6:2001:db8::1])\r\n"
        "\tby mail.example.net with ESMTP id 1abc;\r\n"
        "\tTue, 14 Nov 2023 22:13:20 +0000\r\n");
}

TEST_CASE("Received stays ASCII: an internationalised recipient is not named in it") {
  for (const char* to : {"j\xc3\xbcrgen@example.net", "bob@b\xc3\xbc" "cher.example"}) {
    Envelope e = from_network();
    e.protocol = "UTF8SMTP";
    e.recipients[0].address = *Address::parse(to);
    CHECK(format_received(e, "mail.example.net", "1abc") ==
          "Received: from client.example.org (host.example.org [192.0.2.1])\r\n"
          "\tby mail.example.net with UTF8SMTP id 1abc;\r\n"
          "\tTue, 14 Nov 2023 22:13:20 +0000\r\n");
  }
}

TEST_CASE("Received of a local submission names user and uid") {
  Envelope e = from_network();
  e.client_address.clear();
  e.user = "alice";
  e.protocol = "local";
  CHECK(format_received(e, "mail.example.net", "1abc", 1000) ==
        "Received: from alice (uid 1000)\r\n\tby mail.example.net with local id 1abc\r\n"
        "\tfor <bob@example.net>; Tue, 14 Nov 2023 22:13:20 +0000\r\n");
}

TEST_CASE("Received stays one well-formed field whatever the names are (S-017, S-021)") {
  for (std::string evil : {std::string("a\r\nX-Evil: y"), std::string(")("), std::string("a;b"), std::string("\0", 1), std::string(3000, 'a'),
                           std::string("\xff\xfe"), std::string("a\\b\""), std::string(255, '.'), std::string(62, 'a') + ".test"}) {
    Envelope e = from_network();
    e.helo = e.client_name = e.user = e.protocol = e.client_address = evil;
    for (bool local : {false, true}) {
      if (local) e.client_address.clear();
      std::string field = format_received(e, "mail.example.net", evil);
      HeaderReader reader(field);
      REQUIRE(reader.next());
      CHECK_FALSE(reader.next());
      CHECK(reader.body_offset() == field.size());
      CHECK(field.find("\nX-Evil") == field.npos);
      for (auto line : split(field, '\n')) CHECK(line.size() <= 998);
    }
  }
}

TEST_CASE("a long recipient makes a long line, never one past 998") {
  Envelope e = from_network();
  e.recipients.clear();
  e.recipients.emplace_back(*Address::parse(std::string(255, 'x') + "@" + std::string(63, 'd') + ".test"));
  std::string field = format_received(e, "mail.example.net", "1abc");
  for (auto line : split(field, '\n')) CHECK(line.size() <= 998);
  CHECK(field.find("\r\n\tfor <xxx") != field.npos);
}
