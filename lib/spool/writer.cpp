#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <utility>

#include "base/file.hpp"
#include "spool/spool.hpp"

namespace mansio::spool {
namespace {
constexpr std::size_t file_buffer = 128 << 10;        // of a message that streams to a file
constexpr std::uint64_t write_back_step = 8 << 20;    // the kernel starts writing this early, so that the sync is short
}  // namespace

Writer::Writer(Writer&& other) noexcept
    : spool_(std::exchange(other.spool_, nullptr)), id_(other.id_), buffer_(std::move(other.buffer_)), file_(std::move(other.file_)),
      size_(other.size_), written_(other.written_), counted_(std::exchange(other.counted_, 0)), broken_(std::move(other.broken_)) {}

Writer::~Writer() {
  if (spool_ == nullptr) return;
  spool_->memory_used_ -= counted_;
  if (!file_) return;
  // The name goes at once, the blocks with the descriptor, on a thread.
  auto discard = [](Spool* spool, QueueId id, std::shared_ptr<UniqueFd> file) -> event::Task<> {
    auto work = [&] {
      auto removed = spool->remove_large(id);
      file.reset();
      return removed;
    };
    auto removed = co_await spool->files_.run(work);
    if (!removed) spool->leave(id, removed.error());
  };
  spool_->scope_.spawn(discard(spool_, id_, std::move(file_)));
}

bool Writer::fits(std::size_t bytes) const noexcept {
  if (file_) return buffer_.size() + bytes <= file_buffer;
  return buffer_.size() + bytes <= spool_->options_.memory_message && spool_->memory_used_ + bytes <= spool_->options_.memory_total;
}

void Writer::append_now(std::string_view bytes) {
  buffer_ += bytes;
  size_ += bytes.size();
  if (!file_) {
    counted_ += bytes.size();
    spool_->memory_used_ += bytes.size();
  }
}

event::Task<Result<>> Writer::append(std::string_view bytes) {
  bool fitted = fits(bytes.size());
  append_now(bytes);
  if (fitted) co_return {};
  auto done = co_await flush();
  co_return done;
}

// What is in the buffer goes to the file, which is made when there is none.
event::Task<Result<>> Writer::flush() {
  if (broken_) co_return std::unexpected(*broken_);
  std::string path = spool_->large_path(id_);
  std::uint64_t reserve = spool_->options_.reserve;
  bool fresh = !file_;
  std::shared_ptr<UniqueFd> file = file_;
  auto work = [&]() -> Result<> {
    if (fresh) {
      auto opened = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
      if (!opened) return std::unexpected(opened.error());
      file = std::make_shared<UniqueFd>(std::move(*opened));
    }
    // Arriving mail never takes the last space: the outcomes of what is queued need it (D-067, D-069).
    struct statvfs space {};
    if (::fstatvfs(file->get(), &space) == 0 && std::uint64_t{space.f_bavail} * space.f_frsize < reserve + buffer_.size()) {
      return fail(Fault::full, "the spool's file system has less than spool.reserve left", ENOSPC);
    }
    auto done = pwrite_all(file->get(), buffer_, written_);
    std::uint64_t after = written_ + buffer_.size();
    if (done && written_ / write_back_step != after / write_back_step) {
      ::sync_file_range(file->get(), 0, static_cast<off64_t>(after), SYNC_FILE_RANGE_WRITE);
    }
    return done;
  };
  auto done = co_await spool_->files_.run(work);
  file_ = std::move(file);
  written_ += buffer_.size();
  buffer_.clear();
  if (fresh) {
    spool_->memory_used_ -= std::exchange(counted_, 0);
    std::string().swap(buffer_);
    buffer_.reserve(file_buffer);
  }
  if (!done) broken_ = done.error();     // content is missing: it can never be committed
  co_return done;
}

event::Task<Result<std::shared_ptr<Message>>> Writer::commit(mail::Envelope envelope, std::string head) {
  if (file_ || broken_) {
    auto flushed = co_await flush();
    if (!flushed) co_return std::unexpected(flushed.error());
    std::string directory = spool_->shard_.large();
    int fd = file_->get();
    auto work = [&]() -> Result<> {
      auto synced = sync_data(fd);
      if (!synced) return synced;
      return sync_directory(directory);
    };
    auto synced = co_await spool_->files_.run(work);
    if (!synced) co_return std::unexpected(synced.error());
  }
  std::string content = file_ ? std::string() : std::move(buffer_);
  auto stored = co_await spool_->commit(id_, envelope, std::move(head), std::move(content), file_, size_);
  if (stored) file_.reset();      // it belongs to the message now
  co_return stored;
}

}  // namespace mansio::spool
