#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "ctl/check_machine.hpp"
#include "ctl/system_users.hpp"
#include "event/loop.hpp"
#include "event/scope.hpp"
#include "route/router.hpp"

namespace mansio::ctl {
namespace {

using doctor::Finding;
using doctor::Findings;
using doctor::State;

constexpr std::size_t most_told = 50;        // aliases that lead nowhere; more are counted

struct Line {
  Line(std::string k, mail::Address a) : key(std::move(k)), target(std::move(a)) {}
  std::string key;
  mail::Address target;
};

// What the aliases lead to on this machine, sorted: tables have no order of their own.
std::vector<Line> local_targets(const route::Tables& tables, const route::Router& router) {
  std::vector<Line> out;
  tables.aliases.for_each([&](const std::string& key, const std::vector<route::Target>& targets) {
    auto at = key.find('@');
    std::string domain = at == std::string::npos ? tables.config->mail_name : key.substr(at + 1);
    for (const route::Target& target : targets) {
      auto address = target.address;
      if (target.kind == route::TargetKind::name) {
        auto local = mail::LocalPart::from_unquoted(target.text);
        auto parsed = mail::Domain::parse(domain);
        if (local && parsed) address.emplace(std::move(*local), std::move(*parsed));
      }
      if (address && router.is_local(address->domain())) out.emplace_back(key, std::move(*address));
    }
  });
  std::ranges::sort(out, [](const Line& a, const Line& b) { return std::pair(a.key, a.target.text()) < std::pair(b.key, b.target.text()); });
  return out;
}

// Directories are the daemon's to ask: what leads there can't be told here.
bool asks_directories(const config::Config& config) {
  return !config.alias_look_ups.empty() ||
         std::ranges::any_of(config.routes, [](const config::Route& route) { return route.users.kind == config::UsersKind::ldap; });
}

event::Task<> check_aliases(const route::Tables& tables, route::Router& router, Findings* out) {
  if (tables.config->aliases.empty()) {
    out->emplace_back("aliases", State::note, "none: the setting aliases names no file, and there is no /etc/aliases");
    co_return;
  }
  std::size_t nowhere = 0, untold = 0;
  bool directories = asks_directories(*tables.config);
  auto lines = local_targets(tables, router);
  for (const Line& line : lines) {
    auto verdict = co_await router.verify(line.target, "");
    if (verdict.standing != route::Standing::refused) continue;
    bool unsure = verdict.status.temporary();
    if (unsure && directories) {
      ++untold;
      continue;
    }
    if (++nowhere > most_told) continue;
    out->emplace_back("aliases", unsure ? State::warning : State::bad,
                      fmt::format("{}: {} leads to {}: {}", tables.config->aliases, line.key, line.target.text(), verdict.status.text()),
                      unsure ? "its mail waits until that can be told" : "its mail comes back to the sender: make the user, or change the line");
  }
  if (nowhere > most_told) out->emplace_back("aliases", State::bad, fmt::format("{} more like these", nowhere - most_told));
  if (untold > 0) out->emplace_back("aliases", State::note, fmt::format("{} of them lead where a directory would have to be asked, which this check does not do", untold));
  else if (nowhere == 0) out->emplace_back("aliases", State::ok, fmt::format("{}: {} entries, and everybody they lead to is there", tables.config->aliases, tables.aliases.size()));
}

event::Task<> check_postmaster(const route::Tables& tables, route::Router& router, Findings* out) {
  auto resolution = co_await router.resolve(router.postmaster(), "");
  Status status = resolution.status();
  std::string address = router.postmaster().text();
  if (status.ok() && !resolution.destinations.empty()) {
    const route::Destination& first = resolution.destinations.front();
    bool lost = first.kind == route::DestinationKind::discard;
    std::string where = first.path.empty() ? first.address.text() : first.path;
    if (lost) out->emplace_back("postmaster", State::warning, address + " is thrown away", "let a person read it (RFC 5321 §4.5.1)");
    else out->emplace_back("postmaster", State::ok, fmt::format("{} goes to {}", address, where));
    co_return;
  }
  if (status.temporary() && asks_directories(*tables.config)) {
    out->emplace_back("postmaster", State::note, address + ": a directory would have to be asked, which this check does not do");
    co_return;
  }
  out->emplace_back("postmaster", status.temporary() ? State::warning : State::bad, fmt::format("{}: {}", address, status.line()),
                    "everybody must be able to write to postmaster (RFC 5321 §4.5.1): name somebody in the aliases, or set postmaster");
}

event::Task<> check_all(const route::Tables& tables, route::Router& router, Findings* out) {
  co_await check_aliases(tables, router, out);
  co_await check_postmaster(tables, router, out);
}

}  // namespace

Findings check_addresses(const route::TablesPtr& tables, const daemon::ServiceUser& user) {
  Findings out;
  SystemUsers users;
  route::RouterOptions options;
  options.service_uid = user.uid;
  options.service_gid = user.gid;
  options.service_user = user.name;
  auto router = std::make_shared<route::Router>(tables, users, options);
  event::Loop loop;
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  scope.spawn(check_all(*tables, *router, &out));
  loop.run();
  for (const auto& [path, virtual_users] : tables->virtual_users) {
    out.emplace_back("users", State::ok, fmt::format("{}: {} users", path, virtual_users.size()));
  }
  return out;
}

}  // namespace mansio::ctl
