// Everything the router looks at, read once into an immutable snapshot: the configuration with its domain lists,
// the aliases with their :include: files, the files of virtual users. Read on a disk thread; a reload makes a new one.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/match.hpp"
#include "route/aliases.hpp"
#include "table/passwd_file.hpp"
#include "table/list.hpp"

namespace mansio::route {

struct Tables {
  config::ConfigPtr config;
  config::DomainList local, relay_to;                        // look-ups replaced by what their files hold
  config::NetworkList relay_from;                            // likewise
  std::vector<config::DomainList> route_domains;             // beside config->routes
  std::vector<config::SenderList> route_senders;             // likewise; of no account where the route has no senders
  std::vector<bool> route_unsure;                            // likewise: a list could not be read, so "no" may be wrong
  std::map<std::string, std::string, std::less<>> alias_domains;   // from → to, keys
  AliasTable aliases;
  std::map<std::string, std::vector<Target>, std::less<>> includes;     // by path
  std::map<std::string, table::VirtualUsers, std::less<>> virtual_users;       // by path

  std::vector<table::FileStamp> files;       // all that was read, or would have been
  std::vector<std::string> problems;         // "file:line: text", for the log and `mansiod check`
  // A file could not be read, so "no" may be wrong: what isn't found is deferred instead of refused.
  std::string trouble;
};

using TablesPtr = std::shared_ptr<const Tables>;

struct TableOptions {
  // Commands and files count only in alias files that this user or root owns and nobody else may write. The daemon's
  // own uid when everything runs as an ordinary user, else root.
  uid_t trusted_owner = 0;
};

// Blocks. Never fails as a whole: what is wrong stands in `problems`, and what it makes doubtful is deferred.
TablesPtr load_tables(config::ConfigPtr config, TableOptions options);

// Blocks for a stat a file. True when load_tables would find something new.
bool tables_changed(const Tables& tables);

}  // namespace mansio::route
