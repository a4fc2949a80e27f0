#include "doctor/records.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "doctor/checks.hpp"
#include "doctor/spf.hpp"

namespace mansio::doctor {
namespace {

std::string hex(std::string_view octets) {
  std::string out;
  for (char octet : octets) out += fmt::format("{:02x}", static_cast<unsigned char>(octet));
  return out;
}

event::Task<Record> address_record(Names& names, std::string host, std::string address) {
  bool six = address.find(':') != std::string::npos;
  Record out(host + ".", six ? "AAAA" : "A", address);
  dns::Type type = six ? dns::Type::aaaa : dns::Type::a;
  auto answer = co_await names.ask(host, type);
  bool there = std::ranges::find(answer->addresses, address) != answer->addresses.end();
  out.published = there ? Published::there : unknown(answer->outcome) ? Published::unknown : answer->addresses.empty() ? Published::missing : Published::differs;
  if (!there) out.seen = answer->addresses;
  co_return out;
}

event::Task<Record> reverse_record(Names& names, std::string host, std::string address) {
  std::string owner = reverse_name(address);
  Record out(owner + ".", "PTR", host + ".");
  out.comment = fmt::format("the provider of {} publishes it", address);
  auto answer = co_await names.ask(owner, dns::Type::ptr);
  bool there = std::ranges::any_of(answer->names, [&](const std::string& name) { return iequals(name, host); });
  out.published = there ? Published::there : unknown(answer->outcome) ? Published::unknown : answer->names.empty() ? Published::missing : Published::differs;
  if (!there) out.seen = answer->names;
  co_return out;
}

event::Task<Record> mx_record(Names& names, const Subject& subject, std::string domain) {
  Record out(domain + ".", "MX", fmt::format("10 {}.", subject.config->host_name));
  auto answer = co_await names.ask(domain, dns::Type::mx);
  out.published = unknown(answer->outcome) ? Published::unknown : answer->mx.empty() ? Published::missing : Published::differs;
  for (const dns::Mx& mx : answer->mx) {
    auto addresses = co_await addresses_of(names, mx.host, nullptr);
    bool ours = iequals(mx.host, subject.config->host_name) || std::ranges::any_of(addresses, [&](const std::string& one) { return is_ours(subject, one); });
    std::string data = fmt::format("{} {}.", mx.preference, mx.host);
    if (ours && out.published != Published::there) {
      out.published = Published::there;
      out.data = data;
    }
    out.seen.push_back(std::move(data));
  }
  if (out.published == Published::there) out.seen.clear();
  co_return out;
}

event::Task<Record> spf_record(Names& names, const Subject& subject, std::string domain) {
  Record out(domain + ".", "TXT", "");
  bool allowed = true, asked = true;
  std::string record;
  for (const std::string& address : subject.addresses) {
    SpfQuestion question;
    question.address = address;
    question.domain = domain;
    question.sender = "postmaster@" + domain;
    question.helo = subject.config->host_name;
    auto answer = co_await evaluate_spf(names, std::move(question));
    allowed = allowed && answer.result == SpfResult::pass;
    asked = asked && answer.result != SpfResult::temperror;
    if (!answer.record.empty()) record = answer.record;
  }
  if (!sends_directly(*subject.config)) out.comment = "mail leaves through a smart host: add what its provider says (include:…)";
  out.data = txt_data(allowed && !record.empty() ? record : spf_with(record, subject.addresses));
  out.published = !asked ? Published::unknown : record.empty() ? Published::missing : allowed ? Published::there : Published::differs;
  if (out.published == Published::differs) out.seen.push_back(txt_data(record));
  co_return out;
}

event::Task<Record> text_record(Names& names, std::string owner, std::string begins, std::string wanted) {
  Record out(owner + ".", "TXT", txt_data(wanted));
  auto answer = co_await names.ask(owner, dns::Type::txt);
  auto found = std::ranges::find_if(answer->texts, [&](const std::string& text) { return istarts_with(text, begins); });
  out.published = unknown(answer->outcome) ? Published::unknown : Published::missing;
  if (found == answer->texts.end()) co_return out;
  out.published = Published::there;
  out.data = txt_data(*found);
  co_return out;
}

// RFC 7672 §3.1.1: 3 1 1. Of use only where the zone is signed.
event::Task<std::vector<Record>> tlsa_records(Names& names, const Subject& subject) {
  std::vector<Record> out;
  std::string owner = "_25._tcp." + subject.config->host_name;
  auto answer = co_await names.ask(owner, dns::Type::tlsa);
  for (const net::CertificateFacts& facts : subject.certificates) {
    if (!net::certificate_has_name(facts, subject.config->host_name)) continue;
    Record record(owner + ".", "TLSA", "3 1 1 " + hex(facts.key_digest));
    bool there = std::ranges::any_of(answer->tlsa, [&](const dns::Tlsa& one) { return one.usage == 3 && one.selector == 1 && one.matching == 1 && one.data == facts.key_digest; });
    record.published = there ? Published::there : answer->tlsa.empty() ? Published::suggestion : Published::differs;
    record.comment = "only in a zone that DNSSEC signs; keep the key when the certificate is renewed";
    out.push_back(std::move(record));
  }
  co_return out;
}

}  // namespace

std::string_view word_of(Published published) {
  static constexpr std::string_view words[] = {"there", "missing", "differs", "unknown", "suggestion"};
  return words[static_cast<std::size_t>(published)];
}

std::string Record::line() const { return fmt::format("{} IN {} {}", owner, type, data); }

std::string txt_data(std::string_view text) {
  std::string out;
  do {
    out += out.empty() ? "\"" : " \"";
    for (char c : text.substr(0, 255)) {
      if (c == '"' || c == '\\') out += '\\';
      if (is_control(c) || is_8bit(c)) out += fmt::format("\\{:03d}", static_cast<unsigned char>(c));
      else out += c;
    }
    out += '"';
    text.remove_prefix(std::min<std::size_t>(255, text.size()));
  } while (!text.empty());
  return out;
}

std::string spf_with(std::string_view record, const std::vector<std::string>& addresses) {
  if (record.empty()) return "v=spf1 mx -all";
  std::string out = "v=spf1";
  for (const std::string& address : addresses) out += fmt::format(" {}:{}", address.find(':') == std::string::npos ? "ip4" : "ip6", address);
  return out + std::string(record.substr(6));
}

event::Task<std::vector<Record>> find_records(Names& names, const Subject& subject) {
  std::vector<Record> out;
  const std::string& host = subject.config->host_name;
  for (const std::string& address : subject.addresses) {
    auto record = co_await address_record(names, host, address);
    out.push_back(std::move(record));
  }
  for (const std::string& address : subject.addresses) {
    auto record = co_await reverse_record(names, host, address);
    out.push_back(std::move(record));
  }
  for (const std::string& domain : subject.domains) {
    auto mx = co_await mx_record(names, subject, domain);
    auto spf = co_await spf_record(names, subject, domain);
    std::string owner = "_dmarc." + domain, wanted = fmt::format("v=DMARC1; p=none; rua=mailto:postmaster@{}", domain);
    auto dmarc = co_await text_record(names, std::move(owner), "v=DMARC1", std::move(wanted));
    owner = "_smtp._tls." + domain;
    wanted = fmt::format("v=TLSRPTv1; rua=mailto:postmaster@{}", domain);
    auto report = co_await text_record(names, std::move(owner), "v=TLSRPTv1", std::move(wanted));
    if (report.published == Published::missing) report.published = Published::suggestion;
    report.comment = "reports about TLS, for DANE and MTA-STS (RFC 8460)";
    for (Record* record : {&mx, &spf, &dmarc, &report}) out.push_back(std::move(*record));
  }
  auto tlsa = co_await tlsa_records(names, subject);
  std::ranges::move(tlsa, std::back_inserter(out));
  co_return out;
}

}  // namespace mansio::doctor
