#include "config/settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/settings_table.hpp"

namespace mansio::config {

std::span<const Setting> settings() { return settings_table; }
std::span<const Container> containers() { return container_table; }

const Setting* find_setting(std::string_view path) {
  auto it = std::ranges::find(settings_table, path, &Setting::path);
  return it == std::end(settings_table) ? nullptr : &*it;
}

const Container* find_container(std::string_view path) {
  auto it = std::ranges::find(container_table, path, &Container::path);
  return it == std::end(container_table) ? nullptr : &*it;
}

bool is_group(std::string_view path) {
  return std::ranges::any_of(settings_table, [&](const Setting& setting) {
    return setting.path.starts_with(path) && setting.path.substr(path.size()).starts_with('.');
  });
}

std::string_view parent_of(std::string_view path) {
  auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::vector<std::string> names_in(std::string_view group_path) {
  std::vector<std::string> names;
  for (const Setting& setting : settings_table) {
    std::string_view rest = setting.path;
    if (!group_path.empty()) {
      if (!rest.starts_with(group_path) || !rest.substr(group_path.size()).starts_with('.')) continue;
      rest.remove_prefix(group_path.size() + 1);
    }
    std::string name(rest.substr(0, rest.find_first_of(".[")));
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

std::string unknown_setting(std::string_view group_path, std::string_view name) {
  std::string where = group_path.empty() ? std::string() : fmt::format(" in {}", group_path);
  std::string text = fmt::format("unknown setting \"{}\"{}", escape(name, 60), where);
  std::vector<std::string> candidates = names_in(group_path);
  if (auto near = nearest(name, candidates)) return fmt::format("{} (did you mean \"{}\"?)", text, *near);
  const Setting* elsewhere = nullptr;                   // right name, wrong group: the one that is least deep
  auto depth = [](std::string_view path) { return std::ranges::count(path, '.'); };
  for (const Setting& setting : settings_table) {
    auto dot = setting.path.rfind('.');
    bool same = dot != std::string_view::npos && iequals(setting.path.substr(dot + 1), name);
    bool listed = setting.path.find("[]") != std::string_view::npos;
    if (same && (elsewhere == nullptr || (depth(setting.path) < depth(elsewhere->path) && !listed))) elsewhere = &setting;
  }
  return elsewhere == nullptr ? text : fmt::format("{} (did you mean \"{}\"?)", text, elsewhere->path);
}

}  // namespace mansio::config
