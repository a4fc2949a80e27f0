#include "route/tables.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace mansio::route {
namespace {

class Loader {
 public:
  Loader(Tables& out, TableOptions options) : out_(out), options_(options) {}

  config::DomainList domains(const std::vector<std::string>& patterns) { return config::DomainList(filled(patterns, domain_pattern)); }
  config::SenderList senders(const std::vector<std::string>& patterns) { return config::SenderList(filled(patterns, config::canonical_sender)); }
  // Since the last call: was every list read?
  bool all_read() { return !std::exchange(unread_, false); }

  // Each list is read once, however many listeners have it.
  config::ClientList clients(const std::vector<std::string>& entries) {
    auto known = client_lists_.find(entries);
    if (known != client_lists_.end()) return known->second;
    bool before = std::exchange(unread_, false);
    std::vector<std::string> all = filled(entries, config::canonical_client);
    bool incomplete = std::exchange(unread_, before);
    return client_lists_.emplace(entries, config::ClientList(all, incomplete)).first->second;
  }

  ClientTables client_tables(const config::ClientRules& access, const config::ClientRules& relay) {
    static const std::vector<std::string> everybody{"*"};
    ClientTables out;
    out.access = config::ClientPolicy(clients(access.allow.empty() ? everybody : access.allow), clients(access.deny));
    out.relay = config::ClientPolicy(clients(relay.allow), clients(relay.deny));
    return out;
  }

  void aliases(const std::string& path) {
    auto file = read(path, Missing::is_empty);
    if (!file) return;
    auto parsed = parse_aliases(file->text);
    report(path, parsed.problems);
    out_.aliases = std::move(parsed.table);
    bool trusted = is_trusted(file->stamp);
    std::vector<std::string> includes;
    out_.aliases.for_each_target([&](Target& target) {
      if (!trusted) disarm(path, target);
      if (target.kind == TargetKind::include) includes.push_back(target.text);
    });
    for (std::size_t i = 0; i < includes.size() && i < include_limit; ++i) {
      std::string next = includes[i];   // `includes` grows meanwhile
      include(next, includes);
    }
  }

  void virtual_users(const std::string& path) {
    if (path.empty() || out_.virtual_users.contains(path)) return;
    auto file = read(path, Missing::is_trouble);
    if (!file) return;
    auto parsed = table::parse_passwd_file(file->text);
    report(path, parsed.problems);
    out_.virtual_users.emplace(path, std::move(parsed.users));
  }

 private:
  enum class Missing { is_empty, is_trouble };
  static constexpr std::size_t include_limit = 10000;

  std::optional<table::TableFile> read(const std::string& path, Missing missing) {
    auto file = table::read_table_file(path);
    out_.files.push_back(file ? file->stamp : table::stamp_of(path));
    if (file) return std::move(*file);
    if (file.error().fault() == Fault::not_found && missing == Missing::is_empty) return std::nullopt;
    out_.problems.push_back(file.error().text());
    out_.trouble = file.error().text();
    return std::nullopt;
  }

  using Pattern = Result<std::string>(std::string_view);

  static Result<std::string> domain_pattern(std::string_view entry) {
    if (entry == "*") return std::string(entry);
    bool below = entry.starts_with("*.");
    auto name = config::canonical_domain(entry.substr(below ? 2 : 0));
    return name && below ? "*." + *name : name;
  }

  // `patterns` with each look-up replaced by what its file holds.
  std::vector<std::string> filled(const std::vector<std::string>& patterns, Pattern* canonical) {
    std::vector<std::string> all;
    for (const auto& pattern : patterns) {
      auto path = table::path_of_look_up(pattern);
      if (path.empty()) all.push_back(pattern);
      else add_entries_of(path, canonical, all);
    }
    return all;
  }

  void add_entries_of(const std::string& path, Pattern* canonical, std::vector<std::string>& all) {
    auto file = read(path, Missing::is_trouble);
    unread_ = unread_ || !file;
    if (!file) return;
    auto entries = table::parse_list(file->text);
    if (!entries) {
      unread_ = true;
      out_.trouble = path + ": " + entries.error().text();
      out_.problems.push_back(out_.trouble);
      return;
    }
    for (const auto& entry : *entries) {
      auto name = canonical(entry);
      if (name) all.push_back(*name);
      else out_.problems.push_back(path + ": " + name.error().text());
    }
  }

  void include(const std::string& path, std::vector<std::string>& more) {
    if (out_.includes.contains(path)) return;
    // An include that can't be read leads to no targets; the router defers it.
    auto file = read_include(path);
    if (!file) return;
    auto parsed = parse_target_file(file->text);
    report(path, parsed.problems);
    bool trusted = is_trusted(file->stamp);
    for (auto& target : parsed.list) {
      if (!trusted) disarm(path, target);
      if (target.kind == TargetKind::include) more.push_back(target.text);
    }
    out_.includes.emplace(path, std::move(parsed.list));
  }

  std::optional<table::TableFile> read_include(const std::string& path) {
    auto file = table::read_table_file(path);
    out_.files.push_back(file ? file->stamp : table::stamp_of(path));
    if (file) return std::move(*file);
    out_.problems.push_back(file.error().text());
    return std::nullopt;
  }

  bool is_trusted(const table::FileStamp& stamp) const {
    return (stamp.owner == 0 || stamp.owner == options_.trusted_owner) && (stamp.mode & (S_IWGRP | S_IWOTH)) == 0;
  }

  // A command or file that somebody other than root may have written is not run, nor written; its mail waits.
  void disarm(const std::string& path, Target& target) {
    if (target.kind != TargetKind::command && target.kind != TargetKind::file) return;
    out_.problems.push_back(fmt::format("{}: commands and files are not used from this file: only root may own and write it", path));
    auto line = target.line;
    target = Target();
    target.line = line;
    target.text = "the alias may not run programs or write files";
  }

  void report(const std::string& path, const std::vector<TargetProblem>& problems) {
    for (const auto& problem : problems) out_.problems.push_back(fmt::format("{}:{}: {}", path, problem.line, problem.text));
  }

  Tables& out_;
  TableOptions options_;
  bool unread_ = false;
  std::map<std::vector<std::string>, config::ClientList> client_lists_;
};

}  // namespace

TablesPtr load_tables(config::ConfigPtr config, TableOptions options) {
  auto out = std::make_shared<Tables>();
  out->config = config;
  Loader loader(*out, options);
  out->local = loader.domains(config->domains.local);
  out->relay_to = loader.domains(config->domains.relay_to);
  out->hold_for_etrn = loader.domains(config->domains.hold_for_etrn);
  config::ClientRules relay;
  relay.allow = config->relay_from;
  relay.deny = config->relay_deny;
  out->clients = loader.client_tables(config->access, relay);
  for (const auto& listener : config->listeners) {
    out->listener_clients[key_of(listener)] = loader.client_tables(listener.access.value_or(config->access), listener.relay.value_or(relay));
  }
  out->etrn_from = loader.clients(config->domains.etrn_from.empty() ? std::vector<std::string>{"*"} : config->domains.etrn_from);
  for (const auto& route : config->routes) {
    loader.all_read();
    out->route_domains.push_back(loader.domains(route.domains));
    out->route_senders.push_back(loader.senders(route.senders));
    out->route_unsure.push_back(!loader.all_read());
    if (route.users.kind == config::UsersKind::passwd_file) loader.virtual_users(route.users.passwd_file);
  }
  for (const auto& group : config->domain_settings) {
    loader.all_read();
    out->settings_domains.push_back(loader.domains(group.domains));
    out->settings_unsure.push_back(!loader.all_read());
  }
  for (const auto& rule : config->retry) out->retry_domains.push_back(loader.domains(rule.domains));
  for (const auto& alias : config->domains.alias) out->alias_domains.emplace(alias.from, alias.to);
  if (!config->aliases.empty()) loader.aliases(config->aliases);
  return out;
}

const config::DomainSettings* Tables::settings_of(std::string_view domain, bool* unsure) const {
  for (std::size_t i = 0; i < settings_domains.size(); ++i) {
    if (settings_domains[i].matches(domain)) return &config->domain_settings[i];
    if (settings_unsure[i] && unsure != nullptr) {
      *unsure = true;
      return nullptr;
    }
  }
  return nullptr;
}

std::shared_ptr<const config::Transport> Tables::transport_for(const config::Transport& transport, std::string_view domain, bool* unsure) const {
  const config::DomainSettings* group = settings_of(domain, unsure);
  const config::Transport* variant = group != nullptr ? group->transport(transport.name) : nullptr;
  return std::shared_ptr<const config::Transport>(config, variant != nullptr ? variant : &transport);
}

std::string key_of(const config::Listener& listener) {
  if (listener.address.starts_with("unix:")) return listener.address;
  return fmt::format("{} {}", listener.address, listener.port != 0 ? std::to_string(listener.port) : listener.setting);     // free ports are one each
}

const ClientTables* clients_of(const Tables& tables, std::string_view listener) {
  auto it = tables.listener_clients.find(listener);
  return it == tables.listener_clients.end() ? nullptr : &it->second;
}

bool tables_changed(const Tables& tables) { return std::ranges::any_of(tables.files, table::has_changed); }

}  // namespace mansio::route
