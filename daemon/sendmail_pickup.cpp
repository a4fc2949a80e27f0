#include "sendmail_pickup.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"
#include "mail/pickup.hpp"

namespace mansio::sendmail {
namespace {

Result<> write_pickup(int fd, const mail::Envelope& envelope, const Content& content) {
  Checksum sum;
  std::uint64_t length = 0;
  auto put = [&](std::string_view bytes) {
    sum.update(bytes);
    length += bytes.size();
    return write_all(fd, bytes);
  };
  auto done = put(mail::format_pickup_head(envelope));
  if (done) done = content.each_piece([&](std::string_view piece, bool) { return put(piece); });
  if (done) done = write_all(fd, mail::format_pickup_trailer(length, sum.value()));
  if (done && ::fchmod(fd, 0644) != 0) done = fail_errno("fchmod");      // whatever the umask
  if (done) done = sync_file(fd);
  return done;
}

// The new name must be durable. A directory that we may write but not read can't be opened for fsync: then the whole
// file system is synced.
Result<> sync_name(const std::string& directory, int file) {
  auto done = sync_directory(directory);
  if (done || done.error().sys() != EACCES) return done;
  if (::syncfs(file) != 0) return fail_errno("syncfs");
  return {};
}

}  // namespace

Result<std::string> leave_for_pickup(const std::string& directory, const mail::Envelope& envelope, const Content& content) {
  std::uint64_t random[2];
  if (::getrandom(random, sizeof random, 0) != sizeof random) return fail_errno("getrandom");
  std::string name = hex_encode(random[0]) + hex_encode(random[1]);
  std::string temporary = directory + "/.tmp-" + name, path = directory + "/" + name;
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  auto done = write_pickup(fd->get(), envelope, content);
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = fail_errno("rename in " + directory);
  if (!done) {
    ::unlink(temporary.c_str());
    return std::unexpected(done.error());
  }
  auto synced = sync_name(directory, fd->get());
  if (synced) return name;
  ::unlink(path.c_str());      // the caller will be told to try again
  return std::unexpected(synced.error());
}

}  // namespace mansio::sendmail
