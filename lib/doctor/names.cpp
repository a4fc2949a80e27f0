#include "doctor/names.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mansio::doctor {

event::Task<AnswerPtr> ResolverNames::ask(std::string name, dns::Type type) {
  co_return co_await resolver_.ask(std::move(name), type);
}

dns::ResolverOptions resolver_options(const config::Config& config, std::string_view resolv_conf) {
  dns::ResolverOptions options;
  if (config.dns.servers.empty()) options = dns::parse_resolv_conf(resolv_conf);
  for (const std::string& server : config.dns.servers) {
    if (auto endpoint = dns::parse_server(server)) options.servers.push_back(*endpoint);
  }
  options.timeout = std::min(config.dns.timeout, Duration(3000));
  options.attempts = 2;
  return options;
}

std::string reverse_name(std::string_view address) {
  std::array<unsigned char, 16> octets{};
  std::string text(address), out;
  if (::inet_pton(AF_INET, text.c_str(), octets.data()) == 1) {
    return fmt::format("{}.{}.{}.{}.in-addr.arpa", octets[3], octets[2], octets[1], octets[0]);
  }
  if (::inet_pton(AF_INET6, text.c_str(), octets.data()) != 1) return {};
  for (auto octet = octets.rbegin(); octet != octets.rend(); ++octet) out += fmt::format("{:x}.{:x}.", *octet & 15, *octet >> 4);
  return out + "ip6.arpa";
}

event::Task<std::vector<std::string>> addresses_of(Names& names, std::string host, dns::Outcome* first_trouble) {
  auto ipv4 = co_await names.ask(host, dns::Type::a);
  auto ipv6 = co_await names.ask(host, dns::Type::aaaa);
  std::vector<std::string> out = ipv4->addresses;
  out.insert(out.end(), ipv6->addresses.begin(), ipv6->addresses.end());
  if (first_trouble != nullptr) {
    *first_trouble = unknown(ipv4->outcome) ? ipv4->outcome : unknown(ipv6->outcome) ? ipv6->outcome : dns::Outcome::found;
  }
  co_return out;
}

bool unknown(dns::Outcome outcome) {
  return outcome == dns::Outcome::failed || outcome == dns::Outcome::timed_out || outcome == dns::Outcome::no_resources;
}

}  // namespace mansio::doctor
