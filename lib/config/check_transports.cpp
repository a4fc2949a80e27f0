#include <algorithm>

#include "base/path_template.hpp"
#include "base/text.hpp"
#include "config/checker.hpp"
#include "config/drop.hpp"
#include "config/match.hpp"
#include "config/settings.hpp"
#include "config/value.hpp"

namespace mansio::config {

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
    case TransportKind::drop:
      needs("directory", !transport.directory.empty());
      well_formed(path + ".directory", transport.directory);
      if (auto good = check_file_mode(transport.mode); !good) {
        problem(path + ".mode", good.error().text());
        transport.mode = "0640";
      }
      if (auto good = check_owner(transport.owner); !transport.owner.empty() && !good) problem(path + ".owner", good.error().text());
      break;
    case TransportKind::lmtp:
      needs("hosts", !transport.hosts.empty());
      break;
    case TransportKind::smtp: break;
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
  for (Transport& transport : config_.transports) {
    this->transport(transport);
    if (transport.kind == TransportKind::smtp || transport.kind == TransportKind::lmtp) remote_variants(transport);
  }
}

// What a domain's certificates may be called: a name, or ".example.org" for all below it.
void Checker::tls_policies() {
  for (std::size_t i = 0; i < config_.tls_policies.size(); ++i) {
    TlsPolicy& policy = config_.tls_policies[i];
    std::string path = fmt::format("tls_policy[{}]", i);
    patterns(path + ".domains", policy.domains, true);
    if (!policy.names.empty() && policy.tls != ClientTls::verify) problem(path + ".names", "certificates' names count only with tls = \"verify\"");
    for (std::size_t n = 0; n < policy.names.size(); ++n) {
      std::string& name = policy.names[n];
      std::string place = fmt::format("{}.names[{}]", path, n);
      bool below = name.starts_with('.');
      auto canonical = canonical_domain(std::string_view(name).substr(below ? 1 : 0));
      if (!canonical) problem(place, canonical.error().text());
      else if (canonical->starts_with('[') || canonical->find('*') != std::string::npos) problem(place, "expected a name such as \"mail.example.org\", or \".example.org\" for all below it");
      else name = (below ? "." : "") + *canonical;
    }
  }
}

}  // namespace mansio::config
