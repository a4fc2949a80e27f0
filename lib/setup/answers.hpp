// The answers that set a machine up: what kind of site it is, its names, where it listens, what it takes and for whom it
// passes mail on, its smart host, how mailboxes are kept. From a file of answers (syntax as the configuration's), or read
// off a configuration that is in use. Pure.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "config/problem.hpp"
#include "config/tree.hpp"
#include "crypto/secret.hpp"

namespace mansio::setup {

enum class Site : std::uint8_t {
  internet,      // mail comes and goes by SMTP, to each domain's own hosts
  smart_host,    // mail comes by SMTP, and leaves through one other host
  satellite,     // no mailboxes here: everything goes to the smart host
  local,         // mail stays on this machine
};

enum class Mailboxes : std::uint8_t { mbox, maildir };     // /var/mail/NAME, ~/Maildir

struct Answers {
  Answers() = default;
  Site site = Site::internet;
  std::string mail_name;
  std::vector<std::string> listen;               // "*", an address, with ":port" behind it when it isn't 25
  std::vector<std::string> local_domains;        // also patterns and look-ups, as in domains.local
  std::vector<std::string> relay_domains;
  std::vector<std::string> relay_networks;       // besides this machine itself
  std::string smart_host;                        // as in transports.*.hosts
  std::string user;                              // at the smart host; "": it wants no log-in
  crypto::Secret password;                       // empty: as it is in the file of credentials already
  Mailboxes mailboxes = Mailboxes::mbox;

  bool has_smart_host() const { return site == Site::smart_host || site == Site::satellite; }
  bool has_mailboxes() const { return site != Site::satellite; }
};

std::string_view word_of(Site site);             // "internet", "smarthost", "satellite", "local"
std::string_view word_of(Mailboxes mailboxes);   // "mbox", "maildir"

// An answer as somebody types it, put into `answers`; an Error says what is wrong and what to write. Names are those of
// the file: site, mail_name, listen, local_domains, relay_domains, relay_networks, smart_host, smart_host_user,
// smart_host_password, mailboxes. Lists have commas, semicolons or blanks between their entries.
Result<> put_answer(Answers& answers, std::string_view name, std::string_view value);
// As put_answer takes it; never the password.
std::string answer_text(const Answers& answers, std::string_view name);
// Does the question matter, with the other answers as they are?
bool matters(const Answers& answers, std::string_view name);

// What a file of answers says, over `defaults`. No text of a problem holds a password.
std::expected<Answers, config::Problems> parse_answers(const config::Source& source, const Answers& defaults);
// A file of answers that parse_answers() takes, with a comment for each.
std::string answers_file(const Answers& answers);

// What a configuration in use would have answered.
Answers answers_of(const config::Config& config);

}  // namespace mansio::setup
