#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/instance.hpp"
#include "config/match.hpp"
#include "config/reader.hpp"

namespace mansio::config {
namespace {

constexpr std::size_t source_limit = 4u << 20;
constexpr const char* debian_aliases = "/etc/aliases";

void read_source(const std::string& path, std::vector<Source>& sources, Problems& problems) {
  auto text = read_file(path, source_limit);
  if (text) sources.push_back({path, std::move(*text)});
  else problems.push_back({path, 0, text.error().text()});
}

// What a package manager or an editor leaves behind ("x.conf.dpkg-new", ".x.conf.swp") does not end in .conf.
std::vector<std::string> list_conf_d(const std::filesystem::path& directory, Problems& problems) {
  std::vector<std::string> paths;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  if (error && error != std::errc::no_such_file_or_directory) problems.push_back({directory.string(), 0, error.message()});
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (name.ends_with(".conf") && !name.starts_with('.')) paths.push_back(entries->path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

std::string ask_host_name() {
  std::array<char, 256> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
  std::string name = buffer.data();
  if (name.find('.') != std::string::npos) return name;
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return name;
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  std::string full = found->ai_canonname == nullptr ? "" : found->ai_canonname;
  return full.find('.') == std::string::npos ? name : full;
}

bool gives(const std::vector<Source>& sources, std::string_view key) {
  Problems unused;
  return std::ranges::any_of(sources, [&](const Source& source) {
    Node root = parse_tree(source, unused);
    return std::ranges::any_of(root.children, [&](const auto& child) { return child.first == key; });
  });
}

}  // namespace

std::expected<std::vector<Source>, Problems> read_sources(const std::string& path) {
  std::vector<Source> sources;
  Problems problems;
  std::error_code error;
  std::filesystem::path main = std::filesystem::absolute(path, error).lexically_normal();
  read_source(error ? path : main.string(), sources, problems);
  for (const std::string& file : list_conf_d(main.parent_path() / "conf.d", problems)) read_source(file, sources, problems);
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return sources;
}

MachineFacts machine_facts(const std::vector<Source>& sources) {
  MachineFacts facts;
  facts.instance = used_instance();
  if (facts.instance.empty() && !sources.empty()) facts.instance = instance_of(sources.front().file);
  if (!gives(sources, "host_name")) {
    auto name = canonical_domain(ask_host_name());
    if (name) facts.host_name = *name;
  }
  if (auto text = read_file("/etc/mailname", 1024)) {
    auto name = canonical_domain(trim(std::string_view(*text).substr(0, text->find('\n'))));
    if (name) facts.mail_name = *name;
  }
  if (::access(debian_aliases, F_OK) == 0) facts.aliases = debian_aliases;
  return facts;
}

std::expected<ConfigPtr, Problems> load(const std::string& path) {
  auto sources = read_sources(path);
  if (!sources) return std::unexpected(std::move(sources.error()));
  return parse(*sources, machine_facts(*sources));
}

}  // namespace mansio::config
