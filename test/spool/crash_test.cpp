// Torn tails, rot, things that don't belong there, and a random walk with crashes against a model.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <set>

#include "spool/store.hpp"

namespace mansio::spool {
namespace {

// The batches of the first segment of `directory`, as offsets; the last offset is the end.
std::vector<std::size_t> batch_offsets(const std::string& directory) {
  std::string text = slurp(directory + "/format");
  std::uint64_t key = std::stoull(text.substr(text.rfind(' ') + 1), nullptr, 16);
  std::string bytes = slurp(directory + "/journal/000001.seg");
  std::vector<std::size_t> out{segment_header_size};
  while (auto batch = BatchHeader::decode(std::string_view(bytes).substr(out.back()), key)) out.push_back(out.back() + BatchHeader::size + batch->length);
  return out;
}

void change(const std::string& path, std::size_t at, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at));
  file << bytes;
}

std::set<std::string> texts_of(Store& store, const std::map<QueueId, Time>& found) {
  std::set<std::string> out;
  for (auto& [id, next] : found) {
    auto loaded = store.load(id);
    out.insert(loaded ? content_of(**loaded) : loaded.error().text());
  }
  return out;
}

void copy_tree(const std::string& from, const std::string& to) {
  std::string command = "rm -rf '" + to + "' && cp -a '" + from + "' '" + to + "'";
  REQUIRE(std::system(command.c_str()) == 0);
}

// One batch each: "a", "b", then a batch of ten with one large enough to rot alone, then "z".
void four_batches(Store& store) {
  store.recover();
  REQUIRE(store.commit(1, "a").has_value());
  REQUIRE(store.commit(1, "b").has_value());
  std::vector<std::optional<Stored>> out(11);
  for (unsigned i = 0; i < out.size(); ++i) store.on.scope.spawn(put(store.spool.get(), 1, "m" + std::to_string(i), {}, &out[i]));
  store.on.loop.run();
  REQUIRE(store.commit(1, "z").has_value());
}

}  // namespace

TEST_CASE("a last batch torn at any byte is not there, and nothing before it is lost") {
  ScratchDirectory scratch;
  {
    Store store(scratch / "0");
    store.recover();
    for (const char* text : {"first", "second", "last"}) REQUIRE(store.commit(2, text).has_value());
  }
  auto at = batch_offsets(scratch / "0");
  REQUIRE(at.size() == 4);
  int dropped = 0;
  for (std::size_t cut = at[2]; cut < at[3]; cut += 17) {
    for (char how : {'t', '0', 'x'}) {
      std::string copy = scratch / "copy", segment = copy + "/journal/000001.seg";
      copy_tree(scratch / "0", copy);
      if (how == 't') std::filesystem::resize_file(segment, cut);
      else change(segment, cut, std::string(at[3] - cut, how == '0' ? '\0' : 'x'));
      Store after(copy);
      auto texts = texts_of(after, after.recover());
      std::set<std::string> expected{"first", "second"};
      if (texts.size() == 3) expected.insert("last");
      else ++dropped;
      INFO("cut at " << cut << " of " << at[3] << " by " << how);
      CHECK(texts == expected);
      CHECK(after.notices.empty());
      CHECK(files_in(copy + "/corrupt").empty());
    }
  }
  CHECK(dropped > 40);
}

TEST_CASE("a torn outcome leaves the message queued") {
  ScratchDirectory scratch;
  {
    Store store(scratch / "0");
    store.recover();
    auto stored = store.commit(1, "once");
    settle_one(**stored, 0);
    REQUIRE(store.finish(*stored).has_value());
  }
  auto at = batch_offsets(scratch / "0");
  REQUIRE(at.size() == 3);
  std::filesystem::resize_file(scratch / "0/journal/000001.seg", at[2] - 1);
  Store after(scratch / "0");
  CHECK(texts_of(after, after.recover()) == std::set<std::string>{"once"});
}

TEST_CASE("a rotten record costs itself alone, and its bytes are kept") {
  ScratchDirectory scratch;
  {
    Store store(scratch / "0");
    four_batches(store);
  }
  auto at = batch_offsets(scratch / "0");
  REQUIRE(at.size() >= 6);
  std::size_t batches = at.size() - 1;
  // The content of "m5": changed where it stands.
  std::string segment = scratch / "0/journal/000001.seg";
  auto where = slurp(segment).find("m5");
  REQUIRE(where != std::string::npos);
  change(segment, where, "M");
  Store after(scratch / "0");
  auto texts = texts_of(after, after.recover());
  CHECK(texts == std::set<std::string>{"a", "b", "m0", "m1", "m2", "m3", "m4", "m6", "m7", "m8", "m9", "m10", "z"});
  CHECK(after.notices.size() == 1);
  auto kept = files_in(scratch / "0/corrupt");
  REQUIRE(kept.size() == 1);
  std::size_t damaged = 0;
  while (damaged + 1 < batches && at[damaged + 1] <= where) ++damaged;
  CHECK(slurp(kept[0]) == slurp(segment).substr(at[damaged], at[damaged + 1] - at[damaged]));
}

TEST_CASE("a rotten batch header costs no message, a rotten segment header neither") {
  ScratchDirectory scratch;
  {
    Store store(scratch / "0");
    four_batches(store);
  }
  auto at = batch_offsets(scratch / "0");
  for (std::size_t byte : {at[1] + 3, at[1] + 20, at[2] + 44, std::size_t{17}, std::size_t{2}}) {
    std::string copy = scratch / "copy";
    copy_tree(scratch / "0", copy);
    std::string segment = copy + "/journal/000001.seg";
    change(segment, byte, std::string(1, static_cast<char>(slurp(segment)[byte] ^ 0x55)));     // never what stood there
    Store after(copy);
    CHECK(after.recover().size() == 14);
    CHECK(after.notices.size() == (byte > segment_header_size ? 1 : 0));
  }
}

TEST_CASE("a last batch that the next segment's header knows of is damage, one that it does not count was refused") {
  ScratchDirectory scratch;
  {
    Store store(scratch / "0");
    four_batches(store);
  }
  auto at = batch_offsets(scratch / "0");
  std::string text = slurp(scratch / "0/format");
  std::uint64_t key = std::stoull(text.substr(text.rfind(' ') + 1), nullptr, 16);
  for (int difference : {-1, 0, 1}) {
    std::string copy = scratch / "copy";
    copy_tree(scratch / "0", copy);
    SegmentHeader header;
    header.serial = 2;
    header.previous_batches = static_cast<std::uint32_t>(static_cast<int>(at.size()) - 1 + difference);
    REQUIRE(Segment::create(copy + "/journal/000002.seg", key, header).has_value());
    Store after(copy);
    auto texts = texts_of(after, after.recover());
    CHECK(texts.contains("z") == (difference >= 0));
    CHECK(after.notices.size() == (difference == 1 ? 1 : 0));
  }
}

TEST_CASE("what is no file of ours is put aside and nothing hangs on it") {
  ScratchDirectory scratch;
  QueueId some, ours;
  {
    Store store(scratch / "0");
    store.recover();
    auto stored = store.commit(1, "kept");
    (*stored)->progress.next_attempt = Time(std::chrono::seconds(1800000000));
    REQUIRE(store.defer(*stored).has_value());
    ours = (*stored)->id;
    some = ours;
  }
  auto other = [&](std::uint32_t fraction, std::uint64_t generation) {
    QueueId id = some;
    id.fraction = fraction;
    id.origin = generation << 8;
    std::string path = deferred_path(scratch / "0/deferred", id);
    std::filesystem::create_directories(path.substr(0, path.rfind('/')));
    return path;
  };
  ::mkfifo(other(1, 1).c_str(), 0600);
  std::filesystem::create_directory(other(2, 1));
  std::filesystem::create_symlink("/etc/passwd", other(3, 1));
  std::string directory = deferred_path(scratch / "0/deferred", ours);
  directory.resize(directory.rfind('/'));
  spill(directory + "/README", "x");
  spill(directory + "/.new-" + ours.text(), "half");
  spill(directory + "/.new-" + other(4, 2).substr(other(4, 2).rfind('/') + 1), "of this run");
  ::mkfifo((scratch / "0/journal/000009.seg").c_str(), 0600);
  std::filesystem::create_directory(scratch / "0/journal/sub");
  spill(scratch / "0/journal/000008.seg", "");
  spill(scratch / "0/journal/000007.seg", "garbage");
  std::string orphan = other(5, 1);
  orphan = scratch / "0/large" + orphan.substr(orphan.rfind('/'));
  std::string young = other(6, 2);
  young = scratch / "0/large" + young.substr(young.rfind('/'));
  spill(orphan, "orphan");
  spill(young, "young");
  Store after(scratch / "0");
  auto found = after.recover();
  CHECK(found.size() == 1);
  CHECK(found.contains(ours));
  CHECK(texts_of(after, found) == std::set<std::string>{"kept"});
  CHECK(after.notices.size() == 7);
  CHECK_FALSE(std::filesystem::exists(orphan));
  CHECK(std::filesystem::exists(young));
  CHECK_FALSE(std::filesystem::exists(directory + "/.new-" + ours.text()));
  CHECK(std::filesystem::exists(directory + "/.new-" + other(4, 2).substr(other(4, 2).rfind('/') + 1)));
  CHECK(slurp(scratch / "0/corrupt/README") == "x");
}

TEST_CASE("a deferred file with a torn last state counts up to the one before; a damaged one is put aside") {
  ScratchDirectory scratch;
  QueueId id;
  std::string path;
  std::size_t before = 0;
  {
    Store store(scratch / "0");
    store.recover();
    auto stored = store.commit(3, "deferred content");
    id = (*stored)->id;
    settle_one(**stored, 0);
    REQUIRE(store.defer(*stored).has_value());
    path = deferred_path("/deferred", id);
    before = slurp(scratch / "0" + path).size();
    auto again = store.load(id);
    settle_one(**again, 1);
    REQUIRE(store.defer(*again).has_value());
  }
  std::string whole = slurp(scratch / "0" + path);
  std::string copy = scratch / "copy";
  for (std::size_t size = before; size <= whole.size(); size += size + 9 < whole.size() ? 9 : 1) {
    copy_tree(scratch / "0", copy);
    std::filesystem::resize_file(copy + path, size);
    Store after(copy);
    CHECK(after.recover().size() == 1);
    auto loaded = after.load(id);
    REQUIRE(loaded.has_value());
    CHECK((*loaded)->progress.recipients[0].settled());
    CHECK((*loaded)->progress.recipients[1].settled() == (size == whole.size()));
    settle_one(**loaded, 2);     // the next state takes the torn one's place
    REQUIRE(after.settle(*loaded).has_value());
    auto again = after.load(id);
    REQUIRE(again.has_value() == (size != whole.size()));
    if (again) CHECK((*again)->progress.recipients[2].settled());
    else CHECK(again.error().fault() == Fault::not_found);
  }
  std::size_t content = whole.find("deferred content");
  for (int how = 0; how < 4; ++how) {
    copy_tree(scratch / "0", copy);
    if (how == 0) change(copy + path, content, "D");
    if (how == 1) std::filesystem::resize_file(copy + path, content + 3);
    if (how == 2) change(copy + path, 20, "!");       // in the id, which never holds it
    if (how == 3) std::filesystem::resize_file(copy + path, 0);
    std::string bytes = slurp(copy + path);
    Store after(copy);
    after.recover();
    auto loaded = after.load(id);
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().fault() == Fault::invalid);
    CHECK(after.notices.size() == 1);
    CHECK(slurp(copy + "/corrupt/" + id.text()) == bytes);
    CHECK(after.spool->messages() == 0);
  }
}

TEST_CASE("a crash between a deferred file and its moved record leaves one message, also after it is finished") {
  ScratchDirectory scratch;
  Store store(scratch / "0");
  store.recover();
  auto stored = store.commit(1, "moving");
  std::string copy = scratch / "copy", path = deferred_path("/deferred", (*stored)->id);
  store.crash_to(copy);
  Time due{std::chrono::seconds(1900000000)};
  (*stored)->progress.next_attempt = due;
  REQUIRE(store.defer(*stored).has_value());
  std::filesystem::create_directories(copy + path.substr(0, path.rfind('/')));
  REQUIRE(std::system(("cp -p '" + (scratch / "0" + path) + "' '" + copy + path + "'").c_str()) == 0);
  {
    Store after(copy);
    auto found = after.recover();
    REQUIRE(found.size() == 1);
    CHECK(found.begin()->second == due);
    auto loaded = after.load((*stored)->id);
    REQUIRE(loaded.has_value());
    CHECK((*loaded)->progress.next_attempt == due);
    settle_one(**loaded, 0);
    REQUIRE(after.finish(*loaded).has_value());
    after.crash_to(scratch / "third");
  }
  Store third(scratch / "third");
  CHECK(third.recover().empty());
}

TEST_CASE("a large message whose file is gone or short is put aside, with what there is") {
  ScratchDirectory scratch;
  QueueId id;
  {
    Store store(scratch / "0");
    store.recover();
    id = (*store.commit(1, text_of(300 << 10, 3)))->id;
  }
  std::filesystem::resize_file(scratch / "0/large/" + id.text(), 1000);
  Store after(scratch / "0");
  after.recover();
  CHECK(after.load(id).error().fault() == Fault::invalid);
  CHECK(slurp(scratch / "0/corrupt/" + id.text() + ".content").size() == 1000);
  CHECK_FALSE(slurp(scratch / "0/corrupt/" + id.text()).empty());
  after.close();
  Store again(scratch / "0");
  CHECK(again.recover().empty());
}

namespace {

struct Model {
  std::string content;
  std::set<std::size_t> settled;
  std::size_t recipients = 0;
};

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) { open(); }
  void step() {
    auto dice = random_() % 100;
    if (model_.empty() || dice < 45) commit();
    else if (dice < 60) settle();
    else if (dice < 75) defer();
    else if (dice < 96) finish();
    else crash();
  }
  void crash() {
    std::string next = scratch_ / std::to_string(++generation_);
    store_->crash_to(next);
    store_->close();
    std::filesystem::remove_all(store_->options.directory);
    open();
    check();
  }

 private:
  void open() {
    store_ = std::make_unique<Store>(scratch_ / std::to_string(generation_), 32 << 10);
    found_ = store_->recover();
  }
  void commit() {
    Model m;
    m.recipients = 1 + random_() % 4;
    m.content = text_of(random_() % 20 == 0 ? 300000 : random_() % 3000, static_cast<unsigned>(random_()));
    auto stored = store_->commit(static_cast<int>(m.recipients), m.content);
    REQUIRE(stored.has_value());
    model_[(*stored)->id] = std::move(m);
  }
  std::shared_ptr<Message> pick() {
    auto it = std::next(model_.begin(), static_cast<std::ptrdiff_t>(random_() % model_.size()));
    auto loaded = store_->load(it->first);
    REQUIRE(loaded.has_value());
    return *loaded;
  }
  void mark(Message& m) {
    auto& known = model_[m.id];
    for (std::size_t i = 0; i + 1 < known.recipients; ++i) {     // never all: that is finish
      if (random_() % 2 == 0) known.settled.insert(i);
    }
    for (std::size_t i : known.settled) settle_one(m, i);
  }
  void settle() {
    auto m = pick();
    mark(*m);
    REQUIRE(store_->settle(m).has_value());
  }
  void defer() {
    auto m = pick();
    mark(*m);
    REQUIRE(store_->defer(m).has_value());
  }
  void finish() {
    auto m = pick();
    for (std::size_t i = 0; i < m->progress.recipients.size(); ++i) settle_one(*m, i);
    REQUIRE(store_->finish(m).has_value());
    model_.erase(m->id);
  }
  void check() {
    REQUIRE(found_.size() == model_.size());
    CHECK(store_->notices.empty());
    for (auto& [id, m] : model_) {
      REQUIRE(found_.contains(id));
      auto loaded = store_->load(id);
      REQUIRE(loaded.has_value());
      CHECK(content_of(**loaded) == m.content);
      for (std::size_t i = 0; i < m.recipients; ++i) CHECK((*loaded)->progress.recipients[i].settled() == m.settled.contains(i));
    }
  }

  std::minstd_rand random_;
  ScratchDirectory scratch_;
  int generation_ = 0;
  std::unique_ptr<Store> store_;
  std::map<QueueId, Time> found_;
  std::map<QueueId, Model> model_;
};

}  // namespace

TEST_CASE("a random walk with crashes ends where the model does") {
  for (unsigned seed : {1u, 22u, 333u, 4444u}) {
    INFO("seed " << seed);
    Walk walk(seed);
    for (int i = 0; i < 200; ++i) walk.step();
    walk.crash();
    walk.crash();
  }
}

}  // namespace mansio::spool
