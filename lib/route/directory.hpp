// Directories (LDAP) as the router sees them: what they say of an address. The ldap room implements it. Snapshots: a router
// holds those of its configuration for as long as it is used.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/next_hop.hpp"
#include "event/task.hpp"
#include "mail/address.hpp"

namespace mansio::route {

// Everything in it was looked at: addresses are addresses, the host is a name or an address literal.
struct DirectoryEntry {
  DirectoryEntry() = default;
  std::string name;                        // of the entry (DN), for people
  std::vector<mail::Address> addresses;    // its routing addresses: mail goes there instead
  std::vector<mail::Address> members;      // of a group
  bool group = false;                      // it has members; `members` is empty when they were not asked for
  std::optional<config::NextHop> host;     // mail goes to it
};

struct Directories {
  // `directory` is a name in Config::ldap; the local part unquoted, both in lower case. nullopt: the directory says that
  // there is no such entry. An Error: it is not known, and the mail has to wait.
  virtual event::Task<Result<std::optional<DirectoryEntry>>> find(std::string directory, std::string local, std::string domain, bool with_members) = 0;

 protected:
  ~Directories() = default;
};

}  // namespace mansio::route
