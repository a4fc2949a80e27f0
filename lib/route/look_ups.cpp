// The part of the walk that asks directories: users of routes and alias_look_ups, and what an entry says of the mail's way.
// Only addresses and hosts are taken from there: never commands, files or lists.
#include <algorithm>

#include "base/text.hpp"
#include "route/expansion.hpp"

namespace mansio::route {

event::Task<Expansion::Search> Expansion::ask_entry(const std::string& directory, const Name& name, const std::string& domain,
                                                    std::optional<DirectoryEntry>* entry) {
  if (!options_.directories) co_return Search::unsure;
  std::string asked = directory, local = name.local, in = domain;
  auto answer = co_await options_.directories->find(std::move(asked), std::move(local), std::move(in), !probe_);
  if (!answer) co_return Search::unsure;
  *entry = std::move(*answer);
  co_return *entry ? Search::found : Search::unknown;
}

// Where the aliases have nothing: the first directory that sends the address on.
event::Task<Expansion::Search> Expansion::try_look_ups(const Name& name, const Work& work, bool* looped) {
  constexpr std::size_t prefix = 5;          // "ldap:"
  const std::string domain = work.address.domain().key();
  for (const std::string& look_up : tables_.config->alias_look_ups) {
    std::string directory = look_up.substr(std::min(prefix, look_up.size()));
    std::optional<DirectoryEntry> entry;
    Search search = co_await ask_entry(directory, name, domain, &entry);
    if (search == Search::unsure) co_return search;
    if (entry && follow(*entry, directory, name, work, nullptr, looped)) co_return Search::found;
  }
  co_return Search::unknown;
}

// True when the entry decides where the mail goes: to a host, to other addresses, to members. One that leads back to itself
// means the mailbox itself, as an alias does. `found`: of the route, null for an alias.
bool Expansion::follow(const DirectoryEntry& entry, const std::string& directory, const Name& name, const Work& work, const Found* found, bool* looped) {
  bool away = entry.host && !is_this_host(*entry.host);
  if (!away && (work.exact || (entry.addresses.empty() && !entry.group))) return false;
  std::string mark = "directory " + directory + " " + name.local + "@" + work.address.domain().key();
  if (!away && leads_back(work.trail, mark)) {
    // Groups are in each other more often than not by intent: whoever else is in them gets the mail.
    if (entry.addresses.empty()) {
      group_looped_ = true;
      if (record_ != nullptr) note_end(Step::Kind::again, mark);
      return true;
    }
    *looped = true;
    return false;
  }
  if (!opened_.insert(mark).second && !away) {
    if (record_ != nullptr) note_end(Step::Kind::again, mark);
    return true;
  }
  if (record_ != nullptr) note_directory(directory, entry);
  if (away) {
    hand_over(entry, work, found);
    return true;
  }
  // Whether somebody is there is all that RCPT asks; members are looked up when there is mail for them.
  if (probe_ && entry.addresses.empty()) {
    add(Destination(DestinationKind::discard, work.address, original_));
    return true;
  }
  auto trail = std::make_shared<Trail>(work.trail, mark);
  for (const mail::Address& address : entry.addresses.empty() ? entry.members : entry.addresses) {
    if (stopped_) break;
    push(address, work, trail, false);
  }
  return true;
}

// To the host that the entry names, by SMTP, under the routing address where there is one. The way is the transport's in all
// else; whom it logs in as is for its own hosts alone.
void Expansion::hand_over(const DirectoryEntry& entry, const Work& work, const Found* found) {
  const config::Config& config = *tables_.config;
  auto is_smtp = [](const config::Transport& transport) { return transport.kind == config::TransportKind::smtp; };
  const config::Transport* transport = found != nullptr ? config.transport(config.routes[found->route].transport) : nullptr;
  if (transport == nullptr || !is_smtp(*transport)) {
    auto first = std::ranges::find_if(config.transports, is_smtp);
    transport = first == config.transports.end() ? nullptr : &*first;
  }
  if (transport == nullptr) return refuse(work.address, Status(451, 3, 5, "the directory names a host for this address, and there is no transport of kind smtp"));
  bool unsure = false;
  auto derived = std::make_shared<config::Transport>(*tables_.transport_for(*transport, work.address.domain().key(), &unsure));
  if (unsure) return refuse(work.address, Status(451, 3, 0, "the settings of the domain can't be looked up at the moment"));
  std::string host = entry.host->text(derived->port);
  if (derived->variant.empty()) derived->group = static_cast<std::size_t>(-1);     // of no group of domain_settings
  derived->variant += " to " + host;
  derived->hosts = {std::move(host)};
  derived->fallback.clear();
  derived->credentials.clear();
  derived->direct_first = false;
  auto send = [&](const mail::Address& address) {
    Destination destination(DestinationKind::remote, address, original_);
    destination.route = found != nullptr ? config.routes[found->route].name : "aliases";
    destination.transport = derived;
    add(std::move(destination));
  };
  if (entry.addresses.empty()) send(work.address);
  for (const mail::Address& address : entry.addresses) send(address);
}

// Another port of this machine is somebody else.
bool Expansion::is_this_host(const config::NextHop& host) const {
  constexpr std::uint16_t smtp = 25;
  if (host.port != 0 && host.port != smtp) return false;
  if (host.kind == config::NextHopKind::literal) return config::NetworkList(options_.own_addresses).matches(host.name);
  return iequals(host.name, tables_.config->host_name) || iequals(host.name, "localhost");
}

}  // namespace mansio::route
