// From a user that was found to the place where the mail goes: identity, path or command, environment.
#include "base/path_template.hpp"
#include "base/text.hpp"
#include "route/expansion.hpp"

namespace mansio::route {
namespace {

DestinationKind kind_of(config::TransportKind kind) {
  switch (kind) {
    case config::TransportKind::maildir: case config::TransportKind::mbox: return DestinationKind::mailbox;
    case config::TransportKind::pipe: return DestinationKind::program;
    case config::TransportKind::drop: return DestinationKind::drop;
    case config::TransportKind::smtp: case config::TransportKind::lmtp: return DestinationKind::remote;
  }
  return DestinationKind::remote;
}

// What a template could not be filled with: an address that may not become part of a path is nobody's (S-007); a
// place that isn't known, a user without a home, may be mended.
Status template_trouble(const Error& error) {
  if (error.fault() == Fault::denied) return Status(550, 1, 1, "no such user here");
  return Status(451, 3, 5, error.text());
}

}  // namespace

void Expansion::deliver(const Work& work, const Name& name, const Found& found) {
  const auto& route = tables_.config->routes[found.route];
  const auto* transport = tables_.config->transport(route.transport);
  Destination destination(kind_of(transport->kind), work.address, original_);
  destination.route = route.name;
  bool unsure = false;
  destination.transport = tables_.transport_for(*transport, work.address.domain().key(), &unsure);
  if (unsure && destination.kind == DestinationKind::remote) {         // it might go by a wrong way
    return refuse(work.address, Status(451, 3, 0, "the settings of the domain can't be looked up at the moment"));
  }
  if (destination.kind == DestinationKind::remote) return add(std::move(destination));
  destination.uid = options_.service_uid;
  destination.gid = options_.service_gid;
  destination.user = options_.service_user;
  if (found.system) {
    destination.uid = found.system->uid;
    destination.gid = found.system->gid;
    destination.user = found.system->name;
    destination.home = found.system->home;
  }
  if (const auto* user = found.virtual_user; user != nullptr) {
    if (user->uid) {
      destination.uid = *user->uid;
      destination.user.clear();
    }
    if (user->gid) destination.gid = *user->gid;
    destination.home = user->home;
  }
  auto filled = fill(destination, name);
  if (filled.ok()) add(std::move(destination));
  else refuse(work.address, std::move(filled));
}

Status Expansion::fill(Destination& destination, const Name& name) {
  TemplateValues values{{"local", name.local}, {"domain", destination.address.domain().key()}, {"detail", name.detail}, {"sender", sender_}};
  values["user"] = destination.user.empty() || destination.home.empty() ? name.local : destination.user;
  if (!destination.home.empty()) values["home"] = destination.home;
  const auto& transport = *destination.transport;
  bool drop = destination.kind == DestinationKind::drop;
  if (drop || destination.kind == DestinationKind::mailbox) {
    auto path = fill_path(drop ? transport.directory : transport.path, values);
    if (!path) return template_trouble(path.error());
    destination.path = std::move(*path);
  }
  if (destination.kind == DestinationKind::program) {
    destination.environment = environment(destination.address, name.detail);
    for (const auto& word : transport.command) {
      auto filled = fill_word(word, values);
      if (!filled) return template_trouble(filled.error());
      destination.command.push_back(std::move(*filled));
    }
  }
  return Status();
}

std::vector<std::string> Expansion::environment(const mail::Address& address, const std::string& detail) const {
  return {"SENDER=" + sender_,
          "RECIPIENT=" + address.text(),
          "ORIGINAL_RECIPIENT=" + original_.text(),
          "LOCAL=" + address.local().value(),
          "DOMAIN=" + address.domain().key(),
          "DETAIL=" + detail};
}

}  // namespace mansio::route
