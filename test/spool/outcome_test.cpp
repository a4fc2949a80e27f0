// Outcomes that come in pieces, messages that are changed, and what old mail holds of the journal.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include "spool/store.hpp"

namespace mansio::spool {

TEST_CASE("a queued message that is loaded again knows what was settled in this run") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  auto stored = store.commit(3, "text");
  REQUIRE(stored.has_value());
  for (std::size_t i : {1u, 0u}) {
    settle_one(**stored, i);
    REQUIRE(store.settle(*stored).has_value());
    auto again = store.load((*stored)->id);
    REQUIRE(again.has_value());
    CHECK((*again)->progress.recipients[1].settled());
    CHECK((*again)->progress.recipients[0].settled() == (i == 0));
    CHECK_FALSE((*again)->progress.recipients[2].settled());
  }
}

TEST_CASE("settles of one message that run at the same time all count, in the journal and in deferred/") {
  for (bool deferred : {false, true}) {
    ScratchDirectory scratch;
    Store store(scratch / "0");
    store.recover();
    constexpr int recipients = 40;
    auto stored = store.commit(recipients, text_of(5000, 1));
    REQUIRE(stored.has_value());
    std::shared_ptr<Message> message = *stored;
    if (deferred) {
      REQUIRE(store.defer(message).has_value());
      auto loaded = store.load(message->id);
      REQUIRE(loaded.has_value());
      message = *loaded;
    }
    std::vector<Result<>> results(recipients - 1, fail(Fault::system, "never came back"));
    for (std::size_t i = 0; i < results.size(); ++i) {
      // Texts of different lengths: a shorter state over a longer one must not be taken for both.
      settle_one(*message, i);
      message->progress.recipients[i].last = Status(250, 0, 0, std::string(i * 37 % 100, 'x'));
      store.on.scope.spawn(settle_into(store.spool.get(), message, &results[i]));
    }
    store.on.loop.run();
    for (auto& result : results) REQUIRE(result.has_value());
    store.crash_to(scratch / "1");
    Store after(scratch / "1");
    REQUIRE(after.recover().size() == 1);
    auto loaded = after.load(message->id);
    REQUIRE(loaded.has_value());
    for (std::size_t i = 0; i < recipients; ++i) CHECK((*loaded)->progress.recipients[i].settled() == (i != recipients - 1));
    CHECK(content_of(**loaded) == text_of(5000, 1));
    CHECK(after.notices.empty());
  }
}

TEST_CASE("a message is settled many times over many runs, first in the journal, then in deferred/") {
  ScratchDirectory scratch;
  constexpr std::size_t recipients = 12;
  QueueId id;
  for (std::size_t run = 0; run < recipients; ++run) {
    Store store(scratch / "0");
    store.recover();
    if (run == 0) {
      auto stored = store.commit(recipients, "text");
      REQUIRE(stored.has_value());
      id = (*stored)->id;
    }
    auto loaded = store.load(id);
    REQUIRE(loaded.has_value());
    for (std::size_t i = 0; i < recipients; ++i) CHECK((*loaded)->progress.recipients[i].settled() == (i < run));
    settle_one(**loaded, run);
    (*loaded)->progress.recipients[run].host = "mx" + std::to_string(run) + ".test [192.0.2.1]:25";
    REQUIRE(store.settle(*loaded).has_value());
    if (run == 5) REQUIRE(store.defer(*loaded).has_value());
    if (run + 1 < recipients) continue;
    CHECK((*loaded)->progress.recipients[3].host == "mx3.test [192.0.2.1]:25");
    REQUIRE(store.finish(*loaded).has_value());
  }
  Store after(scratch / "0");
  CHECK(after.recover().empty());
}

}  // namespace mansio::spool
