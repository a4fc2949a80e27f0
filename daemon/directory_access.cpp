#include "directory_access.hpp"

#include "base/text.hpp"

namespace mansio::daemon {

ldap::Access directory_access(const config::Ldap& settings, const Secrets& secrets) {
  ldap::Access out;
  if (!settings.authorities.empty()) {
    const std::string* bytes = secrets.find(settings.authorities);
    if (bytes == nullptr) out.problem = secrets.problem(settings.authorities);
    else if (trim(*bytes).empty()) out.problem = settings.authorities + ": it is empty";      // which would mean the system's
    else out.authorities = *bytes;
  }
  if (settings.password_file.empty()) return out;
  const std::string* bytes = secrets.find(settings.password_file);
  if (bytes == nullptr) {
    out.problem = secrets.problem(settings.password_file);
    return out;
  }
  std::string_view line = *bytes;
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) out.problem = settings.password_file + ": its first line, the password, is empty";
  out.password = crypto::Secret(line);
  return out;
}

}  // namespace mansio::daemon
