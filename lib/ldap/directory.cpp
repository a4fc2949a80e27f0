#include "ldap/directory.hpp"

#include <fmt/format.h>

#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "config/directory.hpp"

namespace mansio::ldap {

namespace {

constexpr int gatherers = 8;                       // members of one group that are looked up at once
constexpr std::chrono::seconds quiet{10};          // between two lines about what one directory says

auto tied(const config::Ldap& s) {
  return std::tie(s.name, s.servers, s.tls, s.authorities, s.bind_dn, s.password_file, s.base, s.filter, s.scope, s.routing_address, s.routing_host,
                  s.members, s.member_addresses, s.timeout, s.connections, s.cache, s.cache_unknown);
}

// A base search finds one entry or none.
Search entry_search(std::string name, std::vector<std::string> attributes) {
  Search search;
  search.base = std::move(name);
  search.filter = "(objectClass=*)";
  search.attributes = std::move(attributes);
  return search;
}

}  // namespace

// The members of one group on their way to addresses.
struct Directory::Gathering {
  Gathering() = default;
  std::deque<std::string> waiting;
  std::set<std::string> seen;                      // groups in groups may lead back
  std::vector<mail::Address> addresses;
  std::optional<Error> error;
  bool add(Members members) {
    addresses.insert(addresses.end(), std::make_move_iterator(members.addresses.begin()), std::make_move_iterator(members.addresses.end()));
    for (std::string& name : members.names) {
      if (seen.insert(to_lower(name)).second) waiting.push_back(std::move(name));
    }
    return seen.size() + addresses.size() <= 2 * most_values && addresses.size() <= most_values;
  }
};

Directory::Directory(config::Ldap settings, Access access, std::shared_ptr<Searcher> searcher, Report report, Questions::Clock clock)
    : settings_(std::move(settings)), access_(std::move(access)), searcher_(std::move(searcher)), report_(std::move(report)), clock_(clock),
      questions_(*searcher_, Cache(settings_.cache, settings_.cache_unknown, Cache::Bounds()), std::move(clock)) {}

bool Directory::is_made_of(const config::Ldap& settings, const Access& access) const { return tied(settings_) == tied(settings) && access_ == access; }

// What can't be reached the connections have told already. Of the rest, which may be said by each entry, a line now and then.
void Directory::tell(const std::string& text) {
  auto now = clock_();
  if (now < quiet_until_) {
    ++untold_;
    return;
  }
  quiet_until_ = now + quiet;
  std::string more = untold_ > 0 ? fmt::format(" ({} more of such were not written)", std::exchange(untold_, 0)) : std::string();
  report_(fmt::format("directory {}: {}{}", settings_.name, text, more), false);
}

event::Task<Result<std::optional<route::DirectoryEntry>>> Directory::find(std::string local, std::string domain, bool with_members) {
  auto self = shared_from_this();
  auto entry = co_await look_up(local, domain, with_members);
  if (entry) co_return entry;
  bool told = entry.error().fault() == Fault::closed || entry.error().fault() == Fault::timed_out;
  if (!told) tell(fmt::format("{}@{} waits: {}", escape(local, 100), escape(domain, 100), entry.error().text()));
  co_return entry;
}

event::Task<Result<std::optional<route::DirectoryEntry>>> Directory::look_up(const std::string& local, const std::string& domain, bool with_members) {
  auto part = mail::LocalPart::from_unquoted(local);
  if (!part) co_return std::optional<route::DirectoryEntry>();
  Search search;
  search.base = settings_.base;
  search.scope = settings_.scope;
  search.filter = config::fill_ldap_filter(settings_.filter, part->quoted() + "@" + domain, local, domain);
  search.attributes = attributes_of_address(settings_);
  auto asked = co_await questions_.ask(std::move(search));
  if (!asked) co_return std::unexpected(asked.error());
  const Found& found = **asked;
  if (found.base_missing) co_return fail(Fault::invalid, "base: there is no entry " + settings_.base);
  if (found.entries.size() > 1) co_return fail(Fault::invalid, "several entries have this address");
  if (found.entries.empty() && found.referred) co_return fail(Fault::invalid, "the directory refers to others, which may know it: name one that knows all, or a base below");
  if (found.entries.empty()) co_return std::optional<route::DirectoryEntry>();
  const Entry& entry = found.entries.front();
  auto out = routing_of(entry, settings_);
  if (!out) co_return std::unexpected(out.error());
  auto members = members_of(entry, settings_);
  if (!members) co_return std::unexpected(members.error());
  out->group = members->any();
  if (out->group && with_members) {
    auto all = co_await all_members(entry);
    if (!all) co_return std::unexpected(all.error());
    auto addresses = co_await gather(std::move(*all));
    if (!addresses) co_return std::unexpected(addresses.error());
    out->members = std::move(*addresses);
    if (out->members.empty()) co_return fail(Fault::invalid, "none of the members of " + out->name + " has an address");
  }
  co_return std::optional<route::DirectoryEntry>(std::move(*out));
}

// The members of one entry, where the directory gives them in parts (values.cpp) the other parts too.
event::Task<Result<Members>> Directory::all_members(const Entry& entry) {
  auto all = members_of(entry, settings_);
  if (!all) co_return all;
  std::string name = entry.name;
  while (all->next != 0) {
    std::vector<std::string> part{fmt::format("{};range={}-*", settings_.members, all->next)};
    Search search = entry_search(name, std::move(part));
    auto found = co_await questions_.ask(std::move(search));
    if (!found) co_return std::unexpected(found.error());
    if ((*found)->entries.size() != 1) co_return fail(Fault::invalid, "members of " + escape(name, 200) + " are missing");
    auto more = members_of((*found)->entries.front(), settings_);
    if (!more) co_return more;
    if (more->names.empty() || (more->next != 0 && more->next <= all->next)) co_return fail(Fault::invalid, "members of " + escape(name, 200) + " are missing");
    all->next = more->next;
    all->names.insert(all->names.end(), std::make_move_iterator(more->names.begin()), std::make_move_iterator(more->names.end()));
    if (all->names.size() > most_values) co_return fail(Fault::invalid, fmt::format("{} has more than {} members", escape(name, 200), most_values));
  }
  co_return all;
}

event::Task<Result<std::vector<mail::Address>>> Directory::gather(Members members) {
  Gathering state;
  if (!state.add(std::move(members))) co_return fail(Fault::invalid, "the group has too many members");
  event::Scope some([&state](std::exception_ptr) { state.error.emplace(Fault::invalid, "the members could not be looked up"); });
  for (int i = 0; i < gatherers && !state.waiting.empty(); ++i) some.spawn(gather_some(&state));
  co_await some.join();
  if (state.error) co_return std::unexpected(*state.error);
  co_return std::move(state.addresses);
}

event::Task<> Directory::gather_some(Gathering* state) {
  while (!state->waiting.empty() && !state->error) {
    std::string name = std::move(state->waiting.front());
    state->waiting.pop_front();
    auto done = co_await gather_one(state, std::move(name));
    if (!done && !state->error) state->error = done.error();
  }
}

// A member with an address counts as that; a group without one as its members. The others are told of, and left out: the
// directory itself says that they can't get mail.
event::Task<Result<>> Directory::gather_one(Gathering* state, std::string name) {
  Search search = entry_search(name, attributes_of_member(settings_));
  auto found = co_await questions_.ask(std::move(search));
  if (!found) co_return std::unexpected(found.error());
  if ((*found)->entries.empty() && (*found)->referred) co_return fail(Fault::invalid, "the member " + escape(name, 200) + " is in another directory");
  if ((*found)->entries.empty()) {
    tell("the member " + escape(name, 200) + " of a group does not exist: left out");
    co_return Result<>();
  }
  const Entry& entry = (*found)->entries.front();
  auto address = address_of_member(entry);
  if (!address) co_return std::unexpected(address.error());
  Members members;
  if (*address) {
    members.addresses.push_back(std::move(**address));
  } else {
    auto all = co_await all_members(entry);
    if (!all) co_return std::unexpected(all.error());
    members = std::move(*all);
    if (!members.any()) tell("the member " + escape(name, 200) + " of a group has no address: left out");
  }
  if (!state->add(std::move(members))) co_return fail(Fault::invalid, "the group has too many members");
  co_return Result<>();
}

}  // namespace mansio::ldap
