// TLS towards other hosts: how much of it a recipient's domain wants, what we bring along, and which hosts were found unable
// to do it. lib/net does TLS itself.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/config.hpp"
#include "config/match.hpp"
#include "deliver/secrets.hpp"
#include "mail/address.hpp"
#include "net/tls.hpp"

namespace mansio::deliver {

// What a connection has to be for a recipient. Those with different demands don't share one.
struct TlsDemand {
  TlsDemand() = default;
  config::ClientTls level = config::ClientTls::opportunistic;
  std::vector<std::string> names;      // of the certificate, in place of the host's own
  bool by_policy = false;              // the domain wants it, not the transport
  std::string key() const;             // equal for equal demands
};

class TlsPolicies {
 public:
  // Of the configuration's policies the first that matches the domain, else what the transport says. LMTP hosts are ours,
  // so that policies, which are for others' domains, don't count for them.
  TlsDemand demand(const config::ConfigPtr& config, const config::Transport& transport, const mail::Domain& domain);

 private:
  config::ConfigPtr config_;           // that lists_ is made of
  std::vector<config::DomainList> lists_;
};

// The contexts of transports, each made once and made anew when a file has changed.
class ClientTlsContexts {
 public:
  // `secrets` may be null: then files are not found.
  explicit ClientTlsContexts(const Secrets* secrets) : secrets_(secrets) {}

  // The error names the file or setting, and what is wrong.
  Result<std::shared_ptr<const net::TlsClient>> get(const config::Transport& transport);

 private:
  struct Made {
    Made() : result(fail(Fault::invalid, "")) {}
    std::uint64_t generation = 0;
    Result<std::shared_ptr<const net::TlsClient>> result;
  };
  Result<std::shared_ptr<const net::TlsClient>> make(const config::Transport& transport) const;
  Result<std::string> bytes_of(const std::string& path) const;

  const Secrets* secrets_;
  std::unordered_map<std::string, Made> made_;     // by their settings
};

// Addresses whose handshake failed: for a while they get mail in clear at once, where it may be sent so.
class ClearAddresses {
 public:
  static constexpr Duration remembered{std::chrono::minutes(10)};
  void add(const std::string& endpoint);
  bool has(const std::string& endpoint) const;

 private:
  std::unordered_map<std::string, MonotonicTime> until_;
};

}  // namespace mansio::deliver
