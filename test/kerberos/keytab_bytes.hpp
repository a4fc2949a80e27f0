// Keytabs for tests, as MIT krb5's documents write the format (version 2, big-endian).
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mansio::kerberos {

inline std::string number(std::uint32_t value, int octets) {
  std::string out;
  for (int i = octets - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

inline std::string counted(std::string_view text) { return number(static_cast<std::uint32_t>(text.size()), 2) + std::string(text); }

// A key of AES-256 of a principal whose parts are given.
inline std::string keytab_entry(const std::vector<std::string>& parts, std::string_view realm, unsigned version = 1) {
  std::string entry = number(static_cast<std::uint32_t>(parts.size()), 2) + counted(realm);
  for (const auto& part : parts) entry += counted(part);
  entry += number(1, 4) + number(1'700'000'000, 4) + number(version, 1) + number(18, 2) + counted(std::string(32, 'k')) + number(version, 4);
  return number(static_cast<std::uint32_t>(entry.size()), 4) + entry;
}

inline const std::string keytab_start("\x05\x02", 2);

}  // namespace mansio::kerberos
