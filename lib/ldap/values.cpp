#include "ldap/values.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::ldap {
namespace {

constexpr std::string_view member_attribute = "mail";
constexpr std::string_view range_option = ";range=";

std::unexpected<Error> bad_value(const Entry& entry, std::string_view attribute, const std::string& why) {
  return fail(Fault::invalid, fmt::format("{}: {}: {}", escape(entry.name, 200), attribute, why));
}

// All values of an attribute; null: none, or none is asked for.
Result<const std::vector<std::string>*> values_of(const Entry& entry, const std::string& attribute) {
  const std::vector<std::string>* values = attribute.empty() ? nullptr : entry.find(attribute);
  if (values != nullptr && values->size() > most_values) return bad_value(entry, attribute, fmt::format("more than {} values", most_values));
  return values;
}

Result<std::vector<mail::Address>> addresses_of(const Entry& entry, const std::string& attribute) {
  std::vector<mail::Address> out;
  auto values = values_of(entry, attribute);
  if (!values) return std::unexpected(values.error());
  if (*values == nullptr) return out;
  for (const std::string& value : **values) {
    auto address = parse_address_value(value);
    if (!address) return bad_value(entry, attribute, address.error().text());
    out.push_back(std::move(*address));
  }
  return out;
}

// Active Directory gives the members of large groups in parts, as "member;range=0-1499"; the last one ends in "-*".
Result<> add_names(const Entry& entry, const std::string& attribute, const std::vector<std::string>& values, Members& out) {
  for (const std::string& value : values) {
    if (value.size() > longest_value || value.empty() || has_control(value)) return bad_value(entry, attribute, "the name of a member is empty, too long or holds a control character");
    if (out.names.size() >= most_values) return bad_value(entry, attribute, fmt::format("more than {} members", most_values));
    out.names.push_back(value);
  }
  return {};
}

}  // namespace

Result<mail::Address> parse_address_value(std::string_view value) {
  if (istarts_with(value, "smtp:")) value.remove_prefix(5);
  if (value.size() > longest_value) return fail(Fault::invalid, "the value is too long for an address");
  auto address = mail::Address::parse(value);
  if (!address) return fail(Fault::invalid, fmt::format("\"{}\" is no address: {}", escape(value, 100), address.error().text()));
  return address;
}

Result<config::NextHop> parse_host_value(std::string_view value) {
  if (value.size() > longest_value) return fail(Fault::invalid, "the value is too long for a host");
  auto host = config::parse_next_hop(value);
  bool good = host && (host->kind == config::NextHopKind::host || host->kind == config::NextHopKind::literal);
  if (!good) return fail(Fault::invalid, fmt::format("\"{}\" is no host", escape(value, 100)));
  return host;
}

std::vector<std::string> attributes_of_address(const config::Ldap& settings) {
  std::vector<std::string> out;
  for (const std::string* name : {&settings.routing_address, &settings.routing_host, &settings.members, &settings.member_addresses}) {
    if (!name->empty()) out.push_back(*name);
  }
  return out;
}

std::vector<std::string> attributes_of_member(const config::Ldap& settings) {
  std::vector<std::string> out{std::string(member_attribute)};
  for (const std::string* name : {&settings.members, &settings.member_addresses}) {
    if (!name->empty()) out.push_back(*name);
  }
  return out;
}

Result<route::DirectoryEntry> routing_of(const Entry& entry, const config::Ldap& settings) {
  route::DirectoryEntry out;
  out.name = escape(entry.name, longest_value);
  auto addresses = addresses_of(entry, settings.routing_address);
  if (!addresses) return std::unexpected(addresses.error());
  out.addresses = std::move(*addresses);
  auto hosts = values_of(entry, settings.routing_host);
  if (!hosts) return std::unexpected(hosts.error());
  if (*hosts == nullptr || (*hosts)->empty()) return out;
  if ((*hosts)->size() > 1) return bad_value(entry, settings.routing_host, "more than one host");
  auto host = parse_host_value((*hosts)->front());
  if (!host) return bad_value(entry, settings.routing_host, host.error().text());
  out.host = std::move(*host);
  return out;
}

Result<Members> members_of(const Entry& entry, const config::Ldap& settings) {
  Members out;
  auto addresses = addresses_of(entry, settings.member_addresses);
  if (!addresses) return std::unexpected(addresses.error());
  out.addresses = std::move(*addresses);
  if (settings.members.empty()) return out;
  std::string ranged = settings.members + std::string(range_option);
  for (const auto& [attribute, values] : entry.attributes) {
    bool part = istarts_with(attribute, ranged);
    if (!part && !iequals(attribute, settings.members)) continue;
    auto added = add_names(entry, settings.members, values, out);
    if (!added) return std::unexpected(added.error());
    std::string_view range = part ? std::string_view(attribute).substr(ranged.size()) : std::string_view("0-*");
    auto dash = range.find('-');
    std::string_view last = dash == std::string_view::npos ? std::string_view() : range.substr(dash + 1);
    if (last == "*") continue;
    auto end = parse_number(last);
    if (!end || *end >= most_values) return bad_value(entry, settings.members, fmt::format("the part {} is out of bounds", escape(range, 40)));
    out.next = static_cast<std::size_t>(*end) + 1;
  }
  return out;
}

Result<std::optional<mail::Address>> address_of_member(const Entry& entry) {
  const std::vector<std::string>* values = entry.find(member_attribute);
  if (values == nullptr || values->empty()) return std::optional<mail::Address>();
  auto address = parse_address_value(values->front());
  if (!address) return bad_value(entry, member_attribute, address.error().text());
  return std::optional<mail::Address>(std::move(*address));
}

}  // namespace mansio::ldap
