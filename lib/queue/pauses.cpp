#include "queue/pauses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::queue {
namespace {

constexpr std::string_view pauses_title = "mansio pauses 1";
constexpr std::array<std::string_view, 4> pause_names{"accepting", "listener", "outbound", "destination"};

bool is_v6(std::string_view address) { return address.find(':') != std::string_view::npos; }

bool is_here(const Pause& pause, const event::Endpoint& local) {
  auto colon = pause.name.rfind(':');
  if (colon == std::string::npos || parse_number(std::string_view(pause.name).substr(colon + 1)) != local.port) return false;
  std::string_view address = std::string_view(pause.name).substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  if (address == "*") return true;
  if (address == "0.0.0.0") return !is_v6(local.address);
  if (address == "::") return is_v6(local.address);
  return address == local.address;
}

// "host:25", "[2001:db8::1]:25"
std::string_view without_port(std::string_view host) {
  auto colon = host.rfind(':');
  return colon == std::string_view::npos ? host : host.substr(0, colon);
}

std::optional<Pause> parse_pause(std::string_view line) {
  auto words = split(line, ' ');
  if (words.size() != 7) return std::nullopt;
  auto what = pause_by_name(words[0]);
  auto since = parse_number(words[1]), until = parse_number(words[2]);
  auto by = xtext_decode(words[4]), reason = xtext_decode(words[5]), name = xtext_decode(words[6]);
  bool named = what == Pause::What::listener || what == Pause::What::destination;
  if (!what || !since || !until || !by || !reason || !name || name->empty() == named) return std::nullopt;
  if (!is_unix_time(*since) || !is_unix_time(*until) || (words[3] != "-" && words[3] != "local")) return std::nullopt;
  Pause out;
  out.what = *what;
  out.since = from_unix(*since);
  if (*until != 0) out.until = from_unix(*until);
  out.local = words[3] == "local";
  out.by = std::move(*by);
  out.reason = std::move(*reason);
  out.name = std::move(*name);
  return out;
}

}  // namespace

std::string_view pause_name(Pause::What what) { return pause_names[static_cast<std::size_t>(what)]; }

std::optional<Pause::What> pause_by_name(std::string_view name) {
  auto found = std::ranges::find(pause_names, name);
  if (found == pause_names.end()) return std::nullopt;
  return static_cast<Pause::What>(found - pause_names.begin());
}

std::string Pause::title() const {
  std::string out(pause_name(what));
  if (!name.empty()) out += " " + name;
  if (local) out += ", also of local programs";
  return out;
}

const Pause* PauseList::find(Pause::What what, std::string_view name) const {
  auto found = std::ranges::find_if(pauses_, [&](const Pause& one) { return one.what == what && one.name == name; });
  return found == pauses_.end() ? nullptr : &*found;
}

bool PauseList::set(Pause pause) {
  auto found = std::ranges::find_if(pauses_, [&](const Pause& one) { return one.what == pause.what && one.name == pause.name; });
  if (found != pauses_.end()) *found = std::move(pause);
  else if (pauses_.size() >= most) return false;
  else pauses_.push_back(std::move(pause));
  return true;
}

std::optional<Pause> PauseList::take(Pause::What what, std::string_view name) {
  auto found = std::ranges::find_if(pauses_, [&](const Pause& one) { return one.what == what && one.name == name; });
  if (found == pauses_.end()) return std::nullopt;
  Pause out = std::move(*found);
  pauses_.erase(found);
  return out;
}

std::vector<Pause> PauseList::take_all() { return std::exchange(pauses_, {}); }

std::vector<Pause> PauseList::take_expired(Time now) {
  std::vector<Pause> out;
  for (const Pause& one : pauses_) {
    if (one.until && *one.until <= now) out.push_back(one);
  }
  std::erase_if(pauses_, [&](const Pause& one) { return one.until && *one.until <= now; });
  return out;
}

std::optional<Time> PauseList::next_expiry() const {
  std::optional<Time> out;
  for (const Pause& one : pauses_) {
    if (one.until && (!out || *one.until < *out)) out = one.until;
  }
  return out;
}

const Pause* PauseList::of_local_programs() const {
  const Pause* all = find(Pause::What::accepting, {});
  return all != nullptr && all->local ? all : nullptr;
}

const Pause* PauseList::of_listener(const event::Endpoint& local, std::string_view unix_path) const {
  if (const Pause* all = find(Pause::What::accepting, {})) return all;
  for (const Pause& one : pauses_) {
    if (one.what != Pause::What::listener) continue;
    if (local.address.empty() ? one.name == unix_path : is_here(one, local)) return &one;
  }
  return nullptr;
}

const Pause* PauseList::of_domain(std::string_view domain) const { return find(Pause::What::destination, domain); }

const Pause* PauseList::of_site(std::string_view key) const {
  std::string lower = to_lower(key);
  auto blank = lower.find(' ');
  std::string_view hosts = std::string_view(lower).substr(blank == std::string::npos ? 0 : blank + 1);
  if (const Pause* whole = find(Pause::What::destination, lower)) return whole;
  if (const Pause* whole = find(Pause::What::destination, hosts)) return whole;
  for (std::string_view host : split(hosts, ',')) {
    if (const Pause* one = find(Pause::What::destination, host)) return one;
    if (const Pause* one = find(Pause::What::destination, without_port(host))) return one;
  }
  return nullptr;
}

std::string format_pauses(const std::vector<Pause>& pauses) {
  std::string out = std::string(pauses_title) + "\n";
  for (const Pause& one : pauses) {
    out += fmt::format("{} {} {} {} {} {} {}\n", pause_name(one.what), unix_seconds(one.since), one.until ? unix_seconds(*one.until) : 0,
                       one.local ? "local" : "-", xtext_encode(one.by), xtext_encode(one.reason), xtext_encode(one.name));
  }
  return out;
}

ParsedPauses parse_pauses(std::string_view text) {
  ParsedPauses out;
  auto lines = split(text, '\n');
  out.damaged = lines.front() != pauses_title || !lines.back().empty();
  if (out.damaged) return out;
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    auto pause = i <= PauseList::most ? parse_pause(lines[i]) : std::nullopt;
    if (pause) out.pauses.push_back(std::move(*pause));
    else out.damaged = true;
  }
  if (out.damaged) out.pauses.clear();
  return out;
}

}  // namespace mansio::queue
