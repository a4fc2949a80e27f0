// Follower: whom it wants, what it keeps for a reader, and what a slow one loses.
#include "control/follower.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace mansio::control {
namespace {

using smtp::Conversation;
using smtp::Heard;

std::vector<nlohmann::json> objects(const std::string& text) {
  std::vector<nlohmann::json> out;
  for (std::string_view line : split(text, '\n')) {
    if (!line.empty()) out.push_back(nlohmann::json::parse(line));
  }
  return out;
}

}  // namespace

TEST_CASE("A follower wants a session by its id, a peer by address or network, and a destination by any of its names") {
  struct Row {
    const char* target;
    bool wanted;
  };
  const Row rows[] = {{"o7", true}, {"O7", true}, {"i7", false}, {"o77", false}, {"192.0.2.9", true}, {"192.0.2.0/24", true}, {"192.0.2.0/29", false},
                      {"mx.Example.net", true}, {"example.net", true}, {"internet", true}, {"internet mx.example.net:25", true}, {"example", false},
                      {"net", false}, {"", false}};
  for (const Row& row : rows) {
    smtp::Tracing tracing;
    Follower follower(tracing, row.target);
    Conversation conversation(Conversation::Side::outgoing, 7);
    smtp::Tracing::About about;
    about.address = "192.0.2.9";
    about.names = {"mx.example.net", "internet mx.example.net:25", "internet", "example.net", ""};
    INFO(row.target);
    CHECK(follower.wants(conversation, about) == row.wanted);
  }
}

TEST_CASE("What a follower heard is told as objects, each with a time, a session and a kind") {
  smtp::Tracing tracing;
  Follower follower(tracing, "i4");
  {
    Conversation conversation(Conversation::Side::incoming, 4);
    tracing.consider(conversation, smtp::Tracing::About(), "[192.0.2.1]:99");
    conversation.hear(Heard::client, "EHLO \xff\x1b");
    CHECK(follower.followed() == 1);
  }
  CHECK(follower.ended() == 1);
  CHECK(follower.followed() == 0);
  auto told = objects(follower.take());
  REQUIRE(told.size() == 3);
  CHECK(told[0]["what"] == "opened");
  CHECK(told[0]["text"] == "[192.0.2.1]:99");
  CHECK(told[1]["what"] == "client");
  CHECK(told[1]["text"] == "EHLO \xef\xbf\xbd\x1b");
  CHECK(told[2]["what"] == "closed");
  CHECK(told[2]["session"] == "i4");
  CHECK(told[2]["time"].get<double>() > 1.7e9);
  CHECK(follower.take().empty());
}

TEST_CASE("A reader that does not come loses lines, and is told how many") {
  smtp::Tracing tracing;
  Follower follower(tracing, "i1");
  Conversation conversation(Conversation::Side::incoming, 1);
  tracing.consider(conversation, smtp::Tracing::About(), "");
  for (std::size_t i = 0; i < Follower::most_lines + 11; ++i) conversation.hear(Heard::note, "x");
  auto told = objects(follower.take());
  REQUIRE(told.size() == Follower::most_lines + 1);
  CHECK(told.back() == nlohmann::json{{"skipped", 12}});
  conversation.hear(Heard::note, "again");
  told = objects(follower.take());
  REQUIRE(told.size() == 1);
  CHECK(told[0]["text"] == "again");
}

TEST_CASE("A line without end is cut, and no more conversations are begun than were asked for") {
  smtp::Tracing tracing;
  Follower follower(tracing, "192.0.2.1");
  follower.at_most(1);
  smtp::Tracing::About about;
  about.address = "192.0.2.1";
  Conversation first(Conversation::Side::incoming, 1), second(Conversation::Side::incoming, 2);
  tracing.consider(first, about, "");
  tracing.consider(second, about, "");
  CHECK(follower.followed() == 1);
  first.hear(Heard::client, std::string(100'000, 'x'));
  CHECK(objects(follower.take()).back()["text"].get<std::string>().size() == Follower::longest_line);
}

}  // namespace mansio::control
