// The walk itself; what becomes of a user that was found is in place.cpp.
#include "route/expansion.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace mansio::route {
namespace {

bool is_network(config::TransportKind kind) { return kind == config::TransportKind::smtp || kind == config::TransportKind::lmtp; }

}  // namespace

bool leads_back(const std::shared_ptr<const Trail>& trail, const std::string& key) {
  for (auto step = trail.get(); step != nullptr; step = step->parent.get()) {
    if (step->key == key) return true;
  }
  return false;
}

mail::Domain canonical_domain(const Tables& tables, const RouterOptions& options, mail::Domain domain) {
  const auto& config = *tables.config;
  std::string_view name = domain.key();
  if (domain.is_literal() && !tables.local.matches(name) && config::NetworkList(options.own_addresses).matches(domain.literal_address())) {
    if (tables.local.matches(config.mail_name)) name = config.mail_name;
    else if (tables.local.matches(config.host_name)) name = config.host_name;
  }
  auto alias = tables.alias_domains.find(name);
  if (alias != tables.alias_domains.end()) name = alias->second;
  if (name == domain.key()) return domain;
  auto canonical = mail::Domain::parse(name);
  return canonical ? std::move(*canonical) : domain;
}

mail::Address canonical_address(const Tables& tables, const RouterOptions& options, mail::Address address) {
  auto domain = canonical_domain(tables, options, address.domain());
  return mail::Address(address.local(), std::move(domain));
}

bool is_postmaster(const Tables& tables, const mail::Address& address) {
  if (address.local().key() != "postmaster") return false;
  const auto& domain = address.domain().key();
  return tables.local.matches(domain) || domain == to_lower(tables.config->mail_name) || domain == to_lower(tables.config->host_name);
}

Expansion::Expansion(const Tables& tables, UserDirectory& users, const RouterOptions& options, mail::Address original, std::string sender, bool probe)
    : tables_(tables), users_(users), options_(options), original_(std::move(original)), sender_(std::move(sender)), probe_(probe) {
  auto parsed = mail::Address::parse(sender_);
  if (parsed) sender_address_ = std::move(*parsed);
  queue_.emplace_back(original_, nullptr, 0, false);
}

event::Task<> Expansion::run() {
  while (!queue_.empty()) {
    Work work = std::move(queue_.front());
    queue_.pop_front();
    co_await step(std::move(work));
    if (probe_ && !result_.destinations.empty()) co_return;
  }
  under_ = Step::none;
  bool nobody = result_.destinations.empty() && result_.refusals.empty();
  if (nobody && group_looped_) refuse(original_, Status(550, 4, 6, "the groups of this address hold nobody but each other"));    // RFC 3463 §3.5
}

event::Task<> Expansion::step(Work work) {
  std::optional<mail::Address> asked;
  if (record_ != nullptr) asked = work.address;
  work.address = canonical_address(tables_, options_, std::move(work.address));
  bool ours = tables_.local.matches(work.address.domain().key()) || is_postmaster(tables_, work.address);
  under_ = work.step;
  if (asked) note_address(*asked, work.address, ours);
  if (ours) co_await step_local(work);
  else co_await step_elsewhere(work);
}

event::Task<> Expansion::step_local(const Work& work) {
  const std::string domain = work.address.domain().key();
  bool looped = false, ignored = false;
  const auto names = names_of(work.address);
  for (const Name& name : names) {
    if (!work.exact && try_alias(name.local + "@" + domain, work, &looped)) co_return;
    if (!work.exact && try_alias(name.local, work, &looped)) co_return;
    Search search = Search::unknown;
    if (!work.exact) search = co_await try_look_ups(name, work, &looped);
    if (search == Search::found) co_return;
    Found found;
    if (search == Search::unknown) search = co_await find_user(name, domain, true, &found);
    if (search == Search::unsure) {
      refuse(work.address, Status(451, 3, 0, "the user can't be looked up at the moment"));
      co_return;
    }
    if (search == Search::unknown) continue;
    if (record_ != nullptr) note_user(name, found);
    if (!work.exact && found.system && forward(work, *found.system)) co_return;
    if (found.entry && follow(*found.entry, tables_.config->routes[found.route].users.ldap, name, work, &found, &ignored)) co_return;
    deliver(work, name, found);
    co_return;
  }
  if (work.bare && try_main_domain(work)) co_return;
  if (!work.exact && try_alias("@" + domain, work, &ignored)) co_return;
  nobody(work, looped);
}

// Another domain: the routes decide, and aliases have no say. {local} keeps its case when it goes on by the network.
event::Task<> Expansion::step_elsewhere(const Work& work) {
  Name name(work.address.local().key(), "", false);
  const std::string domain = work.address.domain().key();
  Found found;
  Search search = co_await find_user(name, domain, false, &found);
  bool ignored = false;
  if (search == Search::found && found.entry && follow(*found.entry, tables_.config->routes[found.route].users.ldap, name, work, &found, &ignored)) co_return;
  if (search == Search::found) deliver(work, name, found);
  else if (search == Search::unsure || !tables_.trouble.empty()) refuse(work.address, Status(451, 3, 0, "the route can't be looked up at the moment"));
  else refuse(work.address, Status(451, 4, 4, "no route leads to " + domain));   // RFC 3463 §3.5
}

std::vector<Expansion::Name> Expansion::names_of(const mail::Address& address) const {
  auto whole = address.local().key();
  std::vector<Name> names;
  const auto& delimiter = tables_.config->recipient_delimiter;
  auto at = delimiter.empty() ? std::string::npos : whole.find_first_of(delimiter, 1);
  names.emplace_back(whole, "", at != std::string::npos);
  if (at != std::string::npos) names.emplace_back(whole.substr(0, at), whole.substr(at + 1), false);
  return names;
}

bool Expansion::is_candidate(std::size_t route, const std::string& domain, bool ours) const {
  if (!tables_.route_domains[route].matches(domain) || !is_for_sender(route)) return false;
  const auto& setting = tables_.config->routes[route];
  const auto* transport = tables_.config->transport(setting.transport);
  if (transport == nullptr) return false;
  return !ours || !is_network(transport->kind) || std::ranges::find(setting.domains, "*") == setting.domains.end();
}

bool Expansion::is_for_sender(std::size_t route) const {
  if (tables_.config->routes[route].senders.empty()) return true;
  if (sender_.empty()) return tables_.route_senders[route].matches("", "");
  return sender_address_ && tables_.route_senders[route].matches(sender_address_->local().value(), sender_address_->domain().key());
}

event::Task<Expansion::Search> Expansion::find_user(const Name& name, const std::string& domain, bool ours, Found* found) {
  const auto& routes = tables_.config->routes;
  bool unsure = false;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (!is_candidate(i, domain, ours)) {
      // It might have been the one: mail to elsewhere would leave by a wrong way.
      if (tables_.route_unsure[i] && (!ours || tables_.route_domains[i].matches(domain))) co_return Search::unsure;
      continue;
    }
    const config::Users& users = routes[i].users;
    found->route = i;
    if (users.kind == config::UsersKind::none && !name.with_detail) co_return Search::found;
    if (users.kind == config::UsersKind::list && std::ranges::find(users.list, name.local) != users.list.end()) co_return Search::found;
    if (users.kind == config::UsersKind::passwd_file) {
      auto file = tables_.virtual_users.find(users.passwd_file);
      found->virtual_user = file == tables_.virtual_users.end() ? nullptr : file->second.find(name.local, domain);
      if (found->virtual_user != nullptr) co_return found->virtual_user->broken ? Search::unsure : Search::found;
      unsure = unsure || file == tables_.virtual_users.end();
    }
    if (users.kind == config::UsersKind::system) {
      Search search = co_await ask_directory(name.local, &found->system);
      if (search == Search::found) co_return search;
      unsure = unsure || search == Search::unsure;
    }
    if (users.kind == config::UsersKind::ldap) {
      Search search = co_await ask_entry(users.ldap, name, domain, &found->entry);
      if (search == Search::found) co_return search;
      unsure = unsure || search == Search::unsure;
    }
  }
  co_return unsure ? Search::unsure : Search::unknown;
}

event::Task<Expansion::Search> Expansion::ask_directory(const std::string& name, std::optional<User>* user) {
  auto known = asked_.find(name);
  if (known == asked_.end()) {
    std::string copy = name;
    auto answer = co_await users_.find(std::move(copy), !probe_);
    if (!answer) co_return Search::unsure;
    known = asked_.emplace(name, std::move(*answer)).first;
  }
  *user = known->second;
  co_return known->second ? Search::found : Search::unknown;
}

bool Expansion::try_alias(const std::string& key, const Work& work, bool* looped) {
  const auto* targets = tables_.aliases.find(key);
  if (targets == nullptr) return false;
  auto mark = "alias " + key;
  if (leads_back(work.trail, mark)) {
    *looped = true;
    return false;
  }
  if (!opened_.insert(mark).second) {                // its members are on their way already
    if (record_ != nullptr) note_end(Step::Kind::again, "alias " + key);
    return true;
  }
  if (record_ != nullptr) note_alias(key, *targets);
  expand(*targets, work, std::make_shared<Trail>(work.trail, mark));
  return true;
}

void Expansion::expand(const std::vector<Target>& targets, const Work& work, std::shared_ptr<const Trail> trail) {
  for (const Target& target : targets) {
    if (stopped_) return;
    expand_one(target, work, trail);
  }
}

void Expansion::expand_one(const Target& target, const Work& work, const std::shared_ptr<const Trail>& trail) {
  auto special = [&](DestinationKind kind) {
    Destination destination(kind, work.address, original_);
    destination.route = "aliases";
    destination.uid = options_.alias_uid;
    destination.gid = options_.alias_gid;
    destination.path = target.text;
    destination.command = target.command;
    destination.environment = environment(work.address, "");
    add(std::move(destination));
  };
  switch (target.kind) {
    case TargetKind::address: return push(*target.address, work, trail, target.exact);
    case TargetKind::name: {
      auto local = mail::LocalPart::from_unquoted(target.text);
      if (!local) return;
      push(mail::Address(std::move(*local), work.address.domain()), work, trail, target.exact);
      if (!stopped_) queue_.back().bare = true;
      return;
    }
    case TargetKind::command: return special(DestinationKind::program);
    case TargetKind::file: return special(target.text == "/dev/null" ? DestinationKind::discard : DestinationKind::file);
    case TargetKind::blackhole: return special(DestinationKind::discard);
    case TargetKind::include: return include(target, work, trail);
    case TargetKind::fail: return refuse(work.address, Status(550, 1, 1, target.text.empty() ? "no such user here" : target.text));
    case TargetKind::defer: return refuse(work.address, Status(450, 2, 1, target.text.empty() ? "try again later" : target.text));   // RFC 3463 §3.3
  }
}

void Expansion::include(const Target& target, const Work& work, const std::shared_ptr<const Trail>& trail) {
  auto file = tables_.includes.find(target.text);
  if (file == tables_.includes.end()) return refuse(work.address, Status(451, 3, 0, "a list of the alias can't be read at the moment"));
  auto mark = "include " + target.text;
  if (leads_back(trail, mark) || !opened_.insert(mark).second) {
    if (record_ != nullptr) note_end(Step::Kind::again, target.text);
    return;
  }
  // Nested includes are opened here and now, so they count against the depth.
  Work deeper(work.address, work.trail, work.depth + 1, false);
  if (deeper.depth > max_depth) return stop("the lists of an alias are nested too deep");
  std::size_t here = under_;
  note(Step::Kind::include, target.text, "");
  expand(file->second, deeper, std::make_shared<Trail>(trail, mark));
  under_ = here;
}

// True when the mail goes where ~/.forward says. Only addresses may stand there: a user's programs and files are the
// business of a delivery program of the user's (issue text; S-109).
bool Expansion::forward(const Work& work, const User& user) {
  auto mark = "forward " + user.name;
  if (!user.forward || leads_back(work.trail, mark)) return false;
  auto targets = parse_target_file(*user.forward);
  if (targets.list.empty()) return false;
  if (!opened_.insert(mark).second) {
    if (record_ != nullptr) note_end(Step::Kind::again, "~/.forward of " + user.name);
    return true;
  }
  note(Step::Kind::forward, user.name, user.home + "/.forward");
  bool plain = targets.problems.empty() && std::ranges::all_of(targets.list, [](const Target& target) {
    return target.kind == TargetKind::address || target.kind == TargetKind::name;
  });
  if (plain) expand(targets.list, work, std::make_shared<Trail>(work.trail, mark));
  else refuse(work.address, Status(450, 2, 0, "~/.forward of " + user.name + " holds something other than addresses"));
  return true;
}

// A bare name in an alias means the user in the alias's own domain; when there is none, the one of mail_name.
bool Expansion::try_main_domain(const Work& work) {
  auto main = mail::Domain::parse(tables_.config->mail_name);
  if (!main || *main == work.address.domain() || !tables_.local.matches(main->key())) return false;
  note(Step::Kind::main_domain, main->key(), place_of("mail_name"));
  push(mail::Address(work.address.local(), std::move(*main)), work, work.trail, work.exact);
  return true;
}

void Expansion::nobody(const Work& work, bool looped) {
  if (is_postmaster(tables_, work.address) && !leads_back(work.trail, "postmaster")) {
    const auto& setting = tables_.config->postmaster;
    bool bare = setting.find('@') == std::string::npos;
    auto address = mail::Address::parse(bare ? setting + "@" + tables_.config->mail_name : setting);
    if (!address) return refuse(work.address, Status(451, 3, 5, "the setting postmaster is no address"));   // RFC 3463 §3.4
    note(Step::Kind::postmaster, setting, place_of("postmaster"));
    return push(std::move(*address), work, std::make_shared<Trail>(work.trail, "postmaster"), false);
  }
  if (looped) return refuse(work.address, Status(550, 4, 6, "the aliases of this address form a loop"));      // RFC 3463 §3.5
  if (!tables_.trouble.empty()) return refuse(work.address, Status(451, 3, 0, "a table can't be read, try again later"));
  refuse(work.address, Status(550, 1, 1, "no such user here"));
}

void Expansion::push(mail::Address address, const Work& from, std::shared_ptr<const Trail> trail, bool exact) {
  if (from.depth >= max_depth) return stop("the aliases of this address are nested too deep");
  if (++steps_ > max_steps) return stop("the aliases of this address lead to too many others");
  queue_.emplace_back(std::move(address), std::move(trail), from.depth + 1, exact);
  queue_.back().step = under_;
}

void Expansion::add(Destination destination) {
  if (stopped_) return;
  bool fresh = places_.insert(destination.key()).second;
  if (record_ != nullptr) note_end(fresh ? Step::Kind::destination : Step::Kind::again, destination.path.empty() ? destination.address.text() : destination.path);
  if (!fresh) return;
  if (result_.destinations.size() == max_destinations) return stop("the aliases of this address lead to too many mailboxes");
  result_.destinations.push_back(std::move(destination));
}

void Expansion::refuse(const mail::Address& address, Status status) {
  if (stopped_ || result_.refusals.size() >= max_destinations) return;
  if (record_ != nullptr) note_end(Step::Kind::refusal, status.line());
  result_.refusals.emplace_back(address, std::move(status));
}

void Expansion::stop(const char* why) {
  if (stopped_) return;
  result_ = Resolution();
  if (record_ != nullptr) record_->clear();
  under_ = Step::none;
  note(Step::Kind::address, original_.text(), "");
  refuse(original_, Status(550, 4, 6, why));
  queue_.clear();
  stopped_ = true;
}

}  // namespace mansio::route
