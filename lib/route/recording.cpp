// The walk's record, for Router::explain.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/places.hpp"
#include "route/expansion.hpp"

namespace mansio::route {

std::string Expansion::place_of(std::string_view setting) const { return config::place_of(*tables_.config, setting); }

void Expansion::note(Step::Kind kind, std::string_view text, std::string_view place) {
  if (record_ == nullptr) return;
  record_->emplace_back(kind, under_, std::string(text), std::string(place));
  under_ = record_->size() - 1;
}

void Expansion::note_end(Step::Kind kind, std::string_view text) {
  Step& step = record_->emplace_back(kind, under_, std::string(text), std::string());
  if (kind == Step::Kind::destination) step.index = result_.destinations.size();
  if (kind == Step::Kind::refusal) step.index = result_.refusals.size();
}

void Expansion::note_address(const mail::Address& asked, const mail::Address& address, bool ours) {
  const config::Config& config = *tables_.config;
  const std::string& domain = address.domain().key();
  bool renamed = asked.domain().key() != domain;
  std::string ours_by = ours ? place_of_domain(config, "domains.local", config.domains.local, domain) : std::string();
  note(Step::Kind::address, asked.text(), renamed ? std::string() : ours_by);
  if (!renamed) return;
  auto alias = std::ranges::find(config.domains.alias, asked.domain().key(), &config::DomainAlias::from);
  std::string by = alias == config.domains.alias.end() ? ours_by : place_of(fmt::format("domains.alias[{}]", alias - config.domains.alias.begin()));
  note(Step::Kind::domain_alias, address.text(), by);
}

void Expansion::note_alias(const std::string& key, const std::vector<Target>& targets) {
  auto line = targets.empty() ? 0 : targets.front().line;
  note(key.starts_with('@') ? Step::Kind::catch_all : Step::Kind::alias, key, fmt::format("{}:{}", tables_.config->aliases, line));
}

void Expansion::note_user(const Name& name, const Found& found) {
  const config::Route& route = tables_.config->routes[found.route];
  std::string detail = name.detail.empty() ? std::string() : fmt::format(" (without \"{}{}\")", tables_.config->recipient_delimiter, escape(name.detail, 60));
  std::string place = place_of(fmt::format("routes[{}]", found.route));
  switch (route.users.kind) {
    case config::UsersKind::none: return;
    case config::UsersKind::system: return note(Step::Kind::user, fmt::format("{} of this machine{}", name.local, detail), place);
    case config::UsersKind::ldap: {
      const std::string& entry = found.entry->name;
      return note(Step::Kind::user, fmt::format("{} of the directory {}{}{}", name.local, route.users.ldap, detail, entry.empty() ? "" : ": " + entry), place);
    }
    case config::UsersKind::list: return note(Step::Kind::user, fmt::format("{} of route {}{}", name.local, route.name, detail), place);
    case config::UsersKind::passwd_file: {
      std::size_t line = found.virtual_user != nullptr ? found.virtual_user->line : 0;
      return note(Step::Kind::user, fmt::format("{}{}", name.local, detail), fmt::format("{}:{}", route.users.passwd_file, line));
    }
  }
}

void Expansion::note_directory(const std::string& directory, const DirectoryEntry& entry) {
  if (record_ == nullptr) return;
  std::string text = fmt::format("{}: {}", directory, entry.name);
  if (entry.host && !is_this_host(*entry.host)) text += fmt::format(", whose mail goes to the host {}", entry.host->text(0));
  note(Step::Kind::directory, text, place_of("ldap." + directory));
}

}  // namespace mansio::route
