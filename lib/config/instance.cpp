#include "config/instance.hpp"

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "config/installed.hpp"

namespace mansio::config {
namespace {

constexpr std::string_view file_name = "/mansio.conf";
constexpr std::size_t name_limit = 64;

std::string& named() {
  static std::string name;
  return name;
}

}  // namespace

std::string_view instances_directory() { return installed_directory; }

bool is_instance_name(std::string_view name) {
  return !name.empty() && name.size() <= name_limit && std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '_' || c == '-'; });
}

std::string instance_of(std::string_view config_file) {
  std::string path = std::filesystem::path(config_file).lexically_normal().string();
  std::string_view rest = path, root = installed_directory;
  if (!rest.starts_with(root) || !rest.substr(root.size()).starts_with('/') || !rest.ends_with(file_name)) return {};
  rest.remove_prefix(root.size() + 1);
  if (rest.size() <= file_name.size()) return {};        // "mansio.conf" itself
  rest.remove_suffix(file_name.size());
  return is_instance_name(rest) ? std::string(rest) : std::string();
}

std::string config_file_of(std::string_view instance) {
  std::string out(installed_directory);
  if (!instance.empty()) out.append("/").append(instance);
  return out.append(file_name);
}

std::string unit_of(std::string_view instance) { return instance.empty() ? "mansio" : "mansio@" + std::string(instance); }

void use_instance(std::string name) { named() = std::move(name); }

const std::string& used_instance() { return named(); }

Result<> choose_instance(const std::string& name, std::string& config_file) {
  if (!name.empty() && !is_instance_name(name)) return fail(Fault::invalid, escape(name, 80) + " is no name of an instance: letters, digits, - and _");
  if (config_file.empty()) config_file = config_file_of(name);
  std::error_code unknown;
  auto absolute = std::filesystem::absolute(config_file, unknown);
  std::string by_file = unknown ? std::string() : instance_of(absolute.string());
  if (!name.empty() && !by_file.empty() && name != by_file) {
    return fail(Fault::invalid, escape(config_file, 200) + " is the configuration of the instance " + by_file + ", not of " + name);
  }
  use_instance(name.empty() ? by_file : name);
  return {};
}

}  // namespace mansio::config
