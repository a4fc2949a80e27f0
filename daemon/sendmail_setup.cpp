#include "sendmail_setup.hpp"

#include <pwd.h>
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/reader.hpp"

namespace mansio::sendmail {
namespace {

Setup without_config() {
  config::MachineFacts facts = config::machine_facts({});
  Setup setup;
  setup.host_name = facts.host_name;
  setup.mail_name = facts.mail_name.empty() ? facts.host_name : facts.mail_name;
  return setup;
}

// The gecos field up to the first comma, '&' for the capitalised login name, as finger shows it.
std::string full_name_of(std::string_view gecos, const std::string& user) {
  std::string out;
  for (char c : gecos.substr(0, gecos.find(','))) {
    if (c != '&') out += c;
    else if (!user.empty()) out += ascii_upper(user[0]) + user.substr(1);
  }
  return has_control(out) ? std::string() : std::string(trim(out));
}

}  // namespace

Result<Setup> load_setup(const std::string& config_file) {
  std::error_code error;
  std::string path = config_file.empty() ? MANSIO_CONFIG : std::filesystem::absolute(config_file, error).string();
  if (error) return fail(Fault::invalid, "-C: the current directory can't be told");
  if (config_file.empty() && ::access(path.c_str(), F_OK) != 0) return without_config();
  auto loaded = config::load(path);
  if (!loaded) {
    if (config_file.empty()) return without_config();
    return fail(Fault::invalid, fmt::format("{}: not a usable configuration file ({} mistakes; mansiod check shows them)",
                                            escape(path), loaded.error().size()));
  }
  const config::Config& config = **loaded;
  Setup setup;
  setup.run_directory = config.run_directory;
  setup.spool_directory = config.spool_directory;
  setup.log_directory = config.log_directory;
  setup.host_name = config.host_name;
  setup.mail_name = config.mail_name;
  setup.remove_arguments = config.extract_addresses_remove_arguments;
  return setup;
}

Caller caller() {
  const passwd* entry = ::getpwuid(::getuid());
  Caller who;
  if (entry == nullptr) {
    who.user = fmt::format("uid{}", ::getuid());
    return who;
  }
  who.user = entry->pw_name;
  who.full_name = full_name_of(entry->pw_gecos ? entry->pw_gecos : "", who.user);
  return who;
}

}  // namespace mansio::sendmail
