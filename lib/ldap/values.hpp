// What the values of an entry mean for mail. Everything in them comes from outside: a value that is no address, no host or too
// long makes the whole entry one that can't be used, as what somebody meant by it is not known. Pure.
#pragma once
#include <string>
#include <vector>

#include "ldap/search.hpp"
#include "route/directory.hpp"

namespace mansio::ldap {

// "bob@example.org", also "SMTP:bob@example.org" as Active Directory writes it.
Result<mail::Address> parse_address_value(std::string_view value);

// A name or an address literal, with a port perhaps: no look-up of MX hosts, no socket.
Result<config::NextHop> parse_host_value(std::string_view value);

struct Members {
  Members() = default;
  std::vector<std::string> names;              // DNs
  std::vector<mail::Address> addresses;
  std::size_t next = 0;                        // not 0: the directory has more names, from this one on
  bool any() const noexcept { return !names.empty() || !addresses.empty(); }
};

// Attributes that are asked for, of the entry of an address and of a member.
std::vector<std::string> attributes_of_address(const config::Ldap& settings);
std::vector<std::string> attributes_of_member(const config::Ldap& settings);

// Routing addresses and host.
Result<route::DirectoryEntry> routing_of(const Entry& entry, const config::Ldap& settings);
Result<Members> members_of(const Entry& entry, const config::Ldap& settings);
// The address of somebody who is a member: the first of `mail`. nullopt: none.
Result<std::optional<mail::Address>> address_of_member(const Entry& entry);

}  // namespace mansio::ldap
