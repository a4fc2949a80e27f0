// Messages at a glance: the same as load() says, wherever they lie and however large they are.
#include <catch2/catch.hpp>

#include "store.hpp"

namespace mansio::spool {

TEST_CASE("a glance tells what loading tells, in the journal and in deferred/") {
  struct Row {
    std::size_t content;
    int recipients;
    bool deferred;
    int states;
  };
  for (auto [content, recipients, deferred, states] : {Row{10, 1, false, 1}, Row{3000, 2, false, 2}, Row{300 << 10, 2, false, 1}, Row{10, 1, true, 1},
                                                       Row{3000, 2, true, 3}, Row{20'000, 2, true, 40}, Row{300 << 10, 2, true, 2}, Row{10, 2000, false, 1},
                                                       Row{10, 2000, true, 2}, Row{8192, 3, true, 1}}) {
    INFO(content << " octets, " << recipients << " recipients, deferred " << deferred << ", states " << states);
    ScratchDirectory scratch;
    Store store(scratch / "0");
    store.recover();
    auto stored = store.commit(recipients, text_of(content, 1));
    REQUIRE(stored.has_value());
    QueueId id = (*stored)->id;
    for (int i = 0; i < states; ++i) {
      std::shared_ptr<Message> message = *store.load(id);
      message->progress.attempts = static_cast<std::uint32_t>(i + 1);
      message->progress.recipients[0].last = Status(450, 4, 2, "attempt " + std::to_string(i));
      REQUIRE((deferred ? store.defer(message) : store.settle(message)).has_value());
    }
    auto glance = store.spool->glance(store.spool->place_of(id));
    REQUIRE(glance.has_value());
    std::shared_ptr<Message> loaded = *store.load(id);
    CHECK((*glance)->id == id);
    CHECK((*glance)->size() == loaded->size());
    CHECK(mail::format_envelope((*glance)->envelope) == mail::format_envelope(loaded->envelope));
    CHECK(format_progress((*glance)->progress) == format_progress(loaded->progress));
    CHECK((*glance)->progress.attempts == static_cast<std::uint32_t>(states));
    CHECK((*glance)->content.fd == -1);
  }
}

TEST_CASE("a glance at what is gone or torn says so and mends nothing") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  auto stored = store.commit(1, "content");
  QueueId id = (*stored)->id;
  REQUIRE(store.defer(*stored).has_value());
  auto place = store.spool->place_of(id);
  std::string path = deferred_path(scratch / "0/deferred", id), bytes = slurp(path);
  spill(path, bytes.substr(0, bytes.size() - 1));          // the only state is torn
  CHECK(store.spool->glance(place).error().fault() == Fault::invalid);
  CHECK(slurp(path).size() == bytes.size() - 1);
  spill(path, bytes.substr(0, 100));
  CHECK(store.spool->glance(place).error().fault() == Fault::invalid);
  spill(path, bytes + "\n== state 00000007 0000000000000000\nattempts 2");      // another state, torn
  auto glance = store.spool->glance(place);
  REQUIRE(glance.has_value());
  CHECK((*glance)->envelope.recipients.size() == 1);
  std::filesystem::remove(path);
  CHECK(store.spool->glance(place).error().fault() == Fault::not_found);
}

TEST_CASE("the transport that an admin chose is kept with the progress, and texts from before it are read") {
  Progress progress(1);
  CHECK(format_progress(progress).find("by ") == std::string::npos);
  progress.transport = "smart host+";
  std::string text = format_progress(progress);
  CHECK(text.find("\nby smart+20host+2B\n") != std::string::npos);
  auto back = parse_progress(text, 1);
  REQUIRE(back.has_value());
  CHECK(back->transport == "smart host+");
  for (const char* bad : {"by\n", "by \n", "by a b\n", "by +zz\n"}) CHECK_FALSE(parse_progress(bad, 1).has_value());
  CHECK_FALSE(parse_progress("by " + std::string(256, 'x') + "\n", 1).has_value());
}

}  // namespace mansio::spool
