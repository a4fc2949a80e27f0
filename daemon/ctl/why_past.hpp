// What `why` knows of the past, out of our logs, the rotated ones too: of one message all, of an address the last word that
// a host said. Reads files: also when the daemon is down.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ctl/daemon_link.hpp"
#include "ctl/page.hpp"
#include "history/reader.hpp"

namespace mansio::ctl {

struct Past {
  Json events = Json::array();         // {"time","what",...} in order of time; man/mansioctl.8 has the keys
  std::vector<std::string> problems;   // logs that can't be read
  bool denied = false;                 // because of who asks
};

Past read_past(const std::string& log_directory, const std::string& id);
// The last thing that was said of one of `addresses`, else of any at `domain`, by another host or by us; null when the logs of
// the last days tell of none. Bounded in lines: an old word is not worth the wait.
Json last_word(const std::string& log_directory, const std::set<std::string>& addresses, const std::string& domain);

// Of one record, as in Past::events; null for what is of no account here.
Json describe_event(const history::Record& record);

void show_past(const Json& events, Page& page);
// "1abc… from a@x.test to b@y.test was delivered 3d ago (…)": of a message that is gone.
std::string past_sentence(const std::string& id, const Json& events, std::int64_t now);
// "put off x@y.test: mx.test [192.0.2.1]:25 said 450 4.2.0 greylisted": of one event.
std::string event_text(const Json& event);

}  // namespace mansio::ctl
