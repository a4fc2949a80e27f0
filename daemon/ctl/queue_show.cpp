// mansioctl queue show, headers, body, log: one message after the other.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "base/text.hpp"
#include "config/reader.hpp"
#include "ctl/queue.hpp"
#include "ctl/screen.hpp"
#include "ctl/why_plan.hpp"
#include "history/reader.hpp"

namespace mansio::ctl {
namespace {

constexpr std::size_t content_limit = 64u << 20;       // of what goes into one JSON object

std::string both_times(std::int64_t at, std::int64_t now) { return fmt::format("{} ({})", when_text(at, now), time_text(at)); }

std::string origin_text(const Json& message) {
  std::string out;
  if (std::string protocol = text_of(message, "protocol"); !protocol.empty()) out += "by " + show(protocol);
  std::string name = text_of(message, "client_name"), address = text_of(message, "client_address");
  if (!address.empty()) out += " from " + (name.empty() ? "" : show(name) + " ") + "[" + show(address) + "]";
  if (std::int64_t port = number_of(message, "client_port"); port > 0) out += fmt::format(":{}", port);
  if (std::string helo = text_of(message, "helo"); !helo.empty() && helo != name) out += " (HELO " + show(helo) + ")";
  return out;
}

std::string state_line(const Json& message, std::int64_t now) {
  std::string state = text_of(message, "state");
  if (state == "trying") return show("being tried now", Look::good);
  if (state == "frozen") return show("frozen", Look::accent) + " until somebody thaws it";
  if (state == "due") return show("due", Look::good) + ", waiting for its turn";
  if (state == "paused") return show("its destination is paused", Look::warning);
  if (state != "closed") return "waiting, next try " + both_times(number_of(message, "next_attempt"), now);
  std::int64_t until = number_of(message, "closed_until");
  return show("its destination can't be reached", Look::warning) + (until > now ? ", next probe " + both_times(until, now) : ", it is being probed");
}

std::string recipient_lines(const Json& recipient) {
  std::string state = text_of(recipient, "state");
  Look look = state == "delivered" ? Look::good : state == "failed" ? Look::bad : Look::warning;
  std::string out = fmt::format("    {} {}\n", show(fmt::format("{:9}", state), look), show(text_of(recipient, "address")));
  std::string host = text_of(recipient, "host"), status = text_of(recipient, "status");
  constexpr const char* margin = "              ";
  if (status.empty()) out += fmt::format("{}not tried yet\n", margin);
  else out += fmt::format("{}{}{}\n", margin, host.empty() ? "" : show(host) + " said: ", show(status));
  const Json& retry = object_of(recipient, "retry");
  if (retry.empty()) return out;
  std::int64_t notice = number_of(retry, "delay_warning");
  std::string told = notice == 0 ? "no notice of a delay" : fmt::format("a notice after {}{}", age_text(notice), flag_of(recipient, "warned") ? ", sent" : "");
  return out + dress(fmt::format("{}{}: {} ({}); {} ({})\n", margin, show(text_of(retry, "setting")), show(text_of(retry, "schedule")), show(text_of(retry, "place")), told,
                                 show(text_of(retry, "warning_place"))), Look::dim);
}

// On a terminal nothing of a message may steer it; elsewhere its octets go as they are.
std::string for_terminal(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\n' || bytes[i] == '\t') out += bytes[i];
    else if (bytes[i] != '\r') {
      std::size_t end = i;
      while (end < bytes.size() && bytes[end] != '\n' && bytes[end] != '\t' && bytes[end] != '\r') ++end;
      out += show(bytes.substr(i, end - i));
      i = end - 1;
    }
  }
  return out;
}

}  // namespace

std::string message_page(const Json& message, std::int64_t now) {
  std::string sender = text_of(message, "sender");
  std::string out = "Message " + show(text_of(message, "id"), Look::bold) + '\n';
  auto line = [&](const char* title, const std::string& text) {
    if (!text.empty()) out += "  " + dress(fmt::format("{:12}", title), Look::dim) + text + '\n';
  };
  line("from", (sender.empty() ? "<>, a report" : show(sender)) + (text_of(message, "user").empty() ? "" : ", user " + show(text_of(message, "user"))));
  line("answers", show(text_of(message, "reply_to_id")));
  line("received", both_times(number_of(message, "received"), now));
  line("", origin_text(message));
  line("size", bytes_text(static_cast<std::uint64_t>(number_of(message, "size"))) + (text_of(message, "body").empty() ? "" : ", " + show(text_of(message, "body"))) +
                   (flag_of(message, "smtputf8") ? ", SMTPUTF8" : ""));
  line("state", state_line(message, now));
  line("why", show(text_of(message, "closed_why")));
  line("waits for", show(destination_text(text_of(message, "destination"))));
  if (std::string by = text_of(message, "transport"); !by.empty()) line("rerouted", "by " + show(by, Look::accent));
  line("attempts", fmt::format("{}{}", number_of(message, "attempts"), flag_of(message, "delay_warned") ? ", the sender was told of the delay" : ""));
  line("given up", both_times(number_of(message, "expires"), now));
  out += "  " + dress("recipients", Look::dim) + '\n';
  for (const Json& recipient : list_of(message, "recipients")) out += recipient_lines(recipient);
  return out;
}

int show_messages(const Invocation& invocation, const std::vector<std::string>& ids) {
  Json question{{"command", "queue_select"}, {"detail", true}, {"filter", {{"ids", ids}}}};
  std::int64_t now = std::time(nullptr);
  std::vector<std::string> found;
  auto each = [&](const Json& object) {
    if (invocation.json) print_json(object);
    else fmt::print("{}{}", found.empty() ? "" : "\n", message_page(object, now));
    found.push_back(text_of(object, "id"));
    return true;
  };
  auto last = [&](const Json& end) {
    if (end.contains("missing") && found.size() < ids.size()) return complain(invocation, failed, "the rest is not in the queues that could be asked");
    if (found.empty() && ids.size() > 1) return complain(invocation, failed, "none of these is in the queue");
    int exit = found.empty() ? failed : done;
    for (const std::string& id : ids) {
      bool glob = id.find_first_of("*?") != std::string::npos;
      if ((glob && !found.empty()) || std::ranges::find(found, id) != found.end()) continue;
      exit = complain(invocation, failed, "message " + id + " is not in the queue; \"mansioctl queue log " + id + "\" tells what became of it");
    }
    return exit;
  };
  return DaemonLink(invocation).ask(question, each, last);
}

int show_content(const Invocation& invocation, const std::vector<std::string>& ids, const char* part) {
  bool terminal = ::isatty(STDOUT_FILENO) != 0;
  for (const std::string& id : ids) {
    std::string kept;
    DaemonLink link(invocation);
    link.content = [&](std::string_view bytes) {
      if (invocation.json) kept += bytes.substr(0, content_limit - std::min(content_limit, kept.size()));
      else if (terminal) fmt::print("{}", for_terminal(bytes));
      else std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    };
    Json question{{"command", "queue_show"}, {"part", part}, {"id", id}};
    int exit = link.ask(question, [](const Json&) { return done; });
    if (exit != done) return exit;
    if (invocation.json) print_json(Json{{"id", id}, {part, kept}});
  }
  return done;
}

int show_message_log(const Invocation& invocation, const std::vector<std::string>& ids) {
  std::size_t lines = 0;
  auto loaded = config::load(invocation.config_file);
  for (const std::string& id : ids) {
    history::Query query;
    query.directory = loaded ? (*loaded)->log_directory : config::Config().log_directory;
    query.id = id;
    auto each = [&](std::string_view text, const history::Record&) {
      ++lines;
      if (invocation.json) print_json(Json{{"id", id}, {"line", text}});
      else fmt::print("{}\n", show(text));
      return std::ferror(stdout) == 0;
    };
    auto read = history::read(query, each);
    if (!read) return complain(invocation, read.error().fault() == Fault::denied ? denied : io, read.error().text());
    for (const std::string& problem : read->problems) fmt::print(stderr, "mansioctl: {}\n", show(problem));
  }
  if (lines > 0) return done;
  return complain(invocation, failed, "the logs say nothing of it");
}

}  // namespace mansio::ctl
