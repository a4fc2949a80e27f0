#include "config/tree.hpp"

#include <fmt/format.h>

#include <cstring>
#include <libconfig.h++>

#include "base/text.hpp"
#include "config/scan.hpp"

namespace mansio::config {
namespace {

Node convert(const libconfig::Setting& setting, const std::string& file) {
  Node node;
  node.place = {file, static_cast<int>(setting.getSourceLine())};
  switch (setting.getType()) {
    case libconfig::Setting::TypeInt:
    case libconfig::Setting::TypeInt64:
      node.kind = NodeKind::integer;
      if (setting.getType() == libconfig::Setting::TypeInt) node.number = static_cast<int>(setting);
      else node.number = static_cast<long long>(setting);
      return node;
    case libconfig::Setting::TypeFloat: node.kind = NodeKind::real; return node;
    case libconfig::Setting::TypeBoolean:
      node.kind = NodeKind::boolean;
      node.flag = static_cast<bool>(setting);
      return node;
    case libconfig::Setting::TypeString:
      node.kind = NodeKind::string;
      node.text = static_cast<const char*>(setting);
      return node;
    default: break;
  }
  node.kind = setting.isGroup() ? NodeKind::group : NodeKind::list;
  for (int i = 0; i < setting.getLength(); ++i) {
    const libconfig::Setting& child = setting[i];
    const char* name = child.getName();
    if (name != nullptr && std::strstr(name, twice_mark) != nullptr) continue;
    node.children.emplace_back(name == nullptr ? "" : name, convert(child, file));
  }
  return node;
}

}  // namespace

Node parse_tree(const Source& source, Problems& problems) {
  Node empty;
  empty.place = {source.file, 1};
  Scanned scanned = scan(source, problems);
  if (!scanned.usable) return empty;
  libconfig::Config config;
  try {
    config.readString(scanned.text);
  } catch (const libconfig::ParseException& e) {
    problems.push_back({source.file, e.getLine(), fmt::format("{} (perhaps a bracket or a quote is missing on a line above)", e.getError())});
    return empty;
  }
  Node root = convert(config.getRoot(), source.file);
  root.place = {source.file, 1};
  return root;
}

std::string describe_node(const Node& node) {
  switch (node.kind) {
    case NodeKind::boolean: return node.flag ? "true" : "false";
    case NodeKind::integer: return fmt::format("the number {}", node.number);
    case NodeKind::real: return "a number with a fraction";
    case NodeKind::string: return fmt::format("\"{}\"", escape(node.text, 60));
    case NodeKind::list: return "a list";
    case NodeKind::group: return "a group { }";
  }
  return {};
}

}  // namespace mansio::config
