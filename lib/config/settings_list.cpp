#include "config/settings_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "config/describe.hpp"
#include "config/places.hpp"
#include "config/tree.hpp"
#include "config/value.hpp"

namespace mansio::config {
namespace {

std::string quoted_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string text_of_node(const Node& node) {
  switch (node.kind) {
    case NodeKind::boolean: return node.flag ? "true" : "false";
    case NodeKind::integer: return std::to_string(node.number);
    case NodeKind::string: return quoted_text(node.text);
    case NodeKind::list: {
      std::string out = "[";
      for (const auto& [name, child] : node.children) out += (out.size() > 1 ? ", " : " ") + text_of_node(child);
      return out + " ]";
    }
    default: return {};
  }
}

const Node* child_of(const Node& node, std::string_view name) {
  for (const auto& [key, child] : node.children) {
    if (key == name) return &child;
  }
  return nullptr;
}

// "15m" and "900s" are the same: compared is what the reader makes of them.
bool same_value(const Setting& row, const Node& left, const Node& right) {
  auto a = read_value(row, left, "/"), b = read_value(row, right, "/");
  if (!a || !b) return false;
  return a->text == b->text && a->number == b->number && a->names == b->names && a->users.kind == b->users.kind &&
         a->users.list == b->users.list && a->users.passwd_file == b->users.passwd_file && a->schedule.size() == b->schedule.size();
}

class Lister {
 public:
  explicit Lister(const Config& config) : config_(config) {
    Problems none;
    root_ = parse_tree({"effective", describe(config)}, none);
  }

  std::vector<SettingState> run() {
    std::string done;            // containers come whole where their first row stands
    for (const Setting& row : settings()) {
      const Container* container = container_of(row);
      if (container == nullptr) {
        add(row, std::string(row.path), find(row.path));
      } else if (done != container->path) {
        done = container->path;
        elements(*container);
      }
    }
    return std::move(out_);
  }

 private:
  static const Container* container_of(const Setting& row) {
    for (const Container& one : containers()) {
      if (row.path.starts_with(std::string(one.path) + ".")) return &one;
    }
    return nullptr;
  }

  // Of a path without lists: "limits.hops".
  const Node* find(std::string_view path) const {
    const Node* node = &root_;
    for (std::string_view name : split(path, '.')) {
      node = node == nullptr ? nullptr : child_of(*node, name);
    }
    return node;
  }

  void elements(const Container& container) {
    bool named = container.path.ends_with(".*");
    std::string path(container.path.substr(0, container.path.size() - 2));
    const Node* list = find(path);
    if (list == nullptr) return;
    std::size_t index = 0;
    for (const auto& [name, element] : list->children) {
      std::string at = named ? path + "." + name : fmt::format("{}[{}]", path, index++);
      for (const Setting& row : settings()) {
        if (container_of(row) == &container) below(container, row, at, element);
      }
    }
  }

  void below(const Container& container, const Setting& row, const std::string& at, const Node& element) {
    const Node* kind = child_of(element, "kind");
    if (!row.kinds.empty() && kind != nullptr) {
      auto kinds = split(row.kinds, ' ');
      if (std::ranges::find(kinds, kind->text) == kinds.end()) return;
    }
    std::string_view rest = row.path.substr(container.path.size() + 1);
    const Node* node = &element;
    for (std::string_view name : split(rest, '.')) node = node == nullptr ? nullptr : child_of(*node, name);
    add(row, fmt::format("{}.{}", at, rest), node);
  }

  void add(const Setting& row, std::string path, const Node* node) {
    SettingState& one = out_.emplace_back();
    one.row = &row;
    one.fallback = row.fallback.empty() ? row.note : row.fallback;
    if (node != nullptr) one.value = text_of_node(*node);
    auto place = config_.places ? config_.places->given(path) : std::nullopt;
    one.place = place ? place->text() : "default";
    one.path = std::move(path);
    one.differs = place.has_value();
    if (!one.differs || node == nullptr || row.fallback.empty()) return;
    Problems none;
    Node fallback = parse_tree({"default", fmt::format("x = {};", row.fallback)}, none);
    one.differs = fallback.children.empty() || !same_value(row, *node, fallback.children[0].second);
  }

  const Config& config_;
  Node root_;
  std::vector<SettingState> out_;
};

}  // namespace

std::vector<SettingState> list_settings(const Config& config) { return Lister(config).run(); }

std::vector<const SettingState*> find_settings(const std::vector<SettingState>& all, std::string_view word) {
  std::vector<const SettingState*> exact, below, part;
  for (const SettingState& one : all) {
    for (std::string_view path : {std::string_view(one.path), one.row->path}) {
      bool begins = path.starts_with(word);
      std::string_view rest = begins ? path.substr(word.size()) : std::string_view();
      if (begins && rest.empty()) exact.push_back(&one);
      else if (begins && (rest[0] == '.' || rest[0] == '[')) below.push_back(&one);
      else if (path.find(word) != std::string_view::npos) part.push_back(&one);
      else continue;
      break;
    }
  }
  return !exact.empty() ? exact : !below.empty() ? below : part;
}

std::string unknown_path(const std::vector<SettingState>& all, std::string_view word) {
  std::string text = fmt::format("there is no setting \"{}\"", escape(word, 80));
  std::vector<std::string> known;
  for (const SettingState& one : all) known.push_back(one.path);
  for (const Setting& row : settings()) known.emplace_back(row.path);
  std::string_view leaf = word.substr(word.rfind('.') + 1);
  for (const Setting& row : settings()) {
    std::string_view name = row.path.substr(row.path.rfind('.') + 1);
    if (iequals(name, leaf)) return fmt::format("{} (did you mean \"{}\"?)", text, row.path);
  }
  if (auto near = nearest(word, known)) return fmt::format("{} (did you mean \"{}\"?)", text, *near);
  std::vector<std::string> leaves;
  for (const Setting& row : settings()) leaves.emplace_back(row.path.substr(row.path.rfind('.') + 1));
  auto near = nearest(leaf, leaves);
  if (!near) return text;
  auto meant = std::ranges::find_if(settings(), [&](const Setting& row) { return row.path.substr(row.path.rfind('.') + 1) == *near; });
  return fmt::format("{} (did you mean \"{}\"?)", text, meant->path);
}

}  // namespace mansio::config
