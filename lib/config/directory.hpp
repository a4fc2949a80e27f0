// What the settings of a directory say in texts: servers ("ldap://host"), filters with places for an address
// ("(mail={address})", RFC 4515), names of attributes. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::config {

inline constexpr std::string_view default_ldap_filter = "(|(mail={address})(mailLocalAddress={address})(proxyAddresses=smtp:{address}))";
inline constexpr std::string_view ldap_prefix = "ldap:";       // of the look-up "ldap:NAME"
inline constexpr const char* ldap_places = "routes[].users and alias_look_ups";   // where it may be used

struct LdapServer {
  std::string uri;            // as libldap takes it: a socket's path is percent-encoded
  bool encrypted = false;     // ldaps://
  bool local = false;         // ldapi://
};

// "ldap://host", "ldaps://host:636", "ldap://[2001:db8::1]", "ldapi:///path/of/socket". Nothing behind the host: what is
// searched for has settings of its own.
Result<LdapServer> parse_ldap_server(std::string_view text);

// RFC 4515 §3, with {address}, {local} and {domain} in values alone, {address} or {local} at least once.
Result<> check_ldap_filter(std::string_view text);

// Any octets as part of a filter's value: what is not a plain printable character stands as \HH (RFC 4515 §3).
std::string escape_for_filter(std::string_view octets);

// The filter for one address. What is filled in is escaped, and never looked at again.
std::string fill_ldap_filter(std::string_view text, std::string_view address, std::string_view local, std::string_view domain);

bool is_ldap_attribute(std::string_view name);       // "mail", "2.5.4.3"; no options

}  // namespace mansio::config
