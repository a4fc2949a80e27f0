#include <netinet/in.h>
#include <arpa/inet.h>

#include <algorithm>

#include "base/text.hpp"
#include "dns/resolver.hpp"

namespace mansio::dns {
namespace {

constexpr std::size_t most_servers = 3;   // MAXNS of resolv.conf(5)

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!(line = trim(line)).empty()) {
    std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

// "timeout:3" with the prefix "timeout:"; bounded as libc bounds it.
std::optional<unsigned> option_of(std::string_view word, std::string_view prefix, unsigned most) {
  if (!word.starts_with(prefix)) return std::nullopt;
  auto number = parse_number(word.substr(prefix.size()));
  if (!number) return std::nullopt;
  return static_cast<unsigned>(std::clamp<std::uint64_t>(*number, 1, most));
}

bool is_address(int family, const std::string& text) {
  in6_addr unused;   // the larger of the two
  return text.find('\0') == std::string::npos && inet_pton(family, text.c_str(), &unused) == 1;
}

// A link-local address may name its link: "fe80::1%eth0".
bool is_ipv6(std::string_view text) {
  std::size_t zone = text.find('%');
  if (zone != std::string_view::npos) {
    auto good = [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; };
    std::string_view link = text.substr(zone + 1);
    if (link.empty() || link.size() > 15 || !std::all_of(link.begin(), link.end(), good)) return false;
    text = text.substr(0, zone);
  }
  return is_address(AF_INET6, std::string(text));
}

}  // namespace

Result<event::Endpoint> parse_server(std::string_view text) {
  std::string shown = "name server " + escape(text, 100);
  std::string_view address = text, port;
  bool has_port = false, bracket = text.starts_with('[');
  if (bracket) {
    std::size_t end = text.find(']');
    if (end == std::string_view::npos) return fail(Fault::invalid, shown + ": no ] after the address");
    address = text.substr(1, end - 1);
    port = text.substr(end + 1);
    has_port = port.starts_with(':');
    if (!port.empty() && !has_port) return fail(Fault::invalid, shown + ": only a port may follow the ]");
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    address = text.substr(0, text.find(':'));
    port = text.substr(address.size());
    has_port = true;
  }
  event::Endpoint out;
  out.address = address;
  out.port = 53;
  if (!is_ipv6(address) && (bracket || !is_address(AF_INET, out.address))) {
    return fail(Fault::invalid, shown + ": not an IP address");
  }
  if (!has_port) return out;
  auto number = parse_number(port.substr(1));
  if (!number || *number == 0 || *number > 65535) {
    return fail(Fault::invalid, shown + ": a port is a number from 1 to 65535");
  }
  out.port = static_cast<std::uint16_t>(*number);
  return out;
}

ResolverOptions parse_resolv_conf(std::string_view text) {
  ResolverOptions out;
  for (std::string_view line : split(text, '\n')) {
    if (line.starts_with('#') || line.starts_with(';')) continue;
    auto words = words_of(line);
    if (words.size() < 2) continue;
    if (words[0] == "nameserver" && out.servers.size() < most_servers) {
      bool bare = words[1].find('[') == std::string_view::npos;   // libc knows no brackets and no ports
      auto server = parse_server(words[1]);
      if (bare && server && server->port == 53) out.servers.push_back(*server);
    } else if (words[0] == "options") {
      for (std::string_view word : words) {
        if (auto seconds = option_of(word, "timeout:", 30)) out.timeout = std::chrono::seconds(*seconds);
        if (auto rounds = option_of(word, "attempts:", 5)) out.attempts = *rounds;
      }
    }
  }
  if (out.servers.empty()) {   // resolv.conf(5): the one on this machine
    event::Endpoint local;
    local.address = "127.0.0.1";
    local.port = 53;
    out.servers.push_back(local);
  }
  return out;
}

}  // namespace mansio::dns
