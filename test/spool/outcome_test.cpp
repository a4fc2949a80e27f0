// Outcomes that come in pieces, messages that are changed, and what old mail holds of the journal.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include "spool/store.hpp"

namespace mansio::spool {
namespace {

event::Task<> rewrite_into(Spool* spool, std::shared_ptr<Message> message, Result<>* out) { *out = co_await spool->rewrite(message); }
event::Task<> remove_into(Spool* spool, std::shared_ptr<Message> message, Status why, Result<>* out) {
  *out = co_await spool->remove(message, why);
}
Result<> rewrite(Store& store, std::shared_ptr<Message> message) {
  Result<> out = fail(Fault::system, "never came back");
  store.on.run(rewrite_into(store.spool.get(), std::move(message), &out));
  return out;
}

}  // namespace

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

TEST_CASE("a large message that is finished while somebody reads it is gone, not broken") {
  for (bool deferred : {false, true}) {
    ScratchDirectory scratch;
    Store store(scratch / "0");
    store.recover();
    for (int round = 0; round < 60; ++round) {
      auto stored = store.commit(1, text_of(300 << 10, 1));
      REQUIRE(stored.has_value());
      QueueId id = (*stored)->id;
      if (deferred) REQUIRE(store.defer(*stored).has_value());
      std::shared_ptr<Message> message = *store.load(id);
      settle_one(*message, 0);
      Result<> finished = fail(Fault::system, "never came back");
      std::vector<std::optional<Stored>> loaded(20);
      store.on.scope.spawn(finish_into(store.spool.get(), message, &finished));
      for (auto& one : loaded) store.on.scope.spawn(load_into(store.spool.get(), id, &one));
      while (store.on.scope.running() != 0) store.on.loop.run();
      REQUIRE(finished.has_value());
      for (const auto& one : loaded) {
        REQUIRE(one.has_value());
        if (!one->has_value()) CHECK(one->error().fault() == Fault::not_found);
      }
    }
    CHECK(store.notices == std::vector<std::string>());
    CHECK(files_in(scratch / "0/corrupt").empty());
    CHECK(store.spool->messages() == 0);
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

TEST_CASE("a changed message replaces the old one whole, wherever it lay") {
  struct Row {
    bool deferred, large;
  };
  for (auto [deferred, large] : {Row{false, false}, Row{false, true}, Row{true, false}, Row{true, true}}) {
    INFO("deferred " << deferred << " large " << large);
    ScratchDirectory scratch;
    Store store(scratch / "0");
    store.recover();
    std::string content = text_of(large ? 300 << 10 : 3000, 1);
    auto stored = store.commit(2, content);
    REQUIRE(stored.has_value());
    QueueId id = (*stored)->id;
    settle_one(**stored, 0);
    REQUIRE(store.settle(*stored).has_value());
    if (deferred) REQUIRE(store.defer(*stored).has_value());
    std::shared_ptr<Message> message = *store.load(id);
    message->envelope.sender = *mail::Address::parse("other@c.test");
    message->envelope.recipients.emplace_back(*mail::Address::parse("new@d.test"));
    CHECK(rewrite(store, message).error().fault() == Fault::invalid);      // its progress knows of two
    message->progress.recipients.emplace_back();
    message->progress.next_attempt = Time(std::chrono::seconds(1900000000));
    auto before = store.load(id);
    REQUIRE(rewrite(store, message).has_value());
    store.crash_to(scratch / "1");
    Store after(scratch / "1");
    auto found = after.recover();
    REQUIRE(found.size() == 1);
    CHECK(found[id] == Time(std::chrono::seconds(1900000000)));
    for (Store* each : {&store, &after}) {
      auto loaded = each->load(id);
      REQUIRE(loaded.has_value());
      CHECK((*loaded)->envelope.sender_text() == "other@c.test");
      REQUIRE((*loaded)->envelope.recipients.size() == 3);
      CHECK((*loaded)->progress.recipients[0].settled());
      CHECK_FALSE((*loaded)->progress.recipients[2].settled());
      CHECK((*loaded)->head == "Received: of " + id.text() + "\r\n");
      CHECK(content_of(**loaded) == content);
      CHECK(each->spool->messages() == 1);
    }
    CHECK(content_of(**before) == content);      // who still reads the old one may
    CHECK(store.notices.empty());
    CHECK(after.notices.empty());
  }
}

TEST_CASE("a crash before the changed message has its name leaves the old one, and no litter") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  std::vector<QueueId> ids;
  for (bool deferred : {false, true}) {
    auto stored = store.commit(1, "text");
    REQUIRE(stored.has_value());
    ids.push_back((*stored)->id);
    if (deferred) REQUIRE(store.defer(*stored).has_value());
    std::string path = deferred_path(scratch / "0/deferred", ids.back());
    std::string directory = path.substr(0, path.find_last_of('/'));
    std::filesystem::create_directories(directory);
    spill(directory + "/.new-" + ids.back().text(), "mansio-message 1 half a line");
  }
  store.close();
  Store after(scratch / "0");
  CHECK(after.recover().size() == 2);
  for (const QueueId& id : ids) {
    auto loaded = after.load(id);
    REQUIRE(loaded.has_value());
    CHECK((*loaded)->envelope.sender_text() == "sender@a.test");
  }
  CHECK(files_in(scratch / "0/deferred").size() == 1);
}

TEST_CASE("a removed message is gone, also after a crash that left its file") {
  for (bool deferred : {false, true}) {
    ScratchDirectory scratch;
    Store store(scratch / "0");
    store.recover();
    auto stored = store.commit(3, text_of(300 << 10, 1));
    REQUIRE(stored.has_value());
    QueueId id = (*stored)->id;
    if (deferred) REQUIRE(store.defer(*stored).has_value());
    std::shared_ptr<Message> message = *store.load(id);
    settle_one(*message, 1);
    std::string path = deferred_path(scratch / "0/deferred", id), name = scratch / "second-name";
    if (deferred) REQUIRE(::link(path.c_str(), name.c_str()) == 0);
    Result<> removed = fail(Fault::system, "never came back");
    store.on.run(remove_into(store.spool.get(), message, Status(550, 7, 0, "removed by the administrator"), &removed));
    REQUIRE(removed.has_value());
    CHECK(message->progress.recipients[0].state == RecipientState::failed);
    CHECK(message->progress.recipients[1].state == RecipientState::delivered);
    CHECK(store.spool->messages() == 0);
    CHECK(store.load(id).error().fault() == Fault::not_found);
    CHECK(files_in(scratch / "0/large").empty());
    CHECK(files_in(scratch / "0/deferred").empty());
    if (deferred) REQUIRE(::rename(name.c_str(), path.c_str()) == 0);      // the unlink was lost with the power
    store.close();
    Store after(scratch / "0");
    after.recover();
    CHECK(after.load(id).error().fault() == Fault::not_found);
    CHECK(after.spool->messages() == 0);
    CHECK(files_in(scratch / "0/deferred").empty());
  }
}

TEST_CASE("old mail that holds the journal is told of, oldest first, and gives it back when deferred") {
  ScratchDirectory scratch;
  Store store(scratch / "0", 64 << 10);
  store.recover();
  std::vector<QueueId> old;
  for (unsigned i = 0; i < 30; ++i) {
    auto stored = store.commit(1, "held " + std::to_string(i));
    REQUIRE(stored.has_value());
    old.push_back((*stored)->id);
  }
  CHECK(store.spool->oldest_pinned(0).size() == 30);
  CHECK(store.spool->oldest_pinned(1).empty());
  for (unsigned i = 0; i < 200; ++i) {
    auto stored = store.commit(1, text_of(3000, i));
    REQUIRE(stored.has_value());
    settle_one(**stored, 0);
    REQUIRE(store.finish(*stored).has_value());
  }
  CHECK(store.spool->oldest_pinned(100).empty());
  auto pinned = store.spool->oldest_pinned(4);
  CHECK(pinned == old);
  std::size_t held = files_in(scratch / "0/journal").size();
  CHECK(held >= 9);
  for (const QueueId& id : pinned) {
    auto loaded = store.load(id);
    REQUIRE(loaded.has_value());
    REQUIRE(store.defer(*loaded).has_value());
  }
  store.on.loop.run();
  CHECK(store.spool->oldest_pinned(4).empty());
  CHECK(files_in(scratch / "0/journal").size() <= 4);
  CHECK(store.spool->messages() == 30);
}

TEST_CASE("the content that was journalled stays in memory when that is wanted, and up to its size") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  CHECK((*store.commit(1, "small"))->content.memory == nullptr);
  store.options.keep_content = 5000;
  store.close();
  store.recover();
  auto small = store.commit(1, text_of(5000, 1)), larger = store.commit(1, text_of(5001, 2)), empty = store.commit(1, "");
  REQUIRE((small && larger && empty));
  REQUIRE((*small)->content.memory != nullptr);
  CHECK(*(*small)->content.memory == text_of(5000, 1));
  CHECK((*small)->content.memory.use_count() == 1);       // nobody else keeps it
  CHECK((*larger)->content.memory == nullptr);
  CHECK(((*empty)->content.memory && (*empty)->content.memory->empty()));
  CHECK(content_of(**small) == text_of(5000, 1));
  auto loaded = store.load((*small)->id);
  REQUIRE(loaded.has_value());
  CHECK((*loaded)->content.memory == nullptr);
}

TEST_CASE("a large content whose record is rotten is kept for a human") {
  ScratchDirectory scratch;
  QueueId id;
  {
    Store store(scratch / "0");
    store.recover();
    auto stored = store.commit(1, text_of(300 << 10, 1));
    REQUIRE(stored.has_value());
    id = (*stored)->id;
    REQUIRE(store.commit(1, "after").has_value());
  }
  std::string segment = scratch / "0/journal/000001.seg", bytes = slurp(segment);
  bytes[bytes.find("sender@a.test")] ^= 1;
  spill(segment, bytes);
  Store after(scratch / "0");
  CHECK(after.recover().size() == 1);
  CHECK(slurp(scratch / ("0/corrupt/" + id.text() + ".content")) == text_of(300 << 10, 1));
  CHECK(after.notices.size() == 2);
}

}  // namespace mansio::spool
