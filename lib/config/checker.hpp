// The second look's parts, one for each group of settings; for check*.cpp alone.
#pragma once
#include <fmt/format.h>

#include <set>

#include "config/check.hpp"

namespace mansio::config {

class Checker {
 public:
  Checker(Config& config, const Places& places, Problems& problems) : config_(config), places_(places), problems_(problems) {}

  void names();
  void tls();
  void auth();
  void listeners();
  void submission();
  void domains();
  void relay_from();
  void transports();
  void tls_policies();
  void routes();
  void retry();
  void dns();
  void metrics();
  void bounces();

 private:
  void problem(const std::string& path, std::string_view text) {
    Place place = places_.at(path);
    problems_.push_back({place.file, place.line, fmt::format("{}: {}", path, text)});
  }
  void domain(const std::string& path, std::string& name);
  void pattern(const std::string& path, std::string name, std::vector<std::string>& out, bool references);
  void patterns(const std::string& path, std::vector<std::string>& list, bool references);
  std::string look_up(const std::string& path, const std::string& name);
  void listener(Listener& listener);
  void listener_tls(Listener& listener);
  void listener_auth(Listener& listener);
  void mechanisms(const std::string& path, std::vector<std::string>& list);
  void transport(Transport& transport);
  void remote(Transport& transport);
  void remote_tls(Transport& transport);
  void remote_auth(Transport& transport);
  void hosts(const Transport& transport, std::string_view leaf, std::vector<std::string>& list);
  void source_addresses(Transport& transport);
  void senders(const std::string& path, std::vector<std::string>& list);
  bool reference(const std::string& path, const std::string& name, std::vector<std::string>& out);
  void kinds_of(const Transport& transport, const std::string& path);
  std::string directory() const { return config_.file.substr(0, config_.file.rfind('/')); }

  Config& config_;
  const Places& places_;
  Problems& problems_;
};

// Whether `name` is the second of its kind.
inline bool repeated(std::set<std::string>& seen, const std::string& name) { return !seen.insert(name).second; }

}  // namespace mansio::config
