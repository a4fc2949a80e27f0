#include "config/places.hpp"

#include "config/settings.hpp"

namespace mansio::config {

Place Places::at(std::string_view path) const {
  while (!path.empty()) {
    if (auto it = places_.find(path); it != places_.end()) return it->second;
    auto up = path.find_last_of(".[");
    path = up == std::string_view::npos ? std::string_view() : path.substr(0, up);
  }
  return {main_file_, 1};
}

std::optional<Place> Places::given(std::string_view path) const {
  auto it = places_.find(path);
  if (it == places_.end() && path.ends_with(']')) {
    path = path.substr(0, path.rfind('['));
    if (find_setting(path) != nullptr) it = places_.find(path);
  }
  if (it == places_.end()) return std::nullopt;
  return it->second;
}

std::string place_of(const Config& config, std::string_view path) {
  if (!config.places) return {};
  auto place = config.places->given(path);
  return place ? place->text() : "default";
}

}  // namespace mansio::config
