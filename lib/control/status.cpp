#include "control/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::control {
namespace {

using Json = nlohmann::json;

constexpr std::size_t destinations_told = 10;
constexpr int days_enough = 14;                       // of a certificate
constexpr std::chrono::hours panic_news{24};


std::int64_t days_left(const Facts::Certificate& one, Time now) { return std::chrono::floor<std::chrono::days>(one.expires - now).count(); }

Json listeners_array(const Facts& facts, const StatusNumbers& numbers) {
  queue::PauseList pauses;
  for (const auto& one : numbers.pauses) pauses.set(one);
  Json out = Json::array();
  for (std::size_t i = 0; i < facts.listeners.size(); ++i) {
    const Facts::Listener& listener = facts.listeners[i];
    event::Endpoint at;
    at.address = listener.unix_path().empty() ? listener.address : std::string();
    at.port = listener.port;
    Json one;
    one["name"] = listener.name();
    one["setting"] = listener.setting;
    one["address"] = listener.address;
    one["port"] = listener.port;
    one["role"] = listener.role;
    one["tls"] = listener.tls;
    one["auth"] = listener.auth;
    one["sessions"] = i < numbers.at_listener.size() ? numbers.at_listener[i] : 0;
    one["paused"] = pauses.of_listener(at, listener.unix_path()) != nullptr;
    out.push_back(std::move(one));
  }
  return out;
}

Json destinations_array(const StatusNumbers& numbers) {
  std::vector<const queue::Lanes::Site*> sites;
  for (const auto& site : numbers.destinations) {
    if (site.ready > 0 || site.active > 0 || site.closed_until != Time()) sites.push_back(&site);
  }
  auto more = [](const queue::Lanes::Site* a, const queue::Lanes::Site* b) { return a->ready != b->ready ? a->ready > b->ready : a->name < b->name; };
  std::ranges::sort(sites, more);
  if (sites.size() > destinations_told) sites.resize(destinations_told);
  Json out = Json::array();
  for (const auto* site : sites) {
    Json one;
    one["name"] = site->name.empty() ? "?" : site->name;
    one["messages"] = site->ready;
    one["active"] = site->active;
    one["paused"] = site->held;
    if (site->closed_until != Time()) {
      one["closed_until"] = unix_seconds(site->closed_until);
      one["closed_since"] = unix_seconds(site->outage_since);
      one["reason"] = site->why.line();
    }
    out.push_back(std::move(one));
  }
  return out;
}

Json disks_array(const Machine& machine) {
  Json out = Json::array();
  for (const Disk& disk : machine.disks) {
    Json one;
    one["what"] = disk.what;
    one["directory"] = disk.directory;
    one["free_bytes"] = disk.free;
    one["total_bytes"] = disk.total;
    one["reserve_bytes"] = disk.reserve;
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<std::string> disk_troubles(const Machine& machine) {
  std::vector<std::string> out;
  for (const Disk& disk : machine.disks) {
    if (!disk.known) out.push_back(fmt::format("the file system of {} can't be looked at", disk.directory));
    else if (disk.free < disk.reserve) out.push_back(fmt::format("{} has less room than the reserve: {} of {} MiB are free", disk.directory, disk.free >> 20, disk.total >> 20));
    else if (disk.files > 0 && disk.files_free < 1000) out.push_back(fmt::format("the file system of {} has no room for more files", disk.directory));
  }
  return out;
}

// What an admin should look at; nothing of it is a matter of taste.
Json attention(const Facts& facts, const Machine& machine, const StatusNumbers& numbers, Time now) {
  std::vector<std::string> out = disk_troubles(machine);
  if (!numbers.spool_trouble.empty()) out.push_back("no mail is taken: " + numbers.spool_trouble);
  for (const std::string& one : facts.missing) out.push_back(one + " is not open");
  for (const auto& one : facts.certificates) {
    auto days = days_left(one, now);
    if (now >= one.expires) out.push_back(fmt::format("certificate {} has expired", one.file));
    else if (days < days_enough) out.push_back(fmt::format("certificate {} has {} {} left", one.file, days, days == 1 ? "day" : "days"));
  }
  for (const auto& one : numbers.pauses) {
    out.push_back(fmt::format("paused: {} (by {}{}{})", one.title(), one.by, one.reason.empty() ? "" : ": ", one.reason));
  }
  auto when = line_time(machine.panic);
  if (when && now - *when < panic_news) out.push_back("the panic log has news: " + machine.panic);
  return out;
}

}  // namespace

std::string Facts::Listener::name() const {
  if (!unix_path().empty()) return address;
  return fmt::format("{}:{}", address.find(':') == std::string::npos ? address : "[" + address + "]", port);
}

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  auto begin = text.rfind('\n');
  return std::string(begin == std::string_view::npos ? text : text.substr(begin + 1));
}

std::optional<Time> line_time(std::string_view line) {
  std::tm fields{};
  std::string text(line.substr(0, 19));
  const char* end = ::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &fields);
  if (end == nullptr || *end != '\0') return std::nullopt;
  fields.tm_isdst = -1;
  std::time_t seconds_then = std::mktime(&fields);
  if (seconds_then < 0 || seconds_then > latest_second) return std::nullopt;
  return from_unix(seconds_then);
}

Json status_object(const Facts& facts, const Machine& machine, const StatusNumbers& numbers, Time now) {
  Json out;
  out["version"] = facts.version;
  if (!facts.instance.empty()) out["instance"] = facts.instance;
  out["pid"] = facts.pid;
  out["config"] = facts.config_file;
  out["started"] = unix_seconds(facts.started);
  out["uptime_seconds"] = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - facts.started).count());
  out["listeners"] = listeners_array(facts, numbers);
  out["sessions"] = {{"in", numbers.incoming}, {"in_limit", numbers.incoming_most}, {"out", numbers.outgoing}};
  out["queue"] = {{"messages", numbers.messages}, {"due", numbers.due}, {"waiting", numbers.waiting}, {"trying", numbers.trying},
                  {"frozen", numbers.frozen}, {"closed", numbers.closed}, {"paused", numbers.paused}, {"complete", numbers.complete}};
  out["destinations"] = destinations_array(numbers);
  out["disk"] = disks_array(machine);
  Json certificates = Json::array();
  for (const auto& one : facts.certificates) {
    certificates.push_back({{"file", one.file}, {"names", one.names}, {"expires", unix_seconds(one.expires)}, {"days_left", days_left(one, now)}});
  }
  out["certificates"] = std::move(certificates);
  Json pauses = Json::array();
  for (const auto& one : numbers.pauses) pauses.push_back(pause_object(one));
  out["pauses"] = std::move(pauses);
  if (!machine.panic.empty()) {
    auto when = line_time(machine.panic);
    out["last_panic"] = {{"text", machine.panic}};
    if (when) out["last_panic"]["time"] = unix_seconds(*when);
  }
  out["attention"] = attention(facts, machine, numbers, now);
  return out;
}

}  // namespace mansio::control
