#include "doctor/subject.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "config/match.hpp"

namespace mansio::doctor {
namespace {

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN];
  const void* at = address->sa_family == AF_INET ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr)
                                                 : static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  return ::inet_ntop(address->sa_family, at, text, sizeof text) == nullptr ? std::string() : text;
}

// Connecting a datagram socket sends nothing: the kernel only looks for the route.
template <class Address>
std::string leaves_from(const Address& to) {
  UniqueFd fd(::socket(reinterpret_cast<const sockaddr*>(&to)->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  auto* out = reinterpret_cast<sockaddr*>(&own);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 || ::getsockname(fd.get(), out, &size) != 0) return {};
  return text_of(out);
}

void keep_public(const std::vector<std::string>& from, std::vector<std::string>& out) {
  for (const std::string& address : from) {
    if (is_public_address(address) && std::ranges::find(out, address) == out.end()) out.push_back(address);
  }
}

}  // namespace

std::vector<std::string> public_domains(const config::Config& config) {
  std::vector<std::string> out;
  for (const std::string& domain : config.domains.local) {
    bool plain = !config::is_look_up(domain) && domain.find('*') == std::string::npos && !domain.starts_with('[');
    bool own = domain.find('.') == std::string::npos || domain == "localhost.localdomain" || domain.ends_with(".local") || domain.ends_with(".localhost");
    if (plain && !own) out.push_back(domain);
  }
  return out;
}

bool is_public_address(std::string_view address) {
  static const config::NetworkList special(std::vector<std::string>{
      "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16",
      "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "::/96", "fc00::/7", "fe80::/10", "ff00::/8", "2001:db8::/32", "100::/64"});
  return config::Network::parse_address(address).has_value() && !special.matches(address);
}

bool sends_directly(const config::Config& config) {
  return std::ranges::any_of(config.routes, [&](const config::Route& route) {
    const config::Transport* transport = config.transport(route.transport);
    return transport != nullptr && transport->kind == config::TransportKind::smtp && transport->by_mx() &&
           std::ranges::find(route.domains, "*") != route.domains.end();
  });
}

std::string helo_name(const config::Config& config) {
  for (const config::Transport& transport : config.transports) {
    if (transport.kind == config::TransportKind::smtp && transport.by_mx() && !transport.helo_name.empty()) return transport.helo_name;
  }
  return config.host_name;
}

std::vector<std::string> machine_addresses() {
  std::vector<std::string> out;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6)) continue;
    if (auto text = text_of(one->ifa_addr); !text.empty()) out.push_back(std::move(text));
  }
  ::freeifaddrs(list);
  return out;
}

std::vector<std::string> routed_addresses() {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(9);
  ::inet_pton(AF_INET, "1.0.0.1", &four.sin_addr);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(9);
  ::inet_pton(AF_INET6, "2600::1", &six.sin6_addr);
  std::vector<std::string> out;
  for (const std::string& address : {leaves_from(four), leaves_from(six)}) {
    if (!address.empty()) out.push_back(address);
  }
  return out;
}

event::Task<Findings> find_addresses(Names& names, Subject& subject) {
  Findings out;
  std::string how = "as given";
  if (subject.addresses.empty()) {
    how = "as the transports say";
    for (const config::Transport& transport : subject.config->transports) keep_public({transport.source_address, transport.source_address6}, subject.addresses);
  }
  if (subject.addresses.empty()) {
    how = "of the default route";
    keep_public(subject.routed, subject.addresses);
  }
  if (subject.addresses.empty()) {
    how = "as DNS says of " + subject.config->host_name;
    auto known = co_await addresses_of(names, subject.config->host_name, nullptr);
    keep_public(known, subject.addresses);
  }
  for (std::size_t i = 0; subject.addresses.empty() && i < subject.domains.size(); ++i) {
    how = "as the MX records of " + subject.domains[i] + " say";
    auto answer = co_await names.ask(subject.domains[i], dns::Type::mx);
    for (const dns::Mx& mx : answer->mx) {
      auto known = co_await addresses_of(names, mx.host, nullptr);
      keep_public(known, subject.addresses);
    }
  }
  if (subject.addresses.empty()) {
    out.emplace_back("public_address", State::skipped, "not known: no interface has a public address, and DNS names none", "say it with --address");
  } else {
    out.emplace_back("public_address", State::ok, fmt::format("{} ({})", fmt::join(subject.addresses, ", "), how));
  }
  co_return out;
}

}  // namespace mansio::doctor
