// The fields that w3clog may have (log.w3c_fields), in the order that the SMTP service of Windows wrote them. lib/log/w3c.cpp
// knows what they hold; test/receive/w3c_fields_test.cpp holds the two together.
#pragma once
#include <array>
#include <string_view>

namespace mansio::config {

inline constexpr auto w3c_fields = std::to_array<std::string_view>({
  "date", "time", "c-ip", "cs-username", "s-sitename", "s-computername", "s-ip", "s-port", "cs-method", "cs-uri-stem", "cs-uri-query", "sc-status",
  "sc-win32-status", "sc-bytes", "cs-bytes", "time-taken", "cs-version", "cs-host", "cs(User-Agent)", "cs(Cookie)", "cs(Referer)",
});

}  // namespace mansio::config
