#include "history/line_source.hpp"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/file.hpp"
#include "history/log_files.hpp"

namespace mansio::history {
namespace {

constexpr std::size_t block = std::size_t{256} << 10;

bool holds(std::string_view text, const std::string& needle) {
  return needle.empty() || ::memmem(text.data(), text.size(), needle.data(), needle.size()) != nullptr;
}

// Where bytes come from; 0 at the end, -1 with `problem` set.
class Bytes {
 public:
  Bytes(const LogFile& file, std::uint64_t offset) : fd_(file.fd.get()), offset_(offset), end_(file.size), path_(file.path) {
    if (!file.compressed) return;
    ::lseek(fd_, 0, SEEK_SET);
    int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    gz_ = copy >= 0 ? ::gzdopen(copy, "rb") : nullptr;
    if (gz_ == nullptr && copy >= 0) ::close(copy);
    broken_ = gz_ == nullptr;
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() {
    if (gz_ != nullptr) ::gzclose(gz_);
  }

  ssize_t read(char* into, std::size_t size, std::string& problem) {
    if (broken_) return refuse(problem, "can't be unpacked");
    if (gz_ != nullptr) {
      int n = ::gzread(gz_, into, static_cast<unsigned>(size));
      int code = Z_OK;
      const char* text = ::gzerror(gz_, &code);
      // A file cut short is told of with its last bytes.
      if (code != Z_OK && code != Z_STREAM_END) refuse(problem, code == Z_BUF_ERROR ? "ends early" : text);
      return n;
    }
    size = std::min<std::uint64_t>(size, end_ - std::min(end_, offset_));
    ssize_t n = 0;
    do {
      n = ::pread(fd_, into, size, static_cast<off_t>(offset_));
    } while (n < 0 && errno == EINTR);
    if (n < 0) return refuse(problem, ::strerror(errno));
    offset_ += static_cast<std::uint64_t>(n);
    return n;
  }

 private:
  ssize_t refuse(std::string& problem, const char* why) {
    problem = path_ + ": " + why;
    return -1;
  }

  int fd_;
  std::uint64_t offset_, end_;
  std::string path_;
  gzFile gz_ = nullptr;
  bool broken_ = false;
};

class ForwardLines : public Lines {
 public:
  ForwardLines(const LogFile& file, std::uint64_t offset, std::string needle)
      : bytes_(file, offset), needle_(std::move(needle)) {}

  bool next(std::string_view& line) override {
    for (;;) {
      std::string_view left = std::string_view(buffer_).substr(begin_, whole_ - begin_);
      if (!find(left)) {
        if (!fill()) return false;
        continue;
      }
      auto end = left.find('\n');
      line = left.substr(0, end);
      begin_ = static_cast<std::size_t>(line.data() - buffer_.data()) + line.size() + 1;
      return true;
    }
  }

 private:
  // Cuts `left` down to begin with the next line wanted.
  bool find(std::string_view& left) const {
    if (left.empty() || needle_.empty()) return !left.empty();
    const void* hit = ::memmem(left.data(), left.size(), needle_.data(), needle_.size());
    if (hit == nullptr) return false;
    auto at = static_cast<std::size_t>(static_cast<const char*>(hit) - left.data());
    auto before = left.rfind('\n', at);
    left.remove_prefix(before == std::string_view::npos ? 0 : before + 1);
    return true;
  }

  // Makes [begin_, whole_) the whole lines of what is read next.
  bool fill() {
    if (ended_) return false;
    buffer_.erase(0, whole_);
    begin_ = whole_ = 0;
    while (whole_ == 0 && !ended_) {
      std::size_t have = buffer_.size();
      buffer_.resize(have + block);
      ssize_t n = bytes_.read(buffer_.data() + have, block, problem);
      buffer_.resize(have + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
      ended_ = n <= 0;
      if (ended_ && !buffer_.empty() && !skipping_) buffer_ += '\n';           // a last line without an end
      auto last = buffer_.rfind('\n');
      whole_ = last == std::string::npos ? 0 : last + 1;
      skip();
    }
    return whole_ > 0;
  }

  void skip() {
    if (skipping_ && whole_ > 0) {                                // the end of the long line
      begin_ = buffer_.find('\n') + 1;
      skipping_ = false;
    }
    if (whole_ > 0 || (buffer_.size() <= longest_line && !skipping_)) return;
    if (!skipping_) ++too_long;
    skipping_ = true;
    buffer_.clear();
  }

  Bytes bytes_;
  std::string needle_, buffer_;
  std::size_t begin_ = 0, whole_ = 0;      // what of the buffer is whole lines, not yet given
  bool ended_ = false, skipping_ = false;
};

class BackwardLines : public Lines {
 public:
  BackwardLines(const LogFile& file, UniqueFd unpacked, std::uint64_t size, std::string needle)
      : fd_(unpacked ? unpacked.get() : file.fd.get()), unpacked_(std::move(unpacked)), left_(size), path_(file.path),
        needle_(std::move(needle)) {}

  bool next(std::string_view& line) override {
    for (;;) {
      while (end_ > begin_) {
        auto before = end_ >= begin_ + 2 ? buffer_.rfind('\n', end_ - 2) : std::string::npos;
        std::size_t from = before == std::string::npos || before < begin_ ? begin_ : before + 1;
        line = std::string_view(buffer_).substr(from, end_ - from);
        if (line.ends_with('\n')) line.remove_suffix(1);
        end_ = from;
        if (holds(line, needle_)) return true;
      }
      if (!fill()) return false;
    }
  }

 private:
  // The block before; [begin_, end_) are its whole lines, what is before them is the end of a line of the block before that.
  bool fill() {
    while (left_ > 0) {
      buffer_.resize(begin_);
      if (buffer_.size() > longest_line) {
        buffer_.clear();
        ++too_long;
      }
      std::size_t size = std::min<std::uint64_t>(block, left_);
      buffer_.insert(0, size, '\0');
      left_ -= size;
      if (auto read = pread_all(fd_, buffer_.data(), size, left_); !read) {
        problem = path_ + ": " + read.error().text();
        left_ = 0;
        return false;
      }
      auto first = buffer_.find('\n');
      begin_ = left_ == 0 ? 0 : first == std::string::npos ? buffer_.size() : first + 1;
      end_ = buffer_.size();
      if (!holds(std::string_view(buffer_).substr(begin_), needle_)) end_ = begin_;
      if (end_ > begin_) return true;
    }
    return false;
  }

  int fd_;
  UniqueFd unpacked_;
  std::uint64_t left_;                     // bytes before the buffer's
  std::string path_, needle_, buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

struct Unpacked {
  UniqueFd fd;
  std::uint64_t size = 0;
};

Result<Unpacked> unpack(const LogFile& file, std::string& problem) {
  const char* named = std::getenv("TMPDIR");
  auto fd = open_file(named != nullptr && *named != '\0' ? named : "/tmp", O_TMPFILE | O_RDWR, 0600);
  if (!fd) return std::unexpected(fd.error());
  Unpacked out{std::move(*fd), 0};
  Bytes bytes(file, 0);
  std::vector<char> buffer(block);
  for (;;) {
    ssize_t n = bytes.read(buffer.data(), buffer.size(), problem);
    if (n <= 0) return out;
    std::string_view piece(buffer.data(), static_cast<std::size_t>(n));
    if (auto written = write_all(out.fd.get(), piece); !written) return std::unexpected(written.error());
    out.size += piece.size();
  }
}

}  // namespace

std::unique_ptr<Lines> forward_lines(const LogFile& file, std::uint64_t offset, const std::string& needle) {
  return std::make_unique<ForwardLines>(file, offset, needle);
}

Result<std::unique_ptr<Lines>> backward_lines(const LogFile& file, const std::string& needle) {
  if (!file.compressed) return std::make_unique<BackwardLines>(file, UniqueFd(), file.size, needle);
  std::string problem;
  auto unpacked = unpack(file, problem);
  if (!unpacked) return std::unexpected(unpacked.error());
  auto out = std::make_unique<BackwardLines>(file, std::move(unpacked->fd), unpacked->size, needle);
  out->problem = std::move(problem);
  return out;
}

}  // namespace mansio::history
