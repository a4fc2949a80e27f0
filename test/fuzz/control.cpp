// What admins and scrapers ask: selections, targets of a trace, the metrics' HTTP.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "control/follower.hpp"
#include "control/queue_tally.hpp"
#include "control/selection.hpp"
#include "control/status.hpp"
#include "fuzz/targets.hpp"
#include "metrics/http.hpp"

namespace fuzz {

using namespace mansio;

void selection(std::string_view input) {
  auto filter = nlohmann::json::parse(input, nullptr, false);
  auto parsed = control::Selection::parse(filter);
  if (!parsed) {
    require(!has_control(parsed.error().text()) && is_utf8(parsed.error().text()), "a refusal is one line");
    return;
  }
  require(filter.is_object() || filter.is_null(), "a filter is an object");
  spool::QueueId id = *spool::QueueId::parse("1tBx6K-000001-AA");
  (void)parsed->matches_destination("internet mx1.ex.test:25,[192.0.2.1]:26");
  bool may = parsed->may_match(id, Time(std::chrono::seconds(1'800'000'000)));
  if (auto ids = parsed->exact_ids()) {
    require(ids->size() <= parsed->ids.size(), "ids are those that were named");
    if (std::ranges::find(*ids, id) == ids->end()) require(!may || parsed->ids.empty(), "another message is not meant");
  }
}

// "pattern\ntext", against the plain way to say what a glob is.
void glob(std::string_view input) {
  auto end = input.find('\n');
  if (end == std::string_view::npos || input.size() > 300) return;
  std::string_view pattern = input.substr(0, end), text = input.substr(end + 1);
  std::vector<bool> row(text.size() + 1), next;
  row[0] = true;
  for (char p : pattern) {
    next.assign(text.size() + 1, false);
    if (p == '*') next[0] = row[0];
    for (std::size_t i = 1; i <= text.size(); ++i) {
      if (p == '*') next[i] = row[i] || next[i - 1];
      else next[i] = row[i - 1] && (p == '?' || ascii_lower(p) == ascii_lower(text[i - 1]));
    }
    row.swap(next);
  }
  require(control::matches_glob(pattern, text) == row[text.size()], "a glob means what it says");
}

void trace_target(std::string_view input) {
  smtp::Tracing tracing;
  control::Follower follower(tracing, input);
  smtp::Conversation one(smtp::Conversation::Side::incoming, 27);
  smtp::Tracing::About about;
  about.address = "192.0.2.1";
  about.names = {"mx.ex.test", "internet"};
  tracing.consider(one, about, "opened");
  one.hear(smtp::Heard::client, input);
  one.hear(smtp::Heard::server, "250 OK");
  std::string heard = follower.take();
  require(heard.empty() == (follower.followed() == 0 && follower.ended() == 0), "who follows hears");
  for (auto line : split(heard, '\n')) {
    if (!line.empty()) require(nlohmann::json::accept(line), "each line is an object");
  }
  (void)control::QueueTally::parse_by(input);
  (void)control::line_time(input);
}

void http(std::string_view input) {
  bool asked = false;
  auto page = [&asked] {
    asked = true;
    return std::string("page\n");
  };
  std::string response = metrics::response_to(input, page);
  require(response.starts_with("HTTP/1.1 "), "an answer is HTTP");
  auto head = response.find("\r\n\r\n");
  require(head != std::string::npos, "it has a head");
  std::string body = response.substr(head + 4);
  require(response.find("Content-Length: " + std::to_string(body.size()) + "\r\n") < head, "its length is right");
  require(response.find("Connection: close\r\n") < head, "it ends");
  require(asked == response.starts_with("HTTP/1.1 200 "), "a page is given when there is one");
  if (asked) require(metrics::is_whole(input) && input.starts_with("GET /metrics"), "only to who asks for it");
}

}  // namespace fuzz
