#include "config/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/path_template.hpp"
#include "base/text.hpp"
#include "config/match.hpp"
#include "config/next_hop.hpp"
#include "config/retry.hpp"
#include "config/settings.hpp"
#include "config/value.hpp"

namespace mansio::config {

Place Places::at(std::string_view path) const {
  while (!path.empty()) {
    if (auto it = places_.find(path); it != places_.end()) return it->second;
    auto up = path.find_last_of(".[");
    path = up == std::string_view::npos ? std::string_view() : path.substr(0, up);
  }
  return {main_file_, 1};
}

namespace {

class Checker {
 public:
  Checker(Config& config, const Places& places, Problems& problems) : config_(config), places_(places), problems_(problems) {}

  void names();
  void listeners();
  void domains();
  void relay_from();
  void transports();
  void routes();
  void retry();
  void dns();
  void bounces();

 private:
  void problem(const std::string& path, std::string_view text) {
    Place place = places_.at(path);
    problems_.push_back({place.file, place.line, fmt::format("{}: {}", path, text)});
  }
  void domain(const std::string& path, std::string& name);
  void pattern(const std::string& path, std::string name, std::vector<std::string>& out, bool references);
  void patterns(const std::string& path, std::vector<std::string>& list, bool references);
  std::string look_up(const std::string& path, const std::string& name);
  void listener(const Listener& listener);
  void transport(Transport& transport);
  void remote(Transport& transport);
  void hosts(const Transport& transport, std::string_view leaf, std::vector<std::string>& list);
  void source_addresses(Transport& transport);
  void senders(const std::string& path, std::vector<std::string>& list);
  bool reference(const std::string& path, const std::string& name, std::vector<std::string>& out);
  void kinds_of(const Transport& transport, const std::string& path);
  std::string directory() const { return config_.file.substr(0, config_.file.rfind('/')); }

  Config& config_;
  const Places& places_;
  Problems& problems_;
};

// Whether `name` is the second of its kind.
bool repeated(std::set<std::string>& seen, const std::string& name) { return !seen.insert(name).second; }

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
  for (const CertificateFiles& files : config_.tls.certificates) {
    if (files.certificate.empty() != files.key.empty()) problem("tls", "certificate and key come together, but one is missing");
  }
}

void Checker::listener(const Listener& listener) {
  const std::string& path = listener.setting;
  const std::string& address = listener.address;
  bool unix_socket = address.starts_with("unix:");
  auto bits = Network::parse_address(address);
  if (unix_socket ? address.size() <= 5 : address != "*" && !bits) {
    problem(path + ".address", fmt::format("\"{}\" is no address: write \"*\", an IPv4 or IPv6 address, or \"unix:/path\"", escape(address, 60)));
  }
  static const NetworkList loopback({"127.0.0.0/8", "::1"});
  if (listener.role == Role::lmtp && !unix_socket && !loopback.matches(address)) {
    problem(path + ".address", "LMTP has no access control: give a unix socket or a loopback address");
  }
  if (listener.role == Role::submission) problem(path + ".role", "\"submission\" is not available yet: it needs AUTH, which this version does not have");
  if (listener.auth.value_or(false)) problem(path + ".auth", "AUTH is not available yet in this version");
  if (listener.tls != ListenerTls::none) problem(path + ".tls", "TLS on a listener is not available yet in this version: leave it out or write \"none\"");
}

void Checker::listeners() {
  if (!places_.has("listeners")) config_.listeners.emplace_back().setting = "listeners[0]";
  if (config_.listeners.empty() && problems_.empty()) problem("listeners", "it is empty, so no mail could come in: leave it out for port 25 on all addresses");
  std::set<std::string> seen;
  for (Listener& listener : config_.listeners) {
    if (listener.address.starts_with("unix:")) listener.address = "unix:" + resolve_path(listener.address.substr(5), directory());
    this->listener(listener);
    if (listener.port == 0 && !listener.address.starts_with("unix:")) continue;
    std::string socket = listener.address.starts_with("unix:") ? listener.address : fmt::format("{} port {}", listener.address, listener.port);
    if (repeated(seen, socket)) problem(listener.setting, fmt::format("a second listener on {}", socket));
  }
}

std::string Checker::look_up(const std::string& path, const std::string& name) {
  if (is_look_up(name) && name.size() > 5) return "file:" + resolve_path(name.substr(5), directory());
  problem(path, fmt::format("\"{}\" is no look-up that this version has: write \"file:/path\"", escape(name, 80)));
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

void Checker::relay_from() {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < config_.relay_from.size(); ++i) {
    std::string path = fmt::format("relay_from[{}]", i);
    const std::string& entry = config_.relay_from[i];
    auto network = Network::parse(entry);
    if (network) out.push_back(entry);
    else if (!is_look_up(entry)) problem(path, network.error().text());
    else out.push_back(look_up(path, entry));
  }
  config_.relay_from = std::move(out);
}

// A setting of another kind would be silently without effect.
void Checker::kinds_of(const Transport& transport, const std::string& path) {
  static const std::vector<std::string_view> kind_names = split(find_setting("transports.*.kind")->words, ' ');
  if (!places_.has(path + ".kind")) return;
  std::string_view kind = kind_names.at(static_cast<std::size_t>(transport.kind));
  for (const Setting& setting : settings()) {
    static constexpr std::string_view every = "transports.*";
    if (!setting.path.starts_with(every) || setting.kinds.empty()) continue;
    std::string leaf = path + std::string(setting.path.substr(every.size()));
    auto kinds = split(setting.kinds, ' ');
    if (places_.has(leaf) && std::ranges::find(kinds, kind) == kinds.end()) {
      problem(leaf, fmt::format("a transport of kind \"{}\" has no such setting", kind));
    }
  }
}

// The hosts of a list, each brought to one form.
void Checker::hosts(const Transport& transport, std::string_view leaf, std::vector<std::string>& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string path = fmt::format("transports.{}.{}[{}]", transport.name, leaf, i);
    auto hop = parse_next_hop(list[i]);
    if (!hop) {
      problem(path, hop.error().text());
      continue;
    }
    bool unix_socket = hop->kind == NextHopKind::unix_socket;
    if (unix_socket && transport.kind == TransportKind::smtp) problem(path, "a unix socket is for lmtp: write kind = \"lmtp\", or a host");
    if (unix_socket) hop->name = resolve_path(hop->name, directory());
    // RFC 2033 §5: LMTP is no protocol for port 25.
    if (!unix_socket && transport.kind == TransportKind::lmtp && (hop->port == 0 ? transport.port : hop->port) == 25) {
      problem(path, "LMTP is not spoken on port 25: give the port, as in \"host:24\"");
    }
    list[i] = hop->text(transport.port);
  }
}

void Checker::source_addresses(Transport& transport) {
  std::string path = "transports." + transport.name;
  for (auto [leaf, value] : {std::pair{".source_address", &transport.source_address}, {".source_address6", &transport.source_address6}}) {
    if (value->empty() || Network::parse_address(*value)) continue;
    problem(path + leaf, fmt::format("\"{}\" is no address: write the address of an interface, such as \"192.0.2.1\"", escape(*value, 60)));
    value->clear();
  }
  if (!transport.source_address6.empty() && transport.source_address6.find(':') == std::string::npos) {
    problem(path + ".source_address6", "it is an IPv4 address: give it as source_address");
  }
  if (transport.source_address.find(':') == std::string::npos) return;
  if (transport.source_address6.empty()) std::swap(transport.source_address, transport.source_address6);
  else problem(path + ".source_address", "it is an IPv6 address, and so is source_address6: give an IPv4 address here, or leave one out");
}

// What only smtp and lmtp have.
void Checker::remote(Transport& transport) {
  std::string path = "transports." + transport.name;
  hosts(transport, "hosts", transport.hosts);
  hosts(transport, "fallback", transport.fallback);
  source_addresses(transport);
  if (!transport.helo_name.empty()) {                       // RFC 5321 §4.1.1.1, §2.3.5
    auto name = canonical_domain(transport.helo_name);
    bool whole = name && (name->starts_with('[') || name->find('.') != std::string::npos);
    if (whole) transport.helo_name = std::move(*name);
    else problem(path + ".helo_name", fmt::format("\"{}\" is not a full name: write \"mail.example.org\" or a literal such as \"[192.0.2.1]\"", escape(transport.helo_name, 80)));
  }
}

void Checker::transport(Transport& transport) {
  std::string path = "transports." + transport.name;
  kinds_of(transport, path);
  auto needs = [&](std::string_view leaf, bool there) {
    if (!there && places_.has(path + ".kind")) problem(path, fmt::format("\"{}\" is missing", leaf));
  };
  auto well_formed = [&](const std::string& leaf, const std::string& text) {
    if (auto checked = check_template(text); !checked) problem(leaf, checked.error().text());
  };
  switch (transport.kind) {
    case TransportKind::maildir:
    case TransportKind::mbox:
      needs("path", !transport.path.empty());
      well_formed(path + ".path", transport.path);
      break;
    case TransportKind::pipe:
      needs("command", !transport.command.empty());
      for (std::size_t i = 0; i < transport.command.size(); ++i) well_formed(fmt::format("{}.command[{}]", path, i), transport.command[i]);
      if (!transport.command.empty() && !transport.command[0].starts_with('/')) problem(path + ".command", "the program needs its full path");
      break;
    case TransportKind::drop: needs("directory", !transport.directory.empty()); break;
    case TransportKind::lmtp:
      needs("hosts", !transport.hosts.empty());
      remote(transport);
      break;
    case TransportKind::smtp: remote(transport); break;
  }
}

void Checker::transports() {
  if (!places_.has("transports")) {
    Transport& mailbox = config_.transports.emplace_back();
    mailbox.name = "mailbox";
    mailbox.kind = TransportKind::mbox;
    mailbox.path = "/var/mail/{local}";
    Transport& internet = config_.transports.emplace_back();
    internet.name = "internet";
    internet.kind = TransportKind::smtp;
  }
  for (Transport& transport : config_.transports) this->transport(transport);
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

}  // namespace

void check(Config& config, const Places& places, Problems& problems) {
  Checker checker(config, places, problems);
  checker.names();
  checker.listeners();
  checker.domains();
  checker.relay_from();
  checker.transports();
  checker.routes();
  checker.retry();
  checker.dns();
  checker.bounces();
}

}  // namespace mansio::config
