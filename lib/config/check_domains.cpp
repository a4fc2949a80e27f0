// The smart host, and domains with settings of their own.
#include "config/checker.hpp"
#include "config/next_hop.hpp"

namespace mansio::config {

// Before anything that refers to @relay_to: domains that are relayed for by their group are of it.
void Checker::domain_settings() {
  std::vector<std::string> relayed;
  for (std::size_t i = 0; i < config_.domain_settings.size(); ++i) {
    DomainSettings& group = config_.domain_settings[i];
    std::string path = fmt::format("domain_settings[{}]", i);
    patterns(path + ".domains", group.domains, true);
    if (group.domains.empty() && places_.has(path + ".domains")) problem(path + ".domains", "it names no domain");
    bool all = std::ranges::find(group.domains, "*") != group.domains.end();
    if (all && group.relay.value_or(false)) problem(path + ".relay", "for \"*\" this would be an open relay: name the domains");
    if (group.relay.value_or(false)) relayed.insert(relayed.end(), group.domains.begin(), group.domains.end());
  }
  for (std::string& domain : relayed) {
    auto& list = config_.domains.relay_to;
    if (std::ranges::find(list, domain) == list.end()) list.push_back(std::move(domain));
  }
}

void Checker::smart_host() {
  for (std::size_t i = 0; i < config_.smart_host.size(); ++i) {
    std::string path = fmt::format("smart_host[{}]", i);
    auto hop = parse_next_hop(config_.smart_host[i]);
    if (!hop) problem(path, hop.error().text());
    else if (hop->kind == NextHopKind::unix_socket) problem(path, "a unix socket is for lmtp: write kind = \"lmtp\", or a host");
  }
  if (config_.direct_first && config_.smart_host.empty()) {
    problem("direct_first", "smart_host is missing, and without one all mail goes to the MX hosts of its domain: leave this out");
  }
}

}  // namespace mansio::config
