#include "receive/pickup_directory.hpp"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>


namespace mansio::receive {
namespace {

constexpr Duration pickup_walk{30'000}, pickup_walk_unwatched{5'000}, pickup_patience{2'000}, pickup_held{1'000}, no_wait{0};
constexpr std::size_t pickup_batch_files = 64, pickup_names_at_once = 512, pickup_names_kept = 100'000, pickup_told_limit = 1000;
constexpr std::uint64_t pickup_batch_bytes = 16u << 20;

MonotonicTime monotonic_now() { return std::chrono::steady_clock::now(); }

bool same_state(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

std::string key_of(const struct stat& status, const std::string& name) { return fmt::format("{}/{}", status.st_ino, name); }

Duration age_of(const struct stat& status) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return Duration((now.tv_sec - status.st_ctim.tv_sec) * 1000 + (now.tv_nsec - status.st_ctim.tv_nsec) / 1'000'000);
}

}  // namespace

PickupDirectory::PickupDirectory(Receiver& receiver, event::Scope& scope, std::string path, const std::function<bool()>& held,
                                 std::shared_ptr<PickupFolder> folder)
    : receiver_(receiver), scope_(scope), path_(std::move(path)), held_(held), config_(receiver.config()), folder_(std::move(folder)),
      threads_(receiver.loop, "pickup", 1), timer_(receiver.loop) {}

void PickupDirectory::close() {
  closing_ = true;
  timer_.wake();
}

const config::PickupDirectory* PickupDirectory::settings() const {
  auto it = std::ranges::find(config_->pickups, path_, &config::PickupDirectory::directory);
  return it == config_->pickups.end() ? nullptr : &*it;
}

event::Task<> PickupDirectory::run(std::shared_ptr<PickupDirectory> self) {
  while (!self->closing_) {
    Duration wait = co_await self->round();
    if (!self->closing_ && wait > no_wait) co_await self->timer_.sleep(wait);
  }
  self->watch_.reset();
  self->inotify_.reset();
  self->folder_.reset();
}

event::Task<std::string> PickupDirectory::open() {
  if (!folder_) {
    auto work = [&] { return PickupFolder::open(path_); };
    auto made = co_await threads_.run(work);
    if (!made) {
      std::string text = fmt::format("pickup: {} is not used: {}", path_, made.error().text());
      if (text != problem_) receiver_.log.panic(text);
      problem_ = text;
      co_return text;
    }
    folder_ = std::move(*made);
    if (opened && !opened()) {
      folder_.reset();
      co_return "pickup: the record of its directories can't be written";
    }
    co_await clear_leftovers();
  }
  if (!problem_.empty()) receiver_.log.notice(fmt::format("pickup: {} is used again", path_));
  problem_.clear();
  if (!watch_) start_watch();
  co_return "";
}

// What is to be done now, and how long nothing is.
event::Task<Duration> PickupDirectory::round() {
  config_ = receiver_.config();
  if (settings() == nullptr) co_return pickup_patience;             // it is being taken out of use
  if (held_()) co_return pickup_held;
  if (monotonic_now() < patient_until_) co_return until_next();
  if (!receiver_.spool.accepting()) co_return pickup_patience;      // the spool tells why
  std::string problem = co_await open();
  if (!problem.empty()) co_return pickup_patience;
  bool free = co_await release();
  if (!free) co_return pickup_patience;
  if (overflow_ || monotonic_now() >= next_walk_) {
    auto look = [&] { return folder_->still_there(); };
    bool there = co_await threads_.run(look);
    if (!there) {
      watch_.reset();
      inotify_.reset();
      folder_.reset();
      overflow_ = true;
      co_return no_wait;
    }
    co_await walk();
  } else {
    std::vector<Name> names;
    for (auto& [name, closed] : std::exchange(changed_, {})) names.emplace_back(name, closed);
    const Duration settle = settings()->settle;
    for (const auto& [name, seen] : unsettled_) {
      if (monotonic_now() - seen.first >= settle) names.emplace_back(name, false);
    }
    co_await take_all(std::move(names));
  }
  co_return until_next();
}

Duration PickupDirectory::until_next() const {
  MonotonicTime now = monotonic_now(), next = next_walk_;
  if (overflow_ || !changed_.empty()) next = now;
  if (const config::PickupDirectory* mine = settings()) {
    for (const auto& [name, seen] : unsettled_) next = std::min(next, seen.first + std::chrono::duration_cast<MonotonicTime::duration>(mine->settle));
  }
  next = std::max(next, patient_until_);
  return next <= now ? no_wait : std::chrono::ceil<Duration>(next - now);
}

// ---- what happens there

void PickupDirectory::start_watch() {
  inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  // By the descriptor: the path may lead elsewhere by now.
  std::string place = fmt::format("/proc/self/fd/{}", folder_->fd());
  constexpr std::uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF;
  if (inotify_ && ::inotify_add_watch(inotify_.get(), place.c_str(), events) >= 0) {
    auto made = event::Watch::start(receiver_.loop, inotify_.get(), event::Watch::readable, [this](unsigned) { read_events(); });
    if (made) watch_.emplace(std::move(*made));
  }
  if (!watch_) {
    inotify_.reset();
    later("its files are looked for every 5 seconds only, as the system gives no inotify watch (fs.inotify.max_user_watches, max_user_instances)");
    patient_until_ = {};
  }
  overflow_ = true;      // what came before
}

void PickupDirectory::read_events() {
  alignas(inotify_event) char buffer[16384];
  for (ssize_t n; (n = ::read(inotify_.get(), buffer, sizeof buffer)) > 0;) {
    for (const char* at = buffer; at < buffer + n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if ((event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) overflow_ = true;
      if ((event->mask & IN_Q_OVERFLOW) != 0) returned_.clear();
      if (event->len == 0 || !is_letter_name(event->name)) continue;
      if (changed_.size() >= pickup_names_kept) {
        overflow_ = true;
        continue;
      }
      // What we put back ourselves is as whole as it was before.
      bool ours = (event->mask & IN_MOVED_TO) != 0 && (is_returned_name(event->name) || returned_.erase(event->name) > 0);
      changed_[event->name] |= !ours && (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0;
    }
  }
  if (overflow_ || !changed_.empty()) timer_.wake();
}

// The whole directory. Events of names that are still to come are for later.
event::Task<> PickupDirectory::walk() {
  overflow_ = false;
  next_walk_ = monotonic_now() + (watch_ ? pickup_walk : pickup_walk_unwatched);
  ++walks_;
  std::map<std::string, bool> events = std::exchange(changed_, {});
  std::shared_ptr<PickupFolder> folder = folder_;
  auto begin = [&] { return std::make_unique<PickupFolder::Listing>(folder->fd()); };
  auto listing = co_await threads_.run(begin);
  while (!closing_) {
    auto more = [&] { return listing->next(pickup_names_at_once); };
    auto found = co_await threads_.run(more);
    if (found.empty()) break;
    std::vector<Name> names;
    for (std::string& name : found) {
      auto event = events.find(name);
      bool closed = event != events.end() && event->second;
      names.emplace_back(std::move(name), closed);
    }
    co_await take_all(std::move(names));
    if (monotonic_now() < patient_until_) {
      overflow_ = true;                    // the rest of them when the trouble is over
      break;
    }
  }
  auto end = [&] {
    listing.reset();
    return true;
  };
  co_await threads_.run(end);
  if (!overflow_) std::erase_if(told_, [&](const auto& one) { return one.second != walks_; });
}

event::Task<> PickupDirectory::take_all(std::vector<Name> names) {
  for (std::size_t at = 0; at < names.size() && !closing_; at += pickup_batch_files) {
    if (held_() || monotonic_now() < patient_until_) {
      overflow_ = true;
      co_return;
    }
    auto begin = names.begin() + static_cast<std::ptrdiff_t>(at);
    std::vector<Name> some(begin, begin + static_cast<std::ptrdiff_t>(std::min(pickup_batch_files, names.size() - at)));
    co_await batch(std::move(some));
  }
}

// ---- which files

event::Task<> PickupDirectory::batch(std::vector<Name> names) {
  auto mail_name = mail::Domain::parse(config_->mail_name);
  PickupFolder::Rules rules(*mail_name);           // the configuration was checked
  const config::PickupDirectory* mine = settings();
  if (mine == nullptr) co_return;
  rules.users = mine->users;
  rules.size_limit = config_->limits.message_size.bytes();
  rules.recipients = config_->limits.recipients;
  std::shared_ptr<PickupFolder> folder = folder_;
  for (std::size_t at = 0; at < names.size() && !closing_;) {
    std::vector<Found> found;
    std::size_t from = at;
    auto look = [&] {
      std::uint64_t bytes = 0;
      for (; at < names.size() && bytes < pickup_batch_bytes; ++at) {
        found.push_back(folder->look(names[at].name, rules));
        if (found.back().letter) bytes += found.back().letter->size();
      }
      return true;
    };
    co_await threads_.run(look);
    std::vector<Found> rejected;
    std::vector<Item> ready;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i].what == What::rejected && was_told(found[i])) {
        unsettled_.erase(found[i].name);
        continue;
      }
      if (found[i].what == What::rejected && settled(found[i])) rejected.push_back(std::move(found[i]));
      else sort_out(std::move(found[i]), names[from + i].closed, ready);
    }
    for (Found& one : rejected) co_await reject(std::move(one));
    if (!ready.empty()) co_await take(&ready);
    if (monotonic_now() < patient_until_) co_return;
  }
}

// Has nobody changed it for so long? The clock may have been set back, or be that of a file server: then what counts is how
// long we have seen it as it is.
bool PickupDirectory::settled(const Found& found) {
  const config::PickupDirectory* mine = settings();
  if (mine == nullptr) return false;
  Duration age = age_of(found.status);
  auto known = unsettled_.find(found.name);
  bool before = known != unsettled_.end() && same_state(known->second.status, found.status);
  bool whole = age >= mine->settle || (before && monotonic_now() - known->second.first >= mine->settle);
  if (whole) {
    if (known != unsettled_.end()) unsettled_.erase(known);
    return true;
  }
  if (before) return false;
  Seen seen(found.status, monotonic_now());
  if (known != unsettled_.end()) known->second = seen;
  else if (unsettled_.size() < pickup_names_kept) unsettled_.emplace(found.name, seen);
  return false;
}

void PickupDirectory::sort_out(Found found, bool closed, std::vector<Item>& ready) {
  switch (found.what) {
    case What::gone: unsettled_.erase(found.name); break;
    case What::rejected: break;                  // not yet: it may still be written
    case What::trouble: later(fmt::format("\"{}\": {}", found.name, found.why)); break;
    case What::left:
      unsettled_.erase(found.name);
      tell_once(found);
      break;
    case What::ready:
      if (!closed && !settled(found)) break;
      unsettled_.erase(found.name);
      ready.emplace_back(std::move(found), receiver_.spool.new_message());
  }
}

bool PickupDirectory::was_told(const Found& found) {
  auto known = told_.find(key_of(found.status, found.name));
  if (known == told_.end()) return false;
  known->second = walks_;
  return true;
}

void PickupDirectory::tell_once(const Found& found) {
  if (was_told(found)) return;
  if (told_.size() >= pickup_told_limit) {
    if (!told_many_) receiver_.log.panic(fmt::format("pickup: there is much in {} that is not taken; no more of it is told", path_));
    told_many_ = true;
    return;
  }
  told_.emplace(key_of(found.status, found.name), walks_);
  receiver_.log.panic(fmt::format("pickup: \"{}\" in {} is not taken and stays there: {}", found.name, path_, found.why));
}

// Trouble that is not the fault of a file, and may pass.
void PickupDirectory::later(const std::string& why) {
  patient_until_ = monotonic_now() + pickup_patience;
  if (why == trouble_) return;
  trouble_ = why;
  receiver_.log.panic(fmt::format("pickup: {}: {}", path_, why));
}

}  // namespace mansio::receive
