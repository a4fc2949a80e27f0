#include "smtp/tracing.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <string>
#include <vector>

#include "net/tls.hpp"

namespace mansio::smtp {
namespace {

struct Listener final : Tracing::Follower {
  explicit Listener(std::string w) : wanted(std::move(w)) {}
  bool wants(const Conversation& conversation, const Tracing::About& about) override {
    return conversation.id() == wanted || about.address == wanted;
  }
  void hear(const Conversation& conversation, Heard what, std::string_view text) override {
    static constexpr const char* marks[] = {"opened", "closed", "C", "S", "content", "note"};
    lines.push_back(conversation.id() + " " + marks[static_cast<int>(what)] + ": " + std::string(text));
  }
  std::string wanted;
  std::vector<std::string> lines;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("A follower hears the conversation that it named, from its beginning to its end") {
  Tracing tracing;
  Listener listener("192.0.2.7");
  CHECK_FALSE(tracing.wanted());
  tracing.join(&listener);
  CHECK(tracing.wanted());
  Tracing::About about;
  about.address = "192.0.2.7";
  {
    Conversation conversation(Conversation::Side::incoming, 3);
    tracing.consider(conversation, about, "hello");
    tracing.consider(conversation, about, "told once");
    conversation.hear(Heard::server, "250-one\r\n250 two\r\n");
    conversation.hear(Heard::client, "QUIT");
    conversation.hear_content(12);
  }
  CHECK(listener.lines == Lines{"i3 opened: hello", "i3 S: 250-one", "i3 S: 250 two", "i3 C: QUIT", "i3 content: (12 octets)", "i3 closed: "});
}

TEST_CASE("What another follower wants does not reach the first one") {
  Tracing tracing;
  Listener one("i1"), two("o2");
  tracing.join(&one);
  tracing.join(&two);
  Conversation first(Conversation::Side::incoming, 1), second(Conversation::Side::outgoing, 2), third(Conversation::Side::outgoing, 3);
  for (Conversation* each : {&first, &second, &third}) tracing.consider(*each, Tracing::About(), "");
  for (Conversation* each : {&first, &second, &third}) each->hear(Heard::note, "x");
  CHECK(one.lines == Lines{"i1 opened: ", "i1 note: x"});
  CHECK(two.lines == Lines{"o2 opened: ", "o2 note: x"});
  CHECK(third.followed == nullptr);
}

TEST_CASE("When the follower has gone, the next line is the last that costs anything") {
  Tracing tracing;
  Listener listener("i1");
  tracing.join(&listener);
  Conversation conversation(Conversation::Side::incoming, 1);
  tracing.consider(conversation, Tracing::About(), "");
  tracing.leave(&listener);
  CHECK_FALSE(tracing.wanted());
  conversation.hear(Heard::note, "nobody hears it");
  CHECK(conversation.followed == nullptr);
  CHECK(listener.lines.size() == 1);
}

TEST_CASE("No secret reaches a follower, whoever says it") {
  Tracing tracing;
  Listener listener("i1");
  tracing.join(&listener);
  Conversation conversation(Conversation::Side::incoming, 1);
  tracing.consider(conversation, Tracing::About(), "");
  conversation.hear(Heard::client, "AUTH PLAIN AGJvYgBvcGVuc2VzYW1l");
  conversation.hear(Heard::client, "auth AGJvYgBvcGVuc2VzYW1l");
  conversation.hear(Heard::server, "334 cj1hYmM=");
  conversation.hear(Heard::server, "334 ");
  conversation.hear_secret(Heard::client);
  CHECK(listener.lines == Lines{"i1 opened: ", "i1 C: AUTH PLAIN ***", "i1 C: AUTH ***", "i1 S: 334 ***", "i1 S: 334 ", "i1 C: ***"});
}

TEST_CASE("What a list shows of a conversation counts the message under way, too") {
  Conversation conversation(Conversation::Side::outgoing, 36);
  conversation.octets = 100;
  conversation.content = 7;
  conversation.messages = 2;
  ConversationFacts facts(conversation);
  CHECK(facts.id == "o36");
  CHECK_FALSE(facts.incoming);
  CHECK(facts.octets == 107);
  CHECK(facts.content == 7);
  CHECK(facts.messages == 2);
}

TEST_CASE("A conversation costs a connection less than a hundred bytes") { CHECK(sizeof(Conversation) <= 96); }

}  // namespace mansio::smtp
