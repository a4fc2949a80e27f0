// Names and name servers as texts.
#include <arpa/inet.h>

#include "base/text.hpp"
#include "dns/resolver.hpp"
#include "dns/wire.hpp"
#include "fuzz/targets.hpp"

namespace fuzz {

using namespace mansio;

void dns_name(std::string_view input) {
  if (auto wire = dns::to_wire(input)) {
    require(wire->size() <= 255 && wire->back() == '\0', "a name is bounded and ends in the root");
    auto text = dns::to_text(*wire);
    std::string plain = to_lower(input);
    if (plain.ends_with('.')) plain.pop_back();
    require(text && *text == plain, "a name survives");
    for (auto type : {dns::Type::a, dns::Type::mx}) {
      auto query = dns::make_query(7, dns::Question(*wire, type), input.size() % 2 == 0);
      require(query && query->size() <= 512 && query->find(*wire) == 12, "a question holds the name");
    }
  }
  if (auto text = dns::to_text(input)) {
    if (text->empty()) return;
    require(dns::to_wire(*text) == to_lower(input), "a name survives");
  }
}

void resolv_conf(std::string_view input) {
  auto options = dns::parse_resolv_conf(input);
  require(!options.servers.empty() && options.servers.size() <= 3, "there are one to three servers");
  for (const auto& server : options.servers) {
    unsigned char bits[16];
    std::string plain = server.address.substr(0, server.address.find('%'));
    bool numeric = ::inet_pton(AF_INET, plain.c_str(), bits) == 1 || ::inet_pton(AF_INET6, plain.c_str(), bits) == 1;
    require(numeric && server.port != 0, "a server is an address with a port");
  }
  require(options.timeout >= Duration(1) && options.timeout <= std::chrono::minutes(2), "time-outs are bounded");
  require(options.attempts >= 1 && options.attempts <= 20, "attempts are bounded");
}

void name_server(std::string_view input) {
  auto server = dns::parse_server(input);
  if (!server) return;
  bool six = server->address.find(':') != std::string::npos;
  std::string text = (six ? "[" + server->address + "]" : server->address) + ":" + std::to_string(server->port);
  auto again = dns::parse_server(text);
  require(again && again->address == server->address && again->port == server->port, "a server survives its text");
}

}  // namespace fuzz
