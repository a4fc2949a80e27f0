#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/match.hpp"
#include "doctor/checks.hpp"
#include "doctor/probe.hpp"
#include "doctor/relay.hpp"

namespace mansio::doctor {
namespace {

constexpr int most_connections = 4;          // a server may end a session with many errors

std::string place_text(const event::Endpoint& endpoint) {
  bool wide = endpoint.address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", wide ? "[" : "", endpoint.address, wide ? "]" : "", endpoint.port);
}

ProbeTarget target_of(const Subject& subject, const config::Listener& listener, const event::Endpoint& endpoint) {
  ProbeTarget target;
  target.endpoint = endpoint;
  target.tls_name = subject.config->host_name;
  target.implicit = listener.tls == config::ListenerTls::implicit;
  target.starttls = true;
  return target;
}

Finding look_at_banner(const Subject& subject, const Probe& probe, const std::string& place) {
  const std::string& greeting = probe.greeting();
  std::string name = greeting.substr(0, greeting.find(' '));
  bool same = iequals(name, subject.config->host_name);
  Finding out("banner", same ? State::ok : State::warning, fmt::format("{}: {}", place, greeting));
  if (!same) out.advice = fmt::format("its first word should be host_name ({}): does something stand between?", subject.config->host_name);
  return out;
}

// After open(), which has tried it.
Finding look_at_tls(const config::Listener& listener, const Probe& probe, const std::string& place) {
  if (const net::TlsInfo* tls = probe.tls()) {
    return {"starttls", State::ok, fmt::format("{}: {} {}{}", place, tls->version, tls->cipher, tls->verified ? ", verified" : "")};
  }
  if (listener.tls == config::ListenerTls::none) {
    return {"starttls", State::warning, place + ": no TLS", "get a certificate, and set tls.certificate and tls.key"};
  }
  std::string why = probe.tls_problem().empty() ? "not offered" : probe.tls_problem();
  return {"starttls", State::bad, fmt::format("{}: STARTTLS: {}", place, why), "mansioctl check tells what is wrong with the certificate"};
}

// A domain that is neither ours nor one we pass mail on for.
std::string foreign_domain(const config::Config& config) {
  std::vector<std::string> mine = config.domains.local;
  mine.insert(mine.end(), config.domains.relay_to.begin(), config.domains.relay_to.end());
  config::DomainList list(mine);
  for (const char* domain : {"example.com", "example.net", "example.org"}) {
    if (!list.matches(domain)) return domain;
  }
  return "relay-test.invalid";
}

class RelayProbe {
 public:
  RelayProbe(event::Loop& loop, ProbeTarget target) : loop_(loop), target_(std::move(target)) {}

  // nullopt: the server did not say. Each try is a transaction of its own, never finished.
  event::Task<std::optional<bool>> accepts(std::string sender, std::string recipient);
  event::Task<> end();
  const std::string& why() const noexcept { return why_; }

 private:
  event::Loop& loop_;
  ProbeTarget target_;
  std::unique_ptr<Probe> probe_;
  std::string why_;
  int connections_ = 0;
};

event::Task<std::optional<bool>> RelayProbe::accepts(std::string sender, std::string recipient) {
  while (true) {
    if (!probe_) {
      if (++connections_ > most_connections) co_return std::nullopt;
      ProbeTarget target = target_;
      auto opened = co_await Probe::open(loop_, std::move(target));
      if (!opened) {
        why_ = opened.error().text();
        co_return std::nullopt;
      }
      probe_ = std::move(*opened);
    }
    auto reset = co_await probe_->say("RSET");
    std::string mail = fmt::format("MAIL FROM:<{}>", sender);
    Result<smtp::ServerReply> from = std::move(reset);
    if (from) from = co_await probe_->say(std::move(mail));
    if (from && from->refused() && from->code != 421) co_return false;
    std::string rcpt = fmt::format("RCPT TO:<{}>", recipient);
    Result<smtp::ServerReply> to = std::move(from);
    if (to && to->ok()) to = co_await probe_->say(std::move(rcpt));
    if (to && to->code != 421) co_return to->ok();
    why_ = to ? to->text : to.error().text();
    probe_.reset();                          // again, over a new connection
  }
}

event::Task<> RelayProbe::end() {
  if (!probe_) co_return;
  auto reset = co_await probe_->say("RSET");
  co_await probe_->quit();
}

event::Task<Findings> probe_relay(RelayProbe& probe, const Subject& subject, std::string place, std::string own_address) {
  Findings out;
  std::string local = subject.domains.empty() ? std::string() : subject.domains.front();
  std::size_t tried = 0;
  for (const RelayTry& one : relay_tries(foreign_domain(*subject.config), local, own_address)) {
    std::string sender = one.sender, recipient = one.recipient;
    auto accepted = co_await probe.accepts(std::move(sender), std::move(recipient));
    if (!accepted) break;
    ++tried;
    if (!*accepted) continue;
    std::string seen = fmt::format("{}: accepted <{}> from <{}>", place, one.recipient, one.sender);
    if (one.foreign) out.emplace_back("open_relay", State::bad, std::move(seen), "spam is sent through this machine: look at relay_from and domains.relay_to");
    else out.emplace_back("open_relay", State::warning, std::move(seen), "harmless when a catch-all of yours takes it; else look at domains.relay_to");
  }
  if (tried == 0) out.emplace_back("open_relay", State::skipped, fmt::format("{}: {}", place, probe.why()));
  else if (out.empty()) out.emplace_back("open_relay", State::ok, fmt::format("{}: refused all of {} tries from {}", place, tried, own_address));
  co_return out;
}

// RFC 5321 §4.5.1, RFC 2142 §4.
event::Task<Findings> probe_postmaster(RelayProbe& probe, const Subject& subject, std::string place) {
  Findings out;
  for (const std::string& domain : subject.domains) {
    for (const char* local : {"postmaster", "abuse"}) {
      std::string recipient = fmt::format("{}@{}", local, domain), sender = "doctor@" + foreign_domain(*subject.config);
      auto accepted = co_await probe.accepts(std::move(sender), recipient);
      if (!accepted) out.emplace_back("postmaster", State::skipped, fmt::format("{}: {}: {}", place, recipient, probe.why()));
      else if (*accepted) out.emplace_back("postmaster", State::ok, recipient + " is accepted");
      else out.emplace_back("postmaster", local[0] == 'p' ? State::bad : State::warning, recipient + " is refused", fmt::format("add \"{}: root\" to the aliases", local));
    }
  }
  co_return out;
}

}  // namespace

event::Task<Findings> check_listener(event::Loop& loop, const Subject& subject, config::Listener listener) {
  Findings out;
  Viewpoint view = viewpoint_of(*subject.config, listener, subject.interfaces);
  if (view.any.address.empty()) {
    out.emplace_back("listener", State::skipped, fmt::format("{}: its port is not known from here", listener.setting));
    co_return out;
  }
  std::string place = place_text(view.any);
  ProbeTarget target = target_of(subject, listener, view.any);
  auto opened = co_await Probe::open(loop, std::move(target));
  if (!opened) {
    out.emplace_back("listener", State::bad, fmt::format("{}: {}", place, opened.error().text()), "does the daemon run? systemctl status mansio, mansioctl check");
    co_return out;
  }
  std::unique_ptr<Probe> probe = std::move(*opened);
  out.push_back(look_at_banner(subject, *probe, place));
  out.push_back(look_at_tls(listener, *probe, place));
  co_await probe->quit();
  if (listener.role != config::Role::relay) co_return out;
  if (view.stranger.address.empty()) {
    out.emplace_back("open_relay", State::skipped, place + ": every address of this machine that it listens on is in relay_from, so it is no stranger to itself",
                     "try it from another machine");
    co_return out;
  }
  ProbeTarget stranger = target_of(subject, listener, view.stranger);
  RelayProbe relay(loop, std::move(stranger));
  auto tries = co_await probe_relay(relay, subject, place, view.stranger.address);
  auto masters = co_await probe_postmaster(relay, subject, place);
  co_await relay.end();
  std::ranges::move(tries, std::back_inserter(out));
  std::ranges::move(masters, std::back_inserter(out));
  co_return out;
}

}  // namespace mansio::doctor
