// Locks, versions, a disk that refuses and one that is full.
#include <catch2/catch.hpp>

#include <sys/resource.h>

#include <csignal>

#include "spool/store.hpp"

namespace mansio::spool {
namespace {

// No file may grow past `bytes` while this lives: writes fail as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

event::Task<> large_after_failure(Spool* spool, Fault* append, Fault* commit) {
  Writer writer = spool->new_message();
  std::string bytes = text_of(300 << 10, 1);
  auto first = co_await writer.append(bytes);
  if (!first) *append = first.error().fault();
  std::string more = "tail";
  auto second = co_await writer.append(more);
  CHECK(second.has_value());     // only buffered
  mail::Envelope envelope = envelope_to(1);
  std::string head;
  auto stored = co_await writer.commit(std::move(envelope), std::move(head));
  if (!stored) *commit = stored.error().fault();
}

}  // namespace

TEST_CASE("a second process is told who has the spool") {
  ScratchDirectory scratch;
  Store first(scratch / "0");
  first.recover();
  Store second(scratch / "0");
  auto opened = second.open();
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().fault() == Fault::busy);
  CHECK(opened.error().text().find("pid " + std::to_string(::getpid())) != std::string::npos);
  first.close();
  CHECK(second.open().has_value());
}

TEST_CASE("a spool of another version is refused and not changed") {
  ScratchDirectory scratch;
  for (const char* format : {"mansio-spool 2 generation 5 key 00\n", "something else\n", "mansio-spool 1 generation x key 00\n", ""}) {
    std::filesystem::remove_all(scratch / "0");
    std::filesystem::create_directory(scratch / "0");
    spill(scratch / "0/format", format);
    Store store(scratch / "0");
    auto opened = store.open();
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().fault() == Fault::exists);
    CHECK(slurp(scratch / "0/format") == format);
    CHECK_FALSE(std::filesystem::exists(scratch / "0/journal"));
  }
}

TEST_CASE("a journal of another version is refused and not changed") {
  ScratchDirectory scratch;
  {
    Store store(scratch / "0");
    store.recover();
    REQUIRE(store.commit(1, "x").has_value());
  }
  std::string segment = scratch / "0/journal/000001.seg";
  std::string bytes = slurp(segment);
  bytes[8] = 2;
  spill(segment, bytes);
  Store store(scratch / "0");
  CHECK(store.open().error().fault() == Fault::exists);
  CHECK(slurp(segment) == bytes);
}

TEST_CASE("a write that fails is a refusal, outcomes wait, and mail is taken again when the disk does") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  auto kept = store.commit(1, "kept"), ended = store.commit(1, "ended");
  REQUIRE((kept && ended));
  Result<> finished = fail(Fault::system, "waits");
  {
    FileSizeLimit limit(100);
    auto refused = store.commit(1, "refused");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().fault() == Fault::full);
    auto welcome = store.spool->accepting();
    REQUIRE_FALSE(welcome.has_value());
    CHECK(welcome.error().fault() == Fault::full);
    settle_one(**ended, 0);
    store.on.scope.spawn(finish_into(store.spool.get(), *ended, &finished));
    CHECK_FALSE(store.commit(1, "refused too").has_value());
    event::Timer timer(store.on.loop);
    auto sleep = [](event::Timer* t) -> event::Task<> { co_await t->sleep(Duration(1300)); };   // past one failing probe
    store.on.run(sleep(&timer));
    CHECK(finished.error().text() == "waits");
    CHECK_FALSE(store.spool->accepting().has_value());
  }
  store.on.loop.run();
  CHECK(finished.has_value());
  CHECK(store.spool->accepting().has_value());
  CHECK(store.notices.size() == 2);
  REQUIRE(store.commit(1, "after").has_value());
  store.crash_to(scratch / "1");
  Store after(scratch / "1");
  std::vector<std::string> texts;
  for (auto& [id, next] : after.recover()) texts.push_back(content_of(**after.load(id)));
  CHECK(texts == std::vector<std::string>{"kept", "after"});
  CHECK(after.notices.empty());
}

TEST_CASE("closing while the disk fails ends every wait with an error") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  std::vector<std::shared_ptr<Message>> messages;
  for (int i = 0; i < 3; ++i) messages.push_back(*store.commit(1, "x"));
  std::vector<Result<>> results(3);
  {
    FileSizeLimit limit(100);
    CHECK_FALSE(store.commit(1, "refused").has_value());
    for (std::size_t i = 0; i < 3; ++i) store.on.scope.spawn(finish_into(store.spool.get(), messages[i], &results[i]));
    store.on.run(store.spool->close());
  }
  for (auto& result : results) CHECK_FALSE(result.has_value());
  messages.clear();
  store.close();
  Store after(scratch / "0");
  CHECK(after.recover().size() == 3);
}

TEST_CASE("a large message that could not be written can't be committed") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  Fault append{}, commit{};
  {
    FileSizeLimit limit(1000);
    store.on.run(large_after_failure(store.spool.get(), &append, &commit));
  }
  store.on.loop.run();
  CHECK(append == Fault::full);
  CHECK(commit == Fault::full);
  CHECK(files_in(scratch / "0/large").empty());
  CHECK(store.spool->messages() == 0);
}

TEST_CASE("below spool.reserve new mail is refused and what is queued can still end") {
  ScratchDirectory scratch;
  QueueId ends, waits;
  {
    Store store(scratch / "0");
    store.recover();
    ends = (*store.commit(1, "ends"))->id;
    waits = (*store.commit(1, "waits"))->id;
  }
  Store store(scratch / "0", 64 << 20, std::uint64_t{1} << 60);
  CHECK(store.recover().size() == 2);
  CHECK(store.spool->accepting().error().fault() == Fault::full);
  CHECK(store.commit(1, "small").error().fault() == Fault::full);
  CHECK(store.commit(1, text_of(400 << 10, 1)).error().fault() == Fault::full);
  CHECK(store.notices.size() == 1);
  auto one = store.load(ends), other = store.load(waits);
  REQUIRE((one && other));
  settle_one(**one, 0);
  CHECK(store.finish(*one).has_value());
  CHECK(store.defer(*other).has_value());
  CHECK(store.spool->messages() == 1);
}

}  // namespace mansio::spool
