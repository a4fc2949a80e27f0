// What could be neither delivered nor returned, and files of pickup directories that could not be sent: listed, shown, sent
// again after all, removed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unix_time.hpp"
#include "control/describe.hpp"
#include "control/session.hpp"
#include "mail/header.hpp"
#include "queue/badmail.hpp"
#include "receive/letter_file.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t badmail_at_once = 200, recipients_listed = 20;
constexpr std::uint64_t badmail_header = 256 << 10, badmail_piece = 256 << 10;


nlohmann::json badmail_object(const spool::QueueId& id, const queue::BadmailEntry& entry) {
  nlohmann::json out;
  out["id"] = id.text();
  out["kept"] = unix_seconds(entry.kept);
  out["size"] = entry.size;
  out["why"] = entry.reason ? entry.reason->why : "the file that says why is missing or damaged";
  out["kind"] = !entry.reason ? "unknown" : entry.reason->envelope ? "undeliverable" : "pickup";
  if (!entry.reason) return out;
  if (!entry.reason->envelope) {
    out["file"] = entry.reason->file;
    out["owner"] = entry.reason->owner;
    return out;
  }
  const mail::Envelope& envelope = *entry.reason->envelope;
  out["sender"] = envelope.sender_text();
  out["recipients"] = nlohmann::json::array();
  for (std::size_t i = 0; i < envelope.recipients.size() && i < recipients_listed; ++i) out["recipients"].push_back(envelope.recipients[i].address.text());
  out["recipient_count"] = envelope.recipients.size();
  return out;
}

// In pieces, on a thread each.
event::Task<Result<>> copy_badmail(event::Threads* threads, int fd, spool::Writer* writer) {
  std::string piece(badmail_piece, '\0');
  for (std::uint64_t at = 0;;) {
    auto read = [&]() -> ssize_t { return ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(at)); };
    ssize_t n = co_await threads->run(read);
    if (n < 0) co_return fail_errno("read");
    if (n == 0) co_return Result<>();
    at += static_cast<std::uint64_t>(n);
    auto appended = co_await writer->append(std::string_view(piece).substr(0, static_cast<std::size_t>(n)));
    if (!appended) co_return appended;
  }
}

}  // namespace

std::string Session::badmail_directory() const { return queue_.config()->bounces.badmail; }

event::Task<> Session::badmail_list() {
  std::string directory = badmail_directory();
  auto find = [&] { return queue::badmail_ids(directory); };
  auto ids = co_await services_.threads.run(find);
  std::size_t count = 0;
  for (std::size_t at = 0; at < ids.size(); at += badmail_at_once) {
    std::vector<Json> lines;
    auto look = [&] {
      for (std::size_t i = at; i < ids.size() && i < at + badmail_at_once; ++i) {
        auto entry = queue::look_at_badmail(directory, ids[i]);
        if (entry) lines.push_back(badmail_object(ids[i], *entry));
      }
      return true;
    };
    co_await services_.threads.run(look);
    for (const Json& line : lines) say(line);
    count += lines.size();
    bool there = co_await send_gathered(1);
    if (!there) co_return;
  }
  Json last;
  last["count"] = count;
  end(std::move(last));
}

event::Task<> Session::badmail_show() {
  std::string directory = badmail_directory(), text = text_of("id");
  auto id = spool::QueueId::parse(text);
  Json out;
  auto look = [&] {
    auto entry = id ? queue::look_at_badmail(directory, *id) : std::nullopt;
    if (!entry) return false;
    out = badmail_object(*id, *entry);
    auto fd = open_file(directory + "/" + id->text() + ".eml", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    std::string start(static_cast<std::size_t>(std::min(entry->size, badmail_header)), '\0');
    bool read = fd && pread_all(fd->get(), start.data(), start.size(), 0).has_value();
    if (!read) return true;
    mail::HeaderReader reader(start);
    while (reader.next()) {
    }
    out["header"] = start.substr(0, reader.body_offset());
    return true;
  };
  bool found = co_await services_.threads.run(look);
  if (found) end(std::move(out));
  else refuse(escape(text, 100) + " is no badmail");
}

// Each id of the request, one after the other; `act` gives {"done","text"}.
event::Task<> Session::for_each_badmail(event::Task<Session::Json> (Session::*act)(spool::QueueId id)) {
  auto texts = list_of("ids");
  for (const std::string& text : texts) {
    Json line;
    line["done"] = false;
    line["text"] = "is no badmail";
    if (auto id = spool::QueueId::parse(text)) line = co_await (this->*act)(*id);
    line["id"] = text;
    say(line);
    bool there = co_await send_gathered(1);
    if (!there) break;
  }
  co_await write_log();
  end(Json::object());
}

event::Task<> Session::badmail_retry() {
  co_await for_each_badmail(&Session::retry_badmail);
}

event::Task<> Session::badmail_remove() {
  co_await for_each_badmail(&Session::drop_badmail);
}

event::Task<Session::Json> Session::drop_badmail(spool::QueueId id) {
  std::string directory = badmail_directory();
  auto work = [&]() -> Result<> {
    auto taken = queue::take_badmail(directory, id);       // not while it is being sent
    if (!taken) return std::unexpected(taken.error());
    return queue::remove_badmail(directory, id);
  };
  auto removed = co_await services_.threads.run(work);
  Json out;
  out["done"] = removed.has_value();
  out["text"] = removed ? "is removed" : removed.error().text();
  if (removed) {
    log::Notice notice;
    notice.id = id.text();
    notice.text = "badmail removed by " + caller_.name();
    services_.log.write(std::move(notice));
  }
  co_return out;
}

// As a new message. Durable before its files go.
event::Task<Session::Json> Session::retry_badmail(spool::QueueId id) {
  std::string directory = badmail_directory();
  Json out;
  auto take = [&] { return queue::take_badmail(directory, id); };
  auto fd = co_await services_.threads.run(take);          // nobody else's until its files are gone
  if (!fd) {
    out["done"] = false;
    out["text"] = fd.error().text();
    co_return out;
  }
  auto stored = co_await store_badmail(id, directory, fd->get());
  out["done"] = stored.has_value();
  if (!stored) {
    out["text"] = stored.error().text();
    co_return out;
  }
  auto remove = [&] { return queue::remove_badmail(directory, id); };
  auto removed = co_await services_.threads.run(remove);
  out["new_id"] = (*stored)->id.text();
  out["text"] = "is queued as " + (*stored)->id.text() + (removed ? "" : ", but its files can't be removed: " + removed.error().text());
  receive::log_letter(services_.log, **stored);
  log::Notice notice;
  notice.id = (*stored)->id.text();
  notice.text = fmt::format("was badmail {}, sent again by {}", id.text(), caller_.name());
  services_.log.write(std::move(notice));
  queue_.accept(std::move(*stored));
  co_return out;
}

event::Task<Result<std::shared_ptr<spool::Message>>> Session::store_badmail(spool::QueueId id, std::string directory, int fd) {
  auto look = [&] { return queue::look_at_badmail(directory, id); };
  auto entry = co_await services_.threads.run(look);
  if (!entry || !entry->reason) co_return fail(Fault::invalid, "has no file that says for whom it is: " + id.text() + ".reason is missing or damaged");
  auto welcome = queue_.spool.accepting();
  if (!welcome) co_return std::unexpected(welcome.error());
  spool::Writer writer = queue_.spool.new_message();
  if (entry->reason->envelope) {
    mail::Envelope envelope = std::move(*entry->reason->envelope);
    envelope.received = std::chrono::system_clock::now();      // it has its whole time again
    if (envelope.recipients.empty()) co_return fail(Fault::invalid, "has no recipients");
    auto copied = co_await copy_badmail(&services_.threads, fd, &writer);
    if (!copied) co_return std::unexpected(copied.error());
    auto stored = co_await writer.commit(std::move(envelope), std::string());
    co_return stored;
  }
  if (services_.receiver == nullptr) co_return fail(Fault::invalid, "can't be taken in here");
  struct stat st {};
  UniqueFd same(::dup(fd));
  if (!same || ::fstat(fd, &st) != 0) co_return fail_errno("open it");
  // The file may have been mended: it is read as if it had just been put into the pickup directory.
  receive::LetterFile letter(std::move(same), st);
  auto config = queue_.config();
  auto mail_name = mail::Domain::parse(config->mail_name);
  auto read = [&] { return letter.read_header(*mail_name, config->limits.recipients); };
  auto header = co_await services_.threads.run(read);
  if (!header) co_return std::unexpected(header.error());
  if (letter.size() > config->limits.message_size.bytes()) co_return fail(Fault::invalid, "has more bytes than limits.message_size allows");
  receive::LetterSender sender;
  sender.user = entry->reason->owner.empty() ? caller_.name() : entry->reason->owner;
  sender.protocol = "pickup";
  auto stored = co_await receive::store_letter(services_.receiver, &services_.threads, &letter, &writer, std::move(sender));
  co_return stored;
}

}  // namespace mansio::control
