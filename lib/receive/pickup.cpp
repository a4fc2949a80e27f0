#include "receive/pickup.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/pickup.hpp"
#include "mail/received.hpp"
#include "receive/local_sender.hpp"

namespace mansio::receive {
namespace {

constexpr std::size_t piece_size = 65536, scan_limit = 1000, left_limit = 10'000;
constexpr std::time_t temporary_age = 36 * 3600;     // a sendmail that was killed while writing

// Names sendmail gives: 32 hexadecimal digits. Half-written ones are removed when they are old; others wait in silence.
std::vector<std::string> pickup_names(const std::string& directory, const std::set<std::string>& without) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return names;
  while (dirent* entry = ::readdir(dir)) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (name.starts_with(".")) {
      struct stat st {};
      std::string path = directory + "/" + name;
      if (::lstat(path.c_str(), &st) == 0 && st.st_mtime + temporary_age < ::time(nullptr)) ::unlink(path.c_str());
      continue;
    }
    if (!without.contains(name)) names.push_back(std::move(name));
    if (names.size() == scan_limit) break;
  }
  ::closedir(dir);
  std::ranges::sort(names);
  return names;
}

std::string owner_name(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[16384];
  if (::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) return fmt::format("uid{}", uid);
  return found->pw_name;
}

}  // namespace

struct PickupReader::Found {
  UniqueFd fd;
  mail::Envelope envelope;
  std::uint64_t content_offset = 0, content_length = 0;
  uid_t uid = 0;
  std::string user;
};

event::Task<> PickupReader::scan() {
  std::string directory = directory_;
  auto list = [&] { return pickup_names(directory, left_); };
  auto names = co_await receiver_.blocking.run(list);
  for (std::string& name : names) {
    if (!receiver_.spool.accepting()) co_return;
    co_await take(std::move(name));
  }
}

// Is it a whole file of sendmail's? The checksum is taken of what was read, so a file that changes meanwhile is broken.
Result<> PickupReader::examine(const std::string& path, std::uint64_t size_limit, Found* found) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode)) return fail(Fault::invalid, "no plain file");
  auto fd = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) return std::unexpected(fd.error());
  if (::fstat(fd->get(), &st) != 0) return fail_errno("fstat");
  if (!S_ISREG(st.st_mode) || st.st_nlink != 1) return fail(Fault::invalid, "no plain file");
  auto size = static_cast<std::uint64_t>(st.st_size);
  if (size < mail::pickup_line_size + mail::pickup_trailer_size) return fail(Fault::invalid, "too short");
  if (size > size_limit) return fail(Fault::invalid, "larger than limits.message_size");
  std::string line(mail::pickup_line_size, '\0'), trailer(mail::pickup_trailer_size, '\0');
  auto read = pread_all(fd->get(), line.data(), line.size(), 0);
  if (read) read = pread_all(fd->get(), trailer.data(), trailer.size(), size - trailer.size());
  if (!read) return read;
  auto length = mail::parse_pickup_line(line);
  auto end = mail::parse_pickup_trailer(trailer);
  std::uint64_t body = size - trailer.size();
  if (!length || !end || end->length != body || *length > body - line.size() || *length > (8u << 20)) return fail(Fault::invalid, "broken frame");
  Checksum sum;
  std::string piece;
  for (std::uint64_t at = 0; at < body; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(body - at, piece_size)));
    read = pread_all(fd->get(), piece.data(), piece.size(), at);
    if (!read) return read;
    sum.update(piece);
  }
  if (sum.value() != end->checksum) return fail(Fault::invalid, "wrong checksum");
  std::string text(static_cast<std::size_t>(*length), '\0');
  read = pread_all(fd->get(), text.data(), text.size(), line.size());
  if (!read) return read;
  auto envelope = mail::parse_envelope(text);
  if (!envelope) return std::unexpected(envelope.error());
  if (envelope->recipients.empty()) return fail(Fault::invalid, "no recipients");
  found->envelope = std::move(*envelope);
  found->content_offset = line.size() + *length;
  found->content_length = body - found->content_offset;
  found->uid = st.st_uid;
  found->user = owner_name(st.st_uid);
  found->fd = std::move(*fd);
  return {};
}

event::Task<> PickupReader::take(std::string name) {
  Found found;
  std::string path = directory_ + "/" + name;
  std::uint64_t limit = receiver_.config()->limits.message_size.bytes() + (8u << 20);
  auto look = [&] { return examine(path, limit, &found); };
  auto examined = co_await receiver_.blocking.run(look);
  if (!examined) {
    if (examined.error().fault() == Fault::invalid || examined.error().fault() == Fault::denied) {
      co_await set_aside(std::move(name), examined.error().text());
    }
    co_return;
  }
  auto stored = co_await store(&found);
  if (!stored) {
    if (stored.error().fault() == Fault::invalid) co_await set_aside(std::move(name), stored.error().text());
    co_return;      // else the spool has told why; it is tried again at the next scan
  }
  auto remove = [&] { return ::unlink(path.c_str()) == 0 ? 0 : errno; };
  int sys = co_await receiver_.blocking.run(remove);
  if (sys == 0 || sys == ENOENT) co_return;
  // It is queued: to take it in again at each scan would multiply it.
  if (left_.size() < left_limit) left_.insert(name);
  receiver_.log.panic(fmt::format("pickup: {} is queued but can't be removed: remove it by hand before the next start",
                                  Error::from_errno(sys, path).text()));
}

event::Task<Result<>> PickupReader::store(Found* found) {
  auto config = receiver_.config();
  const auto& trusted = config->trusted_users;
  bool may_choose = found->uid == 0 || found->uid == ::getuid() || std::ranges::find(trusted, found->user) != trusted.end() ||
                    std::ranges::find(trusted, "*") != trusted.end();
  mail::Envelope& envelope = found->envelope;
  auto own = may_choose ? std::nullopt : address_of_user(found->user, config->mail_name);
  if (!may_choose && envelope.sender) envelope.sender = own;
  envelope.received = std::chrono::system_clock::now();
  envelope.user = found->user;
  envelope.protocol = "local";
  envelope.helo.clear();
  envelope.client_address.clear();
  envelope.client_name.clear();
  envelope.reply_to_id.clear();
  spool::Writer writer = receiver_.spool.new_message();
  mail::HeaderScanner header;
  std::string piece, start;
  for (std::uint64_t at = 0; at < found->content_length; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(found->content_length - at, piece_size)));
    auto read = [&] { return pread_all(found->fd.get(), piece.data(), piece.size(), found->content_offset + at); };
    auto done = co_await receiver_.blocking.run(read);
    if (!done) co_return done;
    header.feed(piece);
    if (start.size() < mail::header_prefix) start += piece.substr(0, mail::header_prefix - start.size());
    auto appended = co_await writer.append(piece);
    if (!appended) co_return appended;
  }
  header.finish();
  if (header.received_count() > config->limits.hops) co_return fail(Fault::invalid, "too many hops");     // RFC 5321 §6.3
  envelope.delivered_to = header.delivered_to();
  if (envelope.delivered_to.size() > config->limits.hops) envelope.delivered_to.resize(config->limits.hops);
  std::string head = mail::format_received(envelope, config->host_name, writer.id().text(), found->uid);
  if (own) head += sender_field(header.copy(), *own);
  if (!mail::begins_like_header(start, true).value_or(true)) head += "\r\n";     // S-031
  auto stored = co_await writer.commit(std::move(envelope), std::move(head));
  if (!stored) co_return std::unexpected(stored.error());
  log::Arrival event;
  event.id = (*stored)->id.text();
  event.sender = (*stored)->envelope.sender_text();
  event.user = found->user;
  event.protocol = "local";
  event.size = (*stored)->size();
  for (const auto& recipient : (*stored)->envelope.recipients) event.recipients.push_back(recipient.address.text());
  receiver_.log.write(std::move(event));
  receiver_.accepted(std::move(*stored));
  co_return Result<>();
}

event::Task<> PickupReader::set_aside(std::string name, std::string why) {
  std::string from = directory_ + "/" + name;
  std::string to = fmt::format("{}/../0/corrupt/pickup-{}", directory_, ::time(nullptr));
  to += "-" + std::to_string(checksum(name));      // the name itself is the sender's invention
  auto move = [&] { return ::rename(from.c_str(), to.c_str()) == 0; };
  bool moved = co_await receiver_.blocking.run(move);
  if (!moved && left_.size() < left_limit) left_.insert(name);
  receiver_.log.panic(fmt::format("pickup: \"{}\" is no message ({}): {}", escape(name, 100), why, moved ? "moved to " + to : "left where it is"));
}

}  // namespace mansio::receive
