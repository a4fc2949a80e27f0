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
  return out;
}

constexpr unsigned file_threads = 4;

}  // namespace

Spool::Spool(event::Loop& loop, event::Scope& scope, Shard shard, Options options, Notice notice)
    : scope_(scope), shard_(std::move(shard)), options_(std::move(options)), notice_(notice),
      journal_(loop, scope, journal_options(shard_, options_), notice), files_(loop, "spool", file_threads),
      ids_(shard_.generation(), 0) {}

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
  record.content = std::move(content);
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
  }
  message->content.length = length;
  index_.emplace(id, std::move(entry));
  co_return message;
}

// ---- reading

event::Task<Result<std::shared_ptr<Message>>> Spool::load(QueueId id) {
  auto it = index_.find(id);
  if (it == index_.end()) co_return fail(Fault::not_found, "no such message");
  Entry entry = it->second;
  auto work = [&] { return entry.segment ? read_journal(id, entry) : read_deferred_message(id); };
  auto message = co_await files_.run(work);
  if (!message && message.error().fault() == Fault::invalid) {
    // Not deleted: a human decides. Journal damage was copied by recovery.
    if (!entry.segment) ::rename(deferred_path(shard_.deferred(), id).c_str(), (shard_.corrupt() + "/" + id.text()).c_str());
    notice_(fmt::format("spool: message {} can't be read ({}): kept in {}", id.text(), message.error().text(), shard_.corrupt()));
    forget_journal_entry(id);
    index_.erase(id);
  }
  co_return message;
}

Result<std::shared_ptr<Message>> Spool::read_journal(QueueId id, Entry entry) const {
  std::string start(MessageLayout::size, '\0');
  auto read = pread_all(entry.segment->fd(), start.data(), start.size(), entry.offset);
  if (!read) return std::unexpected(read.error());
  auto layout = MessageLayout::decode(start);
  if (!layout || layout->payload() != entry.length) return fail(Fault::invalid, "broken record");
  std::string front(layout->envelope + layout->head, '\0');
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
    auto fd = open_file(large_path(id), O_RDONLY | O_NOFOLLOW);
    if (!fd) return fail(fd.error().fault() == Fault::not_found ? Fault::invalid : Fault::system, fd.error().text());
    auto file = std::make_shared<UniqueFd>(std::move(*fd));
    message->content.fd = file->get();
    message->content.owner = file;
  } else {
    message->content.fd = entry.segment->fd();
    message->content.file_key = entry.segment->header().serial;
    message->content.offset = entry.offset + MessageLayout::size + front.size();
    message->content.owner = entry.segment;
  }
  for (auto index : entry.settled) {
    if (index < message->progress.recipients.size()) message->progress.recipients[index].state = RecipientState::delivered;
  }
  return message;
}

Result<std::shared_ptr<Message>> Spool::read_deferred_message(QueueId id) const {
  auto file = read_deferred(shard_.deferred(), id);
  if (!file) return std::unexpected(file.error());
  auto message = std::make_shared<Message>(std::move(file->envelope));
  message->id = id;
  message->head = std::move(file->head);
  message->progress = std::move(file->progress);
  message->repeated = true;
  message->content.length = file->content_length;
  if (file->large) {
    auto fd = open_file(large_path(id), O_RDONLY | O_NOFOLLOW);
    if (!fd) return fail(fd.error().fault() == Fault::not_found ? Fault::invalid : Fault::system, fd.error().text());
    auto large = std::make_shared<UniqueFd>(std::move(*fd));
    message->content.fd = large->get();
    message->content.owner = large;
  } else {
    message->content.fd = file->file->get();
    message->content.offset = file->content_offset;
    message->content.owner = file->file;
  }
  return message;
}

// ---- outcomes

void Spool::forget_journal_entry(const QueueId& id) {
  auto it = index_.find(id);
  if (it == index_.end() || !it->second.segment) return;
  --it->second.segment->live;
  it->second.segment.reset();
  it->second.settled = {};
}

event::Task<Result<>> Spool::settle(std::shared_ptr<Message> message) {
  auto it = index_.find(message->id);
  if (it == index_.end()) co_return fail(Fault::not_found, "no such message");
  if (it->second.segment) {
    Outgoing record(RecordType::settled, message->id);
    for (std::uint32_t i = 0; i < message->progress.recipients.size(); ++i) {
      if (!message->progress.recipients[i].settled()) continue;
      char raw[sizeof i];
      std::memcpy(raw, &i, sizeof i);
      record.front.append(raw, sizeof raw);
    }
    auto place = co_await journal_.append(std::move(record));
    if (!place) co_return std::unexpected(place.error());
    co_return {};
  }
  QueueId id = message->id;
  auto work = [&]() -> Result<> {
    auto file = read_deferred(shard_.deferred(), id);
    if (!file) return std::unexpected(file.error());
    auto end = append_state(file->file->get(), file->states_end, message->progress);
    if (!end) return std::unexpected(end.error());
    return {};
  };
  auto done = co_await files_.run(work);
  co_return done;
}

event::Task<Result<>> Spool::defer(std::shared_ptr<Message> message) {
  auto it = index_.find(message->id);
  if (it == index_.end()) co_return fail(Fault::not_found, "no such message");
  if (!it->second.segment) {
    auto done = co_await settle(message);
    co_return done;
  }
  bool large = it->second.large;
  auto work = [&] {
    return write_deferred(shard_.deferred(), message->id, message->envelope, message->head, message->content.fd,
                          message->content.offset, message->content.length, large, message->progress);
  };
  auto written = co_await files_.run(work);
  if (!written) co_return written;
  Outgoing record(RecordType::moved, message->id);
  auto place = co_await journal_.append(std::move(record));
  if (!place) co_return std::unexpected(place.error());
  forget_journal_entry(message->id);
  message->content.owner.reset();
  message->content.fd = -1;
  journal_.recycle();
  co_return {};
}

event::Task<Result<>> Spool::finish(std::shared_ptr<Message> message) {
  auto it = index_.find(message->id);
  if (it == index_.end()) co_return fail(Fault::not_found, "no such message");
  QueueId id = message->id;
  bool large = it->second.large, deferred = !it->second.segment;
  if (deferred) {
    auto settled = co_await settle(message);
    if (!settled) co_return settled;
  } else {
    Outgoing record(RecordType::done, id);
    auto place = co_await journal_.append(std::move(record));
    if (!place) co_return std::unexpected(place.error());
    forget_journal_entry(id);
  }
  index_.erase(id);
  message->content.owner.reset();
  message->content.fd = -1;
  journal_.recycle();
  if (large || deferred) {
    auto work = [&] {
      if (deferred) ::unlink(deferred_path(shard_.deferred(), id).c_str());
      ::unlink(large_path(id).c_str());
      return true;
    };
    co_await files_.run(work);
  }
  co_return {};
}

}  // namespace mansio::spool
