// fill_spool: makes a spool with many messages in deferred/, as a daemon leaves it that was stopped, with the spool's own code.
// Nothing is synced: it is for tests of a long queue, and made anew each time. For what it writes see usage().
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "spool/deferred.hpp"
#include "spool/shard.hpp"

// The spool's code calls these in place of the C library's: a million files would take an hour otherwise.
extern "C" int fsync(int) { return 0; }
extern "C" int fdatasync(int) { return 0; }

namespace mansio::spool {
namespace {

constexpr const char* usage = R"(fill_spool DIRECTORY COUNT DUE SIZE RECIPIENT [DOMAINS]

Writes COUNT messages of SIZE octets from bob@ex.test to RECIPIENT, tried once, and due again in DUE seconds (negative: overdue)
into DIRECTORY (a shard: spool/0), and prints the first and the last id. With DOMAINS, "%" in RECIPIENT becomes 0, 1, ... DOMAINS-1
in turn.
)";

struct Work {
  std::string directory, recipient;
  std::size_t count = 0, size = 0, domains = 1;
  Time due{}, received{};
};

std::string recipient_of(const Work& work, std::size_t number) {
  std::string out = work.recipient;
  if (auto at = out.find('%'); at != std::string::npos) out.replace(at, 1, std::to_string(number % work.domains));
  return out;
}

// Every `step`th message from `first` on.
void write_messages(const Work& work, const std::vector<QueueId>& ids, int content, std::size_t first, std::size_t step) {
  for (std::size_t i = first; i < ids.size(); i += step) {
    mail::Envelope envelope;
    envelope.sender = *mail::Address::parse("bob@ex.test");
    envelope.recipients.emplace_back(*mail::Address::parse(recipient_of(work, i)));
    envelope.received = work.received;
    envelope.protocol = "ESMTP";
    Progress progress(1);
    progress.attempts = 1;
    progress.next_attempt = work.due;
    progress.recipients[0].last = Status(451, 4, 4, "no answer");
    std::string head = "Received: from filler.test by mx.ex.test; Sun, 22 Nov 2026 08:00:00 +0000\r\n";
    auto done = write_deferred(work.directory + "/deferred", ids[i], envelope, head, content, 0, work.size, false, progress, false);
    if (done) continue;
    std::fprintf(stderr, "fill_spool: %s\n", done.error().text().c_str());
    std::exit(1);
  }
}

// The messages' content, read by all: a name of its own for each would cost more than the messages.
UniqueFd make_content(std::size_t size) {
  UniqueFd fd(::memfd_create("content", MFD_CLOEXEC));
  std::string text = "From: bob@ex.test\r\nSubject: waiting\r\n\r\n";
  while (text.size() < size) text += "All work and no play makes a dull queue of it, line after line, all day long.\r\n";
  text.resize(size);
  if (size >= 2) text.replace(size - 2, 2, "\r\n");
  auto written = write_all(fd.get(), text);
  if (!written) std::exit(1);
  return fd;
}

int fill(const Work& work) {
  auto shard = Shard::open(work.directory);
  if (!shard) {
    std::fprintf(stderr, "fill_spool: %s\n", shard.error().text().c_str());
    return 1;
  }
  QueueIdSource source(shard->generation(), 0);
  std::vector<QueueId> ids;
  for (std::size_t i = 0; i < work.count; ++i) ids.push_back(source.next(work.received));
  UniqueFd content = make_content(work.size);
  {
    std::jthread other([&] { write_messages(work, ids, content.get(), 1, 2); });
    write_messages(work, ids, content.get(), 0, 2);
  }
  if (!ids.empty()) std::printf("%s %s\n", ids.front().text().c_str(), ids.back().text().c_str());
  return 0;
}

}  // namespace
}  // namespace mansio::spool

int main(int argc, char** argv) {
  std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.size() < 5 || words.size() > 6) {
    std::fputs(mansio::spool::usage, stderr);
    return 64;
  }
  auto number = [&](std::size_t at) {
    long value = 0;
    auto read = std::from_chars(words[at].data(), words[at].data() + words[at].size(), value);
    if (read.ec == std::errc() && read.ptr == words[at].data() + words[at].size()) return value;
    std::fputs(mansio::spool::usage, stderr);
    std::exit(64);
  };
  mansio::spool::Work work;
  work.directory = words[0];
  work.count = static_cast<std::size_t>(number(1));
  work.size = static_cast<std::size_t>(number(3));
  work.recipient = words[4];
  if (words.size() == 6) work.domains = static_cast<std::size_t>(number(5));
  auto now = std::chrono::system_clock::now();
  work.received = now - std::chrono::minutes(1);
  work.due = now + std::chrono::seconds(number(2));
  return mansio::spool::fill(work);
}
