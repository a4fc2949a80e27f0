// Everything the router looks at, read once into an immutable snapshot: the configuration with its domain lists,
// the aliases with their :include: files, the files of virtual users. Read on a disk thread; a reload makes a new one.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/clients.hpp"
#include "config/config.hpp"
#include "config/match.hpp"
#include "route/aliases.hpp"
#include "table/passwd_file.hpp"
#include "table/list.hpp"

namespace mansio::route {

// Which clients may connect, and which may send to anywhere; look-ups replaced by what their files hold.
struct ClientTables {
  config::ClientPolicy access, relay;
};

// What a listener is known by, also when a reload has put others before it: "192.0.2.1 25", "unix:/path".
std::string key_of(const config::Listener& listener);

struct Tables {
  config::ConfigPtr config;
  config::DomainList local, relay_to, hold_for_etrn;         // look-ups replaced by what their files hold
  ClientTables clients;                                      // of whoever comes by no listener of those below
  std::map<std::string, ClientTables, std::less<>> listener_clients;     // by key_of the listener
  config::ClientList etrn_from;
  std::vector<config::DomainList> route_domains;             // beside config->routes
  std::vector<config::SenderList> route_senders;             // likewise; of no account where the route has no senders
  std::vector<bool> route_unsure;                            // likewise: a list could not be read, so "no" may be wrong
  std::vector<config::DomainList> settings_domains;          // beside config->domain_settings
  std::vector<bool> settings_unsure;                         // likewise: its list could not be read
  std::vector<config::DomainList> retry_domains;             // beside config->retry
  std::map<std::string, std::string, std::less<>> alias_domains;   // from → to, keys
  AliasTable aliases;
  std::map<std::string, std::vector<Target>, std::less<>> includes;     // by path
  std::map<std::string, table::VirtualUsers, std::less<>> virtual_users;       // by path

  std::vector<table::FileStamp> files;       // all that was read, or would have been
  std::vector<std::string> problems;         // "file:line: text", for the log and `mansiod check`
  // A file could not be read, so "no" may be wrong: what isn't found is deferred instead of refused.
  std::string trouble;

  // The group of domain_settings that a domain (as Domain::key()) has; null: none. `unsure`: nobody knows, for a list could
  // not be read.
  const config::DomainSettings* settings_of(std::string_view domain, bool* unsure = nullptr) const;
  // The transport as it is for that domain; it holds the configuration.
  std::shared_ptr<const config::Transport> transport_for(const config::Transport& transport, std::string_view domain, bool* unsure) const;
};

// The rules of a listener; null: the configuration has it no more.
const ClientTables* clients_of(const Tables& tables, std::string_view listener);

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
