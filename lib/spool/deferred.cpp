#include "spool/deferred.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::spool {
namespace {

// "mansio-message 1 ID envelope N head N content N sum H in (here|large)\n", numbers of fixed width.
constexpr std::size_t header_length = 17 + QueueId::text_size + 10 + 10 + 6 + 10 + 9 + 20 + 5 + 16 + 4 + 5 + 1;
constexpr std::string_view state_mark = "\n== state ";   // then length, checksum, newline
constexpr std::size_t state_header_length = 10 + 8 + 1 + 16 + 1;
constexpr std::uint64_t state_limit = 64 << 20;

std::string header_line(const QueueId& id, std::size_t envelope, std::size_t head, std::uint64_t content, std::uint64_t sum, bool large) {
  return fmt::format("mansio-message 1 {} envelope {:010} head {:010} content {:020} sum {} in {}\n", id.text(), envelope, head,
                     content, hex_encode(sum), large ? "large" : "here ");
}

std::string state_bytes(const Progress& progress) {
  std::string text = format_progress(progress);
  return fmt::format("{}{:08} {}\n{}", state_mark, text.size(), hex_encode(checksum(text)), text);
}

// Copies through a buffer, adding to `sum`.
Result<> copy_content(int from, std::uint64_t offset, std::uint64_t length, int to, Checksum& sum) {
  std::string buffer(static_cast<std::size_t>(std::min<std::uint64_t>(length, 1 << 18)), '\0');
  while (length > 0) {
    std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(length, buffer.size()));
    auto done = pread_all(from, buffer.data(), piece, offset);
    if (done) done = write_all(to, std::string_view(buffer).substr(0, piece));
    if (!done) return done;
    sum.update(std::string_view(buffer).substr(0, piece));
    offset += piece;
    length -= piece;
  }
  return {};
}

void set_next_attempt(int fd, const Progress& progress) {
  timespec times[2];
  times[0].tv_sec = 0;
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = unix_seconds(progress.next_attempt);
  times[1].tv_nsec = 0;
  ::futimens(fd, times);   // only a hint for recovery; the state itself says it too
}

struct Layout {
  std::size_t envelope = 0, head = 0;
  std::uint64_t content = 0, sum = 0;
  bool large = false;
};

Result<Layout> parse_header(std::string_view line, const QueueId& id) {
  auto bad = [] { return fail(Fault::invalid, "deferred file: broken header"); };
  if (line.size() != header_length || !line.ends_with('\n')) return bad();
  auto words = split(line.substr(0, line.size() - 1), ' ');
  if (words.size() < 13 || words[0] != "mansio-message" || words[1] != "1" || words[2] != id.text()) return bad();
  auto envelope = parse_number(words[4]), head = parse_number(words[6]), content = parse_number(words[8]);
  auto sum = hex_decode(words[10]);
  if (!envelope || !head || !content || !sum || *envelope > (1u << 30) || *head > (1u << 20) || *content > (std::uint64_t{1} << 50)) return bad();
  Layout layout;
  layout.envelope = static_cast<std::size_t>(*envelope);
  layout.head = static_cast<std::size_t>(*head);
  layout.content = *content;
  layout.sum = *sum;
  layout.large = words[12] == "large";
  return layout;
}

// The states of a file, in memory: the last whole one counts, a torn one behind it is nothing. `end` is behind the one taken.
struct LastState {
  LastState() = default;
  Progress progress;
  std::uint64_t end = 0;
};
Result<LastState> last_state(std::string_view states, std::size_t recipients) {
  std::vector<std::pair<std::size_t, std::size_t>> whole;      // where each text begins, and its length
  for (std::size_t at = 0; states.substr(at).starts_with(state_mark) && states.size() - at >= state_header_length;) {
    auto length = parse_number(states.substr(at + state_mark.size(), 8));
    auto sum = hex_decode(states.substr(at + state_mark.size() + 9, 16));
    std::size_t text = at + state_header_length;
    if (!length || !sum || *length > state_limit || *length > states.size() - text) break;
    if (checksum(states.substr(text, static_cast<std::size_t>(*length))) != *sum) break;
    whole.emplace_back(text, static_cast<std::size_t>(*length));
    at = text + whole.back().second;
  }
  for (; !whole.empty(); whole.pop_back()) {
    auto [text, length] = whole.back();
    auto progress = parse_progress(states.substr(text, length), recipients);
    if (!progress) continue;
    LastState last;
    last.progress = std::move(*progress);
    last.end = text + length;
    return last;
  }
  return fail(Fault::invalid, "deferred file: no whole state");
}

Result<> read_states(int fd, std::uint64_t at, std::uint64_t size, DeferredFile& file) {
  std::string states(static_cast<std::size_t>(size - at), '\0');
  auto read = pread_all(fd, states.data(), states.size(), at);
  if (!read) return read;
  auto last = last_state(states, file.envelope.recipients.size());
  if (!last) return std::unexpected(last.error());
  file.progress = std::move(last->progress);
  file.states_end = at + last->end;
  return {};
}

}  // namespace

std::string deferred_path(const std::string& deferred, const QueueId& id) {
  std::string text = id.text();
  return deferred + "/" + text.substr(text.size() - 2) + "/" + text;
}

Result<> write_deferred(const std::string& deferred, const QueueId& id, const mail::Envelope& envelope, std::string_view head,
                        int fd, std::uint64_t offset, std::uint64_t length, bool large, const Progress& progress, bool replaces) {
  std::string path = deferred_path(deferred, id);
  std::string directory = path.substr(0, path.find_last_of('/'));
  Result<> done;
  {
    // One at a time: who finds the directory there may rely on its name being durable.
    static std::mutex making;
    std::lock_guard lock(making);
    done = make_directory(directory, 0700);
  }
  if (!done) return done;
  std::string temporary = directory + "/.new-" + id.text();
  ::unlink(temporary.c_str());
  auto out = open_file(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!out) return std::unexpected(out.error());
  std::string text = mail::format_envelope(envelope);
  std::string front = header_line(id, text.size(), head.size(), length, 0, large) + text;
  front += head;
  Checksum sum;
  sum.update(std::string_view(front).substr(header_length));
  done = write_all(out->get(), front);
  if (done && !large) done = copy_content(fd, offset, length, out->get(), sum);
  if (done) done = write_all(out->get(), state_bytes(progress));
  if (done) done = pwrite_all(out->get(), header_line(id, text.size(), head.size(), length, sum.value(), large), 0);
  if (done) set_next_attempt(out->get(), progress);
  if (done) done = sync_file(out->get());
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = fail_errno("rename " + path);
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  done = sync_directory(directory);
  if (!done && !replaces) ::unlink(path.c_str());   // the message stays where it was, and only there
  return done;
}

Result<DeferredFile> read_deferred(const std::string& deferred, const QueueId& id) {
  auto fd = open_file(deferred_path(deferred, id), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return std::unexpected(fd.error());
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return fail_errno("deferred file");
  if (!S_ISREG(st.st_mode)) return fail(Fault::invalid, "deferred file: not a regular file");
  std::string line(header_length, '\0');
  auto read = pread_all(fd->get(), line.data(), line.size(), 0);
  if (!read) return std::unexpected(read.error());
  auto layout = parse_header(line, id);
  if (!layout) return std::unexpected(layout.error());
  std::uint64_t body = layout->large ? 0 : layout->content;
  std::uint64_t front_length = layout->envelope + layout->head;
  if (header_length + front_length + body > static_cast<std::uint64_t>(st.st_size)) return fail(Fault::invalid, "deferred file: ends early");
  std::string front(static_cast<std::size_t>(front_length), '\0');
  read = pread_all(fd->get(), front.data(), front.size(), header_length);
  if (!read) return std::unexpected(read.error());
  Checksum sum;
  sum.update(front);
  std::string buffer(static_cast<std::size_t>(std::min<std::uint64_t>(body, 1 << 18)), '\0');
  for (std::uint64_t done = 0; done < body;) {
    std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(body - done, buffer.size()));
    read = pread_all(fd->get(), buffer.data(), piece, header_length + front_length + done);
    if (!read) return std::unexpected(read.error());
    sum.update(std::string_view(buffer).substr(0, piece));
    done += piece;
  }
  if (sum.value() != layout->sum) return fail(Fault::invalid, "deferred file: wrong checksum");
  auto envelope = mail::parse_envelope(std::string_view(front).substr(0, layout->envelope));
  if (!envelope) return std::unexpected(envelope.error());
  DeferredFile file(std::move(*envelope));
  file.id = id;
  file.head = front.substr(layout->envelope);
  file.large = layout->large;
  file.content_offset = header_length + front_length;
  file.content_length = layout->content;
  auto states = read_states(fd->get(), file.content_offset + body, static_cast<std::uint64_t>(st.st_size), file);
  if (!states) return std::unexpected(states.error());
  file.file = std::make_shared<UniqueFd>(std::move(*fd));
  return file;
}

Result<DeferredFile> glance_at_deferred(const std::string& deferred, const QueueId& id) {
  auto fd = open_file(deferred_path(deferred, id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return std::unexpected(fd.error());
  char first[8192];
  ssize_t got = ::pread(fd->get(), first, sizeof first, 0);
  if (got < 0) return fail_errno("deferred file");
  std::string_view start(first, static_cast<std::size_t>(got));
  auto layout = parse_header(start.substr(0, header_length), id);
  if (!layout) return std::unexpected(layout.error());
  struct stat st {};
  std::uint64_t size = start.size();
  if (size == sizeof first && ::fstat(fd->get(), &st) != 0) return fail_errno("deferred file");
  if (size == sizeof first) size = static_cast<std::uint64_t>(st.st_size);
  std::uint64_t content = header_length + layout->envelope + layout->head, end = content + (layout->large ? 0 : layout->content);
  if (end > size) return fail(Fault::invalid, "deferred file: ends early");
  std::string more;
  if (header_length + layout->envelope > start.size()) {
    more.resize(header_length + layout->envelope);
    auto read = pread_all(fd->get(), more.data(), more.size(), 0);
    if (!read) return std::unexpected(read.error());
  }
  auto envelope = mail::parse_envelope((more.empty() ? start : std::string_view(more)).substr(header_length, layout->envelope));
  if (!envelope) return std::unexpected(envelope.error());
  DeferredFile file(std::move(*envelope));
  file.id = id;
  file.large = layout->large;
  file.content_offset = content;
  file.content_length = layout->head + layout->content;
  if (size > start.size()) {
    auto states = read_states(fd->get(), end, size, file);
    if (!states) return std::unexpected(states.error());
    return file;
  }
  auto last = last_state(start.substr(static_cast<std::size_t>(end)), file.envelope.recipients.size());
  if (!last) return std::unexpected(last.error());
  file.progress = std::move(last->progress);
  file.states_end = end + last->end;
  return file;
}

Result<std::uint64_t> append_state(int fd, std::uint64_t end, const Progress& progress) {
  std::string bytes = state_bytes(progress);
  auto done = pwrite_all(fd, bytes, end);
  if (!done) return std::unexpected(done.error());
  set_next_attempt(fd, progress);     // before the sync, which then keeps it too
  done = sync_data(fd);
  if (!done) return std::unexpected(done.error());
  return end + bytes.size();
}

}  // namespace mansio::spool
