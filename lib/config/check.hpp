// The second look at a configuration, when each setting by itself is right: names that must exist, lists, addresses,
// what does not go together, defaults that depend on other settings. Also brings values to the form that the snapshot promises. Pure.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "config/problem.hpp"

namespace mansio::config {

// Where each setting was given: "routes[0].transport", "routes[0].domains[2]", "transports.mailbox".
class Places {
 public:
  explicit Places(std::string main_file) : main_file_(std::move(main_file)) {}
  // false: it was there already (the first place stays).
  bool add(const std::string& path, const Place& place) { return places_.emplace(path, place).second; }
  bool has(std::string_view path) const { return places_.contains(path); }
  Place at(std::string_view path) const;         // of the nearest that is known: itself, its group, the main file

 private:
  std::map<std::string, Place, std::less<>> places_;
  std::string main_file_;
};

// Problem texts begin with the setting's path.
void check(Config& config, const Places& places, Problems& problems);

}  // namespace mansio::config
