// All pickup directories: which there are, and what the last run left in the middle.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"
#include "receive/pickup_directory.hpp"

namespace mansio::receive {
namespace {

constexpr std::size_t record_limit = 1u << 20;
constexpr Duration decide_again{5'000};

}  // namespace

PickupDirectories::PickupDirectories(Receiver& receiver, event::Scope& scope, std::string state_directory, std::function<bool()> held)
    : receiver_(receiver), scope_(scope), record_file_(std::move(state_directory) + "/pickup-directories"), held_(std::move(held)),
      threads_(receiver.loop, "pickup", 1), timer_(receiver.loop) {}

// What lies in .mansio of a directory of the record was being taken by the run before this one: no run was in between that
// did not look there. So the spool knows its id, or it never became a message.
void PickupDirectories::open(const config::Config& config) {
  std::set<std::string> paths;
  std::string text = read_file(record_file_, record_limit).value_or("");
  for (std::string_view line : split(text, '\n')) {
    if (!line.empty()) paths.emplace(line);
  }
  std::set<std::string> known = paths;
  for (const auto& pickup : config.pickups) paths.insert(pickup.directory);
  for (const std::string& path : paths) {
    auto folder = PickupFolder::open(path);
    if (!folder) continue;                       // the one who uses it tells why
    auto leftovers = (*folder)->leftovers();
    if (!leftovers.empty() && !known.contains(path)) continue;
    for (auto& [id, name] : leftovers) {
      Undecided one;
      one.folder = *folder;
      one.name = std::move(name);
      undecided_.insert_or_assign(id, std::move(one));
    }
    folders_.emplace(path, std::move(*folder));
  }
}

bool PickupDirectories::keeps(spool::QueueId id, Time next_attempt) {
  auto it = undecided_.find(id);
  if (it == undecided_.end()) return false;
  it->second.next = next_attempt;
  return true;
}

// Unlinked where the message is in the spool, else put back. Blocks.
Result<> PickupDirectories::decide_others() {
  std::set<PickupFolder*> changed;
  for (const auto& [id, one] : undecided_) {
    auto done = one.next ? one.folder->discard(id, one.name) : one.folder->put_back(id, one.name);
    if (!done) return done;
    changed.insert(one.folder.get());
  }
  for (PickupFolder* folder : changed) {
    auto synced = folder->sync();
    if (!synced) return synced;
  }
  return {};
}

event::Task<> PickupDirectories::begin(Tell tell) {
  auto work = [&] { return decide_others(); };
  while (!undecided_.empty()) {
    auto decided = co_await threads_.run(work);
    if (decided) break;
    receiver_.log.panic("pickup: what was being taken in can't be cleared away, so that these messages wait: " + decided.error().text());
    if (closing_) co_return;
    co_await timer_.sleep(decide_again);
    if (closing_) co_return;
  }
  for (const auto& [id, one] : std::exchange(undecided_, {})) {
    if (one.next) tell(id, *one.next);
  }
  begun_ = true;
  auto folders = std::exchange(folders_, {});
  auto config = receiver_.config();
  std::erase_if(folders, [&](const auto& one) { return std::ranges::find(config->pickups, one.first, &config::PickupDirectory::directory) == config->pickups.end(); });
  for (const auto& [path, folder] : folders) recorded_.insert(path);
  if (!record("")) folders.clear();
  for (const auto& pickup : config->pickups) add(pickup.directory, folders.contains(pickup.directory) ? folders[pickup.directory] : nullptr);
}

// Durable before the first file of it is taken. "" adds none.
bool PickupDirectories::record(const std::string& path) {
  if (!path.empty() && !recorded_.insert(path).second) return true;
  std::string text;
  for (const std::string& one : recorded_) text += one + "\n";
  auto known = read_file(record_file_, record_limit);
  if (known ? *known == text : text.empty()) return true;
  auto done = replace_file(record_file_, text, 0600);
  if (done) return true;
  if (!path.empty()) recorded_.erase(path);
  receiver_.log.panic("pickup: " + done.error().text());
  return false;
}

void PickupDirectories::add(const std::string& path, std::shared_ptr<PickupFolder> folder) {
  auto made = std::make_shared<PickupDirectory>(receiver_, scope_, path, held_, std::move(folder));
  made->opened = [this, path] { return record(path); };
  directories_[path] = made;
  scope_.spawn(PickupDirectory::run(made));
}

event::Task<std::vector<std::string>> PickupDirectories::configure() {
  std::vector<std::string> problems;
  if (!begun_ || closing_) co_return problems;             // begin() takes the newest
  auto config = receiver_.config();
  auto wanted = [&](const std::string& path) {
    return std::ranges::find(config->pickups, path, &config::PickupDirectory::directory) != config->pickups.end();
  };
  for (auto it = directories_.begin(); it != directories_.end();) {
    if (!wanted(it->first)) it->second->close();
    it = wanted(it->first) ? std::next(it) : directories_.erase(it);
  }
  for (const auto& pickup : config->pickups) {
    if (directories_.contains(pickup.directory)) continue;
    auto look = [&] { return PickupFolder::open(pickup.directory); };
    auto folder = co_await threads_.run(look);
    if (closing_) co_return problems;
    if (!folder) problems.push_back(fmt::format("pickup: {} is not used: {}", pickup.directory, folder.error().text()));
    folder = fail(Fault::busy, "");                        // its lock is for the one who uses it
    add(pickup.directory, nullptr);
  }
  co_return problems;
}

void PickupDirectories::close() {
  closing_ = true;
  timer_.wake();
  for (auto& [path, directory] : directories_) directory->close();
}

}  // namespace mansio::receive
