// Recovery: a pure function of what the directories hold (D-006), run on a disk thread while new mail is accepted.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>

#include "base/file.hpp"
#include "base/unix_time.hpp"
#include "spool/scan.hpp"
#include "spool/spool.hpp"

namespace mansio::spool {
namespace {

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return names;
  while (dirent* entry = ::readdir(dir)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  ::closedir(dir);
  return names;
}

void quarantine(const std::string& path, const std::string& corrupt, const Notice& notice, const std::string& why) {
  std::string to = corrupt + "/" + path.substr(path.find_last_of('/') + 1);
  for (int i = 1; ::access(to.c_str(), F_OK) == 0 && i < 1000; ++i) to = fmt::format("{}/{}.{}", corrupt, path.substr(path.find_last_of('/') + 1), i);
  bool moved = ::rename(path.c_str(), to.c_str()) == 0;
  notice(fmt::format("spool: {} can't be understood ({}): {} to {}", path, why, moved ? "moved" : "and could not be moved", to));
}

}  // namespace

// A segment that a crash cut off before its header was written: nothing was ever in it.
static bool is_never_begun(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 && ::unlink(path.c_str()) == 0;
}

Result<std::unique_ptr<Spool>> Spool::open(event::Loop& loop, event::Scope& scope, Options options, Notice notice) {
  auto shard = Shard::open(options.directory);
  if (!shard) return std::unexpected(shard.error());
  std::vector<std::shared_ptr<Segment>> segments;
  for (const std::string& name : names_in(shard->journal())) {
    std::string path = shard->journal() + "/" + name;
    if (is_never_begun(path)) continue;
    auto segment = Segment::open(path, shard->key());
    if (segment) segments.push_back(std::move(*segment));
    else if (segment.error().fault() == Fault::exists) return fail(Fault::exists, path + ": " + segment.error().text());
    else if (segment.error().fault() == Fault::invalid) quarantine(path, shard->corrupt(), notice, segment.error().text());
    else return std::unexpected(segment.error());
  }
  std::ranges::sort(segments, {}, [](const auto& s) { return s->header().serial; });
  auto spool = std::unique_ptr<Spool>(new Spool(loop, scope, std::move(*shard), std::move(options), std::move(notice)));
  auto opened = spool->journal_.open(segments);
  if (!opened) return std::unexpected(opened.error());
  spool->old_segments_ = std::move(segments);
  return spool;
}

struct Spool::Recovery {
  struct Found {
    Entry entry;
    bool done = false, moved = false;
  };
  std::unordered_map<QueueId, Found> journal;
  std::vector<std::pair<QueueId, Time>> half_moved;   // in the journal and in deferred/
  std::vector<std::string> notices;
  std::vector<std::shared_ptr<Segment>> pinned;    // not to be reused: they hold what could not be saved
  std::unordered_set<QueueId> ended;               // finished, and their files are still in deferred/

  void read_segments(const Spool& spool);
  void take(const std::shared_ptr<Segment>& segment, FoundRecord&& record);
  void save_damage(const Spool& spool, const std::shared_ptr<Segment>& segment, const Damage& damage);
  void compare_with_deferred(const Spool& spool);
};

void Spool::Recovery::take(const std::shared_ptr<Segment>& segment, FoundRecord&& record) {
  Found& found = journal[record.id];
  switch (record.type) {
    case RecordType::message: {
      auto layout = MessageLayout::decode(record.start);
      found.entry.segment = segment;
      found.entry.offset = record.payload_offset;
      found.entry.length = record.length;
      found.entry.large = layout && layout->large;
      found.entry.recovered = true;
      break;
    }
    case RecordType::settled: found.entry.progress = std::move(record.start); break;
    case RecordType::done: found.done = true; break;
    case RecordType::moved: found.moved = true; break;
  }
}

void Spool::Recovery::read_segments(const Spool& spool) {
  for (std::size_t i = 0; i < spool.old_segments_.size(); ++i) {
    const auto& segment = spool.old_segments_[i];
    bool followed = i + 1 < spool.old_segments_.size() && spool.old_segments_[i + 1]->header().serial == segment->header().serial + 1;
    std::uint32_t expected = followed ? spool.old_segments_[i + 1]->header().previous_batches : SegmentHeader::unknown_batches;
    // What a killed process wrote without a sync is read all the same, so it has to last.
    if (i + 1 == spool.old_segments_.size()) ::fdatasync(segment->fd());
    auto report = scan_segment(segment->fd(), spool.shard_.key(), segment->header(), expected,
                               [&](FoundRecord&& record) { take(segment, std::move(record)); });
    if (!report) {
      pinned.push_back(segment);
      notices.push_back(fmt::format("spool: {}: {}", segment->path(), report.error().text()));
      continue;
    }
    for (const Damage& damage : report->damage) save_damage(spool, segment, damage);
  }
}

// What the disk can't read stays zero in the copy.
Result<> copy_damage(int fd, const Damage& damage, const std::string& to) {
  constexpr std::uint64_t page = 4096;
  std::string bytes(static_cast<std::size_t>(damage.to - damage.from), '\0');
  for (std::uint64_t at = 0; at < bytes.size(); at += page) {
    std::size_t piece = static_cast<std::size_t>(std::min(page, bytes.size() - at));
    if (!pread_all(fd, bytes.data() + at, piece, damage.from + at)) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), piece, '\0');
  }
  return replace_file(to, bytes, 0600);
}

void Spool::Recovery::save_damage(const Spool& spool, const std::shared_ptr<Segment>& segment, const Damage& damage) {
  std::string to = fmt::format("{}/journal-{}-{}", spool.shard_.corrupt(), segment->header().serial, damage.from);
  auto saved = copy_damage(segment->fd(), damage, to);
  if (!saved) pinned.push_back(segment);
  std::string where = saved ? fmt::format("the bytes are kept in {}", to) : fmt::format("{}: the segment is kept", saved.error().text());
  notices.push_back(fmt::format("spool: {} is damaged from byte {} to {}: what could be read of it is queued, {}", segment->path(), damage.from,
                                damage.to, where));
}

// What the journal knows better than deferred/ does, before anybody works with either. Keeps what is still queued.
void Spool::Recovery::compare_with_deferred(const Spool& spool) {
  std::set<std::string> changed;
  auto keep = [&](const std::string& why) {
    // The `done` record is all that speaks against the file. The next start tries again.
    notices.push_back(fmt::format("spool: {}: it is not delivered again; the journal is kept until the next start", why));
    pinned = spool.old_segments_;
  };
  for (auto it = journal.begin(); it != journal.end();) {
    auto& [id, found] = *it;
    std::string path = deferred_path(spool.shard_.deferred(), id), directory = path.substr(0, path.find_last_of('/'));
    bool queued = found.entry.segment && !found.done && !found.moved;
    struct stat st {};
    if (found.done) {
      // Left by a `defer` that failed; the message was finished from the journal.
      if (::unlink(path.c_str()) == 0) {
        changed.insert(directory);
      } else if (errno != ENOENT) {
        keep(Error::from_errno(errno, "remove " + path).text());
        ended.insert(id);
      }
    } else if (queued) {
      ::unlink((directory + "/.new-" + id.text()).c_str());
      if (::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode)) {
        half_moved.emplace_back(id, from_unix(st.st_mtim.tv_sec));
        queued = false;
      }
    }
    it = queued ? std::next(it) : journal.erase(it);
  }
  for (const std::string& directory : changed) {
    // Before the `done` record may be overwritten.
    auto synced = sync_directory(directory);
    if (!synced) keep(fmt::format("{}: {}", directory, synced.error().text()));
  }
}

namespace {

// One directory of deferred/.
struct DeferredNames {
  std::vector<std::pair<QueueId, Time>> messages;
  std::vector<QueueId> unfinished;       // temporary files
  std::vector<std::string> notices;
};

DeferredNames read_deferred_directory(const Shard& shard, const std::string& directory) {
  DeferredNames out;
  for (const std::string& name : names_in(directory)) {
    std::string path = directory + "/" + name;
    auto id = QueueId::parse(name);
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) continue;
    if (name.starts_with(".new-")) {
      auto of = QueueId::parse(std::string_view(name).substr(5));
      if (of && !of->is_of(shard.generation())) out.unfinished.push_back(*of);
    } else if (!id || !S_ISREG(st.st_mode) || path != deferred_path(shard.deferred(), *id)) {
      quarantine(path, shard.corrupt(), [&](const std::string& text) { out.notices.push_back(text); }, "not a file of ours");
    } else if (!id->is_of(shard.generation())) {
      out.messages.emplace_back(*id, from_unix(st.st_mtim.tv_sec));
    }
  }
  return out;
}

constexpr std::size_t told_at_once = 1000;     // then others have their turn on the loop

}  // namespace

event::Task<> Spool::recover(Recovered recovered) {
  Recovery recovery;
  auto read = [&] {
    recovery.read_segments(*this);
    recovery.compare_with_deferred(*this);
    return true;
  };
  co_await files_.run(read);
  for (const std::string& text : recovery.notices) notice_(text);
  bool damaged = !recovery.notices.empty();
  ended_ = std::move(recovery.ended);
  for (const auto& segment : recovery.pinned) ++segment->live;
  recovery.pinned.clear();
  co_await take_journal(recovery, recovered);
  old_segments_.clear();
  co_await finish_moves(recovery, recovered);
  journal_.allow_recycling();
  co_await take_deferred(recovered);
  co_await remove_orphans(damaged);
  recovering_ = false;
}

event::Task<> Spool::take_journal(Recovery& recovery, Recovered& recovered) {
  // All of them are counted before the loop goes on: the queue may finish the first while the last is told.
  std::vector<QueueId> ids;
  for (auto& [id, found] : recovery.journal) {
    ++found.entry.segment->live;
    index_.emplace(id, std::move(found.entry));
    ids.push_back(id);
  }
  recovery.journal.clear();
  std::ranges::sort(ids);
  auto pause = [] { return true; };
  for (std::size_t i = 0; i < ids.size(); ++i) {
    recovered(ids[i], ids[i].time());
    if (i % told_at_once == told_at_once - 1) co_await files_.run(pause);
  }
}

// A crash came between the deferred file and its `moved` record, which must be durable before the file may go: else the
// record in the journal would outlive it.
event::Task<> Spool::finish_moves(Recovery& recovery, Recovered& recovered) {
  for (auto& [id, next] : recovery.half_moved) {
    Outgoing record(RecordType::moved, id);
    auto place = co_await journal_.append(std::move(record));
    if (!place) continue;     // closing; the next run finds it again
    deferred_.insert(id);
    recovered(id, next);
  }
}

// One directory after the other, so that neither memory nor the loop feels how many wait.
event::Task<> Spool::take_deferred(Recovered& recovered) {
  std::vector<std::string> directories;
  auto list = [&] {
    directories = names_in(shard_.deferred());
    return true;
  };
  co_await files_.run(list);
  auto pause = [] { return true; };
  for (const std::string& name : directories) {
    if (name.size() != 2) continue;
    std::string directory = shard_.deferred() + "/" + name;
    auto read = [&] { return read_deferred_directory(shard_, directory); };
    DeferredNames found = co_await files_.run(read);
    for (const std::string& text : found.notices) notice_(text);
    // Of messages that this run has told of already, the file may be this run's own.
    std::erase_if(found.unfinished, [&](const QueueId& id) { return contains(id); });
    if (!found.unfinished.empty()) {
      auto discard = [&] {
        for (const QueueId& id : found.unfinished) ::unlink((directory + "/.new-" + id.text()).c_str());
        return true;
      };
      co_await files_.run(discard);
    }
    std::size_t told = 0;
    for (auto& [id, next] : found.messages) {
      if (contains(id) || ended_.contains(id) || !deferred_.insert(id)) continue;
      recovered(id, next);
      if (++told % told_at_once == 0) co_await files_.run(pause);
    }
  }
}

// Files of large/ that no message names: of sessions that a crash cut off. Those of this run are left alone. When part of
// the journal could not be read, one may belong to a message there: then it is kept for a human.
event::Task<> Spool::remove_orphans(bool damaged) {
  std::vector<QueueId> orphans;
  auto list = [&] {
    for (const std::string& name : names_in(shard_.large())) {
      auto id = QueueId::parse(name);
      if (id && !id->is_of(shard_.generation())) orphans.push_back(*id);
    }
    return true;
  };
  co_await files_.run(list);
  std::erase_if(orphans, [&](const QueueId& id) { return contains(id) || stuck_.contains(id); });
  if (orphans.empty()) co_return;
  std::vector<std::string> notices;
  auto discard = [&] {
    for (const QueueId& id : orphans) {
      if (!damaged) {
        ::unlink(large_path(id).c_str());
        continue;
      }
      std::string to = shard_.corrupt() + "/" + id.text() + ".content";
      bool moved = ::rename(large_path(id).c_str(), to.c_str()) == 0;
      if (moved) notices.push_back(fmt::format("spool: no message names {}, and part of the journal is damaged: moved to {}", large_path(id), to));
    }
    return true;
  };
  co_await files_.run(discard);
  for (const std::string& text : notices) notice_(text);
}

}  // namespace mansio::spool
