// The configuration read and looked at as a whole, files that it names included: what `mansiod check` and `mansioctl check`
// have in common. Blocks.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "config/problem.hpp"
#include "identity.hpp"
#include "route/tables.hpp"
#include "secrets.hpp"
#include "sources.hpp"

namespace mansio::daemon {

struct LoadedConfiguration {
  Sources sources;
  config::ConfigPtr config;
};

// All mistakes of all files.
std::expected<LoadedConfiguration, config::Problems> load_configuration(const std::string& path);

struct CheckedFiles {
  route::TablesPtr tables;
  std::vector<std::string> problems;       // "file:line: text", or "setting: file: text"
  std::vector<SecretFile> hidden;          // not looked at, for this user may not read them
};

// Aliases, lists, users' files, certificates, keys and passwords, as the daemon will read them.
CheckedFiles check_files(const config::ConfigPtr& config);

}  // namespace mansio::daemon
