// The table, of the rows that stand in files by group, in the order of the manual; included by settings.cpp alone.
#pragma once
#include <algorithm>

#include "config/settings_access.hpp"
#include "config/settings_domains.hpp"
#include "config/settings_listening.hpp"
#include "config/settings_machine.hpp"
#include "config/settings_mail.hpp"
#include "config/settings_transports.hpp"

namespace mansio::config {

namespace rows {

inline constexpr Container container_table[] = {
  {"listeners[]", [](C& c, const std::string&) {
     std::string setting = "listeners[" + std::to_string(c.listeners.size()) + "]";
     c.listeners.emplace_back().setting = std::move(setting);
   }},
  {"tls.certificates[]", [](C& c, const std::string&) {
     first_certificate(c);                                  // its place is the first, whatever comes first in the file
     c.tls.certificates.emplace_back();
   }},
  {"domains.alias[]", [](C& c, const std::string&) { c.domains.alias.emplace_back(); }},
  {"transports.*", [](C& c, const std::string& name) { c.transports.emplace_back().name = name; }},
  {"tls_policy[]", [](C& c, const std::string&) { c.tls_policies.emplace_back(); }},
  {"domain_settings[]", [](C& c, const std::string&) { c.domain_settings.emplace_back(); }},
  {"ldap.*", [](C& c, const std::string& name) { c.ldap.emplace_back().name = name; }},
  {"odmr[]", [](C& c, const std::string&) { c.odmr.emplace_back(); }},
  {"pickup[]", [](C& c, const std::string&) {
     std::string setting = "pickup[" + std::to_string(c.pickups.size()) + "]";
     c.pickups.emplace_back().setting = std::move(setting);
   }},
  {"routes[]", [](C& c, const std::string&) { c.routes.emplace_back(); }},
  {"retry[]", [](C& c, const std::string&) { c.retry.emplace_back(); }},
};

template <std::size_t... N>
constexpr auto joined(const std::array<Setting, N>&... groups) {
  std::array<Setting, (N + ...)> all{};
  auto* end = all.begin();
  ((end = std::ranges::copy(groups, end).out), ...);
  return all;
}

inline constexpr auto settings_table =
    joined(naming_rows, listening_rows, access_rows, accepting_rows, smart_host_rows, transport_rows, domain_rows, routing_rows, ldap_rows,
           process_rows);

}  // namespace rows

using rows::container_table;
using rows::settings_table;

}  // namespace mansio::config
