#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "doctor/checks.hpp"

namespace mansio::doctor {
namespace {

event::Task<Finding> check_one_address(Names& names, std::string address, std::string host) {
  Finding out("reverse_dns", State::skipped, "");
  auto answer = co_await names.ask(reverse_name(address), dns::Type::ptr);
  if (unknown(answer->outcome)) {
    out.seen = fmt::format("{}: {}", address, dns::describe(answer->outcome));
    co_return out;
  }
  out.state = State::bad;
  out.advice = fmt::format("ask the provider of the address for the PTR record {}: most servers refuse or distrust mail without it", host);
  if (answer->names.empty()) {
    out.seen = fmt::format("{} has no PTR record", address);
    co_return out;
  }
  for (const std::string& name : answer->names) {
    dns::Outcome trouble = dns::Outcome::found;
    auto back = co_await addresses_of(names, name, &trouble);
    if (std::ranges::find(back, address) == back.end()) {
      if (unknown(trouble)) out = Finding("reverse_dns", State::skipped, fmt::format("{} is {}: {}", address, name, dns::describe(trouble)));
      continue;
    }
    bool same = iequals(name, host);
    out.state = same ? State::ok : State::warning;
    out.seen = fmt::format("{} is {}, and {} is {}", address, name, name, address);
    out.advice = same ? "" : fmt::format("the PTR record and the HELO name ({}) should be the same: change one of them", host);
    if (same) co_return out;
  }
  if (out.state == State::bad) {
    out.seen = fmt::format("{} is {}, but that name does not lead back to it", address, answer->names.front());
    out.advice = fmt::format("publish an address record for that name, or have the PTR record say {}", host);
  }
  co_return out;
}

event::Task<Finding> check_one_list(Names& names, std::string address, std::string zone) {
  Finding out("blocklist", State::ok, fmt::format("{} is not on {}", address, zone));
  std::string reversed = reverse_name(address);
  auto end = reversed.find(address.find(':') == std::string::npos ? ".in-addr.arpa" : ".ip6.arpa");
  std::string question = reversed.substr(0, end) + "." + zone;
  auto answer = co_await names.ask(question, dns::Type::a);
  if (unknown(answer->outcome)) {
    out.state = State::skipped;
    out.seen = fmt::format("{}: {}", zone, dns::describe(answer->outcome));
  } else if (answer->found() && !answer->addresses.empty()) {
    // 127.255.255.0/24: the list says no to who asks, not to the address (public resolvers, too many questions).
    bool refused = answer->addresses.front().starts_with("127.255.255.");
    out.state = refused ? State::skipped : State::bad;
    out.seen = refused ? fmt::format("{} does not answer this resolver's questions", zone) : fmt::format("{} is on {} ({})", address, zone, answer->addresses.front());
    if (!refused) out.advice = fmt::format("look up why at the web page of {}, mend that, and ask to be taken off", zone);
  }
  co_return out;
}

}  // namespace

bool is_ours(const Subject& subject, const std::string& address) {
  return std::ranges::find(subject.addresses, address) != subject.addresses.end() ||
         std::ranges::find(subject.interfaces, address) != subject.interfaces.end();
}

event::Task<Findings> check_reverse(Names& names, const Subject& subject) {
  Findings out;
  std::string host = helo_name(*subject.config);
  for (const std::string& address : subject.addresses) {
    auto found = co_await check_one_address(names, address, host);
    out.push_back(std::move(found));
  }
  if (out.empty()) out.emplace_back("reverse_dns", State::skipped, "the public address is not known");
  co_return out;
}

event::Task<Findings> check_helo(Names& names, const Subject& subject) {
  Findings out;
  std::string name = helo_name(*subject.config);
  if (name.starts_with('[')) {
    out.emplace_back("helo_name", State::warning, name + " is an address", "many servers refuse mail after it: set host_name, or helo_name, to a name");
    co_return out;
  }
  if (name.find('.') == std::string::npos) {
    out.emplace_back("helo_name", State::bad, fmt::format("\"{}\" is no fully qualified name", name), "set host_name to the name that DNS has for this machine");
    co_return out;
  }
  dns::Outcome trouble = dns::Outcome::found;
  auto addresses = co_await addresses_of(names, name, &trouble);
  bool ours = std::ranges::any_of(addresses, [&](const std::string& one) { return is_ours(subject, one); });
  if (ours) out.emplace_back("helo_name", State::ok, fmt::format("{} is {}", name, fmt::join(addresses, ", ")));
  else if (unknown(trouble)) out.emplace_back("helo_name", State::skipped, fmt::format("{}: {}", name, dns::describe(trouble)));
  else if (addresses.empty()) out.emplace_back("helo_name", State::bad, name + " has no address in DNS", "publish an A or AAAA record for it: other servers look it up");
  else if (subject.addresses.empty()) out.emplace_back("helo_name", State::skipped, fmt::format("{} is {}; the public address is not known", name, fmt::join(addresses, ", ")));
  else out.emplace_back("helo_name", State::warning, fmt::format("{} is {}, which is not this machine", name, fmt::join(addresses, ", ")), "mend its address record, or set host_name");
  co_return out;
}

event::Task<Findings> check_blocklists(Names& names, const Subject& subject) {
  Findings out;
  for (const std::string& address : subject.addresses) {
    for (const std::string& zone : subject.blocklists) {
      auto found = co_await check_one_list(names, address, zone);
      out.push_back(std::move(found));
    }
  }
  co_return out;
}

}  // namespace mansio::doctor
