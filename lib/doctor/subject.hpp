// What is looked at: the configuration, this machine, and how others see it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "doctor/finding.hpp"
#include "doctor/names.hpp"
#include "net/certificate.hpp"

namespace mansio::doctor {

struct Subject {
  Subject() = default;
  config::ConfigPtr config;
  std::vector<std::string> interfaces;       // numeric addresses of this machine
  std::vector<std::string> routed;           // of these, the ones that the default routes leave from
  std::vector<std::string> addresses;        // as others see this machine: given, or filled by find_addresses()
  std::vector<std::string> domains;          // local domains that mail comes to from outside
  std::vector<net::CertificateFacts> certificates;
  Findings certificate_troubles;             // files that could not be read
  std::vector<std::string> blocklists;       // zones to be asked; none: not asked
  std::string probe_host;                    // "host", "host:port" for port 25 out; "": a well-known one's MX hosts
};

// domains.local without look-ups, patterns, literals, and names that are of this machine alone.
std::vector<std::string> public_domains(const config::Config& config);
// No private, loopback, link-local, documentation or other special address (RFC 6890).
bool is_public_address(std::string_view address);
// Mail for everybody leaves from here to each domain's MX hosts; otherwise through a smart host, or not at all.
bool sends_directly(const config::Config& config);
// The name that other servers hear from us.
std::string helo_name(const config::Config& config);

// Blocks.
std::vector<std::string> machine_addresses();
std::vector<std::string> routed_addresses();

// Fills subject.addresses where nobody said them: source_address of the transports, the default route's, else what DNS
// says of host_name and the MX hosts of our domains.
event::Task<Findings> find_addresses(Names& names, Subject& subject);

}  // namespace mansio::doctor
