#include "config/domain_settings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mansio::config {
namespace {

// For logs and listings: the group's first domain, which tells an admin more than a number. Different for each group.
std::string word_for(const std::vector<DomainSettings>& groups, std::size_t group) {
  auto first = [&](std::size_t i) { return groups[i].domains.empty() ? std::string() : groups[i].domains.front(); };
  std::string word = first(group);
  bool plain = word.find_first_of(" :/()") == std::string::npos;       // no look-up, no IPv6 literal
  if (word.empty() || !plain) return fmt::format("#{}", group + 1);
  for (std::size_t i = 0; i < group; ++i) {
    if (first(i) == word) return fmt::format("{}#{}", word, group + 1);
  }
  return word;
}

class Overlay {
 public:
  explicit Overlay(Transport& out) : out_(out) {}
  bool changed = false;

  template <class Given, class Field>
  void put(const std::optional<Given>& given, Field Transport::* field) {
    if (!given) return;
    out_.*field = *given;
    changed = true;
  }

  void put_timeout(const std::optional<Duration>& given) {
    if (!given) return;
    ClientTimes& times = out_.timeouts;
    for (Duration* each : {&times.connect, &times.greeting, &times.hello, &times.mail, &times.rcpt, &times.data_init, &times.data_block,
                           &times.data_end}) {
      *each = *given;
    }
    changed = true;
  }

 private:
  Transport& out_;
};

}  // namespace

std::optional<Transport> variant_of(const Transport& transport, const std::vector<DomainSettings>& groups, std::size_t group) {
  const DomainSettings& of = groups[group];
  Transport out = transport;
  Overlay overlay(out);
  if (transport.kind == TransportKind::smtp) {
    overlay.put(of.hosts, &Transport::hosts);
    overlay.put(of.fallback, &Transport::fallback);
    overlay.put(of.direct_first, &Transport::direct_first);
    overlay.put(of.plain_helo, &Transport::plain_helo);
    overlay.put(of.port, &Transport::port);
  }
  overlay.put(of.tls, &Transport::tls);
  overlay.put(of.tls_implicit, &Transport::tls_implicit);
  overlay.put(of.credentials, &Transport::credentials);
  overlay.put(of.helo_name, &Transport::helo_name);
  overlay.put(of.connections, &Transport::connections);
  overlay.put(of.messages_per_connection, &Transport::messages_per_connection);
  overlay.put(of.recipients_per_message, &Transport::recipients_per_message);
  overlay.put_timeout(of.timeout);
  if (of.source_address || of.source_address6) {      // together they are where we connect from
    out.source_address = of.source_address.value_or("");
    out.source_address6 = of.source_address6.value_or("");
    overlay.changed = true;
  }
  if (of.credentials && of.credentials->empty()) out.auth_mechanisms.clear();
  if (!overlay.changed && of.retry.empty() && !of.delay_warning) return std::nullopt;
  out.group = group;
  out.variant = word_for(groups, group);
  return out;
}

}  // namespace mansio::config
