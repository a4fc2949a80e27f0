#include "listening.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mansio::daemon {

void Listening::use(MadeServices made) {
  for (const std::string& problem : made.problems) {
    log_.panic(problem + (services_.empty() ? "" : ": the certificates of before stay in use"));
  }
  services_ = std::move(made.services);
  certificates_ = std::move(made.certificates);
  tell_expiry(std::chrono::system_clock::now(), true);
}

void Listening::open(const config::Config& config, std::map<std::string, UniqueFd> handed) {
  auto wanted = wanted_sockets(config);
  settings_.clear();
  for (const ListenerSocket& socket : wanted) {
    if (services_.contains(socket.setting)) settings_[socket.key] = socket.setting;
    else log_.panic(socket.setting + ": not opened, since it has no certificate that could be used");
  }
  std::erase_if(listeners_, [&](const auto& entry) { return !settings_.contains(entry.first); });
  for (const ListenerSocket& socket : wanted) {
    auto fd = handed.extract(socket.key);
    if (listeners_.contains(socket.key) || fd.empty() || !settings_.contains(socket.key)) continue;
    auto serve = [this, key = socket.key](event::Stream stream) {
      receiver_.serve(std::move(stream), services_.at(settings_.at(key)));
    };
    auto crowded = [this] { return receiver_.crowded(); };
    auto listener = shared_ ? event::Listener::adopt_shared(loop_, std::move(fd.mapped()), socket.unix_socket(), serve, crowded)
                            : event::Listener::adopt(loop_, std::move(fd.mapped()), socket.unix_socket(), serve);
    if (listener) listeners_.emplace(socket.key, std::move(*listener));
    else log_.panic(fmt::format("{}: {}", socket.setting, listener.error().text()));
  }
}

std::string Listening::addresses() const {
  std::string out;
  for (const auto& [key, listener] : listeners_) {
    auto at = listener.local();
    if (!out.empty()) out += ' ';
    if (at.port == 0) out += key.substr(key.find(' ') + 1, key.rfind(' ') - key.find(' ') - 1);
    else if (at.address.find(':') != std::string::npos) out += fmt::format("[{}]:{}", at.address, at.port);
    else out += fmt::format("{}:{}", at.address, at.port);
  }
  return out;
}

std::vector<event::Endpoint> Listening::endpoints() const {
  std::vector<event::Endpoint> out;
  for (const auto& [key, listener] : listeners_) {
    auto at = listener.local();
    if (at.port == 0) continue;
    if (at.address == "0.0.0.0" || at.address == "::") at.address = "*";
    out.push_back(at);
  }
  return out;
}

void Listening::watch_expiry(Time now) {
  if (now - told_ >= std::chrono::days(1) || now < told_) tell_expiry(now, false);
}

void Listening::tell_expiry(Time now, bool all) {
  told_ = now;
  for (const auto& certificate : certificates_) {
    Expiry expiry = describe_expiry(certificate, now);
    if (expiry.soon) log_.panic(expiry.text);
    else if (all) log_.notice(expiry.text);
  }
}

}  // namespace mansio::daemon
