// Which files set-up would change, and whether the configuration would hold with them. Pure: files come in as texts, and
// the caller writes.
#pragma once
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "config/problem.hpp"
#include "config/reader.hpp"
#include "setup/answers.hpp"

namespace mansio::setup {

// What is there now.
struct Present {
  Present() = default;
  std::string main_file;                     // absolute path
  std::vector<config::Source> sources;       // as read_sources() gives them; empty: there is no configuration
  std::optional<std::string> credentials;    // text of the file of credentials
  config::MachineFacts facts;
};

struct FileChange {
  std::string path, before, after;
  bool secret = false;                       // mode 0600, and not to be shown
};

struct Plan {
  std::vector<FileChange> changes;           // in the order in which they are to be written; none: all is so already
  config::ConfigPtr config;                  // as it will be
  std::vector<std::string> notes;            // what was left as it is, and why
};

std::string site_file(const std::string& main_file);           // …/conf.d/10-setup.conf
std::string credentials_file(const std::string& main_file);    // …/smart_host.secret

// Problems: what stands in the way, each with what to do.
std::expected<Plan, config::Problems> make_plan(const Answers& answers, const Present& present);

}  // namespace mansio::setup
