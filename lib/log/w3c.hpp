// The W3C extended log format, as the SMTP service of IIS wrote it: a line for each command with its reply, in UTC, blank
// between fields, "-" for what is not known (docs/logs.md). For tools that read those logs; what is for people is in the main
// log. Pure. Values from outside are escaped: a blank is "+", all else that is no printable ASCII, and "+", "%" and '"', are %XX.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"

namespace mansio::log {

struct Exchange {
  Time time{};                       // of the reply
  std::string client_address{};      // c-ip: of the other side
  std::string user{};                // cs-username: the log-in, else what the client calls itself
  std::string site{}, computer{};    // s-sitename, s-computername
  std::string server_address{};      // s-ip
  std::uint16_t server_port = 0;     // s-port
  std::string method{}, query{};     // cs-method, cs-uri-query: the command and its argument; no secrets
  std::uint16_t status = 0;          // sc-status
  std::uint64_t sent = 0, received = 0;    // sc-bytes, cs-bytes
  Duration taken{};                  // time-taken, in milliseconds
  std::string protocol{"SMTP"};      // cs-version
};

class W3cFormat {
 public:
  // Names of fields; none: all, in the order of IIS. A name that isn't known is "-" in each line.
  explicit W3cFormat(const std::vector<std::string>& fields);

  // "#Software", "#Version", "#Date" and "#Fields", each with its '\n'.
  std::string header(Time now) const;
  std::string line(const Exchange& exchange) const;      // with '\n'

  static std::vector<std::string> all_fields();

 private:
  std::vector<std::string> fields_;
};

}  // namespace mansio::log
