// From configuration files to a snapshot, or to the list of all that is wrong with them. The two halves are apart:
// `read_sources` opens files (main file, then conf.d/*.conf beside it in name order), `parse` is pure, so that another
// process than the one that may read the files can parse them.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/problem.hpp"
#include "config/tree.hpp"

namespace mansio::config {

// What the configuration takes from the machine where it says nothing itself.
struct MachineFacts {
  std::string host_name = "localhost";           // fully qualified
  std::string mail_name;                         // of /etc/mailname; "" for host_name's
  std::string aliases;                           // "/etc/aliases" if it exists, else ""
  std::string instance{};                        // config/instance.hpp
};

// All mistakes of all sources, in their order. `sources` is not empty; the first is the main file, whose directory
// (made absolute against `/` only: pass an absolute path) relative paths are taken from.
std::expected<ConfigPtr, Problems> parse(const std::vector<Source>& sources, const MachineFacts& facts);

std::expected<std::vector<Source>, Problems> read_sources(const std::string& path);

// Asks the resolver for the machine's full name, but only when the sources don't give host_name: it may block.
MachineFacts machine_facts(const std::vector<Source>& sources);

// The three in one. Blocks; for start-up and reload, never on the event loop.
std::expected<ConfigPtr, Problems> load(const std::string& path);

}  // namespace mansio::config
