// Messages at a glance, for listings of long queues.
#include <algorithm>

#include "base/file.hpp"
#include "spool/spool.hpp"

namespace mansio::spool {
namespace {

// Layout and envelope of a message record, with one read when they are small.
Result<std::shared_ptr<Message>> glance_at_journal(int fd, std::uint64_t offset, std::uint64_t length) {
  std::string start(static_cast<std::size_t>(std::min<std::uint64_t>(length, 1024)), '\0');
  auto read = pread_all(fd, start.data(), start.size(), offset);
  if (!read) return std::unexpected(read.error());
  auto layout = start.size() < MessageLayout::size ? std::nullopt : MessageLayout::decode(std::string_view(start).substr(0, MessageLayout::size));
  if (!layout || layout->payload() != length) return fail(Fault::invalid, "broken record");
  if (std::size_t needed = MessageLayout::size + layout->envelope; needed > start.size()) {
    start.resize(needed);
    read = pread_all(fd, start.data(), start.size(), offset);
    if (!read) return std::unexpected(read.error());
  }
  auto envelope = mail::parse_envelope(std::string_view(start).substr(MessageLayout::size, layout->envelope));
  if (!envelope) return std::unexpected(envelope.error());
  auto message = std::make_shared<Message>(std::move(*envelope));
  message->content.length = layout->head + layout->content;
  return message;
}

}  // namespace

Spool::Whereabouts Spool::place_of(const QueueId& id) const {
  Whereabouts place;
  place.id_ = id;
  place.entry_ = entry_of(id);
  return place;
}

Result<std::shared_ptr<Message>> Spool::glance(const Whereabouts& place) const {
  if (const auto& entry = place.entry_; entry) {
    auto message = glance_at_journal(entry->segment->fd(), entry->offset, entry->length);
    if (!message) return message;
    (*message)->id = place.id_;
    if (entry->progress.empty()) return message;
    auto progress = parse_progress(entry->progress, (*message)->envelope.recipients.size());
    if (!progress) return std::unexpected(progress.error());
    (*message)->progress = std::move(*progress);
    return message;
  }
  auto file = glance_at_deferred(shard_.deferred(), place.id_);
  if (!file) return std::unexpected(file.error());
  if (file->progress.finished()) return fail(Fault::not_found, "finished");
  auto message = std::make_shared<Message>(std::move(file->envelope));
  message->id = place.id_;
  message->progress = std::move(file->progress);
  message->content.length = file->content_length;
  return message;
}

}  // namespace mansio::spool
