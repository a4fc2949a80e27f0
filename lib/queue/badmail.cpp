#include "queue/badmail.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "base/file.hpp"
#include "mail/date.hpp"
#include "mail/envelope.hpp"

namespace mansio::queue {
namespace {

constexpr std::size_t copy_octets = 64 << 10;

Result<> write_message(int fd, const spool::Message& message) {
  auto head = write_all(fd, message.head);
  if (!head) return head;
  std::string buffer(copy_octets, '\0');
  for (std::uint64_t done = 0; done < message.content.length;) {
    auto size = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), message.content.length - done));
    auto read = pread_all(message.content.fd, buffer.data(), size, message.content.offset + done);
    if (!read) return read;
    auto written = write_all(fd, std::string_view(buffer).substr(0, size));
    if (!written) return written;
    done += size;
  }
  return sync_file(fd);
}

// Beside its place, then renamed: half a message is never seen. What a crash left of the temporary file is written over.
Result<> keep_message(const std::string& path, const spool::Message& message) {
  std::string temporary = path + ".tmp";
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  auto written = write_message(fd->get(), message);
  if (written && std::rename(temporary.c_str(), path.c_str()) != 0) written = fail_errno("rename " + temporary);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace

Result<> keep_badmail(const std::string& directory, const spool::Message& message, std::string_view reason) {
  auto made = make_directory(directory, 0700);
  if (!made) return made;
  std::string base = directory + "/" + message.id.text();
  auto kept = keep_message(base + ".eml", message);
  if (!kept) return kept;
  std::string why = fmt::format("{} was kept on {}: it could be neither delivered nor returned.\n\n{}{}\nIts envelope:\n{}", message.id.text(),
                                mail::format_date(std::chrono::system_clock::now()), reason, reason.ends_with('\n') ? "" : "\n",
                                mail::format_envelope(message.envelope));
  return replace_file(base + ".reason", why, 0600);      // which syncs the directory, for both names
}

}  // namespace mansio::queue
