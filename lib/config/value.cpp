#include "config/value.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/directory.hpp"
#include "config/retry.hpp"

namespace mansio::config {
namespace {

constexpr std::string_view passwd_file_prefix = "passwd-file:";

std::string limit_text(const Setting& setting, std::int64_t limit) {
  if (setting.type == Type::size) return format_size(ByteSize(static_cast<std::uint64_t>(limit)));
  if (setting.type == Type::duration) return format_duration(Duration(limit));
  return std::to_string(limit);
}

std::unexpected<Error> expected_instead(const Setting& setting, const Node& node) {
  return fail(Fault::invalid, fmt::format("expected {}, not {}", describe_type(setting), describe_node(node)));
}

Result<Value> in_range(const Setting& setting, Value value) {
  if (value.number < setting.least || value.number > setting.most) {
    if (setting.least == setting.most) return fail(Fault::invalid, fmt::format("expected {}, not {}", setting.least, value.number));
    return fail(Fault::invalid, fmt::format("{} is out of range: expected {}", limit_text(setting, value.number), describe_type(setting)));
  }
  return value;
}

Result<Value> read_quantity(const Setting& setting, const Node& node) {
  Value value;
  if (node.kind == NodeKind::integer && setting.type == Type::size && node.number >= 0) {
    value.number = node.number;
    return in_range(setting, std::move(value));
  }
  if (node.kind == NodeKind::integer && setting.type == Type::duration) {
    return fail(Fault::invalid, fmt::format("{} has no unit: write \"{}s\" or \"{}m\"", node.number, node.number, node.number));
  }
  if (node.kind != NodeKind::string) return expected_instead(setting, node);
  if (setting.type == Type::size) {
    auto size = parse_size(node.text);
    if (!size) return std::unexpected(size.error());
    value.number = static_cast<std::int64_t>(std::min<std::uint64_t>(size->bytes(), INT64_MAX));
  } else {
    auto duration = parse_duration(node.text);
    if (!duration) return std::unexpected(duration.error());
    value.number = duration->count();
  }
  return in_range(setting, std::move(value));
}

Result<Value> read_word(const Setting& setting, const Node& node) {
  std::vector<std::string> words;
  for (std::string_view word : split(setting.words, ' ')) words.emplace_back(word);
  auto it = std::ranges::find(words, node.text);
  if (it == words.end()) {
    auto near = nearest(node.text, words);
    std::string meant = near ? fmt::format(" (did you mean \"{}\"?)", *near) : std::string();
    return fail(Fault::invalid, fmt::format("expected {}, not {}{}", describe_type(setting), describe_node(node), meant));
  }
  Value value;
  value.text = node.text;
  value.number = it - words.begin();
  return value;
}

// "file:PATH" is given as "file:" and a path; a choice without a colon is the whole text.
Result<Value> read_choice(const Setting& setting, const Node& node, const std::string& directory) {
  if (has_control(node.text)) return fail(Fault::invalid, fmt::format("\"{}\" holds a control character", escape(node.text, 60)));
  auto colon = node.text.find(':');
  std::string_view word = std::string_view(node.text).substr(0, colon == std::string::npos ? node.text.size() : colon + 1);
  std::string rest = colon == std::string::npos ? std::string() : node.text.substr(colon + 1);
  std::vector<std::string> known;
  Value value;
  for (std::string_view choice : split(setting.words, ' ')) {
    auto after = choice.find(':') + 1;                     // 0: nothing may follow
    known.emplace_back(choice.substr(0, after == 0 ? choice.size() : after));
    if (known.back() == word && (after == 0 || !rest.empty())) {
      value.text = after != 0 && choice.substr(after) == "PATH" ? resolve_path(rest, directory) : rest;
      return value;
    }
    ++value.number;
  }
  auto near = nearest(word, known);
  std::string meant = near && *near != word ? fmt::format(" (did you mean \"{}{}\"?)", *near, near->ends_with(':') ? escape(rest, 60) : "") : std::string();
  return fail(Fault::invalid, fmt::format("expected {}, not {}{}", describe_type(setting), describe_node(node), meant));
}

Result<std::vector<std::string>> read_names(const Setting& setting, const Node& node) {
  std::vector<std::string> names;
  if (node.kind == NodeKind::string) names.push_back(node.text);      // one name needs no brackets
  else if (node.kind != NodeKind::list) return expected_instead(setting, node);
  for (const auto& [unused, item] : node.children) {
    if (item.kind != NodeKind::string) return fail(Fault::invalid, fmt::format("expected {}, but {} is in the list", describe_type(setting), describe_node(item)));
    names.push_back(item.text);
  }
  for (const std::string& name : names) {
    if (name.empty()) return fail(Fault::invalid, "a name in the list is empty");
    if (has_control(name)) return fail(Fault::invalid, fmt::format("\"{}\" holds a control character", escape(name, 60)));
  }
  return names;
}

Result<Value> read_users(const Setting& setting, const Node& node, const std::string& directory) {
  Value value;
  if (node.kind == NodeKind::list) {
    auto names = read_names(setting, node);
    if (!names) return std::unexpected(names.error());
    value.users.kind = UsersKind::list;
    for (const std::string& name : *names) value.users.list.push_back(to_lower(name));
    return value;
  }
  if (node.kind != NodeKind::string) return expected_instead(setting, node);
  if (node.text == "system") {
    value.users.kind = UsersKind::system;
    return value;
  }
  if (node.text.starts_with(ldap_prefix) && node.text.size() > ldap_prefix.size()) {
    value.users.kind = UsersKind::ldap;
    value.users.ldap = node.text.substr(ldap_prefix.size());
    return value;
  }
  if (!node.text.starts_with(passwd_file_prefix) || node.text.size() == passwd_file_prefix.size()) return expected_instead(setting, node);
  value.users.kind = UsersKind::passwd_file;
  value.users.passwd_file = resolve_path(node.text.substr(passwd_file_prefix.size()), directory);
  return value;
}

Result<Value> read_text(const Setting& setting, const Node& node, const std::string& directory) {
  if (has_control(node.text)) return fail(Fault::invalid, fmt::format("\"{}\" holds a control character", escape(node.text, 60)));
  Value value;
  value.text = setting.type == Type::path ? resolve_path(node.text, directory) : node.text;
  return value;
}

}  // namespace

std::string resolve_path(const std::string& path, const std::string& directory) {
  if (path.empty() || path[0] == '/' || path.starts_with("~/") || path.starts_with("{home}")) return path;
  return directory + (directory.ends_with('/') ? "" : "/") + path;
}

std::string describe_type(const Setting& setting) {
  auto range = [&](std::string_view what) {
    return fmt::format("{} from {} to {}", what, limit_text(setting, setting.least), limit_text(setting, setting.most));
  };
  switch (setting.type) {
    case Type::string: return "a text in quotes";
    case Type::boolean: return "true or false";
    case Type::integer: return setting.least == setting.most ? std::to_string(setting.least) : range("a whole number");
    case Type::size: return range("a size such as \"50M\"");
    case Type::duration: return range("a duration such as \"15m\"");
    case Type::names: return "a list of names [ \"a\", \"b\" ]";
    case Type::path: return "a path in quotes";
    case Type::users: return "\"system\", \"passwd-file:PATH\", \"ldap:NAME\" or a list of local parts";
    case Type::schedule: return "a schedule such as \"15m for 2h, 6h until 4d\"";
    case Type::word:
    case Type::choice: break;
  }
  std::string out = "one of";
  for (std::string_view word : split(setting.words, ' ')) out += fmt::format(" \"{}\"", word);
  return out;
}

Result<Value> read_value(const Setting& setting, const Node& node, const std::string& directory) {
  Value value;
  switch (setting.type) {
    case Type::boolean:
      if (node.kind != NodeKind::boolean) return expected_instead(setting, node);
      value.number = node.flag ? 1 : 0;
      return value;
    case Type::integer:
      if (node.kind != NodeKind::integer) return expected_instead(setting, node);
      value.number = node.number;
      return in_range(setting, std::move(value));
    case Type::size:
    case Type::duration: return read_quantity(setting, node);
    case Type::users: return read_users(setting, node, directory);
    case Type::names: {
      auto names = read_names(setting, node);
      if (!names) return std::unexpected(names.error());
      value.names = std::move(*names);
      return value;
    }
    default: break;
  }
  if (node.kind != NodeKind::string) return expected_instead(setting, node);
  if (setting.type == Type::word) return read_word(setting, node);
  if (setting.type == Type::choice) return read_choice(setting, node, directory);
  if (setting.type != Type::schedule) return read_text(setting, node, directory);
  auto schedule = parse_schedule(node.text);
  if (!schedule) return std::unexpected(schedule.error());
  value.schedule = std::move(*schedule);
  return value;
}

}  // namespace mansio::config
