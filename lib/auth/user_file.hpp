// A users file as log-ins see it: an immutable snapshot of the text of a Dovecot passwd-file (table/passwd_file.hpp).
// Names are looked up without regard to ASCII case; "user" and "user@default-domain" are one user unless the file has
// both. Nobody gets in by an entry that is locked, broken, or has Dovecot's extra field nologin; allow_nets=CIDR,CIDR
// (and "local" for a unix socket) is honoured too, since one file serves Dovecot as well. Other extra fields are
// Dovecot's own.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/match.hpp"
#include "crypto/scram_keys.hpp"
#include "crypto/secret.hpp"
#include "sasl/decoy.hpp"

namespace mansio::auth {

struct UserEntry {
  std::string name;       // as the file has it, in canonical form
  crypto::Secret entry;   // "{SCHEME}hash"
  std::optional<crypto::ScramKeys> keys;
  bool usable = false;    // somebody can get in by it
  bool nets_limited = false, local_allowed = false;
  config::NetworkList nets;

  bool admits(std::string_view client_address) const;
};

class UserFile {
 public:
  struct Loaded;
  // Takes time for entries in {PLAIN}, about 4 ms each: their SCRAM keys are derived, with the salts that `decoy` shows
  // for their names once it has the file's shape, so that a salt is the same after a reload and tells nothing. Call it
  // off the loop.
  // `default_domain` is canonical, or "".
  static Loaded load(std::string_view text, const std::string& default_domain, const sasl::Decoy& decoy);

  const UserEntry* find(std::string_view name) const;   // of a log-in, as SASLprep left it; nullptr: no such user
  // The entries that somebody can get in by: what the password of an unknown user is checked against. Never empty:
  // a file without any has one for nobody.
  const std::vector<std::string_view>& stand_ins() const noexcept { return stand_ins_; }
  std::size_t usable() const noexcept { return usable_; }
  std::size_t with_keys() const noexcept { return with_keys_; }
  // Of most of the entries that have keys; iterations 0: there are none. For Decoy::shape.
  std::uint32_t iterations() const noexcept { return iterations_; }
  std::size_t salt_size() const noexcept { return salt_size_; }

 private:
  void add(UserEntry entry);
  void finish(const sasl::Decoy& decoy);

  std::vector<UserEntry> entries_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::vector<std::string_view> stand_ins_;
  crypto::Secret nobody_;
  std::string default_domain_;
  std::size_t usable_ = 0, with_keys_ = 0, salt_size_ = 0;
  std::uint32_t iterations_ = 0;
};

struct UserFile::Loaded {
  std::shared_ptr<const UserFile> users;   // never null; usable() == 0: nobody gets in
  std::vector<std::string> problems;       // "line 3: …"; never hold a password
};

}  // namespace mansio::auth
