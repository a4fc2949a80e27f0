#include "config/clients.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace mansio::config {
namespace {

// Digits, dots, colons and a prefix alone: meant as an address, so that "192.0.2.300" is no host name.
bool looks_like_address(std::string_view entry) {
  if (entry.find(':') != std::string_view::npos || entry.find('/') != std::string_view::npos) return true;
  return std::ranges::all_of(entry, [](char c) { return is_digit(c) || c == '.'; });
}

}  // namespace

Result<std::string> canonical_client(std::string_view entry) {
  if (entry == "*") return std::string(entry);
  if (entry.empty()) return fail(Fault::invalid, "it is empty: write an address, a network, a name, or \"*\" for everybody");
  if (looks_like_address(entry)) {
    auto network = Network::parse(entry);
    if (!network) return std::unexpected(network.error());
    return std::string(entry);
  }
  if (entry.starts_with('.')) return fail(Fault::invalid, fmt::format("\"{}\" is no name: for all below it write \"*{}\"", escape(entry, 80), escape(entry, 80)));
  if (entry.starts_with('[') || entry.find('@') != std::string_view::npos) {
    return fail(Fault::invalid, fmt::format("\"{}\" is no client: write \"192.0.2.1\", \"192.0.2.0/24\", \"2001:db8::/32\", \"mail.example.org\" or \"*.example.org\"", escape(entry, 80)));
  }
  bool below = entry.starts_with("*.");
  auto name = canonical_domain(entry.substr(below ? 2 : 0));
  if (name && looks_like_address(*name)) return fail(Fault::invalid, fmt::format("\"{}\" is no name: write an address with ASCII digits", escape(entry, 80)));
  return name && below ? "*." + *name : name;
}

std::string entry_of_everybody(const std::vector<std::string>& entries) {
  auto it = std::ranges::find_if(entries, [](const std::string& entry) { return entry == "*" || entry == "0.0.0.0/0" || entry == "::/0"; });
  return it == entries.end() ? std::string() : *it;
}

ClientList::ClientList(const std::vector<std::string>& entries, bool incomplete) : incomplete_(incomplete) {
  std::vector<std::string> networks, names;
  for (const std::string& entry : entries) {
    if (entry == "*") everybody_ = true;
    else if (is_look_up(entry)) continue;
    else if (Network::parse(entry)) networks.push_back(entry);
    else if (!entry.empty() && !looks_like_address(entry)) names.push_back(entry);
  }
  has_names_ = !names.empty();
  networks_ = NetworkList(networks);
  names_ = DomainList(names);
}

bool ClientList::matches(std::string_view address) const { return everybody_ || networks_.matches(address); }

bool ClientList::matches_name(std::string_view name) const { return has_names_ && !name.empty() && names_.matches(name); }

Match ClientList::match(std::string_view address, const ClientName& name) const {
  if (matches(address)) return Match::yes;
  if (std::ranges::any_of(name.names, [this](const std::string& each) { return matches_name(each); })) return Match::yes;
  bool untold = has_names_ && name.state != ClientName::State::known;
  return untold || incomplete_ ? Match::unsure : Match::no;
}

Match ClientPolicy::match(std::string_view address, const ClientName& name) const {
  Match denied = deny_.match(address, name), allowed = allow_.match(address, name);
  if (denied == Match::yes || allowed == Match::no) return Match::no;
  return denied == Match::unsure ? Match::unsure : allowed;
}

}  // namespace mansio::config
