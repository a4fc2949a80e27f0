#include "base/path_template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace mansio {
namespace {

constexpr std::array<std::string_view, 6> known_places{"local", "domain", "user", "home", "detail", "sender"};

// Calls `literal(text)` and `place(name)` for the pieces in order.
template <class Literal, class Place>
Result<> walk(std::string_view text, Literal literal, Place place) {
  if (text.starts_with("~/")) {
    auto done = place("home");
    if (!done) return done;
    text.remove_prefix(1);
  }
  while (!text.empty()) {
    auto open = text.find('{');
    literal(text.substr(0, open));
    if (open == std::string_view::npos) break;
    auto close = text.find('}', open);
    if (close == std::string_view::npos) return fail(Fault::invalid, "a { is not closed");
    std::string_view name = text.substr(open + 1, close - open - 1);
    if (std::ranges::find(known_places, name) == known_places.end()) {
      return fail(Fault::invalid, fmt::format("unknown place {{{}}} (known: {{local}} {{domain}} {{user}} {{home}} {{detail}} {{sender}})", escape(name, 40)));
    }
    auto done = place(name);
    if (!done) return done;
    text.remove_prefix(close + 1);
  }
  return {};
}

Result<> check_component(std::string_view name, std::string_view value) {
  if (value.empty()) return fail(Fault::denied, fmt::format("{{{}}} is empty", name));
  if (value[0] == '.' || value.find('/') != std::string_view::npos || has_control(value) || value.size() > 200) {
    return fail(Fault::denied, fmt::format("{{{}}} is \"{}\", which may not be part of a path", name, escape(value, 60)));
  }
  return {};
}

}  // namespace

Result<> check_template(std::string_view text) {
  return walk(text, [](std::string_view) {}, [](std::string_view) { return Result<>(); });
}

Result<std::string> fill_path(std::string_view text, const TemplateValues& values) {
  std::string out;
  auto place = [&](std::string_view name) -> Result<> {
    auto it = values.find(name);
    if (it == values.end()) return fail(Fault::not_found, fmt::format("{{{}}} is not known for this recipient", name));
    if (name == "home") {
      if (!it->second.starts_with('/') || has_control(it->second)) return fail(Fault::not_found, "the user has no home directory");
    } else if (auto good = check_component(name, it->second); !good) {
      return good;
    }
    out += it->second;
    return {};
  };
  auto done = walk(text, [&](std::string_view literal) { out += literal; }, place);
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<std::string> fill_word(std::string_view text, const TemplateValues& values) {
  std::string out;
  auto place = [&](std::string_view name) -> Result<> {
    auto it = values.find(name);
    std::string value = it == values.end() ? std::string() : it->second;
    if (value.find('\0') != std::string::npos) return fail(Fault::denied, fmt::format("{{{}}} holds a NUL", name));
    if (out.empty() && value.starts_with('-')) return fail(Fault::denied, fmt::format("{{{}}} begins with - and could be taken for an option", name));
    out += value;
    return {};
  };
  auto done = walk(text, [&](std::string_view literal) { out += literal; }, place);
  if (!done) return std::unexpected(done.error());
  return out;
}

}  // namespace mansio
