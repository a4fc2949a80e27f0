#include "deliver/mbox_repair.hpp"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/file.hpp"

namespace mansio::deliver {
namespace {

constexpr const char* mark_name = "user.mansio.delivery";

// Calls `look` with the pieces of [start, end); a false from it stops.
template <class Look>
Result<> scan_range(int fd, std::uint64_t start, std::uint64_t end, Look look) {
  std::vector<char> buffer(64u << 10);
  while (start < end) {
    auto size = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - start));
    if (auto read = pread_all(fd, buffer.data(), size, start); !read) return read;
    if (!look(std::string_view(buffer.data(), size))) return {};
    start += size;
  }
  return {};
}

Result<bool> is_whole(int fd, const MboxMark& mark) {
  Checksum sum;
  auto read = scan_range(fd, mark.start, mark.start + mark.length, [&](std::string_view piece) { return sum.update(piece), true; });
  if (!read) return std::unexpected(read.error());
  return sum.value() == mark.checksum;
}

// The first bytes of a From_ line and of the newlines before it, with no end of line in it.
bool begins_from_line(std::string_view text) {
  text.remove_prefix(std::min({text.find_first_not_of('\n'), text.size(), std::size_t(2)}));
  constexpr std::string_view word = "From ";
  return text.substr(0, word.size()) == word.substr(0, text.size()) && text.find('\n') == std::string_view::npos;
}

// Are the bytes from mark.start to the end the beginning of the marked delivery? They are when its From_ line stands
// there (or what little of it was written, or a hole of zeros) and no second one follows: quoting keeps "From " from the
// beginning of every other line of a message of ours.
Result<bool> is_torn_tail(int fd, const MboxMark& mark, std::uint64_t size) {
  auto line_end = std::min(mark.start + mark.from_line_length, size);
  std::string line;
  auto first = scan_range(fd, mark.start, line_end, [&](std::string_view piece) { return line += piece, true; });
  if (!first) return std::unexpected(first.error());
  bool zeros = line.find_first_not_of('\0') == std::string::npos;
  bool cut_in_line = line.size() < mark.from_line_length;
  if (!zeros && !(cut_in_line ? begins_from_line(line) : checksum(line) == mark.from_line_checksum)) return false;
  bool other = false;
  std::string last = "\n";
  auto rest = scan_range(fd, line_end, size, [&](std::string_view piece) {
    last += piece;
    other = last.find("\nFrom ") != std::string::npos;
    last.erase(0, last.size() - std::min<std::size_t>(last.size(), 6));
    return !other;
  });
  if (!rest) return std::unexpected(rest.error());
  return !other;
}

}  // namespace

Result<bool> set_mark(int fd, const MboxMark& mark) {
  auto bytes = format_mark(mark);
  if (::fsetxattr(fd, mark_name, bytes.data(), bytes.size(), 0) == 0) return true;
  if (errno == ENOTSUP || errno == ENOSYS || errno == EPERM || errno == EACCES) return false;
  return fail_errno("mark the mailbox");
}

void clear_mark(int fd) { ::fremovexattr(fd, mark_name); }

Result<bool> repair_mailbox(int fd) {
  std::array<char, 128> buffer;
  ssize_t got = ::fgetxattr(fd, mark_name, buffer.data(), buffer.size());
  if (got < 0) return false;   // no mark, or a file system without them
  auto mark = parse_mark(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_errno("stat the mailbox");
  auto size = static_cast<std::uint64_t>(st.st_size);
  if (!mark || size <= mark->start) return clear_mark(fd), false;
  auto end = mark->start + mark->length;
  if (size >= end) {
    auto whole = is_whole(fd, *mark);
    if (!whole) return whole;
    if (*whole || size > end) return clear_mark(fd), false;
  }
  auto torn = is_torn_tail(fd, *mark, size);
  if (!torn) return torn;
  if (!*torn) return clear_mark(fd), false;
  if (auto done = roll_back(fd, mark->start); !done) return std::unexpected(done.error());
  return true;
}

Result<> roll_back(int fd, std::uint64_t size) {
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return fail_errno("cut the mailbox back");
  if (auto synced = sync_file(fd); !synced) return synced;
  clear_mark(fd);
  return {};
}

}  // namespace mansio::deliver
