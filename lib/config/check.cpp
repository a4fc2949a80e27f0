#include "config/checker.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/directory.hpp"
#include "config/match.hpp"
#include "config/next_hop.hpp"
#include "config/retry.hpp"
#include "config/settings.hpp"
#include "config/value.hpp"

namespace mansio::config {

void Checker::domain(const std::string& path, std::string& name) {
  if (name.empty() && !places_.has(path)) return;          // missing, which was said already
  auto canonical = canonical_domain(name);
  if (canonical) name = std::move(*canonical);
  else problem(path, canonical.error().text());
}

void Checker::names() {
  domain("host_name", config_.host_name);
  domain("mail_name", config_.mail_name);
  auto at = config_.postmaster.rfind('@');
  if (at == std::string::npos || at == 0) problem("postmaster", "expected an address such as \"root@example.org\"");
  else if (auto name = canonical_domain(std::string_view(config_.postmaster).substr(at + 1)); !name) problem("postmaster", name.error().text());
  const std::string& delimiter = config_.recipient_delimiter;
  if (delimiter.size() > 1 || (delimiter.size() == 1 && (is_alnum(delimiter[0]) || delimiter[0] == '@' || delimiter[0] == '/'))) {
    problem("recipient_delimiter", "expected one character that is no letter, digit, @ or /");
  }
  for (auto [path, value] : {std::pair{"spool_directory", &config_.spool_directory}, {"log_directory", &config_.log_directory},
                             {"run_directory", &config_.run_directory}}) {
    if (value->empty()) problem(path, "it is empty");
  }
}

std::string Checker::look_up(const std::string& path, const std::string& name) {
  if (is_look_up(name) && name.size() > 5) return "file:" + resolve_path(name.substr(5), directory());
  if (name.starts_with(ldap_prefix)) problem(path, fmt::format("\"{}\": a directory is asked by {} alone; write \"file:/path\" here", escape(name, 80), ldap_places));
  else problem(path, fmt::format("\"{}\" is no look-up that this version has: write \"file:/path\"", escape(name, 80)));
  return {};
}

// "@local" and "@relay_to": false when `name` is no such thing.
bool Checker::reference(const std::string& path, const std::string& name, std::vector<std::string>& out) {
  if (!name.starts_with('@')) return false;
  if (name == "@local") out.insert(out.end(), config_.domains.local.begin(), config_.domains.local.end());
  else if (name == "@relay_to") out.insert(out.end(), config_.domains.relay_to.begin(), config_.domains.relay_to.end());
  else {
    auto near = nearest(name, {"@local", "@relay_to"});
    problem(path, fmt::format("unknown list \"{}\"{}", escape(name, 60), near ? fmt::format(" (did you mean \"{}\"?)", *near) : ""));
  }
  return true;
}

// Adds what `name` stands for to `out`: a list's entries, a look-up, or a pattern.
void Checker::pattern(const std::string& path, std::string name, std::vector<std::string>& out, bool references) {
  if (name == "*") return out.push_back(name);
  if (references && reference(path, name, out)) return;
  if (!name.starts_with('[') && name.find(':') != std::string::npos) {
    std::string resolved = look_up(path, name);
    if (!resolved.empty()) out.push_back(std::move(resolved));
    return;
  }
  bool below = name.starts_with("*.");
  auto canonical = canonical_domain(std::string_view(name).substr(below ? 2 : 0));
  if (canonical) out.push_back((below ? "*." : "") + *canonical);
  else problem(path, canonical.error().text());
}

void Checker::patterns(const std::string& path, std::vector<std::string>& list, bool references) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < list.size(); ++i) pattern(fmt::format("{}[{}]", path, i), list[i], out, references);
  list = std::move(out);
}

void Checker::domains() {
  if (!places_.has("domains.local")) {
    config_.domains.local = {config_.mail_name};
    if (config_.host_name != config_.mail_name) config_.domains.local.push_back(config_.host_name);
    if (std::ranges::find(config_.domains.local, "localhost") == config_.domains.local.end()) config_.domains.local.emplace_back("localhost");
  }
  if (places_.has("domains.local")) patterns("domains.local", config_.domains.local, false);
  patterns("domains.relay_to", config_.domains.relay_to, false);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < config_.domains.alias.size(); ++i) {
    std::string path = fmt::format("domains.alias[{}]", i);
    DomainAlias& alias = config_.domains.alias[i];
    domain(path + ".from", alias.from);
    domain(path + ".to", alias.to);
    if (repeated(seen, alias.from)) problem(path + ".from", fmt::format("a second alias for \"{}\"", alias.from));
    if (alias.from == alias.to && !alias.from.empty()) problem(path, "the domain is an alias of itself");
  }
}

void Checker::routes() {
  if (!places_.has("routes")) {
    Route& local = config_.routes.emplace_back();
    local.name = "local";
    local.domains = {"@local"};
    local.users.kind = UsersKind::system;
    local.transport = "mailbox";
    Route& everywhere = config_.routes.emplace_back();
    everywhere.name = "everywhere";
    everywhere.domains = {"*"};
    everywhere.transport = "internet";
  }
  std::vector<std::string> known;
  for (const Transport& transport : config_.transports) known.push_back(transport.name);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < config_.routes.size(); ++i) {
    Route& route = config_.routes[i];
    std::string path = fmt::format("routes[{}]", i);
    patterns(path + ".domains", route.domains, true);
    senders(path + ".senders", route.senders);
    if (!route.name.empty() && repeated(seen, route.name)) problem(path + ".name", fmt::format("a second route named \"{}\"", route.name));
    if (route.transport.empty() || config_.transport(route.transport) != nullptr) continue;
    auto near = nearest(route.transport, known);
    problem(path + ".transport", fmt::format("there is no transport \"{}\"{}", escape(route.transport, 60), near ? fmt::format(" (did you mean \"{}\"?)", *near) : ""));
  }
}

void Checker::senders(const std::string& path, std::vector<std::string>& list) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string place = fmt::format("{}[{}]", path, i);
    if (reference(place, list[i], out)) continue;
    auto at = list[i].rfind('@');
    bool look = list[i].find(':') < at && list[i].find('[') == std::string::npos;
    if (look || is_look_up(list[i])) out.push_back(look_up(place, list[i]));
    else if (auto sender = canonical_sender(list[i])) out.push_back(std::move(*sender));
    else problem(place, sender.error().text());
  }
  // Nobody must not become everybody: an empty list in the snapshot is the latter.
  if (places_.has(path) && out.empty()) problem(path, "it names no sender, so the route would never be used: leave it out for every sender");
  list = std::move(out);
}

void Checker::dns() {
  for (std::size_t i = 0; i < config_.dns.servers.size(); ++i) {
    const std::string& server = config_.dns.servers[i];
    auto hop = parse_next_hop(server);
    if (Network::parse_address(server) || (hop && hop->kind == NextHopKind::literal)) continue;
    problem(fmt::format("dns.servers[{}]", i), fmt::format("\"{}\" is no address: write \"192.0.2.1\", \"192.0.2.1:5353\" or \"[2001:db8::1]:5353\"", escape(server, 80)));
  }
}

void Checker::bounces() {
  Bounces& bounces = config_.bounces;
  if (!places_.has("badmail_directory")) bounces.badmail = config_.spool_directory + "/badmail";
  else if (bounces.badmail.empty()) problem("badmail_directory", "it is empty");
  if (bounces.copy_to.empty()) return;
  auto at = bounces.copy_to.rfind('@');
  bool good = at != std::string::npos && at > 0 && canonical_domain(std::string_view(bounces.copy_to).substr(at + 1)).has_value();
  if (!good) problem("bounce_copy_to", "expected an address such as \"postmaster@example.org\"");
}

void Checker::retry() {
  for (std::size_t i = 0; i < config_.retry.size(); ++i) patterns(fmt::format("retry[{}].domains", i), config_.retry[i].domains, true);
  bool all = std::ranges::any_of(config_.retry, [](const RetryRule& rule) { return std::ranges::find(rule.domains, "*") != rule.domains.end(); });
  if (all) return;
  config_.retry.push_back({{"*"}, parse_schedule(default_schedule).value()});    // what no rule is for
}

void check(Config& config, const Places& places, Problems& problems) {
  Checker checker(config, places, problems);
  checker.names();
  checker.tls();
  checker.auth();
  checker.listeners();
  checker.domains();
  checker.held();
  checker.domain_settings();
  checker.smart_host();
  checker.submission();
  checker.client_rules();
  checker.w3c();
  checker.transports();
  checker.tls_policies();
  checker.routes();
  checker.directories();
  checker.retry();
  checker.dns();
  checker.metrics();
  checker.control();
  checker.bounces();
  checker.pickups();
}

}  // namespace mansio::config
