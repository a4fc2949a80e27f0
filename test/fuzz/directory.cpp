// What comes from directories: values of LDAP entries, names and keys of Kerberos.
#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "kerberos/keytab.hpp"
#include "kerberos/principal.hpp"
#include "ldap/values.hpp"

namespace fuzz {

using namespace mansio;

void ldap_values(std::string_view input) {
  if (auto address = ldap::parse_address_value(input)) {
    auto again = ldap::parse_address_value(address->text());
    require(again && again->text() == address->text(), "an address survives its text");
  }
  if (auto host = ldap::parse_host_value(input)) {
    require(host->kind == config::NextHopKind::host || host->kind == config::NextHopKind::literal, "no look-up and no socket");
    require(!has_control(host->name), "a host is plain");
  }
}

// Lines "attribute=value".
void ldap_entry(std::string_view input) {
  ldap::Entry entry;
  entry.name = "cn=x";
  for (auto line : split(input, '\n')) {
    auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    entry.attributes.emplace_back(std::string(line.substr(0, equals)), std::vector<std::string>());
    for (auto value : split(line.substr(equals + 1), '\x1f')) entry.attributes.back().second.emplace_back(value);
  }
  config::Ldap settings;
  auto routing = ldap::routing_of(entry, settings);
  auto members = ldap::members_of(entry, settings);
  if (members) {
    require(members->names.size() + members->addresses.size() <= ldap::most_values, "members are bounded");
    for (const auto& address : members->addresses) require(mail::Address::parse(address.text()).has_value(), "a member is an address");
    for (const auto& name : members->names) require(name.size() <= ldap::longest_value, "a member's name is bounded");
  }
  auto member = ldap::address_of_member(entry);
  if (member && *member) require(mail::Address::parse((*member)->text()).has_value(), "a member is an address");
}

void principal(std::string_view input) {
  std::string login = kerberos::login_of(input, {"EX.TEST"});
  require(login.find_first_of("/@\\ ") == std::string::npos && !has_control(login) && login == to_lower(login), "a login is a plain word");
  if (!login.empty()) require(input.ends_with("@EX.TEST") && kerberos::realm_of(input) == "EX.TEST", "nobody comes from elsewhere");
}

void keytab(std::string_view input) {
  if (input.size() > 4096) return;
  auto made = kerberos::Keytab::make(input);
  if (made) require(!made->principals().empty(), "a keytab has a key");
}

}  // namespace fuzz
