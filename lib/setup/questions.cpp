#include "setup/questions.hpp"

#include <array>

namespace mansio::setup {

std::span<const Question> questions() {
  static constexpr auto all = std::to_array<Question>({
      {"site", "Kind of site", "internet: mail comes and goes by SMTP; smarthost: it leaves through one other host; satellite: all of it does, "
                               "no mailboxes here; local: it stays on this machine", true},
      {"mail_name", "Mail name", "the domain of addresses of this machine's users, behind the @", true},
      {"listen", "Listen on", "* for everywhere, or addresses: 127.0.0.1, ::1 takes mail of this machine alone", true},
      {"local_domains", "Local domains", "domains whose mail is delivered here", true},
      {"relay_domains", "Relay for domains", "domains whose mail is accepted from everybody and passed on (a second MX host)", false},
      {"relay_networks", "Relay for networks", "other machines that may send mail to anywhere through this one: 192.0.2.0/24", false},
      {"smart_host", "Smart host", "the host that mail leaves through: smtp.example.com:587", true},
      {"smart_host_user", "User at the smart host", "empty when it wants no log-in", false},
      {"smart_host_password", "Password at the smart host", "kept in a file that only root may read; empty: as it is now", false},
      {"mailboxes", "Mailboxes", "mbox: one file a user in /var/mail; maildir: a directory Maildir in each user's home", true},
  });
  return all;
}

}  // namespace mansio::setup
