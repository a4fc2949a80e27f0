#include <fcntl.h>
#include <fmt/format.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/file.hpp"
#include "doctor/checks.hpp"

namespace mansio::doctor {
namespace {

constexpr int few_days = 14;
constexpr Duration slow_sync{50};

// host_name, and the MX hosts of our domains that are this machine.
event::Task<std::vector<std::string>> names_to_be_known_by(Names& names, const Subject& subject) {
  std::vector<std::string> out{subject.config->host_name};
  for (const std::string& domain : subject.domains) {
    auto answer = co_await names.ask(domain, dns::Type::mx);
    for (const dns::Mx& mx : answer->mx) {
      auto addresses = co_await addresses_of(names, mx.host, nullptr);
      bool ours = std::ranges::any_of(addresses, [&](const std::string& one) { return is_ours(subject, one); });
      if (ours && std::ranges::find(out, mx.host) == out.end()) out.push_back(mx.host);
    }
  }
  co_return out;
}

Finding look_at_certificate(const net::CertificateFacts& facts, Time now) {
  auto days = std::chrono::floor<std::chrono::days>(facts.expires - now).count();
  std::string seen = fmt::format("{} ({}), {} {}", facts.file, fmt::join(facts.names, ", "), days, days == 1 ? "day left" : "days left");
  if (days < 0) return {"certificate", State::bad, fmt::format("{} ({}) has expired", facts.file, fmt::join(facts.names, ", ")), "renew it"};
  if (!facts.problem.empty()) {
    return {"certificate", State::warning, fmt::format("{}: {}", seen, facts.problem),
            "who verifies it refuses it: get one of an authority that is known, with the intermediate certificates in the file"};
  }
  if (days < few_days) return {"certificate", State::warning, seen, "renew it"};
  return {"certificate", State::ok, seen};
}

}  // namespace

event::Task<Findings> check_certificates(Names& names, const Subject& subject, Time now) {
  Findings out = subject.certificate_troubles;
  if (subject.config->tls.certificates.empty()) {
    out.emplace_back("certificate", State::warning, "none: mail comes and goes in clear", "get one, and set tls.certificate and tls.key");
    co_return out;
  }
  for (const net::CertificateFacts& facts : subject.certificates) out.push_back(look_at_certificate(facts, now));
  if (subject.certificates.empty()) co_return out;
  auto wanted = co_await names_to_be_known_by(names, subject);
  for (const std::string& name : wanted) {
    bool there = std::ranges::any_of(subject.certificates, [&](const net::CertificateFacts& facts) { return net::certificate_has_name(facts, name); });
    if (!there) out.emplace_back("certificate", State::warning, fmt::format("none of the certificates is for {}", name), "get one that has this name, too");
  }
  co_return out;
}

Findings check_clock() {
  timex state{};
  int told = ::adjtimex(&state);
  if (told < 0) return {Finding("clock", State::skipped, "the kernel does not say")};
  if (told == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    return {Finding("clock", State::warning, "not synchronised", "run systemd-timesyncd, chrony or ntpd: dates in mail and signatures must be right")};
  }
  return {Finding("clock", State::ok, fmt::format("synchronised, within {} ms", state.maxerror / 1000))};
}

Findings check_disk_sync(const std::string& directory) {
  constexpr int rounds = 8;
  std::string path = fmt::format("{}/.doctor-{}", directory, ::getpid());
  auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
  if (!file) return {Finding("disk_sync", State::skipped, file.error().text())};
  std::string block(4096, 'x');
  std::vector<std::chrono::microseconds> times;
  for (int i = 0; i < rounds; ++i) {
    auto began = std::chrono::steady_clock::now();
    auto written = pwrite_all(file->get(), block, static_cast<std::uint64_t>(i) * block.size());
    if (written) written = sync_data(file->get());
    if (!written) {
      ::unlink(path.c_str());
      return {Finding("disk_sync", State::bad, written.error().text(), "mail can't be kept: mend the disk, or make room")};
    }
    times.push_back(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began));
  }
  ::unlink(path.c_str());
  std::ranges::sort(times);
  auto middle = times[rounds / 2];
  std::string seen = fmt::format("{:.1f} ms in {}", static_cast<double>(middle.count()) / 1000, directory);
  if (middle < slow_sync) return {Finding("disk_sync", State::ok, seen)};
  return {Finding("disk_sync", State::warning, seen, "every message waits for it: use a faster disk for spool_directory, or one with a battery-backed cache")};
}

}  // namespace mansio::doctor
