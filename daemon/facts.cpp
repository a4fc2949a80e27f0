#include "facts.hpp"

#include <unistd.h>

#include <algorithm>

namespace mansio::daemon {
namespace {

const char* tls_name(config::ListenerTls tls) {
  switch (tls) {
    case config::ListenerTls::none: return "none";
    case config::ListenerTls::starttls: return "starttls";
    case config::ListenerTls::required: return "required";
    case config::ListenerTls::implicit: return "implicit";
  }
  return "";
}

}  // namespace

std::vector<control::Facts::Listener> Listening::describe(const config::Config& config) const {
  std::vector<control::Facts::Listener> out;
  for (const auto& [key, listener] : listeners_) {
    auto setting = settings_.find(key);
    if (setting == settings_.end()) continue;
    auto configured = std::ranges::find(config.listeners, setting->second, &config::Listener::setting);
    if (configured == config.listeners.end()) continue;
    control::Facts::Listener& one = out.emplace_back();
    auto at = listener.local();
    bool unix_socket = configured->address.starts_with("unix:");
    one.setting = setting->second;
    one.address = unix_socket ? configured->address : at.address;
    one.port = unix_socket ? std::uint16_t{0} : at.port;
    one.role = role_name(configured->role);
    one.tls = tls_name(configured->tls);
    one.auth = configured->auth.value_or(configured->role == config::Role::submission);
  }
  std::ranges::stable_sort(out, {}, &control::Facts::Listener::setting);
  return out;
}

control::Facts make_facts(const config::Config& config, const Listening& listening, Time started) {
  control::Facts out;
  out.version = MANSIO_VERSION;
  out.config_file = config.file;
  out.instance = config.instance;
  out.spool_directory = config.spool_directory;
  out.log_directory = config.log_directory;
  out.pid = ::getppid();
  out.started = started;
  out.reserve = config.spool_reserve.bytes();
  out.listeners = listening.describe(config);
  for (const auto& listener : config.listeners) {
    bool open = std::ranges::any_of(out.listeners, [&](const auto& one) { return one.setting == listener.setting; });
    if (!open) out.missing.push_back(listener.setting);
  }
  for (const auto& certificate : listening.certificates()) {
    control::Facts::Certificate& one = out.certificates.emplace_back();
    one.file = certificate.file;
    one.names = certificate.names;
    one.expires = certificate.expires;
  }
  return out;
}

}  // namespace mansio::daemon
