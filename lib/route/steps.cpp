#include "route/steps.hpp"

#include <fmt/format.h>

#include "config/match.hpp"
#include "config/places.hpp"

namespace mansio::route {
namespace {

template <class Matches>
std::string place_of_entry(const config::Config& config, std::string_view setting, const std::vector<std::string>& entries, Matches&& matches) {
  std::string look_up;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto place = [&] { return config::place_of(config, fmt::format("{}[{}]", setting, i)); };
    if (config::is_look_up(entries[i])) look_up = look_up.empty() ? fmt::format("{} ({})", place(), entries[i]) : look_up;
    else if (matches(entries[i])) return place();
  }
  return look_up;
}

}  // namespace

const char* word_of(Step::Kind kind) {
  switch (kind) {
    case Step::Kind::address: return "address";
    case Step::Kind::domain_alias: return "domain_alias";
    case Step::Kind::alias: return "alias";
    case Step::Kind::catch_all: return "catch_all";
    case Step::Kind::include: return "include";
    case Step::Kind::directory: return "directory";
    case Step::Kind::forward: return "forward";
    case Step::Kind::main_domain: return "main_domain";
    case Step::Kind::postmaster: return "postmaster";
    case Step::Kind::user: return "user";
    case Step::Kind::destination: return "destination";
    case Step::Kind::refusal: return "refusal";
    case Step::Kind::again: return "again";
  }
  return "";
}

std::string place_of_domain(const config::Config& config, std::string_view setting, const std::vector<std::string>& patterns, std::string_view domain) {
  return place_of_entry(config, setting, patterns, [&](const std::string& pattern) { return config::DomainList({pattern}).matches(domain); });
}

std::string place_of_client(const config::Config& config, std::string_view setting, const std::vector<std::string>& clients, std::string_view address, const config::ClientName& name) {
  return place_of_entry(config, setting, clients, [&](const std::string& client) { return config::ClientList({client}).match(address, name) == config::Match::yes; });
}

}  // namespace mansio::route
