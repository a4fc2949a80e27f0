#include "doctor/name_servers.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "event/scope.hpp"

namespace mansio::doctor {
namespace {

constexpr Duration slow{300};

void rethrow(std::exception_ptr bug) { std::rethrow_exception(bug); }

std::string endpoint_text(const event::Endpoint& endpoint) {
  bool wide = endpoint.address.find(':') != std::string::npos;
  return endpoint.port == 53 ? endpoint.address : fmt::format("{}{}{}:{}", wide ? "[" : "", endpoint.address, wide ? "]" : "", endpoint.port);
}

event::Task<> ask_one(event::Loop& loop, dns::ResolverOptions options, std::string question, Finding* out, bool* answered) {
  event::Scope scope(rethrow);
  std::string server = endpoint_text(options.servers.front());
  dns::Resolver resolver(loop, scope, options);
  auto began = std::chrono::steady_clock::now();
  auto answer = co_await resolver.ask(question, dns::Type::a);
  auto took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began);
  resolver.stop();
  co_await scope.join();
  if (answered != nullptr && answer->outcome != dns::Outcome::timed_out && answer->outcome != dns::Outcome::no_resources) *answered = true;
  if (unknown(answer->outcome)) {
    out->state = State::bad;
    out->seen = fmt::format("{}: {}", server, dns::describe(answer->outcome));
    out->advice = "mend it or take it out of dns.servers (or /etc/resolv.conf): without name servers mail waits";
  } else {
    out->state = took > slow ? State::warning : State::ok;
    out->seen = fmt::format("{} answered in {} ms", server, took.count());
    if (took > slow) out->advice = "every message waits for it several times: use a resolver that is near";
  }
}

}  // namespace

event::Task<Findings> check_name_servers(event::Loop& loop, dns::ResolverOptions options, std::string host_name, bool* answered) {
  Findings out;
  if (options.servers.empty()) {
    out.emplace_back("dns_server", State::bad, "no name server is known", "set dns.servers, or add a nameserver line to /etc/resolv.conf");
    co_return out;
  }
  out.assign(options.servers.size(), Finding("dns_server", State::skipped, ""));
  event::Scope scope(rethrow);
  for (std::size_t i = 0; i < options.servers.size(); ++i) {
    dns::ResolverOptions one = options;
    one.servers = {options.servers[i]};
    scope.spawn(ask_one(loop, std::move(one), host_name, &out[i], answered));
  }
  co_await scope.join();
  co_return out;
}

event::Task<Findings> check_host_name(Names& names, std::string host_name) {
  Findings out;
  if (host_name.find('.') == std::string::npos || iequals(host_name, "localhost.localdomain")) {
    out.emplace_back("host_name", State::warning, fmt::format("\"{}\" is no fully qualified name", host_name),
                     "set host_name to the name that DNS has for this machine: many servers refuse mail from any other");
    co_return out;
  }
  dns::Outcome trouble = dns::Outcome::found;
  auto addresses = co_await addresses_of(names, host_name, &trouble);
  if (!addresses.empty()) {
    out.emplace_back("host_name", State::ok, fmt::format("{} is {}", host_name, fmt::join(addresses, ", ")));
  } else if (unknown(trouble)) {
    out.emplace_back("host_name", State::skipped, fmt::format("{}: {}", host_name, dns::describe(trouble)));
  } else {
    out.emplace_back("host_name", State::warning, fmt::format("{} has no address in DNS", host_name),
                     "publish an A or AAAA record for it, or set host_name to a name that has one");
  }
  co_return out;
}

}  // namespace mansio::doctor
