// Pickup directories: each once, and none where mansiod keeps files of its own.
#include "base/text.hpp"
#include "config/checker.hpp"

namespace mansio::config {
namespace {

constexpr std::size_t account_name_max = 256;

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

bool is_inside(const std::string& path, const std::string& of) {
  std::string outer = without_slashes(of);
  return outer == "/" || path == outer || (path.starts_with(outer) && path[outer.size()] == '/');
}

}  // namespace

void Checker::pickups() {
  std::set<std::string> seen;
  for (PickupDirectory& pickup : config_.pickups) {
    std::string at = pickup.setting + ".directory";
    pickup.directory = without_slashes(pickup.directory);
    const std::string& path = pickup.directory;
    if (path.empty()) {
      if (places_.has(at)) problem(at, "it is empty");
      continue;
    }
    if (has_control(path)) problem(at, "control characters are not taken");
    if (repeated(seen, path)) problem(at, fmt::format("a second pickup of \"{}\"", escape(path, 200)));
    for (auto [name, place] : {std::pair{"spool_directory", &config_.spool_directory}, {"log_directory", &config_.log_directory},
                               {"run_directory", &config_.run_directory}, {"badmail_directory", &config_.bounces.badmail}}) {
      bool mixed = !place->empty() && (is_inside(path, *place) || is_inside(*place, path));
      if (mixed) problem(at, fmt::format("it must not be in {}, nor hold it: choose a directory of its own", name));
    }
    for (std::size_t i = 0; i < pickup.users.size(); ++i) {
      const std::string& user = pickup.users[i];
      std::string_view name = std::string_view(user).substr(user.starts_with('@') ? 1 : 0);
      bool good = !name.empty() && name.size() <= account_name_max && !has_control(name) && name.find_first_of(" :/") == std::string_view::npos;
      if (!good) problem(fmt::format("{}.users[{}]", pickup.setting, i), fmt::format("\"{}\" is no name of a user, nor \"@\" and the name of a group", escape(user, 80)));
    }
  }
}

}  // namespace mansio::config
