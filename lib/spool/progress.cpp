#include "spool/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::spool {

static constexpr std::size_t host_limit = 255;

bool Progress::finished() const noexcept {
  return std::ranges::all_of(recipients, [](const RecipientProgress& r) { return r.settled(); });
}

std::string format_progress(const Progress& progress) {
  std::string out;
  // What is written here must be readable again whatever a peer said: bounds are kept on this side too.
  fmt::format_to(std::back_inserter(out), "attempts {}\nnext {}\n", progress.attempts,
                 std::clamp<std::int64_t>(unix_seconds(progress.next_attempt), 0, latest_second));
  if (progress.delay_warned) out += "warned\n";
  if (progress.frozen) out += "frozen\n";
  if (!progress.transport.empty()) out += "by " + xtext_encode(std::string_view(progress.transport).substr(0, host_limit)) + "\n";
  for (std::uint64_t place : progress.done_places) out += "place " + hex_encode(place) + "\n";
  for (std::size_t i = 0; i < progress.recipients.size(); ++i) {
    const RecipientProgress& r = progress.recipients[i];
    if (r.warned && !progress.delay_warned) fmt::format_to(std::back_inserter(out), "warned {}\n", i);
    if (!r.settled() && r.last.ok()) continue;   // not tried yet: the default
    const char* state = r.state == RecipientState::delivered ? "delivered" : r.state == RecipientState::failed ? "failed" : "waiting";
    auto enhanced = r.last.enhanced();
    int code = r.last.code() < 200 || r.last.code() > 599 ? 451 : r.last.code();
    fmt::format_to(std::back_inserter(out), "recipient {} {} {} {}.{}.{} {}", i, state, code, enhanced.klass,
                   std::min<unsigned>(enhanced.subject, 999), std::min<unsigned>(enhanced.detail, 999), xtext_encode(r.last.text().substr(0, 2000)));
    if (!r.host.empty()) out += " " + xtext_encode(std::string_view(r.host).substr(0, host_limit));
    out += '\n';
    if (r.settled() || r.route.empty() || r.domain.empty()) continue;
    fmt::format_to(std::back_inserter(out), "way {} {} {}\n", i, xtext_encode(std::string_view(r.route).substr(0, host_limit)),
                   xtext_encode(std::string_view(r.domain).substr(0, host_limit)));
  }
  return out;
}

namespace {

Result<> parse_recipient(const std::vector<std::string_view>& words, Progress& progress) {
  auto bad = [] { return fail(Fault::invalid, "state: broken recipient line"); };
  if (words.size() != 6 && words.size() != 7) return bad();     // without a host: written before there was one, or none
  auto index = parse_number(words[1]), code = parse_number(words[3]);
  auto parts = split(words[4], '.');
  auto text = xtext_decode(words[5]);
  if (!index || *index >= progress.recipients.size() || !code || *code < 200 || *code > 599 || parts.size() != 3 || !text) return bad();
  auto klass = parse_number(parts[0]), subject = parse_number(parts[1]), detail = parse_number(parts[2]);
  if (!klass || !subject || !detail || *subject > 999 || *detail > 999) return bad();
  auto host = words.size() == 7 ? xtext_decode(words[6]) : std::string();
  if (!host || host->size() > host_limit) return bad();
  RecipientProgress& r = progress.recipients[*index];
  if (words[2] == "delivered") r.state = RecipientState::delivered;
  else if (words[2] == "failed") r.state = RecipientState::failed;
  else if (words[2] != "waiting") return bad();
  if (*klass == 0) r.last = Status(static_cast<int>(*code), *text);
  else r.last = Status(static_cast<int>(*code), static_cast<std::uint16_t>(*subject), static_cast<std::uint16_t>(*detail), *text);
  r.host = std::move(*host);
  return {};
}

Result<> parse_way(const std::vector<std::string_view>& words, Progress& progress) {
  auto index = words.size() == 4 ? parse_number(words[1]) : std::nullopt;
  if (!index || *index >= progress.recipients.size()) return fail(Fault::invalid, "state: broken way line");
  auto route = xtext_decode(words[2]), domain = xtext_decode(words[3]);
  bool good = route && domain && !route->empty() && !domain->empty() && route->size() <= host_limit && domain->size() <= host_limit;
  if (!good) return fail(Fault::invalid, "state: broken way line");
  progress.recipients[*index].route = std::move(*route);
  progress.recipients[*index].domain = std::move(*domain);
  return {};
}

}  // namespace

Result<Progress> parse_progress(std::string_view text, std::size_t recipients) {
  Progress progress(recipients);
  while (!text.empty()) {
    auto end = text.find('\n');
    if (end == std::string_view::npos) return fail(Fault::invalid, "state: line without end");
    auto words = split(text.substr(0, end), ' ');
    text.remove_prefix(end + 1);
    auto number = words.size() == 2 ? parse_number(words[1]) : std::nullopt;
    if (words[0] == "recipient") {
      auto done = parse_recipient(words, progress);
      if (!done) return std::unexpected(done.error());
    } else if (words[0] == "way") {
      auto done = parse_way(words, progress);
      if (!done) return std::unexpected(done.error());
    } else if (words[0] == "place" && words.size() == 2) {
      auto place = hex_decode(words[1]);
      if (!place) return fail(Fault::invalid, "state: broken place line");
      progress.done_places.push_back(*place);
    } else if (words[0] == "by" && words.size() == 2) {
      auto name = xtext_decode(words[1]);
      if (!name || name->empty() || name->size() > host_limit) return fail(Fault::invalid, "state: broken transport line");
      progress.transport = std::move(*name);
    } else if (words[0] == "attempts" && number && *number <= UINT32_MAX) {
      progress.attempts = static_cast<std::uint32_t>(*number);
    } else if (words[0] == "next" && number && is_unix_time(*number)) {
      progress.next_attempt = from_unix(*number);
    } else if (words[0] == "warned" && words.size() == 1) {
      progress.delay_warned = true;
      for (RecipientProgress& recipient : progress.recipients) recipient.warned = true;
    } else if (words[0] == "warned" && number && *number < progress.recipients.size()) {
      progress.recipients[*number].warned = true;
    } else if (words[0] == "frozen" && words.size() == 1) {
      progress.frozen = true;
    } else {
      return fail(Fault::invalid, "state: unknown line");
    }
  }
  return progress;
}

}  // namespace mansio::spool
