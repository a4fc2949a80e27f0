// The past in words.
#include <fmt/format.h>

#include "ctl/screen.hpp"
#include "ctl/why_past.hpp"
#include "ctl/why_plan.hpp"

namespace mansio::ctl {
namespace {

std::string recipients_words(const Json& arrival) {
  const Json& list = list_of(arrival, "recipients");
  if (list.empty() || !list.front().is_string()) return {};
  std::string first = show(list.front().get<std::string>(), Look::bold);
  return list.size() == 1 ? first : fmt::format("{} and {} more", first, list.size() - 1);
}

std::string sender_words(const std::string& sender) { return sender.empty() ? "<>" : show(sender); }

std::string arrival_words(const Json& event) {
  std::string host = text_of(event, "host"), user = text_of(event, "user"), auth = text_of(event, "auth");
  std::string how = text_of(event, "protocol");
  if (event.contains("tls")) how += ", " + text_of(event, "tls");
  if (!auth.empty()) how += ", logged in as " + auth.substr(auth.find(':') + 1);
  std::string from = !host.empty() ? " by " + show(host) : user.empty() ? std::string() : " by the local user " + show(user);
  return fmt::format("arrived from {}{} ({}), {}, for {}", sender_words(text_of(event, "sender")), from, show(how),
                     bytes_text(static_cast<std::uint64_t>(number_of(event, "size"))), recipients_words(event));
}

// "x@y.test (from alias list@ex.test)".
std::string target_words(const Json& event) {
  std::string original = text_of(event, "original");
  return show(text_of(event, "address"), Look::bold) + (original.empty() ? "" : " (for " + show(original) + ")");
}

std::string word_text(const Json& event) {
  std::string host = text_of(event, "host"), text = text_of(event, "text");
  if (host.empty() || text.empty()) return host.empty() ? show(text) : "to " + show(host);
  return fmt::format("{} said {}", show(host), show(text));
}

}  // namespace

std::string event_text(const Json& event) {
  std::string what = text_of(event, "what");
  if (what == "arrival") return arrival_words(event);
  if (what == "report") return fmt::format("a report went to {} as {}", recipients_words(event), show(text_of(event, "id")));
  if (what == "delivery") {
    std::string said = word_text(event);
    return fmt::format("{} {}{}", dress("delivered", Look::good), target_words(event), said.empty() ? " by transport " + show(text_of(event, "transport")) : ": " + said);
  }
  if (what == "deferral") return fmt::format("{} {}: {}", dress("put off", Look::warning), target_words(event), word_text(event));
  if (what == "failure") return fmt::format("{} {}: {}", dress("failed", Look::bad), target_words(event), word_text(event));
  if (what == "completed") return event.contains("queue_seconds") ? "completed after " + age_text(number_of(event, "queue_seconds")) : std::string("completed");
  if (what == "rejection") return fmt::format("{}: {}", dress("refused", Look::bad), show(text_of(event, "text")));
  return show(text_of(event, "text"));
}

void show_past(const Json& events, Page& page) {
  for (const Json& event : events) {
    std::string time = "  " + dress(time_text(number_of(event, "time")), Look::dim) + "  ";
    page.line(time, "      ", event_text(event));
  }
}

std::string past_sentence(const std::string& id, const Json& events, std::int64_t now) {
  std::int64_t delivered = 0, failed = 0, end = 0, recipients = 0;
  std::string removed, who = show(id, Look::bold);
  bool completed = false;
  for (const Json& event : events) {
    std::string what = text_of(event, "what"), text = text_of(event, "text");
    if (what == "arrival") {
      recipients = static_cast<std::int64_t>(list_of(event, "recipients").size());
      who += fmt::format(" from {} to {}", sender_words(text_of(event, "sender")), recipients_words(event));
    }
    if (what == "delivery") ++delivered;
    if (what == "failure") ++failed;
    if (what == "completed") completed = true;
    if (what == "notice" && text.starts_with("removed by")) removed = text;
    if (what != "report") end = number_of(event, "time");
  }
  std::string when = moment_text(end, now);
  if (!removed.empty()) return fmt::format("{} was {} {}.", who, dress(show(removed), Look::warning), when);
  if (!completed) return fmt::format("{} is not in the queue, and the logs do not tell its end; they spoke of it last {}.", who, when);
  if (failed == 0) return fmt::format("{} was {}{} {}.", who, dress("delivered", Look::good), recipients > 1 ? " to all" : "", when);
  if (delivered == 0) return fmt::format("{} {} {}.", who, dress("failed", Look::bad), when);
  return fmt::format("{} was {} to {} and {} for {}; the end was {}.", who, dress("delivered", Look::good), delivered, dress("failed", Look::bad), failed, when);
}

}  // namespace mansio::ctl
