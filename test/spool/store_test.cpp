// What a commit promises, what each outcome leaves, and what is found after a crash at that moment.
#include <catch2/catch.hpp>

#include "spool/store.hpp"

namespace mansio::spool {
namespace {

constexpr std::size_t memory = 256 << 10;

event::Task<> write_and_drop(Spool* spool, std::size_t size) {
  Writer writer = spool->new_message();
  std::string bytes = text_of(size, 1);
  auto done = co_await writer.append(bytes);
  CHECK(done.has_value());
}

// How many batches a journal directory holds by a walk over its headers.
std::size_t batches_in(const std::string& directory, std::uint64_t key) {
  std::size_t batches = 0;
  for (const std::string& path : files_in(directory + "/journal")) {
    std::string bytes = slurp(path);
    std::size_t at = segment_header_size;
    while (at < bytes.size()) {
      auto batch = BatchHeader::decode(std::string_view(bytes).substr(at), key);
      if (!batch) break;
      ++batches;
      at += BatchHeader::size + batch->length;
    }
  }
  return batches;
}

std::uint64_t key_of(const std::string& directory) {
  std::string text = slurp(directory + "/format");
  return std::stoull(text.substr(text.rfind(' ') + 1), nullptr, 16);
}

}  // namespace

TEST_CASE("what is committed is read back byte for byte") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  std::map<QueueId, std::string> sent;
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, memory - 1, memory, memory + 1, std::size_t{5} << 20}) {
    std::string content = text_of(size, static_cast<unsigned>(size));
    auto stored = store.commit(2, content, {1, 70000, 13, 65536, 4095});
    REQUIRE(stored.has_value());
    CHECK(content_of(**stored) == content);
    CHECK((*stored)->size() == size + (*stored)->head.size());
    CHECK_FALSE((*stored)->repeated);
    sent[(*stored)->id] = content;
  }
  for (auto& [id, content] : sent) {
    auto loaded = store.load(id);
    REQUIRE(loaded.has_value());
    CHECK(content_of(**loaded) == content);
    CHECK((*loaded)->head == "Received: of " + id.text() + "\r\n");
    CHECK((*loaded)->envelope.recipients.size() == 2);
  }
  store.crash_to(scratch / "1");
  Store after(scratch / "1");
  auto found = after.recover();
  CHECK(found.size() == sent.size());
  for (auto& [id, content] : sent) {
    auto loaded = after.load(id);
    REQUIRE(loaded.has_value());
    CHECK(content_of(**loaded) == content);
    CHECK((*loaded)->repeated);
    CHECK((*loaded)->envelope.sender_text() == "sender@a.test");
  }
  CHECK(after.notices.empty());
}

TEST_CASE("many writers together keep to the memory they may use") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.options.memory_total = 64 << 10;
  store.recover();
  std::vector<std::optional<Stored>> out(30);
  for (unsigned i = 0; i < out.size(); ++i) store.on.scope.spawn(put(store.spool.get(), 1, text_of(20000 + i, i), {5000}, &out[i]));
  store.on.loop.run();
  for (unsigned i = 0; i < out.size(); ++i) {
    REQUIRE(out[i].has_value());
    REQUIRE(out[i]->has_value());
    CHECK(content_of(***out[i]) == text_of(20000 + i, i));
  }
  CHECK(files_in(scratch / "0/large").size() >= 10);
}

TEST_CASE("two hundred commits at once need few syncs") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  std::vector<std::optional<Stored>> out(200);
  for (unsigned i = 0; i < out.size(); ++i) store.on.scope.spawn(put(store.spool.get(), 1, text_of(1000, i), {}, &out[i]));
  store.on.loop.run();
  for (auto& stored : out) REQUIRE((stored && *stored));
  std::size_t batches = batches_in(scratch / "0", key_of(scratch / "0"));
  CHECK(batches >= 1);
  CHECK(batches <= 5);
}

TEST_CASE("a writer that is dropped leaves nothing") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  store.on.run(write_and_drop(store.spool.get(), 100));
  store.on.run(write_and_drop(store.spool.get(), 3 << 20));
  store.on.loop.run();
  CHECK(files_in(scratch / "0/large").empty());
  CHECK(store.spool->messages() == 0);
  store.close();
  Store after(scratch / "0");
  CHECK(after.recover().empty());
}

TEST_CASE("each outcome is found after a crash exactly as far as it went") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  std::vector<std::shared_ptr<Message>> m;
  for (unsigned i = 0; i < 7; ++i) {
    auto stored = store.commit(3, text_of(i == 5 ? memory * 2 : 1000, i));
    REQUIRE(stored.has_value());
    m.push_back(*stored);
  }
  // 0: queued; 1: one settled; 2: finished; 3: deferred; 4: deferred, tried again, two settled; 5: large and deferred;
  // 6: deferred and finished.
  settle_one(*m[1], 2);
  REQUIRE(store.settle(m[1]).has_value());
  for (std::size_t i = 0; i < 3; ++i) settle_one(*m[2], i);
  REQUIRE(store.finish(m[2]).has_value());
  Time due{std::chrono::seconds(1900000000)};
  for (std::size_t i : {3u, 4u, 5u, 6u}) {
    settle_one(*m[i], 0);
    m[i]->progress.attempts = 1;
    m[i]->progress.next_attempt = due;
    REQUIRE(store.defer(m[i]).has_value());
  }
  auto again = store.load(m[4]->id);
  INFO((again ? "" : again.error().text()));
  REQUIRE(again.has_value());
  settle_one(**again, 1, RecipientState::failed);
  (*again)->progress.attempts = 2;
  (*again)->progress.next_attempt = due + std::chrono::hours(1);
  REQUIRE(store.defer(*again).has_value());
  auto last = store.load(m[6]->id);
  REQUIRE(last.has_value());
  for (std::size_t i = 0; i < 3; ++i) settle_one(**last, i);
  REQUIRE(store.finish(*last).has_value());
  CHECK(store.spool->messages() == 5);

  std::string from = scratch / "0";
  for (int round = 0; round < 3; ++round) {     // recovery of recovery
    std::string to = scratch / std::to_string(round + 1);
    store.options.directory = from;
    store.crash_to(to);
    from = to;
    Store after(to);
    auto found = after.recover();
    REQUIRE(found.size() == 5);
    CHECK(found.contains(m[0]->id));
    CHECK(found[m[3]->id] == due);
    CHECK(found[m[4]->id] == due + std::chrono::hours(1));
    auto one = after.load(m[1]->id);
    REQUIRE(one.has_value());
    CHECK_FALSE((*one)->progress.recipients[0].settled());
    CHECK((*one)->progress.recipients[2].settled());
    CHECK(content_of(**one) == text_of(1000, 1));
    auto four = after.load(m[4]->id);
    REQUIRE(four.has_value());
    CHECK((*four)->progress.attempts == 2);
    CHECK((*four)->progress.recipients[0].state == RecipientState::delivered);
    CHECK((*four)->progress.recipients[1].state == RecipientState::failed);
    CHECK_FALSE((*four)->progress.recipients[2].settled());
    CHECK((*four)->progress.next_attempt == due + std::chrono::hours(1));
    CHECK(content_of(**four) == text_of(1000, 4));
    auto five = after.load(m[5]->id);
    REQUIRE(five.has_value());
    CHECK(content_of(**five) == text_of(memory * 2, 5));
    CHECK(after.load(m[2]->id).error().fault() == Fault::not_found);
    CHECK(after.load(m[6]->id).error().fault() == Fault::not_found);
    CHECK(after.notices.empty());
  }
}

TEST_CASE("segments are reused, and what an earlier use left is never read") {
  ScratchDirectory scratch;
  std::map<QueueId, std::string> alive;
  {
    Store store(scratch / "0", 64 << 10);
    store.recover();
    for (unsigned i = 0; i < 1500; ++i) {
      std::string content = text_of(1 + i * 7 % 3000, i);
      auto stored = store.commit(1, content);
      REQUIRE(stored.has_value());
      if (i < 1400) {
        settle_one(**stored, 0);
        REQUIRE(store.finish(*stored).has_value());
      } else {
        alive[(*stored)->id] = content;
      }
      if (i % 500 == 499) {
        store.crash_to(scratch / "copy");
        Store after(scratch / "copy", 64 << 10);
        auto found = after.recover();
        CHECK(found.size() == alive.size());
        for (auto& [id, text] : alive) {
          auto loaded = after.load(id);
          REQUIRE(loaded.has_value());
          CHECK(content_of(**loaded) == text);
        }
        CHECK(after.notices.empty());
      }
    }
    CHECK(files_in(scratch / "0/journal").size() < 12);
  }
  Store again(scratch / "0", 64 << 10);
  CHECK(again.recover().size() == 100);
}

TEST_CASE("an old message holds its segment and all newer ones") {
  ScratchDirectory scratch;
  Store store(scratch / "0", 64 << 10);
  store.recover();
  auto old = store.commit(1, "old");
  REQUIRE(old.has_value());
  for (unsigned i = 0; i < 200; ++i) {
    auto stored = store.commit(1, text_of(3000, i));
    REQUIRE(stored.has_value());
    settle_one(**stored, 0);
    REQUIRE(store.finish(*stored).has_value());
  }
  std::size_t held = files_in(scratch / "0/journal").size();
  CHECK(held >= 9);
  CHECK(content_of(**old) == "old");
  REQUIRE(store.defer(*old).has_value());
  store.on.loop.run();
  CHECK(files_in(scratch / "0/journal").size() < held);
  auto loaded = store.load((*old)->id);
  REQUIRE(loaded.has_value());
  CHECK(content_of(**loaded) == "old");
}

}  // namespace mansio::spool
