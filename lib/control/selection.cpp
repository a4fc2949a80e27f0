#include "control/selection.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/unix_time.hpp"
#include "config/match.hpp"

namespace mansio::control {
namespace {

using Json = nlohmann::json;

constexpr std::size_t pattern_limit = 1000, patterns_limit = 10'000;

bool is_glob(std::string_view text) noexcept { return text.find_first_of("*?") != std::string_view::npos; }

bool any_fits(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches_glob(pattern, text); });
}

// "Bücher.Example" as the queue has it; a pattern stays as it is.
std::string domain_pattern(const std::string& text) {
  auto canonical = is_glob(text) ? fail(Fault::invalid, "") : config::canonical_domain(text);
  return canonical ? *canonical : to_lower(text);
}

Result<std::vector<std::string>> read_patterns(const Json& value, const std::string& key) {
  std::vector<std::string> out;
  if (!value.is_array() || value.size() > patterns_limit) return fail(Fault::invalid, key + " is no list, or too long");
  for (const Json& one : value) {
    if (!one.is_string() || one.get_ref<const std::string&>().size() > pattern_limit) return fail(Fault::invalid, key + " holds something that is no pattern");
    out.push_back(one.get<std::string>());
  }
  return out;
}

struct ListRow {
  const char* key;
  std::vector<std::string> Selection::*list;
};
constexpr std::array<ListRow, 6> list_rows{{{"ids", &Selection::ids}, {"senders", &Selection::senders}, {"recipients", &Selection::recipients},
                                            {"domains", &Selection::domains}, {"destinations", &Selection::destinations},
                                            {"transports", &Selection::transports}}};

Result<> read_list(Selection& selection, const ListRow& row, const Json& value) {
  auto patterns = read_patterns(value, row.key);
  if (!patterns) return std::unexpected(patterns.error());
  for (std::string& pattern : *patterns) {
    if (row.list == &Selection::domains) pattern = domain_pattern(pattern);
    else if (row.list != &Selection::ids) pattern = to_lower(pattern);
    if (row.list == &Selection::senders && pattern == "<>") pattern.clear();
  }
  selection.*row.list = std::move(*patterns);
  return {};
}

std::optional<std::uint64_t> natural(const Json& value) {
  if (!value.is_number_integer() || (!value.is_number_unsigned() && value.get<std::int64_t>() < 0)) return std::nullopt;
  return value.get<std::uint64_t>();
}

Result<> read_other(Selection& selection, const std::string& key, const Json& value) {
  auto number = natural(value);
  if ((key == "older" || key == "newer") && number && is_unix_time(*number)) {
    (key == "older" ? selection.older : selection.newer) = std::chrono::seconds(*number);
  } else if ((key == "larger" || key == "smaller") && number) {
    (key == "larger" ? selection.larger : selection.smaller) = *number;
  } else if ((key == "frozen" || key == "tried") && value.is_boolean()) {
    (key == "frozen" ? selection.frozen : selection.tried) = value.get<bool>();
  } else {
    return fail(Fault::invalid, "the filter has no \"" + escape(key, 40) + "\" of this kind");
  }
  return {};
}

// "internet mx1.example.org:25,[192.0.2.1]:26" is also mx1.example.org, mx1.example.org:25, 192.0.2.1 …
bool host_fits(const std::vector<std::string>& patterns, std::string_view host) {
  if (any_fits(patterns, host)) return true;
  if (auto colon = host.rfind(':'); colon != std::string_view::npos && !host.ends_with(']')) host = host.substr(0, colon);
  if (any_fits(patterns, host)) return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return any_fits(patterns, host);
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text, bool case_counts) noexcept {
  auto same = [&](char a, char b) { return a == b || (!case_counts && ascii_lower(a) == ascii_lower(b)); };
  std::size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || same(pattern[p], text[t]))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<Selection> Selection::parse(const Json& filter) {
  Selection selection;
  if (filter.is_null()) return selection;
  if (!filter.is_object()) return fail(Fault::invalid, "the filter is no object");
  for (const auto& [key, value] : filter.items()) {
    auto row = std::ranges::find(list_rows, key, [](const ListRow& one) { return std::string(one.key); });
    auto read = row != list_rows.end() ? read_list(selection, *row, value) : read_other(selection, key, value);
    if (!read) return std::unexpected(read.error());
  }
  return selection;
}

// The second of arrival is part of an id; the message says it more exactly.
bool Selection::may_match(const spool::QueueId& id, Time now) const {
  if (older && now - id.time() < *older) return false;
  if (newer && now - id.time() >= *newer + std::chrono::seconds(1)) return false;
  if (ids.empty()) return true;
  std::string text = id.text();
  return std::ranges::any_of(ids, [&](const std::string& pattern) { return matches_glob(pattern, text, true); });
}

bool Selection::matches(const spool::Message& message, Time now) const {
  const auto& envelope = message.envelope;
  const auto& progress = message.progress;
  if (frozen && *frozen != progress.frozen) return false;
  if (tried && *tried != (progress.attempts > 0)) return false;
  if (larger && message.size() < *larger) return false;
  if (smaller && message.size() >= *smaller) return false;
  if (older && now - envelope.received < *older) return false;
  if (newer && now - envelope.received >= *newer) return false;
  if (!transports.empty() && (progress.transport.empty() || !any_fits(transports, progress.transport))) return false;
  if (!senders.empty() && !any_fits(senders, envelope.sender_text())) return false;
  if (recipients.empty() && domains.empty()) return true;
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
    const mail::Address& address = envelope.recipients[i].address;
    if (progress.recipients[i].settled()) continue;
    if (!recipients.empty() && !any_fits(recipients, address.text())) continue;
    if (!domains.empty() && !any_fits(domains, address.domain().key())) continue;
    return true;
  }
  return false;
}

bool Selection::matches_destination(std::string_view name) const {
  if (destinations.empty() || any_fits(destinations, name)) return true;
  std::string_view rest = name.substr(std::min(name.size(), name.find(' ')));
  if (rest.empty()) return false;
  rest.remove_prefix(1);
  if (any_fits(destinations, rest)) return true;
  if (name.starts_with("domain ")) return any_fits(destinations, rest.substr(0, rest.find(' ')));
  return std::ranges::any_of(split(rest, ','), [&](std::string_view host) { return host_fits(destinations, host); });
}

std::optional<std::vector<spool::QueueId>> Selection::exact_ids() const {
  if (ids.empty()) return std::nullopt;
  std::vector<spool::QueueId> out;
  for (const std::string& text : ids) {
    if (is_glob(text)) return std::nullopt;
    auto id = spool::QueueId::parse(text);
    if (id && std::ranges::find(out, *id) == out.end()) out.push_back(*id);
  }
  return out;
}

}  // namespace mansio::control
