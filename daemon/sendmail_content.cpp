#include "sendmail_content.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"

namespace mansio::sendmail {
namespace {

constexpr std::size_t memory_limit = 2u << 20;

Result<UniqueFd> nameless_file() {
  for (const char* directory : {"/var/tmp", "/tmp"}) {
    auto fd = open_file(directory, O_TMPFILE | O_RDWR, 0600);
    if (fd) return fd;
  }
  char name[] = "/tmp/sendmail-XXXXXX";      // a file system without O_TMPFILE
  UniqueFd fd(::mkostemp(name, O_CLOEXEC));
  if (!fd) return fail_errno("temporary file");
  ::unlink(name);
  return fd;
}

}  // namespace

Result<> Content::spill() {
  auto fd = nameless_file();
  if (!fd) return std::unexpected(fd.error());
  file_ = std::move(*fd);
  auto done = write_all(file_.get(), memory_);
  memory_ = std::string();
  return done;
}

Result<> Content::append(std::string_view bytes) {
  if (!file_ && memory_.size() + bytes.size() > memory_limit) {
    auto done = spill();
    if (!done) return done;
  }
  size_ += bytes.size();
  if (file_) return write_all(file_.get(), bytes);
  memory_ += bytes;
  return {};
}

Result<> Content::each_piece(const std::function<Result<>(std::string_view, bool)>& use) const {
  std::string buffer;
  std::uint64_t at = 0;
  do {
    auto n = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, size_ - at));
    std::string_view piece;
    if (file_) {
      buffer.resize(n);
      auto read = pread_all(file_.get(), buffer.data(), n, at);
      if (!read) return read;
      piece = buffer;
    } else {
      piece = std::string_view(memory_).substr(static_cast<std::size_t>(at), n);
    }
    at += n;
    auto done = use(piece, at == size_);
    if (!done) return done;
  } while (at < size_);
  return {};
}

Result<std::string> Content::head(std::size_t limit) const {
  std::string out;
  auto n = static_cast<std::size_t>(std::min<std::uint64_t>(limit, size_));
  if (!file_) return memory_.substr(0, n);
  out.resize(n);
  auto read = pread_all(file_.get(), out.data(), n, 0);
  if (!read) return std::unexpected(read.error());
  return out;
}

}  // namespace mansio::sendmail
