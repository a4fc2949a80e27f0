// A file system that refuses to remove a file, or to sync a directory, for a while.
#include <catch2/catch.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <string_view>

#include "event/timer.hpp"
#include "spool/store.hpp"

namespace mansio::spool {
namespace {

constexpr int any_number = 1 << 30;
std::atomic<bool> removes_nothing{false};    // of messages
std::atomic<int> syncs_left{any_number};     // of files and directories; then they fail

std::atomic<bool> slow_syncs{false};

struct Refusing {
  explicit Refusing(int syncs = any_number) {
    removes_nothing = true;
    syncs_left = syncs;
  }
  ~Refusing() {
    removes_nothing = false;
    syncs_left = any_number;
  }
};

}  // namespace
}  // namespace mansio::spool

// In the place of libc's, for all of this program.
extern "C" int unlink(const char* path) noexcept {
  std::string_view name(path);
  bool message = name.find("/deferred/") != name.npos || name.find("/large/") != name.npos;
  if (mansio::spool::removes_nothing && message) {
    errno = EROFS;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_unlink, path));
}
extern "C" int fsync(int fd) {
  if (mansio::spool::slow_syncs) ::usleep(6000);
  if (mansio::spool::syncs_left-- <= 0) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace mansio::spool {
namespace {

using Step = event::Task<> (*)(Spool*, std::shared_ptr<Message>, Result<>*);

bool done(Store& store, Step step, const std::shared_ptr<Message>& message) {
  Result<> out;
  store.on.run(step(store.spool.get(), message, &out));
  while (store.on.scope.running() != 0) store.on.loop.run();
  return out.has_value();
}

// So that the oldest segment is used again, if it may be.
void use_segments_up(Store& store) {
  for (unsigned i = 0; i < 12; ++i) {
    auto other = store.commit(1, text_of(200 << 10, i));
    REQUIRE(other);
    settle_one(**other, 0);
    REQUIRE(done(store, finish_into, *other));
  }
}

// A message to two recipients whose defer failed when its file had its name: neither could the directory be synced nor the name taken
// away. Gives the file's path.
std::string half_deferred(Store& store, const std::string& root, std::shared_ptr<Message>& message) {
  auto stored = store.commit(2, "once");
  REQUIRE(stored);
  message = *stored;
  std::string path = deferred_path(root + "/deferred", message->id);
  {
    Refusing disk(2);         // that of the new directory's name, that of the file
    CHECK_FALSE(done(store, defer_into, message));
  }
  REQUIRE(std::filesystem::exists(path));
  return path;
}

// The message of half_deferred() is all there is, whole, and of its two recipients this one alone is settled.
void check_after_crash(Store& store, const std::string& to, std::size_t settled) {
  store.crash_to(to);
  Store after(to);
  auto found = after.recover();
  REQUIRE(found.size() == 1);
  auto again = after.load(found.begin()->first);
  REQUIRE(again);
  CHECK(content_of(**again) == "once");
  CHECK((*again)->progress.recipients[settled].settled());
  CHECK_FALSE((*again)->progress.recipients[1 - settled].settled());
}

}  // namespace

TEST_CASE("a message that was finished after its defer failed does not come back when the journal has forgotten it") {
  ScratchDirectory scratch;
  {
    Store store(scratch / "0", 1 << 20);
    store.recover();
    std::shared_ptr<Message> message;
    std::string path = half_deferred(store, scratch / "0", message);
    settle_one(*message, 0);
    settle_one(*message, 1);
    {
      Refusing disk;
      CHECK_FALSE(done(store, finish_into, message));
    }
    CHECK(std::filesystem::exists(path));
    CHECK(done(store, finish_into, message));
    CHECK_FALSE(std::filesystem::exists(path));
    message.reset();
    use_segments_up(store);
  }
  Store after(scratch / "0", 1 << 20);
  CHECK(after.recover().empty());
}

TEST_CASE("what was settled after a defer failed is known after a crash") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  std::shared_ptr<Message> message;
  half_deferred(store, scratch / "0", message);
  settle_one(*message, 0);
  {
    Refusing disk;
    CHECK_FALSE(done(store, settle_into, message));
  }
  REQUIRE(done(store, settle_into, message));
  check_after_crash(store, scratch / "1", 0);
}

TEST_CASE("what a defer failed to move, and is moved at last while it is settled, is not lost") {
  auto settle_later = [](event::Loop* loop, int pause, Spool* spool, std::shared_ptr<Message> message, Result<>* out) -> event::Task<> {
    event::Timer timer(*loop);
    co_await timer.sleep(Duration(pause));
    *out = co_await spool->settle(message);
  };
  // The name comes after one slow sync, its own sync is the second.
  for (int pause = 0; pause < 16; ++pause) {
    ScratchDirectory scratch;
    Store store(scratch / "0");
    store.recover();
    std::shared_ptr<Message> message;
    half_deferred(store, scratch / "0", message);
    Result<> deferred = fail(Fault::system, "waits"), settled = fail(Fault::system, "waits");
    settle_one(*message, 1);
    slow_syncs = true;
    store.on.scope.spawn(defer_into(store.spool.get(), message, &deferred));
    store.on.scope.spawn(settle_later(&store.on.loop, pause, store.spool.get(), message, &settled));
    while (store.on.scope.running() != 0) store.on.loop.run();
    slow_syncs = false;
    CHECK((deferred.has_value() && settled.has_value()));
    check_after_crash(store, scratch / "1", 1);
  }
}

TEST_CASE("a finished message whose file can't be removed at the start is not delivered again, now or later") {
  ScratchDirectory scratch;
  std::string path;
  {
    Store store(scratch / "0");
    store.recover();
    std::shared_ptr<Message> message;
    path = half_deferred(store, scratch / "0", message);
    std::filesystem::copy_file(path, scratch / "file");
    settle_one(*message, 0);
    settle_one(*message, 1);
    REQUIRE(done(store, finish_into, message));
    std::filesystem::rename(scratch / "file", path);         // as an older mansio left it
    store.crash_to(scratch / "1");
  }
  path.replace(0, (scratch / "0").size(), scratch / "1");
  REQUIRE(std::filesystem::exists(path));
  {
    Store store(scratch / "1", 1 << 20);
    {
      Refusing disk;
      CHECK(store.recover().empty());
    }
    REQUIRE(store.notices.size() == 1);
    CHECK(store.notices[0].find("Read-only file system: it is not delivered again; the journal is kept until the next start") != std::string::npos);
    use_segments_up(store);
    CHECK(std::filesystem::exists(path));
  }
  Store after(scratch / "1");
  CHECK(after.recover().empty());
  CHECK(after.notices.empty());
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("large files that could not be removed go when it works again") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  auto large = [&](unsigned seed) {
    auto made = store.commit(1, text_of(300 << 10, seed));
    REQUIRE(made);
    settle_one(**made, 0);
    return *made;
  };
  auto first = large(1), second = large(2);
  {
    Refusing disk;
    CHECK(done(store, finish_into, first));
    CHECK(done(store, finish_into, second));
    CHECK(files_in(scratch / "0/large").size() == 2);
    REQUIRE(store.notices.size() == 1);
    CHECK(store.notices[0].find("Read-only file system: no message needs it any more; tried again later") != std::string::npos);
  }
  auto small = store.commit(1, "small");
  REQUIRE(small);
  settle_one(**small, 0);
  CHECK(done(store, finish_into, *small));
  CHECK(files_in(scratch / "0/large").empty());
}

}  // namespace mansio::spool
