// The command line of `sendmail` and its other names, as cron, PHP and twenty programs more call it: argv in, one
// value out. Pure. The first word that isn't an option, or "--", ends the options: what follows is data (S-157).
// Errors are of usage (EX_USAGE).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mail/envelope.hpp"

namespace mansio::sendmail {

// Exit codes of sysexits.h.
enum class Exit : int {
  ok = 0, usage = 64, data = 65, no_user = 67, unavailable = 69, software = 70, os = 71, cannot_create = 73, io = 74,
  temporary = 75, no_permission = 77, config = 78,
  // As Exim: of -bt and -bv, an address that can't be looked up now, and one that is refused; 1 also when a message could
  // not be changed.
  failure = 1, refused = 2,
};

enum class Mode : std::uint8_t {
  submit,          // -bm, the default
  smtp,            // -bs, rsmtp
  daemon,          // -bd, -bD, -q<time>: refused, mansiod does that
  aliases,         // -bi, -I, newaliases
  route,           // -bt
  verify,          // -bv
  version,         // -bV
  settings,        // -bP
  list,            // -bp, mailq
  count,           // -bpc
  run_queue,       // -q, runq
  queue_verb,      // -M, -Mf, -Mt, -Mrm, -Mg, -Mar, -Mes, -Mmd, -Mmad
  show,            // -Mvh, -Mvb, -Mvc
  show_log,        // -Mvl
};

// What becomes of errors in recipients (-oe…).
enum class Errors : std::uint8_t { print, mail, exit, quiet };

struct Options {
  Mode mode = Mode::submit;
  bool extract = false;                  // -t
  bool dot_ends = true;                  // off with -i, -oi
  bool verbose = false;                  // -v
  bool json = false;                     // --json
  bool undelivered_only = false;         // -bpu, -bpru
  bool unsorted = false;                 // -bpr, -bpru, -bpra
  bool rmail = false;                    // a leading From_ line names the sender
  Errors errors = Errors::print;
  std::optional<std::string> sender;     // -f, -r: as given
  std::string full_name;                 // -F
  std::string config_file;               // -C; "" for the default
  std::string queue_verb;                // the daemon's word for it: "remove"; of `show`: "envelope"
  std::string match_recipient, match_sender, match_id;   // -qR -qS -qI
  bool force_frozen = false;             // -qff; -qf asks for no more than -q does
  std::uint8_t notify = 0;               // -N, bits of mail::Notify
  mail::Return ret = mail::Return::unspecified;   // -R
  mail::Body body = mail::Body::unspecified;      // -B
  std::string envid;                     // -V, xtext
  std::vector<std::string> arguments;    // recipients, addresses or ids; of -Mar, -Mes, -Mmd an id and addresses
};

Result<Options> parse_options(const std::vector<std::string_view>& argv);

}  // namespace mansio::sendmail
