// Questions to the name system as the checks ask them, so that tests answer from a table.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "dns/answer.hpp"
#include "dns/resolver.hpp"
#include "event/task.hpp"

namespace mansio::doctor {

using AnswerPtr = std::shared_ptr<const dns::Answer>;

struct Names {
  // Never null.
  virtual event::Task<AnswerPtr> ask(std::string name, dns::Type type) = 0;

 protected:
  ~Names() = default;
};

class ResolverNames final : public Names {
 public:
  explicit ResolverNames(dns::Resolver& resolver) : resolver_(resolver) {}
  event::Task<AnswerPtr> ask(std::string name, dns::Type type) override;

 private:
  dns::Resolver& resolver_;
};

// The servers of the configuration, else those of /etc/resolv.conf's text. A try lasts three seconds at most, and there
// are two: somebody waits for the answer.
dns::ResolverOptions resolver_options(const config::Config& config, std::string_view resolv_conf);

// "192.0.2.1" → "1.2.0.192.in-addr.arpa", "2001:db8::1" → "1.0.….8.b.d.0.1.0.0.2.ip6.arpa" (RFC 1035 §3.5, RFC 3596 §2.5);
// "" when it is no address.
std::string reverse_name(std::string_view address);

// IPv4 and IPv6 addresses of a name. `first_trouble` gets the outcome that kept one of the two from being known, if any.
event::Task<std::vector<std::string>> addresses_of(Names& names, std::string host, dns::Outcome* first_trouble);

// Proven absence is an answer, too; this is when there was none.
bool unknown(dns::Outcome outcome);

}  // namespace mansio::doctor
