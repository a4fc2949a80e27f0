// A credentials file: who we are when we log in at other hosts. The syntax is that of the configuration:
//   user = "me@example.org"; password = "...";
// for all hosts and senders, or a list, of which the first entry that fits counts:
//   credentials = ( { host = "smtp.example.com"; sender = "bob@example.org"; user = "bob"; password = "..."; },
//                   { user = "me"; token_file = "/path"; },
//                   { user = "me"; token_command = [ "/usr/bin/program", "argument" ]; token_lifetime = "50m"; } );
// Pure. No text of a problem holds a value of the file, since any of them may be the password, misplaced.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "config/match.hpp"
#include "config/problem.hpp"
#include "config/tree.hpp"
#include "crypto/secret.hpp"

namespace mansio::config {

struct Credential {
  std::vector<std::string> hosts, senders;       // as they were given, in one form; none: all
  std::string user;
  crypto::Secret password;                       // empty: a token, or EXTERNAL
  std::string token_file;                        // a bearer token; "": none
  std::vector<std::string> token_command;        // prints a bearer token; empty: none
  Duration token_lifetime{std::chrono::minutes(50)};    // how long a token that was read or printed is used
};

class Credentials {
 public:
  // Takes at most `credentials_max` entries. Problems have the file's name and the line.
  static std::expected<Credentials, Problems> parse(const Source& source);

  // The first that fits: `host` is a name, or an address in brackets; of the sender an unquoted local part and a domain,
  // both empty for "<>". Null: none. Valid as long as this lives.
  const Credential* find(std::string_view host, std::string_view sender_local, std::string_view sender_domain) const;
  const std::vector<Credential>& all() const noexcept { return credentials_; }

 private:
  void add(Credential credential);

  std::vector<Credential> credentials_;
  std::vector<DomainList> hosts_;                // of each
  std::vector<SenderList> senders_;
};

inline constexpr std::size_t credentials_max = 10000;

}  // namespace mansio::config
