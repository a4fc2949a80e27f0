#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "doctor/checks.hpp"
#include "doctor/spf.hpp"

namespace mansio::doctor {
namespace {

struct HostSeen {
  HostSeen() = default;
  bool ours = false;
  Findings troubles;
};

// One MX host: no alias (RFC 5321 §5.1, RFC 2181 §10.3), with addresses, perhaps ours.
event::Task<HostSeen> look_at_host(Names& names, const Subject& subject, std::string domain, std::string host) {
  HostSeen out;
  auto alias = co_await names.ask(host, dns::Type::cname);
  if (alias->found() && !alias->names.empty()) {
    out.troubles.emplace_back("mx", State::bad, fmt::format("{}: its MX host {} is an alias of {}", domain, host, alias->names.front()),
                              "let the MX record name a host that has an address record itself (RFC 2181 §10.3)");
  }
  dns::Outcome trouble = dns::Outcome::found;
  auto addresses = co_await addresses_of(names, host, &trouble);
  out.ours = std::ranges::any_of(addresses, [&](const std::string& one) { return is_ours(subject, one); });
  if (!addresses.empty()) co_return out;
  if (unknown(trouble)) out.troubles.emplace_back("mx", State::skipped, fmt::format("{}: {}: {}", domain, host, dns::describe(trouble)));
  else out.troubles.emplace_back("mx", State::bad, fmt::format("{}: its MX host {} has no address", domain, host), "publish an A or AAAA record for it");
  co_return out;
}

// RFC 5321 §5.1: without MX records the domain's own address is taken.
event::Task<Finding> without_mx(Names& names, const Subject& subject, std::string domain) {
  dns::Outcome trouble = dns::Outcome::found;
  auto addresses = co_await addresses_of(names, domain, &trouble);
  bool ours = std::ranges::any_of(addresses, [&](const std::string& one) { return is_ours(subject, one); });
  Finding out("mx", State::bad, fmt::format("{} has no MX record", domain), fmt::format("publish \"{}. MX 10 {}.\"", domain, subject.config->host_name));
  if (unknown(trouble)) out.state = State::skipped;
  if (ours) {
    out.state = State::note;
    out.seen += ", but its address is ours, and stands in for it";
  }
  co_return out;
}

}  // namespace

event::Task<Findings> check_mx(Names& names, const Subject& subject, std::string domain) {
  Findings out;
  auto answer = co_await names.ask(domain, dns::Type::mx);
  if (unknown(answer->outcome)) {
    out.emplace_back("mx", State::skipped, fmt::format("{}: {}", domain, dns::describe(answer->outcome)));
    co_return out;
  }
  if (answer->mx.empty()) {
    auto found = co_await without_mx(names, subject, domain);
    out.push_back(std::move(found));
    co_return out;
  }
  if (answer->mx.front().host.empty()) {
    out.emplace_back("mx", State::bad, fmt::format("{} says that it takes no mail (a null MX, RFC 7505)", domain), "publish an MX record that names this host");
    co_return out;
  }
  auto hosts = answer->mx;
  std::ranges::stable_sort(hosts, {}, &dns::Mx::preference);
  bool ours = false, first = false;
  std::string list;
  for (const dns::Mx& mx : hosts) {
    auto seen = co_await look_at_host(names, subject, domain, mx.host);
    if (seen.ours && mx.preference == hosts.front().preference) first = true;
    ours = ours || seen.ours;
    std::ranges::move(seen.troubles, std::back_inserter(out));
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", mx.preference, mx.host);
  }
  bool not_sure = std::ranges::any_of(out, [](const Finding& one) { return one.state == State::skipped; });
  if (first) out.emplace_back("mx", State::ok, fmt::format("{}: {}", domain, list));
  else if (ours) out.emplace_back("mx", State::note, fmt::format("{}: {}: another host comes before this one", domain, list));
  else if (subject.addresses.empty()) out.emplace_back("mx", State::skipped, fmt::format("{}: {}: the public address is not known", domain, list));
  else if (!not_sure && out.empty()) out.emplace_back("mx", State::bad, fmt::format("{}: {}: none of them is this machine", domain, list), fmt::format("publish \"{}. MX 10 {}.\", or take the domain out of domains.local", domain, subject.config->host_name));
  co_return out;
}

event::Task<Findings> check_spf(Names& names, const Subject& subject, std::string domain) {
  Findings out;
  if (!sends_directly(*subject.config)) {
    out.emplace_back("spf", State::note, fmt::format("{}: mail leaves through a smart host: its addresses must stand in the SPF record", domain));
    co_return out;
  }
  if (subject.addresses.empty()) out.emplace_back("spf", State::skipped, fmt::format("{}: the public address is not known", domain));
  for (const std::string& address : subject.addresses) {
    SpfQuestion question;
    question.address = address;
    question.domain = domain;
    question.sender = "postmaster@" + domain;
    question.helo = helo_name(*subject.config);
    auto answer = co_await evaluate_spf(names, std::move(question));
    std::string seen = fmt::format("{} for {}: {}: {}", domain, address, word_of(answer.result), answer.why);
    std::string mend = fmt::format("let the record of {} allow {}: see mansioctl doctor --records", domain, address);
    switch (answer.result) {
      case SpfResult::pass: out.emplace_back("spf", State::ok, std::move(seen)); break;
      case SpfResult::temperror: out.emplace_back("spf", State::skipped, std::move(seen)); break;
      case SpfResult::none: out.emplace_back("spf", State::warning, std::move(seen), "publish an SPF record: see mansioctl doctor --records"); break;
      case SpfResult::neutral: out.emplace_back("spf", State::warning, std::move(seen), std::move(mend)); break;
      case SpfResult::permerror: out.emplace_back("spf", State::bad, std::move(seen), "mend the record: as it is, nobody can use it"); break;
      default: out.emplace_back("spf", State::bad, std::move(seen), std::move(mend)); break;
    }
    if (answer.look_ups > 8 && answer.look_ups <= 10) {
      out.emplace_back("spf", State::note, fmt::format("{}: {} look-ups of the ten that are allowed", domain, answer.look_ups));
    }
  }
  co_return out;
}

// The domain's own record, else that of a domain above it (RFC 7489 §6.6.3).
event::Task<Findings> check_dmarc(Names& names, std::string domain) {
  Findings out;
  std::string at = domain;
  while (at.find('.') != std::string::npos) {
    std::string name = "_dmarc." + at;
    auto answer = co_await names.ask(name, dns::Type::txt);
    if (unknown(answer->outcome)) {
      out.emplace_back("dmarc", State::skipped, fmt::format("{}: {}", name, dns::describe(answer->outcome)));
      co_return out;
    }
    auto record = std::ranges::find_if(answer->texts, [](const std::string& text) { return istarts_with(text, "v=DMARC1"); });
    if (record != answer->texts.end()) {
      bool policy = to_lower(*record).find("p=") != std::string::npos;
      if (policy) out.emplace_back("dmarc", State::ok, fmt::format("{}: {}", name, *record));
      else out.emplace_back("dmarc", State::bad, fmt::format("{}: {}: no policy (p=) in it", name, *record), "write v=DMARC1; p=none at least");
      co_return out;
    }
    at.erase(0, at.find('.') + 1);
  }
  out.emplace_back("dmarc", State::warning, domain + " has no DMARC record", "publish one: large providers ask for it; see mansioctl doctor --records");
  co_return out;
}

event::Task<Findings> check_mta_sts(Names& names, std::string domain) {
  Findings out;
  auto sts = co_await names.ask("_mta-sts." + domain, dns::Type::txt);
  auto report = co_await names.ask("_smtp._tls." + domain, dns::Type::txt);
  if (unknown(sts->outcome) || unknown(report->outcome)) co_return out;
  auto begins = [](const AnswerPtr& answer, std::string_view word) {
    return std::ranges::any_of(answer->texts, [&](const std::string& text) { return istarts_with(text, word); });
  };
  bool has_sts = begins(sts, "v=STSv1"), has_report = begins(report, "v=TLSRPTv1");
  out.emplace_back("mta_sts", State::note, fmt::format("{}: MTA-STS {}, TLS reports {}", domain, has_sts ? "published" : "not published (RFC 8461)",
                                                       has_report ? "asked for" : "not asked for (RFC 8460)"));
  co_return out;
}

}  // namespace mansio::doctor
