// Words of the configuration: each has one form, which is read again to the same.
#include <algorithm>

#include "base/encoding.hpp"
#include "base/path_template.hpp"
#include "base/quantity.hpp"
#include "base/text.hpp"
#include "config/clients.hpp"
#include "config/directory.hpp"
#include "config/drop.hpp"
#include "config/match.hpp"
#include "config/next_hop.hpp"
#include "config/retry.hpp"
#include "fuzz/targets.hpp"
#include "queue/schedule.hpp"

namespace fuzz {

using namespace mansio;

void quantity(std::string_view input) {
  if (auto size = parse_size(input)) require(parse_size(format_size(*size)) == *size, "a size survives");
  if (auto duration = parse_duration(input)) {
    require(*duration >= Duration(0), "time goes forward");
    require(parse_duration(format_duration(*duration)) == *duration, "a duration survives");
  }
  if (auto number = parse_number(input)) {
    bool possible = *number < (std::uint64_t{1} << 40);          // of a message
    if (possible) require(short_size(*number).size() <= 8, "a size in a listing is short");
    if (possible) require(short_age(std::chrono::seconds(*number)).size() <= 12, "an age in a listing is short");
  }
}

// The input as a template, and as a hostile value of a good one.
void path_template(std::string_view input) {
  TemplateValues values{{"local", "joe"}, {"domain", "ex.test"}, {"user", "joe"}, {"home", "/home/joe"}, {"detail", "x"}, {"sender", "a@b.test"}};
  auto path = fill_path(input, values);
  if (!check_template(input)) require(!path, "what is refused is not filled");
  auto word = fill_word(input, values);
  if (path) require(input.find('\0') != std::string_view::npos || path->find('\0') == std::string::npos, "nothing brings a NUL");
  values["local"] = std::string(input);
  auto filled = fill_path("/var/mail/{local}/x", values);
  bool component = !input.empty() && input.size() <= 200 && !input.starts_with('.') && input.find('/') == std::string_view::npos && !has_control(input);
  require(filled.has_value() == component, "a value is one component of a path, or refused");
  if (filled) require(*filled == "/var/mail/" + std::string(input) + "/x", "a value is put in once");
  auto argument = fill_word("{local}", values);
  if (argument) require(*argument == input && !input.starts_with('-') && input.find('\0') == std::string_view::npos, "no value is an option");
}

void names(std::string_view input) {
  if (auto domain = config::canonical_domain(input)) {
    require(config::canonical_domain(*domain) == *domain, "a domain has one form");
    bool literal = domain->starts_with('[');      // "IPv6:" keeps its capitals
    require(is_ascii(*domain) && !has_control(*domain) && (literal || *domain == to_lower(*domain)), "which is plain and in lower case");
    require(config::DomainList({*domain}).matches(*domain), "it is in its own list");
  }
  if (auto sender = config::canonical_sender(input)) {
    require(config::canonical_sender(*sender) == *sender, "a sender has one form");
    auto at = sender->rfind('@');
    if (at != std::string::npos && at > 0 && sender->front() != '"')
      require(config::SenderList({*sender}).matches(sender->substr(0, at), sender->substr(at + 1)), "it is in its own list");
  }
}

void clients(std::string_view input) {
  if (auto bits = config::Network::parse_address(input)) {
    auto network = config::Network::parse(input);
    require(network && network->contains(*bits), "an address is in itself");
    require(config::NetworkList({std::string(input)}).matches(input), "and in its list");
  }
  if (auto network = config::Network::parse(input)) require(config::canonical_client(input).has_value(), "a network may be a client");
  if (auto client = config::canonical_client(input)) {
    require(config::canonical_client(*client) == *client, "a client has one form");
    config::ClientList list({*client});
    auto known = list.match("198.51.100.77", config::ClientName(config::ClientName::State::known));
    require(known != config::Match::unsure, "what is known is not unsure");
    if (*client != "*" && client->find('*') == std::string::npos && list.has_names()) require(list.matches_name(*client), "a name is in its list");
  }
}

void next_hop(std::string_view input) {
  auto hop = config::parse_next_hop(input);
  if (!hop) return;
  require(!hop->name.empty() && !has_control(hop->name), "a host has a name");
  auto again = config::parse_next_hop(hop->text(25));
  require(again && again->kind == hop->kind && again->name == hop->name, "a host survives its text");
  require(again->text(25) == hop->text(25), "the same host gives the same text");
}

void schedule(std::string_view input) {
  auto steps = config::parse_schedule(input);
  if (!steps) return;
  std::string text = config::format_schedule(*steps);
  auto again = config::parse_schedule(text);
  require(again && config::format_schedule(*again) == text, "a schedule survives its text");
  Time arrived(std::chrono::seconds(1'700'000'000)), now = arrived;
  for (int n = 0; n < 40; ++n) {
    auto next = queue::next_attempt(*steps, arrived, now);
    auto same = queue::next_attempt(*again, arrived, now);
    require(next == same, "both say the same");
    Duration pause = queue::site_pause(*steps, arrived, now);
    require(pause >= std::chrono::seconds(1) && pause <= std::chrono::hours(1), "a pause is from a second to an hour");
    if (!next) break;
    require(*next > now, "the next attempt is later");
    now = *next;
  }
}

void drop(std::string_view input) {
  if (config::check_owner(input)) require(!input.empty() && !has_control(input) && input != "root" && !input.starts_with("root:"), "nothing is root's");
  if (config::check_file_mode(input)) {
    require(input.size() == 3 || input.size() == 4, "a mode has three or four digits");
    unsigned mode = 0;
    for (char c : input) mode = mode * 8 + static_cast<unsigned>(c - '0');
    require((mode & 0400) != 0 && (mode & 0002) == 0 && mode <= 0777, "the owner reads, not all write");
  }
}

void ldap_words(std::string_view input) {
  if (auto server = config::parse_ldap_server(input)) require(!has_control(server->uri) && is_ascii(server->uri), "a URI is plain");
  std::string value = config::escape_for_filter(input);
  require(std::ranges::none_of(value, [](char c) { return is_control(c) || is_8bit(c) || c == '(' || c == ')' || c == '*'; }), "nothing of a value is syntax");
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\\') continue;
    require(i + 2 < value.size() && hex_decode(std::string_view(value).substr(i + 1, 2)), "a backslash stands before two digits");
  }
  std::string plain = config::fill_ldap_filter(config::default_ldap_filter, "X", "Y", "Z");
  std::string filled = config::fill_ldap_filter(config::default_ldap_filter, input, input, input);
  require(std::ranges::count(filled, '(') == std::ranges::count(plain, '('), "a value changes no structure");
  if (!config::check_ldap_filter(input)) return;
  auto brackets = [](std::string_view text) { return std::pair(std::ranges::count(text, '('), std::ranges::count(text, ')')); };
  auto [open, closed] = brackets(input);
  require(open == closed && open > 0, "what is accepted is balanced");
  require(brackets(config::fill_ldap_filter(input, "a)(b", "*", "{address}")) == brackets(input), "and stays so");
}

}  // namespace fuzz
