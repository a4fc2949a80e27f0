// The second look's parts, one for each group of settings; for check*.cpp alone.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/check.hpp"

namespace mansio::config {

class Checker {
 public:
  Checker(Config& config, const Places& places, Problems& problems) : config_(config), places_(places), problems_(problems) {}

  void names();
  void tls();
  void auth();
  void control();
  void listeners();
  void submission();
  void domains();
  void held();
  void domain_settings();
  void smart_host();
  void client_rules();
  void w3c();
  void transports();
  void tls_policies();
  void routes();
  void retry();
  void dns();
  void metrics();
  void bounces();
  void pickups();
  void directories();

 private:
  void problem(const std::string& path, std::string_view text) {
    Place place = places_.at(path);
    Problem found{place.file, place.line, fmt::format("{}: {}", path, text)};
    auto same = [&](const Problem& other) { return other.file == found.file && other.line == found.line && other.text == found.text; };
    if (std::ranges::none_of(problems_, same)) problems_.push_back(std::move(found));      // what several transports share is told once
  }
  void domain(const std::string& path, std::string& name);
  void pattern(const std::string& path, std::string name, std::vector<std::string>& out, bool references);
  void patterns(const std::string& path, std::vector<std::string>& list, bool references);
  std::string look_up(const std::string& path, const std::string& name);
  void listener(Listener& listener);
  void clients(const std::string& path, std::vector<std::string>& list);
  void allowed_clients(const std::string& path, std::vector<std::string>& list);
  void listener_rules(Listener& listener);
  void listener_tls(Listener& listener);
  void listener_auth(Listener& listener);
  // check_auth.cpp
  void kerberos();
  void mechanisms(const std::string& path, std::vector<std::string>& list);          // of transports, which log in elsewhere
  void server_mechanisms(const std::string& path, std::vector<std::string>& list, bool asks_certificate);
  void mechanism_names(const std::string& path, std::vector<std::string>& list, const std::vector<std::string>& known);
  void listener_mechanisms(Listener& listener);
  void operators(const std::string& path, const std::vector<std::string>& list);
  void transport(Transport& transport);

  // check_remote.cpp. Where a setting of a transport comes from: the group of domain_settings that changes it, or itself.
  struct Origin {
    const Places& places;
    std::string transport, group;     // "transports.internet", "domain_settings[0]" or ""
    bool from_smart_host = false;     // its hosts are those of smart_host

    std::string at(std::string_view leaf) const;
    bool has(std::string_view leaf) const { return places.has(at(leaf)); }
  };
  void remote_variants(Transport& transport);
  void remote(Transport& transport, const Origin& origin);
  void remote_tls(Transport& transport, const Origin& origin);
  void remote_auth(Transport& transport, const Origin& origin);
  void remote_hello(Transport& transport, const Origin& origin);
  void hosts(const Transport& transport, std::string_view leaf, std::vector<std::string>& list, const Origin& origin);
  void source_addresses(Transport& transport, const Origin& origin);
  void senders(const std::string& path, std::vector<std::string>& list);
  bool reference(const std::string& path, const std::string& name, std::vector<std::string>& out);
  void kinds_of(const Transport& transport, const std::string& path);
  void named_directory(const std::string& path, const std::string& name);
  void directory(Ldap& directory);
  std::string directory() const { return config_.file.substr(0, config_.file.rfind('/')); }

  Config& config_;
  const Places& places_;
  Problems& problems_;
};

// Whether `name` is the second of its kind.
inline bool repeated(std::set<std::string>& seen, const std::string& name) { return !seen.insert(name).second; }

}  // namespace mansio::config
