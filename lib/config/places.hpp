// Where each setting was given, for error texts and for whoever asks why: a path as the files have it,
// "routes[0].transport", "routes[0].domains[2]", "transports.mailbox", leads to file and line. Part of the snapshot, so
// that what runs can be explained by the files that it was read from, whatever they say now.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "config/problem.hpp"

namespace mansio::config {

class Places {
 public:
  explicit Places(std::string main_file) : main_file_(std::move(main_file)) {}
  // false: it was there already (the first place stays).
  bool add(const std::string& path, const Place& place) { return places_.emplace(path, place).second; }
  bool has(std::string_view path) const { return places_.contains(path); }
  Place at(std::string_view path) const;         // of the nearest that is known: itself, its group, the main file
  // Where just this was given; an entry of a list that was given as one word is where the word is. nullopt: it is a default.
  std::optional<Place> given(std::string_view path) const;

 private:
  std::map<std::string, Place, std::less<>> places_;
  std::string main_file_;
};

// Places::given() of a snapshot's setting as "file:line"; "default" when no file gave it, "" when nobody knows (a snapshot
// that was not read from files).
std::string place_of(const Config& config, std::string_view path);

}  // namespace mansio::config
