// What a recorder makes of conversations, read back from w3clog.
#include <catch2/catch.hpp>

#include <filesystem>

#include "base/file.hpp"
#include "base/text.hpp"
#include "receive/w3c_recorder.hpp"

namespace mansio::receive {
namespace {

using smtp::Conversation;
using smtp::Heard;

struct House {
  House() {
    char name[] = "/tmp/mansio-w3c-XXXXXX";
    directory = ::mkdtemp(name);
    log::LoggerOptions options;
    options.directory = directory;
    options.w3c = true;
    options.w3c_fields = {"c-ip", "cs-username", "s-ip", "s-port", "cs-method", "cs-uri-query", "sc-status", "sc-bytes", "cs-bytes", "cs-version"};
    logger = std::make_unique<log::Logger>(options);
    config.host_name = "mx.ex.test";
    config.w3c = true;
    recorder = std::make_unique<W3cRecorder>(tracing, *logger);
    recorder->configure(config);
  }
  ~House() { std::filesystem::remove_all(directory); }

  smtp::Tracing::About about(bool recorded = true) {
    smtp::Tracing::About out;
    out.address = "192.0.2.7";
    out.port = 4000;
    out.local_address = "192.0.2.1";
    out.local_port = 25;
    out.recorded = recorded;
    return out;
  }
  // Without directives.
  std::vector<std::string> lines() {
    logger->flush();
    auto text = read_file(directory + "/w3clog", 1 << 20);
    std::vector<std::string> out;
    if (!text) return out;
    for (std::string_view line : split(*text, '\n')) {
      if (!line.empty() && !line.starts_with('#')) out.emplace_back(line);
    }
    return out;
  }

  std::string directory;
  config::Config config;
  smtp::Tracing tracing;
  std::unique_ptr<log::Logger> logger;
  std::unique_ptr<W3cRecorder> recorder;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("each command of a client is a line with its reply, and no secret is in it") {
  House house;
  {
    Conversation talk(Conversation::Side::incoming, 1);
    house.tracing.consider(talk, house.about(), "");
    talk.hear(Heard::server, "220 mx.ex.test ESMTP mansio\r\n");
    talk.hear(Heard::client, "EHLO client.test");
    talk.hear(Heard::server, "250-mx.ex.test\r\n250 HELP\r\n");
    talk.hear(Heard::client, "AUTH PLAIN AGJvYgBzZWNyZXQ=");
    talk.hear(Heard::note, "logged in with PLAIN as bob");
    talk.hear(Heard::server, "235 2.7.0 yes\r\n");
    talk.hear(Heard::client, "mail FROM:<a+b@ex.test> SIZE=5");
    talk.hear(Heard::server, "250 2.1.0 OK\r\n");
    talk.hear(Heard::client, "DATA");
    talk.hear(Heard::server, "354 go on\r\n");
    talk.hear_content(1234);
    talk.hear(Heard::server, "250 2.0.0 OK\r\n");
    talk.hear(Heard::client, "x\x01y zzz");
    talk.hear(Heard::server, "500 5.5.2 what\r\n");
    talk.hear(Heard::client, "NOOP");
  }
  CHECK(house.lines() == Lines{
                             "192.0.2.7 client.test 192.0.2.1 25 EHLO +client.test 250 26 18 SMTP",
                             "192.0.2.7 bob 192.0.2.1 25 AUTH +PLAIN+*** 235 15 16 SMTP",
                             "192.0.2.7 bob 192.0.2.1 25 MAIL +FROM:<a%2Bb@ex.test>+SIZE=5 250 14 32 SMTP",
                             "192.0.2.7 bob 192.0.2.1 25 DATA - 250 25 1240 SMTP",
                             "192.0.2.7 bob 192.0.2.1 25 - +x%01y+zzz 500 16 9 SMTP",
                             "192.0.2.7 bob 192.0.2.1 25 NOOP - 0 0 6 SMTP",      // never answered
                         });
}

TEST_CASE("the responses within AUTH belong to the command AUTH") {
  House house;
  Conversation talk(Conversation::Side::incoming, 1);
  house.tracing.consider(talk, house.about(), "");
  talk.hear(Heard::client, "AUTH LOGIN");
  talk.hear(Heard::server, "334 VXNlcg==");
  talk.hear_secret(Heard::client);
  talk.hear(Heard::server, "334 UGFzcw==");
  talk.hear_secret(Heard::client);
  talk.hear(Heard::server, "535 5.7.8 no\r\n");
  CHECK(house.lines() == Lines{"192.0.2.7 - 192.0.2.1 25 AUTH +LOGIN 535 32 22 SMTP"});
}

TEST_CASE("conversations of a listener that wants no w3clog are not recorded") {
  House house;
  Conversation talk(Conversation::Side::incoming, 1);
  house.tracing.consider(talk, house.about(false), "");
  talk.hear(Heard::client, "NOOP");
  talk.hear(Heard::server, "250 2.0.0 OK\r\n");
  CHECK(house.lines().empty());
  CHECK(talk.followed == nullptr);
}

TEST_CASE("a connection to another host has a line for each command and for each line of a reply") {
  House house;
  Conversation talk(Conversation::Side::outgoing, 1);
  house.tracing.consider(talk, house.about(), "");
  talk.hear(Heard::server, "220 mx.far.test ready");
  talk.hear(Heard::client, "EHLO mx.ex.test");
  talk.hear(Heard::server, "250 OK");
  CHECK(house.lines() == Lines{
                             "192.0.2.7 OutboundConnectionResponse 192.0.2.1 4000 - +220+mx.far.test+ready 0 0 23 SMTP",
                             "192.0.2.7 OutboundConnectionCommand 192.0.2.1 4000 EHLO +mx.ex.test 0 17 0 SMTP",
                             "192.0.2.7 OutboundConnectionResponse 192.0.2.1 4000 - +250+OK 0 0 8 SMTP",
                         });
}

TEST_CASE("when w3clog is turned off, what goes on is followed no more") {
  House house;
  Conversation talk(Conversation::Side::incoming, 1);
  house.tracing.consider(talk, house.about(), "");
  house.config.w3c = false;
  house.recorder->configure(house.config);
  talk.hear(Heard::client, "NOOP");
  CHECK(talk.followed == nullptr);
  CHECK_FALSE(house.tracing.wanted());
  CHECK(house.lines().empty());
}

}  // namespace mansio::receive
