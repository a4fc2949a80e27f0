#include "kerberos/principal.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "sasl/server.hpp"

namespace mansio::kerberos {

std::string_view realm_of(std::string_view principal) {
  auto at = principal.rfind('@');
  return at == std::string_view::npos ? std::string_view() : principal.substr(at + 1);
}

std::string login_of(std::string_view principal, const std::vector<std::string>& realms) {
  std::string_view realm = realm_of(principal);
  if (realm.empty() || std::ranges::find(realms, realm) == realms.end()) return {};
  std::string_view name = principal.substr(0, principal.size() - realm.size() - 1);
  bool odd = name.empty() || name.size() > sasl::user_max || name.find_first_of("/@\\ ") != std::string_view::npos;
  if (odd || has_control(name) || !is_utf8(name)) return {};
  return to_lower(name);
}

}  // namespace mansio::kerberos
