#include "spool/spool.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/file.hpp"

namespace mansio::spool {
namespace {

Journal::Options journal_options(const Shard& shard, const Spool::Options& options) {
  Journal::Options out;
  out.directory = shard.journal();
  out.key = shard.key();
  out.segment_size = options.segment_size;
  out.reserve = options.reserve;
  out.synced = options.synced;
  return out;
}

constexpr unsigned file_threads = 4;

}  // namespace

Spool::Spool(event::Loop& loop, event::Scope& scope, Shard shard, Options options, Notice notice)
    : scope_(scope), shard_(std::move(shard)), options_(std::move(options)), notice_(notice),
      journal_(loop, scope, journal_options(shard_, options_), notice), files_(loop, "spool", file_threads),
      ids_(shard_.generation(), options_.shard) {}

Spool::~Spool() = default;

Writer Spool::new_message() { return Writer(*this, ids_.next(std::chrono::system_clock::now())); }

event::Task<Result<std::shared_ptr<Message>>> Spool::commit(QueueId id, const mail::Envelope& envelope, std::string head,
                                                            std::string content, std::shared_ptr<UniqueFd> large, std::uint64_t length) {
  auto message = std::make_shared<Message>(envelope);
  message->id = id;
  message->head = head;
  Outgoing record(RecordType::message, id);
  std::string text = mail::format_envelope(envelope);
  MessageLayout layout;
  layout.envelope = static_cast<std::uint32_t>(text.size());
  layout.head = static_cast<std::uint32_t>(head.size());
  layout.content = length;
  layout.large = large != nullptr;
  record.front = layout.encode() + text;
  record.head = std::move(head);
  auto shared = std::make_shared<const std::string>(std::move(content));
  record.content = shared;
  auto place = co_await journal_.append(std::move(record));
  if (!place) co_return std::unexpected(place.error());
  Entry entry;
  entry.segment = place->segment;
  entry.offset = place->offset;
  entry.length = place->length;
  entry.large = layout.large;
  if (large) {
    message->content.fd = large->get();
    message->content.owner = large;
  } else {
    message->content.fd = place->segment->fd();
    message->content.file_key = place->segment->header().serial;
    message->content.offset = place->offset + MessageLayout::size + layout.envelope + layout.head;
    message->content.owner = place->segment;
    if (length <= options_.keep_content) message->content.memory = std::move(shared);
  }
  message->content.length = length;
  index_.emplace(id, std::move(entry));
  co_return message;
}

// ---- reading

std::optional<Spool::Entry> Spool::entry_of(const QueueId& id) const {
  auto it = index_.find(id);
  return it == index_.end() ? std::nullopt : std::optional<Entry>(it->second);
}

event::Task<Result<std::shared_ptr<Message>>> Spool::load(QueueId id) {
  std::optional<Entry> entry = entry_of(id);
  if (!entry && !deferred_.contains(id)) co_return fail(Fault::not_found, "no such message");
  auto work = [&] { return entry ? read_journal(id, *entry) : read_deferred_message(id); };
  auto message = co_await files_.run(work);
  if (message) co_return message;
  Fault fault = message.error().fault();
  // Finished while it was read: its large file went in the middle, and nothing is wrong with that.
  if (fault == Fault::invalid && !contains(id)) co_return fail(Fault::not_found, "finished meanwhile");
  if (fault == Fault::invalid) {
    std::string why = message.error().text();
    co_await give_up_unreadable(id, std::move(entry), std::move(why));
  } else if (fault == Fault::not_found && !entry) {
    // Finished before a crash, and removed by read_deferred_message; or an admin removed the file (D-105).
    forget(id);
  }
  co_return message;
}

// Nothing is deleted, a human decides: the message's bytes and its large file go to corrupt/.
Result<> Spool::set_aside(QueueId id, std::optional<Entry> entry) const {
  std::string to = shard_.corrupt() + "/" + id.text();
  Result<> done;
  if (!entry) {
    if (::rename(deferred_path(shard_.deferred(), id).c_str(), to.c_str()) != 0) done = fail_errno("rename to " + to);
  } else {
    std::string bytes(static_cast<std::size_t>(entry->length), '\0');
    done = pread_all(entry->segment->fd(), bytes.data(), bytes.size(), entry->offset);
    if (done) done = replace_file(to, bytes, 0600);
  }
  if (done && ::rename(large_path(id).c_str(), (to + ".content").c_str()) != 0 && errno != ENOENT) done = fail_errno("rename to " + to);
  if (done) done = sync_directory(shard_.corrupt());
  return done;
}

event::Task<> Spool::give_up_unreadable(QueueId id, std::optional<Entry> entry, std::string why) {
  auto work = [&] { return set_aside(id, entry); };
  auto kept = co_await files_.run(work);
  if (!kept) {
    // It stays where it is, and its segment with it.
    notice_(fmt::format("spool: message {} can't be read ({}) nor put into {} ({})", id.text(), why, shard_.corrupt(), kept.error().text()));
    stuck_.insert(id);
    index_.erase(id);
    deferred_.erase(id);
    co_return;
  }
  notice_(fmt::format("spool: message {} can't be read ({}): kept in {}", id.text(), why, shard_.corrupt()));
  if (entry) {
    Outgoing record(RecordType::done, id);
    auto place = co_await journal_.append(std::move(record));
    // Not durable: the segment stays, and the next run finds it there.
    if (!place) index_.erase(id);
  }
  forget(id);
  entry.reset();
  journal_.recycle();
}

// The content of a message of its own file, which must be there whole.
static Result<std::shared_ptr<UniqueFd>> open_large(const std::string& path, std::uint64_t length) {
  auto fd = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fail(fd.error().fault() == Fault::not_found ? Fault::invalid : Fault::system, fd.error().text());
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return fail_errno("stat " + path);
  if (!S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) < length) return fail(Fault::invalid, path + ": ends early");
  return std::make_shared<UniqueFd>(std::move(*fd));
}

Result<std::shared_ptr<Message>> Spool::read_journal(QueueId id, Entry entry) const {
  std::string start(MessageLayout::size, '\0');
  auto read = pread_all(entry.segment->fd(), start.data(), start.size(), entry.offset);
  if (!read) return std::unexpected(read.error());
  auto layout = MessageLayout::decode(start);
  if (!layout || layout->payload() != entry.length) return fail(Fault::invalid, "broken record");
  std::string front(std::size_t{layout->envelope} + layout->head, '\0');
  read = pread_all(entry.segment->fd(), front.data(), front.size(), entry.offset + MessageLayout::size);
  if (!read) return std::unexpected(read.error());
  auto envelope = mail::parse_envelope(std::string_view(front).substr(0, layout->envelope));
  if (!envelope) return std::unexpected(envelope.error());
  auto message = std::make_shared<Message>(std::move(*envelope));
  message->id = id;
  message->head = front.substr(layout->envelope);
  message->content.length = layout->content;
  message->repeated = entry.recovered;
  if (layout->large) {
    auto file = open_large(large_path(id), layout->content);
    if (!file) return std::unexpected(file.error());
    message->content.fd = (*file)->get();
    message->content.owner = *file;
  } else {
    message->content.fd = entry.segment->fd();
    message->content.file_key = entry.segment->header().serial;
    message->content.offset = entry.offset + MessageLayout::size + front.size();
    message->content.owner = entry.segment;
  }
  if (!entry.progress.empty()) {
    auto progress = parse_progress(entry.progress, message->envelope.recipients.size());
    if (!progress) return std::unexpected(progress.error());
    message->progress = std::move(*progress);
  }
  return message;
}

Result<std::shared_ptr<Message>> Spool::read_deferred_message(QueueId id) const {
  auto file = read_deferred(shard_.deferred(), id);
  if (!file) return std::unexpected(file.error());
  if (file->progress.finished()) {     // a crash came between its last state and the unlink
    ::unlink(deferred_path(shard_.deferred(), id).c_str());
    ::unlink(large_path(id).c_str());
    return fail(Fault::not_found, "finished");
  }
  auto message = std::make_shared<Message>(std::move(file->envelope));
  message->id = id;
  message->head = std::move(file->head);
  message->progress = std::move(file->progress);
  message->repeated = true;
  message->content.length = file->content_length;
  if (file->large) {
    auto large = open_large(large_path(id), file->content_length);
    if (!large) return std::unexpected(large.error());
    message->content.fd = (*large)->get();
    message->content.owner = *large;
  } else {
    message->content.fd = file->file->get();
    message->content.offset = file->content_offset;
    message->content.owner = file->file;
  }
  return message;
}

std::vector<QueueId> Spool::ids() const {
  std::vector<QueueId> out;
  out.reserve(messages());
  for (const auto& [id, entry] : index_) out.push_back(id);
  deferred_.for_each([&](const QueueId& id) { out.push_back(id); });
  return out;
}

}  // namespace mansio::spool
