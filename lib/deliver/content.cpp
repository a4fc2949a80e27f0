#include "deliver/content.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/file.hpp"

namespace mansio::deliver {

std::size_t crlf_to_lf(char* data, std::size_t size) noexcept {
  const char* end = data + size;
  char* out = nullptr;
  const char* from = data;       // not yet copied
  for (const char* p = data; (p = static_cast<const char*>(std::memchr(p, '\r', static_cast<std::size_t>(end - p)))) != nullptr;) {
    if (p + 1 == end) break;
    if (p[1] != '\n') {
      ++p;
      continue;
    }
    auto piece = static_cast<std::size_t>(p - from);
    if (out == nullptr) {
      out = data + piece;
    } else {
      std::memmove(out, from, piece);
      out += piece;
    }
    from = ++p;                  // the LF is copied with what follows it
  }
  if (out == nullptr) return size;
  auto rest = static_cast<std::size_t>(end - from);
  std::memmove(out, from, rest);
  return static_cast<std::size_t>(out + rest - data);
}

Result<std::string_view> Content::next() {
  static const std::unique_ptr<char[]> storage(new char[block_size]);
  char* buffer = storage.get();
  std::size_t size = 0;
  if (!begun_) {
    begun_ = true;
    size = job_.prefix.size();   // at most max_prefix (decode_job)
    std::memcpy(buffer, job_.prefix.data(), size);
    if (job_.kind != JobKind::drop) size = crlf_to_lf(buffer, size);
  }
  if (held_cr_) buffer[size++] = '\r';
  auto from = held_cr_ ? size - 1 : size;
  held_cr_ = false;
  auto want = static_cast<std::size_t>(std::min<std::uint64_t>(block_size - size, job_.message.length - done_));
  if (want > 0) {
    auto read = pread_all(fd_, buffer + size, want, job_.message.offset + done_);
    if (!read) return std::unexpected(read.error());
    size += want;
    done_ += want;
    bool as_it_is = job_.binary || job_.kind == JobKind::drop;
    if (!as_it_is) size = from + crlf_to_lf(buffer + from, size - from);
    if (!as_it_is && done_ < job_.message.length && buffer[size - 1] == '\r') {
      held_cr_ = true;
      --size;
      if (size == 0) return next();
    }
  }
  return std::string_view(buffer, size);
}

Status local_trouble(const Error& error, std::string_view where) {
  auto text = fmt::format("{}: {}", where, error.text());
  switch (error.fault()) {
    case Fault::full: return Status(452, 2, 2, "mailbox full or out of space: " + text);   // RFC 3463 §3.3
    case Fault::busy: case Fault::timed_out: case Fault::not_found: case Fault::denied: case Fault::exists: return Status(450, 2, 0, text);
    default: return Status(451, 3, 0, text);
  }
}

}  // namespace mansio::deliver
