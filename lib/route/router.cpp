#include "route/router.hpp"

#include "base/text.hpp"
#include "route/expansion.hpp"

namespace mansio::route {
namespace {

// "postmaster" in the domain of our unqualified addresses. The configuration has checked the names; should one be
// none after all, the address is one that can't be reached from outside.
mail::Address postmaster_of(const config::Config& config) {
  for (const std::string* domain : {&config.mail_name, &config.host_name}) {
    auto address = mail::Address::parse("postmaster@" + *domain);
    if (address) return *address;
  }
  return *mail::Address::parse("postmaster@localhost");
}

// What domain_settings says of the domain is more than what relay_to says. A group whose list can't be read may be the one
// that would say no.
bool is_relayed(const Tables& tables, const mail::Domain& domain) {
  bool unsure = false;
  const config::DomainSettings* group = tables.settings_of(domain.key(), &unsure);
  if (unsure) return false;
  return group != nullptr && group->relay ? *group->relay : tables.relay_to.matches(domain.key());
}

}  // namespace

Router::Router(TablesPtr tables, UserDirectory& users, RouterOptions options)
    : tables_(std::move(tables)), users_(users), options_(std::move(options)), postmaster_(postmaster_of(*tables_->config)) {}

bool Router::is_postmaster(const mail::Address& address) const { return route::is_postmaster(*tables_, address); }

bool Router::is_local(const mail::Domain& domain) const {
  auto canonical = canonical_domain(*tables_, options_, domain);
  return tables_->local.matches(canonical.key());
}

event::Task<Verdict> Router::verify(mail::Address given, std::string sender) {
  auto address = canonical_address(*tables_, options_, std::move(given));
  // RFC 5321 §4.5.1: always accepted, whatever a table says at the moment.
  if (is_postmaster(address)) co_return Verdict(Standing::local, Status());
  if (tables_->local.matches(address.domain().key())) {
    Expansion expansion(*tables_, users_, options_, std::move(address), std::move(sender), true);
    co_await expansion.run();
    auto found = expansion.take();
    if (!found.destinations.empty()) co_return Verdict(Standing::local, Status());
    co_return Verdict(Standing::refused, found.status());
  }
  if (is_relayed(*tables_, address.domain())) co_return Verdict(Standing::relay, Status());
  if (!tables_->trouble.empty()) co_return Verdict(Standing::refused, Status(451, 3, 0, "a table can't be read, try again later"));
  co_return Verdict(Standing::remote, Status());
}

event::Task<Resolution> Router::resolve(mail::Address recipient, std::string sender) {
  Expansion expansion(*tables_, users_, options_, std::move(recipient), std::move(sender), false);
  co_await expansion.run();
  co_return expansion.take();
}

event::Task<Resolution> Router::explain(mail::Address recipient, std::string sender, std::vector<Step>* steps) {
  Expansion expansion(*tables_, users_, options_, std::move(recipient), std::move(sender), false);
  expansion.record(steps);
  co_await expansion.run();
  co_return expansion.take();
}

}  // namespace mansio::route
