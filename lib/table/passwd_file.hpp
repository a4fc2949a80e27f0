// Users in Dovecot's passwd-file format, one file for mailboxes, AUTH and Dovecot itself:
//   name[@domain]:{SCHEME}hash:uid:gid:gecos:home:shell:extra fields
// Fields from the end may be left out; extra fields stand between blanks and may hold colons. Empty uid and gid: those
// of run_as. Pure.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mansio::table {

struct VirtualUser {
  std::string name;              // as it is looked up: lower case, the domain in A-labels
  std::string password;          // "{SCHEME}hash", for AUTH
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::string gecos, home;
  std::vector<std::string> extra;   // "name=value" or "name"
  std::size_t line = 0;
  bool broken = false;           // a field can't be read: the user exists, its mail waits
};

// The name of a user in a file or at a log-in, as it is looked up; "" when it is none.
std::string canonical_user_name(std::string_view text);

class VirtualUsers {
 public:
  // "local@domain", or "local" for an entry without a domain. Lower case, A-labels.
  const VirtualUser* find(const std::string& local, const std::string& domain) const;
  const VirtualUser* find(const std::string& name) const;   // exactly so
  const std::vector<VirtualUser>& all() const noexcept { return users_; }   // in the order of the file
  std::size_t size() const noexcept { return users_.size(); }
  bool insert(VirtualUser user);

 private:
  std::vector<VirtualUser> users_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

struct LineProblem {
  std::size_t line = 0;
  std::string text;              // never holds a password
};

struct ParsedUsers {
  VirtualUsers users;
  std::vector<LineProblem> problems;
};

ParsedUsers parse_passwd_file(std::string_view text);

}  // namespace mansio::table
