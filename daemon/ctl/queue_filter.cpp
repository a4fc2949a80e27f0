#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.hpp"
#include "base/text.hpp"
#include "ctl/queue.hpp"

#include <fmt/format.h>

namespace mansio::ctl {
namespace {

bool is_full_id(std::string_view text) {
  auto is_digit_of_62 = [](char c) { return is_alnum(c); };
  if (text.size() != 16 || text[6] != '-' || text[13] != '-') return false;
  return std::ranges::all_of(text.substr(0, 6), is_digit_of_62) && std::ranges::all_of(text.substr(7, 6), is_digit_of_62) &&
         std::ranges::all_of(text.substr(14), is_digit_of_62);
}

template <class Parse>
bool add_number(const Invocation& invocation, Json& out, const char* key, const std::string& text, Parse&& parse) {
  if (text.empty()) return true;
  auto value = parse(text);
  if (!value) {
    complain(invocation, usage, fmt::format("--{} {}: {}", key, text, value.error().text()));
    return false;
  }
  out[key] = *value;
  return true;
}

Result<std::uint64_t> seconds_in(const std::string& text) {
  auto duration = parse_duration(text);
  if (!duration) return std::unexpected(duration.error());
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(*duration).count());
}

Result<std::uint64_t> octets_in(const std::string& text) {
  auto size = parse_size(text);
  if (!size) return std::unexpected(size.error());
  return size->bytes();
}

}  // namespace

void QueueFilter::add_to(CLI::App& command, const std::string& ids_help) {
  // One value each, so that an id may follow; again for another one.
  auto list = [&](const char* name, std::vector<std::string>& into, const char* help) {
    command.add_option(name, into, help)->allow_extra_args(false)->group("Which messages");
  };
  command.add_option("id", ids, ids_help)->group("Which messages");
  list("--sender", senders, "envelope sender; * and ? stand for any text and any letter; '<>' for bounces");
  list("--recipient", recipients, "a recipient that waits; * and ? as above");
  list("--domain", domains, "domain of a recipient that waits; * and ? as above");
  list("--destination", destinations, "where it waits for: a host or name that \"queue summary\" shows");
  list("--transport", transports, "rerouted to this transport; '*': to any");
  command.add_option("--older", older, "queued for at least this long: 90m, 2h, 1d")->group("Which messages");
  command.add_option("--newer", newer, "queued for less than this")->group("Which messages");
  command.add_option("--larger", larger, "of at least this size: 10M, 500K")->group("Which messages");
  command.add_option("--smaller", smaller, "of less than this")->group("Which messages");
  auto* yes = command.add_flag("--frozen", frozen, "frozen")->group("Which messages");
  command.add_flag("--not-frozen", not_frozen, "not frozen")->excludes(yes)->group("Which messages");
  auto* was = command.add_flag("--tried", tried, "tried at least once")->group("Which messages");
  command.add_flag("--untried", untried, "not tried yet")->excludes(was)->group("Which messages");
}

std::optional<Json> QueueFilter::json(const Invocation& invocation) const {
  Json out = Json::object();
  auto list = [&](const char* key, const std::vector<std::string>& values) {
    if (!values.empty()) out[key] = values;
  };
  list("ids", ids);
  list("senders", senders);
  list("recipients", recipients);
  list("domains", domains);
  list("destinations", destinations);
  list("transports", transports);
  bool right = add_number(invocation, out, "older", older, seconds_in) && add_number(invocation, out, "newer", newer, seconds_in) &&
               add_number(invocation, out, "larger", larger, octets_in) && add_number(invocation, out, "smaller", smaller, octets_in);
  if (!right) return std::nullopt;
  if (frozen || not_frozen) out["frozen"] = frozen;
  if (tried || untried) out["tried"] = tried;
  return out;
}

bool QueueFilter::any_option() const {
  return !senders.empty() || !recipients.empty() || !domains.empty() || !destinations.empty() || !transports.empty() || !older.empty() ||
         !newer.empty() || !larger.empty() || !smaller.empty() || frozen || not_frozen || tried || untried;
}

bool QueueFilter::names_messages() const { return !any_option() && !ids.empty() && std::ranges::all_of(ids, is_full_id); }

}  // namespace mansio::ctl
