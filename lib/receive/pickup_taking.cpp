// Taking letters out of a pickup directory: the steps of pickup_folder.hpp, for a batch at a time.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "receive/local_sender.hpp"
#include "receive/pickup_directory.hpp"

namespace mansio::receive {
namespace {

constexpr const char* not_decided = "mansiod ended while it took this file in, and this directory was not at hand when it started again: whether the "
                                  "message was sent can't be told here, but the log tells of its id";

bool may_choose_sender(const config::Config& config, uid_t uid, const std::string& user) {
  const auto& trusted = config.trusted_users;
  return uid == 0 || uid == ::getuid() || std::ranges::find(trusted, user) != trusted.end() || std::ranges::find(trusted, "*") != trusted.end();
}

}  // namespace

event::Task<> PickupDirectory::take(std::vector<Item>* items) {
  std::shared_ptr<PickupFolder> folder = folder_;
  for (Item& item : *items) {
    item.settled = settled(item.found);
    if (watch_) returned_.insert(item.found.name);
  }
  auto rename_all = [&]() -> Result<> {
    for (Item& item : *items) item.taken = folder->take(item.found, item.id);
    return folder->sync();
  };
  auto durable = co_await threads_.run(rename_all);
  if (!durable) later(durable.error().text());
  storing_ = 1;
  for (Item& item : *items) {
    if (!durable || !item.taken) continue;
    ++storing_;
    scope_.spawn(store(&item));
  }
  --storing_;
  while (storing_ > 0) co_await stored_.wait();
  co_await hand_over(items);
}

event::Task<> PickupDirectory::store(Item* item) {
  const config::PickupDirectory* mine = settings();
  const FileOwner& owner = item->found.owner;
  LetterSender sender;
  sender.user = owner.name;
  sender.uid = item->found.status.st_uid;
  sender.protocol = "pickup";
  bool own = (mine == nullptr || mine->own_sender) && !may_choose_sender(*config_, *sender.uid, owner.name);
  if (own) sender.own = address_of_user(owner.name, config_->mail_name);
  if (own && !sender.own) {
    item->error = Error(Fault::invalid, "its owner may send as himself alone, and his name is no address");
  } else {
    auto stored = co_await store_letter(&receiver_, &threads_, item->found.letter.get(), &item->writer, std::move(sender));
    if (stored) item->message = std::move(*stored);
    else item->error = stored.error();
  }
  if (--storing_ == 0) stored_.fire();
}

// Steps 3 and 4. What did not become a message goes back.
event::Task<> PickupDirectory::hand_over(std::vector<Item>* items) {
  std::shared_ptr<PickupFolder> folder = folder_;
  auto discard_all = [&]() -> Result<> {
    for (const Item& item : *items) {
      if (!item.message) continue;
      auto gone = folder->discard(item.id, item.found.name);
      if (!gone) return gone;
    }
    return folder->sync_taken();
  };
  auto gone = co_await threads_.run(discard_all);
  if (!gone) later("files are queued as messages and can't be removed, so that the messages wait: " + gone.error().text());
  for (Item& item : *items) {
    if (item.message) returned_.erase(item.found.name);
    if (!item.message) {
      co_await return_or_reject(&item);
    } else if (gone) {
      queue(std::move(item.message), item.found.name);
    } else {
      waiting_.push_back(std::move(item.message));
      waiting_names_.push_back(item.found.name);
    }
  }
}

void PickupDirectory::queue(std::shared_ptr<spool::Message> message, const std::string& name) {
  log_letter(receiver_.log, *message);
  log::Notice notice;
  notice.id = message->id.text();
  notice.text = fmt::format("was \"{}\" in {}", name, path_);
  receiver_.log.write(std::move(notice));
  trouble_.clear();
  receiver_.accepted(std::move(message));
}

event::Task<> PickupDirectory::return_or_reject(Item* item) {
  if (!item->taken) {                      // it is in its place, or gone
    const Error& why = item->taken.error();
    if (why.fault() != Fault::busy) returned_.erase(item->found.name);
    if (why.fault() != Fault::busy && why.sys() != ENOENT) later(why.text());
    co_return;
  }
  std::shared_ptr<PickupFolder> folder = folder_;
  Error why = item->error ? *item->error : Error(Fault::busy, "");
  std::string badmail = config_->bounces.badmail, name = item->found.name, owner = item->found.owner.name;
  std::uint64_t limit = config_->limits.message_size.bytes();
  bool rejected = why.fault() == Fault::invalid && item->settled, kept = false, back = true;
  auto work = [&]() -> Result<> {
    if (!rejected) return folder->put_back(item->id, name);
    auto done = folder->keep_as_badmail(badmail, item->id, name, why.text(), owner, limit);
    kept = done.has_value();
    if (!done) back = folder->put_back(item->id, name).has_value();
    return done;
  };
  auto done = co_await threads_.run(work);
  if (!back || (!rejected && !done)) {
    PickupFolder::Leftover stray;
    stray.id = item->id;
    stray.name = name;
    strays_.push_back(std::move(stray));
  }
  if (kept) {
    returned_.erase(name);
    log::Notice notice;
    notice.id = item->id.text();
    notice.text = fmt::format("\"{}\" of {} in {} can't be sent: {}: kept in {}", name, owner, path_, why.text(), badmail);
    receiver_.log.write(std::move(notice));
  } else if (!done && done.error().fault() == Fault::too_long) {
    item->found.why = fmt::format("{}, and {}", why.text(), done.error().text());
    tell_once(item->found);
  } else if (!done) {
    later(done.error().text());
  } else if (why.fault() != Fault::busy && why.fault() != Fault::invalid) {
    later("a message can't be taken in: " + why.text());
  }
}

// A file that can't be sent, whatever is done.
event::Task<> PickupDirectory::reject(Found found) {
  std::vector<Item> items;
  items.emplace_back(std::move(found), receiver_.spool.new_message());
  Item& item = items.front();
  item.settled = true;
  item.error = Error(Fault::invalid, item.found.why);
  if (watch_) returned_.insert(item.found.name);
  std::shared_ptr<PickupFolder> folder = folder_;
  auto work = [&] {
    item.taken = folder->take(item.found, item.id);
    return true;
  };
  co_await threads_.run(work);
  co_await return_or_reject(&item);
}

// Messages whose files could not be unlinked, and files that could not be put back: true when none is left.
event::Task<bool> PickupDirectory::release() {
  if (waiting_.empty() && strays_.empty()) co_return true;
  std::shared_ptr<PickupFolder> folder = folder_;
  auto discard_all = [&]() -> Result<> {
    for (const auto& [id, name] : strays_) {
      auto back = folder->put_back(id, name);
      if (!back) return back;
    }
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      auto gone = folder->discard(waiting_[i]->id, waiting_names_[i]);
      if (!gone) return gone;
    }
    return folder->sync_taken();
  };
  auto gone = co_await threads_.run(discard_all);
  if (gone) strays_.clear();
  if (!gone) {
    later("files are queued as messages and can't be removed, so that the messages wait: " + gone.error().text());
    co_return false;
  }
  auto messages = std::exchange(waiting_, {});
  auto names = std::exchange(waiting_names_, {});
  for (std::size_t i = 0; i < messages.size(); ++i) queue(std::move(messages[i]), names[i]);
  co_return true;
}

// What an earlier run was taking, when nobody could decide about it at the start of this one.
event::Task<> PickupDirectory::clear_leftovers() {
  std::shared_ptr<PickupFolder> folder = folder_;
  std::string badmail = config_->bounces.badmail;
  std::uint64_t limit = config_->limits.message_size.bytes();
  std::vector<std::string> told;
  auto work = [&] {
    for (const auto& [id, name] : folder->leftovers()) {
      bool waits = std::ranges::any_of(waiting_, [&](const auto& message) { return message->id == id; });
      if (waits) continue;
      auto kept = folder->keep_as_badmail(badmail, id, name, not_decided, "", limit);
      told.push_back(fmt::format("pickup: \"{}\" in {}: {}: {}", name, path_, not_decided,
                                 kept ? "kept as badmail " + id.text() : kept.error().text()));
    }
    return true;
  };
  co_await threads_.run(work);
  for (const std::string& text : told) receiver_.log.panic(text);
}

}  // namespace mansio::receive
