#include "config/reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "config/check.hpp"
#include "config/settings.hpp"
#include "config/value.hpp"
#include "crypto/digest.hpp"

namespace mansio::config {
namespace {

std::string join(const std::string& group, const std::string& name) { return group.empty() ? name : group + "." + name; }

// Walks the trees of all files against the table. Each node has two paths: `row` as the table writes it
// ("transports.*.kind") and `path` as the file has it ("transports.mailbox.kind").
class Reader {
 public:
  Reader(std::string main_file, std::string directory)
      : directory_(std::move(directory)), main_file_(std::move(main_file)), places_(main_file_) {}

  void defaults(std::string_view group);
  void group(const Node& node, const std::string& row, const std::string& path);
  void finish(bool complete);

  Config config;
  Problems problems;

 private:
  void entry(const std::string& name, const Node& node, const std::string& row, const std::string& path);
  void element(const Container& container, const std::string& name, const Node& node, const std::string& path);
  void value(const Setting& setting, const Node& node, const std::string& path);
  bool note(const std::string& path, const Node& node);
  void problem(const Place& place, std::string text) { problems.push_back({place.file, place.line, std::move(text)}); }

  std::string directory_, main_file_;
  Places places_;
};

// What the table says stands in a new group until the file says otherwise.
void Reader::defaults(std::string_view group) {
  for (const Setting& setting : settings()) {
    if (setting.fallback.empty()) continue;
    std::string_view rest = setting.path;
    if (!group.empty() && !rest.starts_with(std::string(group) + ".")) continue;
    rest.remove_prefix(group.size());
    bool below = rest.find_first_of("[*") == std::string_view::npos;
    if (!below) continue;
    Problems bugs;
    Node root = parse_tree({"default", fmt::format("x = {};", setting.fallback)}, bugs);
    setting.store(config, read_value(setting, root.children.at(0).second, directory_).value());
  }
}

// A setting, list or named group may be given once in all files; false says it was there before.
bool Reader::note(const std::string& path, const Node& node) {
  if (places_.add(path, node.place)) return true;
  problem(node.place, fmt::format("\"{}\" is given twice: here and at {}", path, places_.at(path).text()));
  return false;
}

void Reader::group(const Node& node, const std::string& row, const std::string& path) {
  for (const auto& [name, child] : node.children) entry(name, child, join(row, name), join(path, name));
}

void Reader::entry(const std::string& name, const Node& node, const std::string& row, const std::string& path) {
  if (const Setting* setting = find_setting(row)) return value(*setting, node, path);
  if (const Container* list = find_container(row + "[]")) {
    if (!note(path, node)) return;
    if (node.kind != NodeKind::list) return problem(node.place, fmt::format("{}: expected a list of groups ( {{ }}, {{ }} ), not {}", path, describe_node(node)));
    for (std::size_t i = 0; i < node.children.size(); ++i) element(*list, name, node.children[i].second, fmt::format("{}[{}]", path, i));
    return;
  }
  const Container* named = find_container(row + ".*");
  if (named == nullptr && !is_group(row)) {
    std::string_view parent = parent_of(row);
    return problem(node.place, unknown_setting(parent, name));
  }
  if (node.kind != NodeKind::group) return problem(node.place, fmt::format("{}: expected a group {{ }}, not {}", path, describe_node(node)));
  places_.add(path, node.place);        // a group may be continued in another file
  if (named == nullptr) return group(node, row, path);
  for (const auto& [child_name, child] : node.children) element(*named, child_name, child, join(path, child_name));
}

void Reader::element(const Container& container, const std::string& name, const Node& node, const std::string& path) {
  if (!note(path, node)) return;
  if (node.kind != NodeKind::group) return problem(node.place, fmt::format("{}: expected a group {{ }}, not {}", path, describe_node(node)));
  container.begin(config, name);
  std::string row(container.path);
  defaults(row);
  group(node, row, path);
  for (const Setting& setting : settings()) {
    if (!setting.required || parent_of(setting.path) != row) continue;
    std::string leaf(setting.path.substr(row.size() + 1));
    if (!places_.has(join(path, leaf))) problem(node.place, fmt::format("{}: \"{}\" is missing", path, leaf));
  }
}

void Reader::value(const Setting& setting, const Node& node, const std::string& path) {
  if (!note(path, node)) return;
  for (std::size_t i = 0; i < node.children.size(); ++i) places_.add(fmt::format("{}[{}]", path, i), node.children[i].second.place);
  auto result = read_value(setting, node, directory_);
  if (!result) return problem(node.place, fmt::format("{}: {}", path, result.error().text()));
  setting.store(config, *result);
}

void Reader::finish(bool complete) {
  if (!complete) return;                // what is missing may stand in the file that could not be read
  if (!places_.has("version")) problem({main_file_, 1}, "version is missing: write \"version = 1;\" at the top");
  check(config, places_, problems);
  config.places = std::make_shared<const Places>(std::move(places_));
}

void fill_from_machine(Config& config, const MachineFacts& facts) {
  if (config.host_name.empty()) config.host_name = facts.host_name;
  if (config.mail_name.empty()) config.mail_name = facts.mail_name.empty() ? config.host_name : facts.mail_name;
  if (config.postmaster.empty()) config.postmaster = "root@" + config.mail_name;
}

// In the order of the files, then of lines; one of each.
void sort_problems(Problems& problems, const std::vector<Source>& sources) {
  auto rank = [&](const Problem& p) { return std::ranges::find(sources, p.file, &Source::file) - sources.begin(); };
  std::ranges::stable_sort(problems, [&](const Problem& a, const Problem& b) {
    auto left = rank(a), right = rank(b);
    return left != right ? left < right : a.line < b.line;
  });
}

}  // namespace

// Lengths, so that no two sets of files give the same text.
static std::string fingerprint_of(const std::vector<Source>& sources, const MachineFacts& facts) {
  std::string all;
  auto add = [&](const std::string& text) { all += std::to_string(text.size()) + ":" + text; };
  for (const Source& source : sources) {
    add(source.file);
    add(source.text);
  }
  add(facts.host_name);
  add(facts.mail_name);
  add(facts.aliases);
  if (!facts.instance.empty()) add(facts.instance);
  std::uint64_t start = 0;
  for (char octet : crypto::digest(crypto::Hash::sha256, all).substr(0, 8)) start = start << 8 | static_cast<unsigned char>(octet);
  return hex_encode(start);
}

std::expected<ConfigPtr, Problems> parse(const std::vector<Source>& sources, const MachineFacts& facts) {
  const std::string& main_file = sources.at(0).file;
  auto slash = main_file.rfind('/');
  Reader reader(main_file, slash == std::string::npos ? "." : slash == 0 ? "/" : main_file.substr(0, slash));
  reader.config.file = main_file;
  reader.config.fingerprint = fingerprint_of(sources, facts);
  reader.defaults("");
  reader.config.aliases = facts.aliases;
  reader.config.instance = facts.instance;
  if (!facts.instance.empty()) {
    for (std::string* directory : {&reader.config.spool_directory, &reader.config.log_directory, &reader.config.run_directory}) *directory += "-" + facts.instance;
  }
  bool complete = true;
  for (const Source& source : sources) {
    std::size_t before = reader.problems.size();
    Node root = parse_tree(source, reader.problems);
    if (root.children.empty() && reader.problems.size() > before) complete = false;
    reader.group(root, "", "");
  }
  fill_from_machine(reader.config, facts);
  reader.finish(complete);
  if (reader.problems.empty()) return std::make_shared<const Config>(std::move(reader.config));
  sort_problems(reader.problems, sources);
  return std::unexpected(std::move(reader.problems));
}

}  // namespace mansio::config
