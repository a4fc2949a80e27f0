// ClientNames: what a client's address is called. A name counts when it was confirmed: the address has a PTR record with it,
// and the name an address record with the address (RFC 8601 §2.7.3 calls this iprev), for a PTR record alone is whatever
// the owner of the address wrote there. Bounded: the first few PTR names, and a time limit for all of it. What could not be
// told in time is `unsure`. Answers are kept by the Resolver.
#pragma once
#include <memory>
#include <string>

#include "config/clients.hpp"
#include "dns/resolver.hpp"
#include "event/loop.hpp"
#include "event/scope.hpp"
#include "event/task.hpp"

namespace mansio::policy {

inline constexpr std::size_t most_client_names = 5;     // PTR names that are looked at

// "192.0.2.1" → "1.2.0.192.in-addr.arpa" (RFC 1035 §3.5), "2001:db8::1" → "1.0.…ip6.arpa" (RFC 3596 §2.5); "" for no address.
std::string reverse_name(std::string_view address);

class ClientNames {
 public:
  // The resolver and the scope live as long as this.
  ClientNames(event::Loop& loop, event::Scope& scope, dns::Resolver& resolver) : loop_(loop), scope_(scope), resolver_(resolver) {}

  // Never longer than `limit`.
  event::Task<config::ClientName> look_up(std::string address, Duration limit);

 private:
  struct Search;
  event::Task<> run(std::shared_ptr<Search> search);

  event::Loop& loop_;
  event::Scope& scope_;
  dns::Resolver& resolver_;
};

}  // namespace mansio::policy
