// Lines of Dovecot's auth client protocol, version 1 (doc.dovecot.org, "Authentication Protocol"): a command and
// parameters between tabs, LF at the end; tab, CR, LF, NUL and \001 in a parameter are escaped by \001. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/backend.hpp"
#include "base/result.hpp"

namespace mansio::auth {

inline constexpr std::size_t dovecot_line_limit = 16384;   // without the LF

struct DovecotLine {
  enum class Kind : std::uint8_t { version, mechanism, done, accepted, denied, challenge, other };
  Kind kind = Kind::other;
  std::uint32_t id = 0;        // accepted, denied, challenge; version: the major number
  std::string name;            // mechanism; accepted: the user, or ""
  bool temporary = false;      // denied: Dovecot's own trouble
};
Result<DovecotLine> parse_dovecot_line(std::string_view line);

std::string escape_dovecot(std::string_view text);
std::string unescape_dovecot(std::string_view text);

// "AUTH\tID\tMECHANISM\t…resp=BASE64\n". The message holds a password or token, and so does the line.
crypto::Secret make_dovecot_request(std::uint32_t id, std::string_view mechanism, std::string_view service,
                                    const Facts& facts, std::string_view message);

}  // namespace mansio::auth
