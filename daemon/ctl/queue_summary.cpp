// mansioctl queue summary: how many messages wait for each destination or domain, by age, as qshape does it.
#include <fmt/format.h>

#include <ctime>

#include "ctl/queue.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

std::string count_text(std::int64_t count) { return count == 0 ? dress(".", Look::dim) : std::to_string(count); }

std::string state_text(const Json& row, std::int64_t now) {
  std::string out;
  auto add = [&](const std::string& text, Look look) { out += (out.empty() ? "" : ", ") + show(text, look); };
  auto count = [&](const char* key, Look look) {
    if (std::int64_t n = number_of(row, key); n > 0) add(fmt::format("{} {}", n, key), look);
  };
  count("trying", Look::good);
  count("due", Look::good);
  count("waiting", Look::plain);
  count("frozen", Look::accent);
  count("paused", Look::warning);
  count("closed", Look::warning);
  if (std::int64_t until = number_of(row, "closed_until"); until > 0) {
    out += show(until > now ? fmt::format(" (next probe {})", when_text(until, now)) : " (being probed)", Look::warning);
    if (std::string why = text_of(row, "closed_why"); !why.empty()) out += ": " + show(why);
  }
  return out;
}

std::vector<std::string> cells(const Json& row, const std::string& name, std::int64_t now) {
  std::vector<std::string> out{name, std::to_string(number_of(row, "messages")), bytes_text(static_cast<std::uint64_t>(number_of(row, "bytes")))};
  for (const Json& age : list_of(row, "ages")) out.push_back(count_text(age.is_number() ? age.get<std::int64_t>() : 0));
  out.push_back(state_text(row, now));
  return out;
}

std::string minutes_text(std::int64_t minutes) { return minutes % 60 == 0 && minutes >= 120 ? fmt::format("{}h", minutes / 60) : fmt::format("{}m", minutes); }

}  // namespace

std::string summary_page(const std::vector<Json>& rows, const Json& last, std::size_t limit, std::int64_t now) {
  std::vector<Table::Column> columns{{"DESTINATION"}, {"ALL", Table::Align::right}, {"SIZE", Table::Align::right}};
  if (std::string by = text_of(last, "by"); by == "recipient-domain") columns[0].title = "RECIPIENT DOMAIN";
  else if (by == "sender-domain") columns[0].title = "SENDER DOMAIN";
  std::string end;
  for (const Json& minutes : list_of(last, "minutes")) {
    end = minutes_text(minutes.is_number() ? minutes.get<std::int64_t>() : 0);
    columns.emplace_back("<" + end, Table::Align::right);
  }
  columns.emplace_back(end + "+", Table::Align::right);
  columns.emplace_back("STATE");
  Table table(std::move(columns));
  std::size_t shown = 0, left = 0;
  for (const Json& row : rows) {
    if (flag_of(row, "total")) table.row(cells(row, dress("total", Look::bold), now));
  }
  for (const Json& row : rows) {
    if (flag_of(row, "total")) continue;
    if (limit > 0 && shown == limit) {
      ++left;
      continue;
    }
    ++shown;
    table.row(cells(row, cut(show(destination_text(text_of(row, "name"))), 40), now));
  }
  return table.text() + (left == 0 ? "" : fmt::format("and {} more; --limit 0 shows all\n", left));
}

int summarise_queue(const Invocation& invocation, const QueueFilter& filter, const std::string& by, std::size_t limit) {
  auto wanted = filter.json(invocation);
  if (!wanted) return usage;
  Json question{{"command", "queue_summary"}, {"filter", std::move(*wanted)}, {"by", by}};
  std::vector<Json> rows;
  auto each = [&](const Json& object) {
    if (invocation.json) print_json(object);
    else rows.push_back(object);
    return true;
  };
  auto last = [&](Json end) {
    if (is_still_read(end)) fmt::print(stderr, "mansioctl: the spool is still being read: there may be more\n");
    if (number_of(end, "messages") == 0) {
      if (!filter.empty()) return static_cast<Exit>(complain(invocation, failed, "no message matches"));
      fmt::print(stderr, "the queue is empty\n");
      return done;
    }
    end["by"] = by;
    if (!invocation.json) fmt::print("{}", summary_page(rows, end, limit, std::time(nullptr)));
    return done;
  };
  return DaemonLink(invocation).ask(question, each, last);
}

}  // namespace mansio::ctl
