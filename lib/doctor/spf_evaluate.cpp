// RFC 7208 §4 and §5: a record against an address.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "doctor/spf.hpp"

namespace mansio::doctor {
namespace {

constexpr unsigned most_look_ups = 10, most_void = 2;      // §4.6.4
constexpr std::size_t most_names = 10;                     // MX hosts, PTR names

bool in_network(const std::string& address, const std::string& network, int prefix) {
  int family = network.find(':') == std::string::npos ? AF_INET : AF_INET6;
  std::array<unsigned char, 16> a{}, b{};
  if (::inet_pton(family, address.c_str(), a.data()) != 1 || ::inet_pton(family, network.c_str(), b.data()) != 1) return false;
  for (int bit = 0; bit < prefix; ++bit) {
    unsigned mask = 0x80u >> (bit % 8);
    auto at = static_cast<std::size_t>(bit / 8);
    if ((a[at] & mask) != (b[at] & mask)) return false;
  }
  return true;
}

enum class Match : std::uint8_t { no, yes, temperror, permerror };

class Evaluation {
 public:
  Evaluation(Names& names, SpfQuestion question) : names_(names), question_(std::move(question)) {
    six_ = question_.address.find(':') != std::string::npos;
    if (six_) address_type_ = dns::Type::aaaa;
  }

  event::Task<SpfAnswer> run() {
    SpfAnswer out;
    out.result = co_await check(question_.domain, &out.record);
    out.why = why_;
    out.look_ups = look_ups_;
    co_return out;
  }

 private:
  event::Task<SpfResult> check(std::string domain, std::string* record);
  event::Task<SpfResult> walk(SpfRecord record, std::string domain);
  event::Task<Match> match(SpfTerm term, std::string domain);
  event::Task<Match> match_include(std::string target);
  event::Task<Match> match_address(std::string host, SpfTerm term);
  event::Task<Match> match_mx(std::string target, SpfTerm term);
  event::Task<Match> match_ptr(std::string target);
  event::Task<Match> match_exists(std::string target);
  event::Task<AnswerPtr> ask(std::string name, dns::Type type);
  bool count() { return ++look_ups_ <= most_look_ups; }

  Names& names_;
  SpfQuestion question_;
  std::string why_;
  unsigned look_ups_ = 0, void_ = 0;
  bool six_ = false;
  dns::Type address_type_ = dns::Type::a;
};

// Names that do not exist are counted: §4.6.4.
event::Task<AnswerPtr> Evaluation::ask(std::string name, dns::Type type) {
  auto answer = co_await names_.ask(std::move(name), type);
  if (answer->proven_absent()) ++void_;
  co_return answer;
}

event::Task<SpfResult> Evaluation::check(std::string domain, std::string* record) {
  auto answer = co_await names_.ask(domain, dns::Type::txt);
  if (unknown(answer->outcome)) {
    why_ = fmt::format("{}: {}", domain, dns::describe(answer->outcome));
    co_return SpfResult::temperror;
  }
  std::vector<std::string> found;
  std::ranges::copy_if(answer->texts, std::back_inserter(found), is_spf_record);
  if (found.empty()) {
    why_ = fmt::format("{} has no SPF record", domain);
    co_return SpfResult::none;
  }
  if (found.size() > 1) {
    why_ = fmt::format("{} has {} SPF records: there may be one (§4.5)", domain, found.size());
    co_return SpfResult::permerror;
  }
  if (record != nullptr) *record = found.front();
  auto parsed = parse_spf(found.front());
  if (!parsed) {
    why_ = fmt::format("{}: {}", domain, parsed.error().text());
    co_return SpfResult::permerror;
  }
  co_return co_await walk(std::move(*parsed), std::move(domain));
}

event::Task<SpfResult> Evaluation::walk(SpfRecord record, std::string domain) {
  static constexpr std::string_view mechanisms[] = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"};
  for (const SpfTerm& term : record.terms) {
    SpfTerm one = term;
    Match matched = co_await match(std::move(one), domain);
    if (matched == Match::no && void_ > most_void) {
      why_ = "more than two look-ups that find nothing (§4.6.4)";
      co_return SpfResult::permerror;
    }
    if (matched == Match::temperror) co_return SpfResult::temperror;
    if (matched == Match::permerror) co_return SpfResult::permerror;
    if (matched == Match::no) continue;
    std::string what = !term.network.empty() ? ":" + term.network : term.domain.empty() ? "" : ":" + term.domain;
    why_ = fmt::format("\"{}{}\" of {}", mechanisms[static_cast<std::size_t>(term.mechanism)], what, domain);
    co_return term.qualifier;
  }
  if (record.redirect.empty()) {
    why_ = fmt::format("nothing in the record of {} fits", domain);
    co_return SpfResult::neutral;                          // §4.7
  }
  auto target = expand_spf(record.redirect, question_, domain);
  if (!target || !count()) {
    why_ = target ? "more than ten look-ups (§4.6.4)" : target.error().text();
    co_return SpfResult::permerror;
  }
  SpfResult result = co_await check(*target, nullptr);
  co_return result == SpfResult::none ? SpfResult::permerror : result;      // §6.1
}

event::Task<Match> Evaluation::match(SpfTerm term, std::string domain) {
  if (term.mechanism == SpfMechanism::all) co_return Match::yes;
  if (!term.network.empty()) {
    bool same_family = six_ == (term.mechanism == SpfMechanism::ip6);
    co_return same_family && in_network(question_.address, term.network, six_ ? term.prefix6 : term.prefix4) ? Match::yes : Match::no;
  }
  auto target = expand_spf(term.domain, question_, domain);
  if (!target || !count()) {
    why_ = target ? "more than ten look-ups (§4.6.4)" : target.error().text();
    co_return Match::permerror;
  }
  std::string name = *target;
  switch (term.mechanism) {
    case SpfMechanism::include: co_return co_await match_include(std::move(name));
    case SpfMechanism::a: co_return co_await match_address(std::move(name), std::move(term));
    case SpfMechanism::mx: co_return co_await match_mx(std::move(name), std::move(term));
    case SpfMechanism::ptr: co_return co_await match_ptr(std::move(name));
    default: co_return co_await match_exists(std::move(name));
  }
}

// §5.2
event::Task<Match> Evaluation::match_include(std::string target) {
  SpfResult result = co_await check(std::move(target), nullptr);
  switch (result) {
    case SpfResult::pass: co_return Match::yes;
    case SpfResult::temperror: co_return Match::temperror;
    case SpfResult::none:
    case SpfResult::permerror: co_return Match::permerror;
    default: co_return Match::no;
  }
}

event::Task<Match> Evaluation::match_address(std::string host, SpfTerm term) {
  auto answer = co_await ask(std::move(host), address_type_);
  if (unknown(answer->outcome)) {
    why_ = dns::describe(answer->outcome);
    co_return Match::temperror;
  }
  int prefix = six_ ? term.prefix6 : term.prefix4;
  bool found = std::ranges::any_of(answer->addresses, [&](const std::string& one) { return in_network(question_.address, one, prefix); });
  co_return found ? Match::yes : Match::no;
}

event::Task<Match> Evaluation::match_mx(std::string target, SpfTerm term) {
  auto answer = co_await ask(std::move(target), dns::Type::mx);
  if (unknown(answer->outcome)) {
    why_ = dns::describe(answer->outcome);
    co_return Match::temperror;
  }
  if (answer->mx.size() > most_names) {
    why_ = "more than ten MX hosts (§4.6.4)";
    co_return Match::permerror;
  }
  for (const dns::Mx& mx : answer->mx) {
    std::string host = mx.host;
    SpfTerm one = term;
    Match matched = co_await match_address(std::move(host), std::move(one));
    if (matched != Match::no) co_return matched;
  }
  co_return Match::no;
}

// §5.5
event::Task<Match> Evaluation::match_ptr(std::string target) {
  auto answer = co_await ask(reverse_name(question_.address), dns::Type::ptr);
  for (std::size_t i = 0; i < std::min(answer->names.size(), most_names); ++i) {
    std::string name = to_lower(answer->names[i]);
    bool below = iequals(name, target) || name.ends_with("." + to_lower(target));
    if (!below) continue;
    auto back = co_await names_.ask(name, address_type_);
    if (std::ranges::any_of(back->addresses, [&](const std::string& one) { return in_network(question_.address, one, six_ ? 128 : 32); })) {
      co_return Match::yes;
    }
  }
  co_return Match::no;
}

// §5.7: always an A record, whatever the address.
event::Task<Match> Evaluation::match_exists(std::string target) {
  auto answer = co_await ask(std::move(target), dns::Type::a);
  if (unknown(answer->outcome)) {
    why_ = dns::describe(answer->outcome);
    co_return Match::temperror;
  }
  co_return answer->found() ? Match::yes : Match::no;
}

}  // namespace

event::Task<SpfAnswer> evaluate_spf(Names& names, SpfQuestion question) {
  Evaluation evaluation(names, std::move(question));
  auto answer = co_await evaluation.run();
  co_return answer;
}

}  // namespace mansio::doctor
