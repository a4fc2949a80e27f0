// Pickup directories: messages that programs put there as files are sent (man/mansio.conf.5, PICKUP DIRECTORIES). Each is
// watched by inotify and walked through now and then, for events get lost; the files are taken in batches, so that many
// share the syncs (pickup_folder.hpp has the steps and why nothing is lost or sent twice).
//
// A letter is taken when its writer closed it or renamed it in, or when it has not changed for `settle`; it is rejected only
// then. While the spool takes no mail, everything stays in the directory.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "event/timer.hpp"
#include "event/trigger.hpp"
#include "event/watch.hpp"
#include "receive/pickup_folder.hpp"

namespace mansio::receive {

// One of them. Lives until its run() has ended.
class PickupDirectory {
 public:
  // `held`: an admin has paused it. `folder` may be null: it is opened by run().
  PickupDirectory(Receiver& receiver, event::Scope& scope, std::string path, const std::function<bool()>& held, std::shared_ptr<PickupFolder> folder);
  static event::Task<> run(std::shared_ptr<PickupDirectory> self);
  void close();
  const std::string& path() const noexcept { return path_; }
  // Opens it when it isn't open; "" or what keeps it from being used.
  event::Task<std::string> open();
  // Asked when it was opened in this run, before any file is taken: false keeps it from being used.
  std::function<bool()> opened;

 private:
  using Found = PickupFolder::Found;
  using What = PickupFolder::What;
  struct Item {                          // a letter on its way
    Item(Found f, spool::Writer w) : found(std::move(f)), writer(std::move(w)), id(writer.id()) {}
    Found found;
    spool::Writer writer;
    spool::QueueId id;
    Result<> taken;                      // out of the directory
    std::shared_ptr<spool::Message> message;     // durable
    std::optional<Error> error;
    bool settled = false;
  };
  struct Seen {                          // of a file that was not whole
    Seen(const struct stat& s, MonotonicTime now) : status(s), first(now) {}
    struct stat status;
    MonotonicTime first;
  };
  struct Name {
    Name(std::string n, bool c) : name(std::move(n)), closed(c) {}
    std::string name;
    bool closed;                         // its writer has closed it, or it was renamed in
  };

  event::Task<Duration> round();
  Duration until_next() const;
  event::Task<> walk();
  event::Task<> take_all(std::vector<Name> names);
  event::Task<> batch(std::vector<Name> names);
  event::Task<> take(std::vector<Item>* items);
  event::Task<> store(Item* item);
  event::Task<> hand_over(std::vector<Item>* items);
  event::Task<> return_or_reject(Item* item);
  void queue(std::shared_ptr<spool::Message> message, const std::string& name);
  event::Task<bool> release();
  event::Task<> reject(Found found);
  event::Task<> clear_leftovers();
  void sort_out(Found found, bool closed, std::vector<Item>& ready);
  bool settled(const Found& found);
  void start_watch();
  void read_events();
  void tell_once(const Found& found);
  bool was_told(const Found& found);
  const config::PickupDirectory* settings() const;
  void later(const std::string& why);

  Receiver& receiver_;
  event::Scope& scope_;
  std::string path_;
  const std::function<bool()>& held_;
  config::ConfigPtr config_;             // of this round
  std::shared_ptr<PickupFolder> folder_;
  event::Threads threads_;
  event::Timer timer_;
  event::Trigger stored_;
  UniqueFd inotify_;
  std::optional<event::Watch> watch_;
  std::map<std::string, bool> changed_;                  // names of events; true: closed
  std::set<std::string> returned_;                       // names of files that we put back, whose events are still to come
  std::unordered_map<std::string, Seen> unsettled_;
  std::unordered_map<std::string, std::uint64_t> told_;  // what stays in the directory, and at which walk it was there
  std::vector<std::shared_ptr<spool::Message>> waiting_; // durable, but their files could not be unlinked: not to be delivered yet
  std::vector<std::string> waiting_names_;
  std::vector<PickupFolder::Leftover> strays_;           // no messages, and they could not be put back
  std::size_t storing_ = 0;
  std::uint64_t walks_ = 0;
  MonotonicTime next_walk_{}, patient_until_{};
  std::string problem_, trouble_;                        // told already
  bool overflow_ = true, closing_ = false, told_many_ = false;
};

// All of the configuration.
class PickupDirectories {
 public:
  using Tell = std::function<void(spool::QueueId, Time next_attempt)>;
  PickupDirectories(Receiver& receiver, event::Scope& scope, std::string state_directory, std::function<bool()> held);

  // At start, before the spool's recovery begins. Quick.
  void open(const config::Config& config);
  // Of a message that recovery found: true when its file has to go before it may be delivered; begin() then tells of it.
  bool keeps(spool::QueueId id, Time next_attempt);
  // After recovery: what was being taken when the last run ended is decided, then the directories are used.
  event::Task<> begin(Tell tell);
  // After a reload. Gives what is wrong with directories that are new.
  event::Task<std::vector<std::string>> configure();
  void close();

 private:
  struct Undecided {
    std::shared_ptr<PickupFolder> folder;
    std::string name;
    std::optional<Time> next;              // the spool has it
  };
  void add(const std::string& path, std::shared_ptr<PickupFolder> folder);
  bool record(const std::string& path);
  Result<> decide_others();

  Receiver& receiver_;
  event::Scope& scope_;
  std::string record_file_;
  std::function<bool()> held_;
  event::Threads threads_;
  event::Timer timer_;
  std::set<std::string> recorded_;                       // directories of this run: the record's lines
  std::map<std::string, std::shared_ptr<PickupFolder>> folders_;      // until begin()
  std::map<std::string, std::shared_ptr<PickupDirectory>> directories_;
  std::unordered_map<spool::QueueId, Undecided> undecided_;
  bool begun_ = false, closing_ = false;
};

}  // namespace mansio::receive
