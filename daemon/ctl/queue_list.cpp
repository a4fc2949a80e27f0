// mansioctl queue list: each message on a line as the daemon tells of it, so that the first are there at once.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>

#include "base/text.hpp"
#include "ctl/queue.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

constexpr std::size_t id_width = 16, age_width = 7, size_width = 8, next_width = 10;

std::string right(const std::string& text, std::size_t width) { return std::string(width - std::min(width, columns_of(text)), ' ') + text; }
std::string left(const std::string& text, std::size_t width) { return text + std::string(width - std::min(width, columns_of(text)), ' '); }

std::string next_text(const Json& message, std::int64_t now) {
  std::string state = text_of(message, "state");
  if (state == "waiting") return show(when_text(number_of(message, "next_attempt"), now));
  if (state == "trying") return show("trying now", Look::good);
  if (state == "frozen") return show("frozen", Look::accent);
  if (state == "closed" || state == "paused") return show(state, Look::warning);
  return show("due", Look::good);
}

std::string address_text(const std::string& address) { return address.empty() ? "<>" : show(address); }

// Recipients that wait, the first by name.
std::string recipients_text(const Json& message) {
  std::string first;
  std::size_t others = 0;
  for (const Json& recipient : list_of(message, "recipients")) {
    if (flag_of(recipient, "done")) continue;
    if (first.empty()) first = address_text(text_of(recipient, "address"));
    else ++others;
  }
  return others == 0 ? first : fmt::format("{} +{}", first, others);
}

std::int64_t milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string messages_text(std::int64_t count) { return count == 1 ? "1 message" : fmt::format("{} messages", count); }

std::string destination_text(std::string_view name) {
  if (name == "?") return "not known yet";
  auto blank = name.find(' ');
  if (blank == std::string_view::npos) return std::string(name);
  std::string_view kind = name.substr(0, blank), rest = name.substr(blank + 1);
  if (kind == "domain") return std::string(rest);
  std::string out;
  for (std::string_view host : split(rest, ',')) {
    if (host.ends_with(":25")) host.remove_suffix(3);
    out += (out.empty() ? "" : ", ") + std::string(host);
  }
  return out;
}

std::string list_titles() {
  return dress(left("ID", id_width) + "  " + right("AGE", age_width) + "  " + right("SIZE", size_width) + "  " + left("NEXT TRY", next_width) + "  FROM -> TO", Look::dim) + '\n';
}

std::string list_lines(const Json& message, std::int64_t now) {
  std::string line = left(show(text_of(message, "id"), Look::bold), id_width) + "  " + right(age_text(number_of(message, "age_seconds")), age_width) + "  " +
                     right(bytes_text(static_cast<std::uint64_t>(number_of(message, "size"))), size_width) + "  " + left(next_text(message, now), next_width) + "  ";
  line += address_text(text_of(message, "sender")) + " -> " + recipients_text(message);
  if (std::string by = text_of(message, "transport"); !by.empty()) line += show(" by " + by, Look::accent);
  std::size_t width = static_cast<std::size_t>(screen_width());
  std::string out = (width > 0 ? cut(line, width) : line) + '\n';
  std::string reason = text_of(message, "reason");
  if (reason.empty() || text_of(message, "state") == "trying") return out;
  std::string below = "  " + show(reason);
  return out + dress(width > 0 ? cut(below, width) : below, Look::dim) + '\n';
}

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) != 0), began_(milliseconds()) {}

void Progress::show(const std::string& text) {
  std::int64_t now = milliseconds();
  if (!terminal_ || now - began_ < 1000 || now - last_ < 100) return;
  last_ = now;
  shown_ = true;
  fmt::print(stderr, "\r{}\x1b[K", text);
  std::fflush(stderr);
}

void Progress::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

int list_queue(const Invocation& invocation, const QueueListOptions& options) {
  auto filter = options.filter.json(invocation);
  if (!filter) return usage;
  Json question{{"command", "queue_select"}, {"filter", std::move(*filter)}};
  if (options.limit > 0) question["limit"] = options.limit;
  Progress progress;
  if (progress.wanted()) question["progress"] = true;
  std::int64_t now = std::time(nullptr);
  std::size_t shown = 0;
  auto each = [&](const Json& object) {
    if (std::int64_t looked_at = number_of(object, "looked_at"); looked_at > 0) {
      std::fflush(stdout);
      if (shown == 0) progress.show(fmt::format("{} looked at", looked_at));
      return true;
    }
    progress.clear();
    if (invocation.json) print_json(object);
    else fmt::print("{}{}", shown == 0 ? list_titles() : std::string(), list_lines(object, now));
    if (shown++ == 0) std::fflush(stdout);        // somebody waits for it
    return std::ferror(stdout) == 0;
  };
  auto last = [&](const Json& end) {
    progress.clear();
    if (is_still_read(end)) fmt::print(stderr, "mansioctl: the spool is still being read: there may be more\n");
    if (shown > 0) return done;
    if (!options.filter.empty()) return static_cast<Exit>(complain(invocation, failed, "no message matches"));
    fmt::print(stderr, "the queue is empty\n");
    return done;
  };
  return DaemonLink(invocation).ask(question, each, last);
}

}  // namespace mansio::ctl
