// Spool: the crash-safe store of messages (lib/spool/STATES.md). Everything a 250 promises goes through `commit`.
// One object a shard, on one loop; disk work runs on threads of its own. Memory: a deferred message costs 16 to 32 bytes,
// one in the journal some 150.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mail/envelope.hpp"
#include "spool/deferred.hpp"
#include "spool/id_set.hpp"
#include "spool/journal.hpp"
#include "spool/shard.hpp"

namespace mansio::spool {

// Where a message's content can be read, by us or by an agent that is passed the descriptor. Holding it keeps the
// file from being reused.
struct Content {
  std::shared_ptr<void> owner;
  int fd = -1;
  std::uint64_t file_key = 0;     // the same for all contents of one journal segment; 0: a file of its own
  std::uint64_t offset = 0, length = 0;
  std::shared_ptr<const std::string> memory;   // the same bytes, while they are still in memory; else null
};

struct Message {
  explicit Message(mail::Envelope e) : envelope(std::move(e)), progress(envelope.recipients.size()) {}
  QueueId id;
  mail::Envelope envelope;
  std::string head;               // trace fields of ours that stand before the content
  Content content;
  Progress progress;
  bool repeated = false;          // may have been delivered before a crash: look before delivering again
  std::uint64_t size() const noexcept { return head.size() + content.length; }
};

class Writer;

class Spool {
 public:
  struct Options {
    std::string directory;                       // of this shard
    std::uint8_t shard = 0;                      // its number, which is part of its messages' ids
    std::uint64_t segment_size = 64 << 20, reserve = 64 << 20;
    std::size_t memory_message = 256 << 10;      // larger messages stream to large/
    std::size_t memory_total = 16 << 20;         // of all arriving messages together
    std::size_t keep_content = 0;                // commit() leaves contents up to this size in Content::memory too
    Synced synced;                               // may be empty
  };
  // What recovery found: a queued or deferred message and when it is due. Content is loaded when it is attempted.
  using Recovered = std::function<void(QueueId, Time next_attempt)>;

  // Opens the shard: quick, whatever the spool holds. New mail is accepted from then on, before recover() is done.
  static Result<std::unique_ptr<Spool>> open(event::Loop& loop, event::Scope& scope, Options options, Notice notice);
  ~Spool();

  // Reads what earlier runs left and tells of each message, in pieces; damaged things go to corrupt/.
  event::Task<> recover(Recovered recovered);
  bool recovering() const noexcept { return recovering_; }

  Result<> accepting() { return journal_.accepting(); }
  Writer new_message();

  // A message for an attempt. Fault::not_found when it is finished, invalid when damaged (it is then in corrupt/).
  event::Task<Result<std::shared_ptr<Message>>> load(QueueId id);

  // For listings: a message at a glance, its envelope, its progress and its size (in content.length; head and content stay
  // empty). place_of() belongs to the loop; glance() may run on any thread. It mends nothing and trusts the file more than
  // load() does, which looks at every octet. Fault::not_found when it was finished meanwhile.
  class Whereabouts;
  Whereabouts place_of(const QueueId& id) const;
  Result<std::shared_ptr<Message>> glance(const Whereabouts& place) const;

  // Durably settled recipients of an attempt that goes on (indexes into the envelope's recipients). May be called again
  // while one is under way: each call returns when what was settled at its beginning is durable.
  event::Task<Result<>> settle(std::shared_ptr<Message> message);
  // The attempt is over and some recipients wait: the message lies in deferred/ with this progress when it returns.
  // The object is used up (its content is closed): load() gives another.
  event::Task<Result<>> defer(std::shared_ptr<Message> message);
  // All recipients are settled: the message's space is given back.
  event::Task<Result<>> finish(std::shared_ptr<Message> message);

  // For an admin, while no attempt has the message.
  // Its envelope, head or progress was changed: durably replaces what there was, whole, in deferred/. The progress must
  // have as many recipients as the envelope (Fault::invalid). After an error the old or the new is there, whole. The
  // object is used up.
  event::Task<Result<>> rewrite(std::shared_ptr<Message> message);
  // Gone for good when it returns; recipients that still wait are marked as failed with `why`. No bounce is made here.
  event::Task<Result<>> remove(std::shared_ptr<Message> message, Status why);

  // Messages in journal segments older than the newest `segments_to_keep`, which keep those from being reused: oldest
  // first, at most `pinned_limit` at a time. To be loaded and deferred. Quick when there are none.
  std::vector<QueueId> oldest_pinned(std::size_t segments_to_keep) const;
  static constexpr std::size_t pinned_limit = 1000;

  std::size_t messages() const noexcept { return index_.size() + deferred_.size(); }
  std::vector<QueueId> ids() const;      // of all messages, in no order
  bool contains(const QueueId& id) const { return index_.contains(id) || deferred_.contains(id); }
  event::Task<> close() { return journal_.close(); }

 private:
  friend class Writer;
  struct Entry {                         // of a message in the journal
    std::shared_ptr<Segment> segment;
    std::uint64_t offset = 0, length = 0;   // of the message record's payload
    std::string progress;                // text of the last settled record; empty: none
    bool large = false, recovered = false;
    bool doubtful = false;               // a defer failed, and its file may be in deferred/ all the same
  };
  struct Recovery;

  Spool(event::Loop& loop, event::Scope& scope, Shard shard, Options options, Notice notice);
  event::Task<Result<std::shared_ptr<Message>>> commit(QueueId id, const mail::Envelope& envelope, std::string head,
                                                       std::string content, std::shared_ptr<UniqueFd> large, std::uint64_t length);
  std::optional<Entry> entry_of(const QueueId& id) const;
  Result<std::shared_ptr<Message>> read_journal(QueueId id, Entry entry) const;
  Result<std::shared_ptr<Message>> read_deferred_message(QueueId id) const;
  void forget(const QueueId& id);
  void now_deferred(const QueueId& id);
  event::Task<Result<>> write_whole(std::shared_ptr<Message> message, bool large);
  event::Task<Result<>> move_to_deferred(std::shared_ptr<Message> message, bool large);
  bool is_doubtful(const QueueId& id) const;
  event::Task<Result<>> keep_in_journal_alone(QueueId id);
  Result<> remove_large(const QueueId& id) const;
  void leave(const QueueId& id, const Error& why);
  event::Task<> remove_left();
  event::Task<Result<>> settle_deferred(std::shared_ptr<Message> message);
  Result<> append_or_rewrite(const QueueId& id, const Progress& progress, bool rewrite) const;
  Result<> set_aside(QueueId id, std::optional<Entry> entry) const;
  event::Task<> give_up_unreadable(QueueId id, std::optional<Entry> entry, std::string why);
  event::Task<> take_journal(Recovery& recovery, Recovered& recovered);
  event::Task<> finish_moves(Recovery& recovery, Recovered& recovered);
  event::Task<> take_deferred(Recovered& recovered);
  event::Task<> remove_orphans(bool damaged);
  std::string large_path(const QueueId& id) const { return shard_.large() + "/" + id.text(); }

  event::Scope& scope_;
  Shard shard_;
  Options options_;
  Notice notice_;
  Journal journal_;
  event::Threads files_;
  QueueIdSource ids_;
  std::unordered_map<QueueId, Entry> index_;     // in the journal
  IdSet deferred_;                               // in deferred/
  // Of deferred ones: a sync of its file failed, so it is written anew before it is believed; its file is being written
  // (or moved there, or taken away); neither readable nor to be put aside, so that nothing of it may be removed.
  std::unordered_set<QueueId> suspect_, writing_, stuck_;
  // Finished, and recovery could not remove its file from deferred/: nothing is delivered from that.
  std::unordered_set<QueueId> ended_;
  std::vector<QueueId> left_;                    // whose large files could not be removed: tried again when the next message ends
  bool removing_left_ = false;
  event::Trigger written_;
  std::vector<std::shared_ptr<Segment>> old_segments_;   // until recovery has read them
  std::size_t memory_used_ = 0;
  bool recovering_ = true;
};

// Where a message lies at the moment. Holding it keeps a journal segment from being reused.
class Spool::Whereabouts {
 public:
  Whereabouts() = default;
  const QueueId& id() const noexcept { return id_; }

 private:
  friend class Spool;
  QueueId id_;
  std::optional<Entry> entry_;           // in the journal; else in deferred/
};

// One message on its way in. Small ones grow in memory; past Options::memory_message, or when all together are past
// memory_total, content streams to large/ID through a bounded buffer.
class Writer {
 public:
  Writer(Writer&& other) noexcept;
  Writer& operator=(Writer&& other) = delete;
  ~Writer();        // without commit(): leaves nothing behind

  const QueueId& id() const noexcept { return id_; }
  std::uint64_t size() const noexcept { return size_; }

  // `bytes` is taken before the first suspension.
  event::Task<Result<>> append(std::string_view bytes);
  // Would append(bytes) wait for the disk? If not, append_now may be used: no coroutine for the common small chunk.
  bool fits(std::size_t bytes) const noexcept;
  void append_now(std::string_view bytes);

  // After it returned a value the message is durable and queued (D-001); after an error it does not exist (D-002).
  // `head` are our trace fields, each ending in CRLF. Use once.
  event::Task<Result<std::shared_ptr<Message>>> commit(mail::Envelope envelope, std::string head);

 private:
  friend class Spool;
  Writer(Spool& spool, QueueId id) noexcept : spool_(&spool), id_(id) {}
  event::Task<Result<>> flush();

  Spool* spool_;
  QueueId id_;
  std::string buffer_;
  std::shared_ptr<UniqueFd> file_;
  std::uint64_t size_ = 0, written_ = 0;
  std::size_t counted_ = 0;      // of Spool::memory_used_
  std::optional<Error> broken_;  // the first write that failed
};

}  // namespace mansio::spool
