// Events as lines of Exim's grammar, so that exigrep, eximstats and fail2ban read them. Pure.
// Every value from outside is escaped: one event is one line, whatever a peer sent. Words (addresses, names) hold
// no blank either, so that nobody can imitate a field: a blank in a quoted local part is shown as \x20.
#pragma once
#include <string>
#include <string_view>

#include "base/quantity.hpp"
#include "log/event.hpp"

namespace mansio::log {

// "YYYY-MM-DD HH:MM:SS" in local time; keeps the last second, as most lines share it. Not for several threads.
class Stamp {
 public:
  std::string_view text(Time time);

 private:
  std::int64_t second_ = -1;
  std::string text_;
};

// The line without its time stamp and without '\n'.
std::string format_line(const Event& event);
// The whole line, without '\n'.
std::string format_text(const Event& event, Time time);
// What the reject log shows below the line: envelope and header lines, each indented and ended by '\n'; "" for none.
std::string format_reject_details(const Rejection& rejection);

}  // namespace mansio::log
