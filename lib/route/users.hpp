// Virtual users in Dovecot's passwd-file format, one file for mailboxes, AUTH and Dovecot itself:
//   name[@domain]:{SCHEME}hash:uid:gid:gecos:home:shell:extra fields
// Fields from the end may be left out. Empty uid and gid: those of run_as. Pure.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "route/target.hpp"

namespace mansio::route {

struct VirtualUser {
  std::string name;              // as in the file, lower case
  std::string password;          // "{SCHEME}hash", for AUTH
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::string gecos, home;
  bool broken = false;           // a field can't be read: the user exists, its mail waits
};

class VirtualUsers {
 public:
  // "local@domain", or "local" for an entry without a domain. Lower case, A-labels.
  const VirtualUser* find(const std::string& local, const std::string& domain) const;
  std::size_t size() const noexcept { return users_.size(); }
  bool insert(VirtualUser user);

 private:
  std::unordered_map<std::string, VirtualUser> users_;
};

struct ParsedUsers {
  VirtualUsers users;
  std::vector<TargetProblem> problems;
};

ParsedUsers parse_passwd_file(std::string_view text);

}  // namespace mansio::route
