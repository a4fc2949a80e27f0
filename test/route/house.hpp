// A house for the router's tests: users, domains, transports and routes; the tests give aliases.
#pragma once
#include <catch2/catch.hpp>

#include "event/run_ready.hpp"
#include "route/router.hpp"

namespace mansio::route {
namespace {

// A user database in memory that answers at once.
class Users final : public UserDirectory {
 public:
  event::Task<Result<std::optional<User>>> find(std::string name, bool with_forward) override {
    ++asked;
    if (name == "slow") co_return fail(Fault::timed_out, "the database does not answer");
    auto it = users.find(name);
    if (it == users.end()) co_return std::optional<User>();
    User user = it->second;
    if (!with_forward) user.forward.reset();
    co_return std::optional<User>(std::move(user));
  }
  void add(const std::string& name, uid_t uid, std::optional<std::string> forward = std::nullopt) {
    User user;
    user.name = name;
    user.uid = uid;
    user.gid = uid + 1;
    user.home = "/home/" + name;
    user.forward = std::move(forward);
    users[name] = user;
  }
  std::map<std::string, User> users;
  int asked = 0;
};

inline mail::Address address(const std::string& text) { return mail::Address::parse(text).value(); }

struct House {
  Users users;
  std::shared_ptr<config::Config> config = std::make_shared<config::Config>();
  std::shared_ptr<Tables> tables = std::make_shared<Tables>();

  House() {
    config->mail_name = "example.org";
    config->host_name = "mail.example.org";
    config->postmaster = "admin@example.org";
    config->domains.local = {"example.org", "virtual.test", "list.test", "drop.test"};
    config->domains.relay_to = {"branch.test"};
    config->domains.alias = {{"example.net", "example.org"}};
    auto transport = [&](const char* name, config::TransportKind kind, const char* path) {
      config::Transport t;
      t.name = name;
      t.kind = kind;
      t.path = t.directory = path;
      config->transports.push_back(t);
    };
    transport("mailbox", config::TransportKind::maildir, "~/Maildir");
    transport("virtual", config::TransportKind::mbox, "/srv/{domain}/{local}");
    transport("drop", config::TransportKind::drop, "/srv/drop");
    transport("program", config::TransportKind::pipe, "");
    transport("internet", config::TransportKind::smtp, "");
    config->transports[3].command = {"/bin/deliver", "{local}", "--from={sender}"};
    add_route("virtual", {"virtual.test"}, "virtual", config::UsersKind::passwd_file);
    add_route("list", {"list.test"}, "program", config::UsersKind::list);
    add_route("drop", {"drop.test", "branch.test"}, "drop", config::UsersKind::none);
    add_route("local", {"example.org"}, "mailbox", config::UsersKind::system);
    add_route("everywhere", {"*"}, "internet", config::UsersKind::none);
    users.add("bob", 1001);
    users.add("carol", 1002);
    users.add("admin", 1003);
    users.add("bob+vip", 1004);
  }

  void add_route(const char* name, std::vector<std::string> domains, const char* transport, config::UsersKind users_kind) {
    config::Route route;
    route.name = name;
    route.domains = std::move(domains);
    route.transport = transport;
    route.users.kind = users_kind;
    route.users.list = {"sales", "info"};
    route.users.passwd_file = "/users";
    config->routes.push_back(route);
  }

  Router router(const std::string& aliases = "", const std::string& passwd = "dave@virtual.test:x:2000:2001::/home/dave\nerin:x\nbroken:x:y\n") {
    tables->config = config;
    tables->local = config::DomainList(config->domains.local);
    tables->relay_to = config::DomainList(config->domains.relay_to);
    tables->route_domains.clear();
    tables->route_senders.clear();
    for (const auto& route : config->routes) tables->route_domains.emplace_back(route.domains);
    for (const auto& route : config->routes) tables->route_senders.emplace_back(route.senders);
    tables->route_unsure.resize(config->routes.size());
    for (const auto& alias : config->domains.alias) tables->alias_domains[alias.from] = alias.to;
    tables->aliases = parse_aliases(aliases).table;
    tables->virtual_users["/users"] = table::parse_passwd_file(passwd).users;
    RouterOptions options;
    options.service_uid = 500;
    options.service_gid = 501;
    options.service_user = "mansio";
    options.own_addresses = {"127.0.0.1", "192.0.2.7", "2001:db8::7"};
    return Router(tables, users, options);
  }
};

}  // namespace
}  // namespace mansio::route
