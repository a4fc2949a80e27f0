// Directories, and the look-ups "ldap:NAME" that ask them.
#include <algorithm>

#include "base/text.hpp"
#include "config/checker.hpp"
#include "config/directory.hpp"

namespace mansio::config {

void Checker::directories() {
  for (Ldap& directory : config_.ldap) this->directory(directory);
  for (std::size_t i = 0; i < config_.alias_look_ups.size(); ++i) {
    std::string path = fmt::format("alias_look_ups[{}]", i);
    const std::string& name = config_.alias_look_ups[i];
    if (!name.starts_with(ldap_prefix) || name.size() == ldap_prefix.size()) problem(path, fmt::format("\"{}\" is no directory: write \"ldap:NAME\"", escape(name, 80)));
    else named_directory(path, name.substr(ldap_prefix.size()));
  }
  for (std::size_t i = 0; i < config_.routes.size(); ++i) {
    const Users& users = config_.routes[i].users;
    if (users.kind == UsersKind::ldap) named_directory(fmt::format("routes[{}].users", i), users.ldap);
  }
}

void Checker::named_directory(const std::string& path, const std::string& name) {
  if (config_.directory(name) != nullptr) return;
  std::vector<std::string> known;
  for (const Ldap& directory : config_.ldap) known.push_back(directory.name);
  auto near = nearest(name, known);
  problem(path, fmt::format("there is no directory \"{}\" in the group ldap{}", escape(name, 60), near ? fmt::format(" (did you mean \"{}\"?)", *near) : ""));
}

void Checker::directory(Ldap& directory) {
  std::string path = "ldap." + directory.name;
  if (directory.servers.empty() && places_.has(path + ".servers")) problem(path + ".servers", "it names no server");
  for (std::size_t i = 0; i < directory.servers.size(); ++i) {
    std::string place = fmt::format("{}.servers[{}]", path, i);
    auto server = parse_ldap_server(directory.servers[i]);
    if (!server) problem(place, server.error().text());
    else if (directory.tls == LdapTls::starttls && server->encrypted) problem(place, "ldaps:// begins with TLS, so that there is no STARTTLS: write ldap://, or leave tls out");
  }
  if (directory.bind_dn.empty() != directory.password_file.empty()) {
    problem(path + (directory.bind_dn.empty() ? ".password_file" : ".bind_dn"), "bind_dn and password_file belong together: give both, or none to bind as nobody");
  }
  if (directory.filter.empty()) directory.filter = default_ldap_filter;
  else if (auto good = check_ldap_filter(directory.filter); !good) problem(path + ".filter", good.error().text());
  for (auto [leaf, name] : {std::pair{".routing_address", &directory.routing_address}, {".routing_host", &directory.routing_host},
                            {".members", &directory.members}, {".member_addresses", &directory.member_addresses}}) {
    if (!name->empty() && !is_ldap_attribute(*name)) problem(path + leaf, fmt::format("\"{}\" is no name of an attribute", escape(*name, 60)));
  }
}

}  // namespace mansio::config
