// What describe() writes values with; for describe*.cpp alone.
#pragma once
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "config/config.hpp"
#include "config/retry.hpp"
#include "config/settings.hpp"

namespace mansio::config::written {

// A libconfig string: control characters can't be in it, the reader refuses them.
inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

inline std::string quoted_list(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) out += (out.size() > 1 ? ", " : " ") + quoted(name);
  return out + " ]";
}

// The word that the table has for an enum's value.
template <class E>
std::string word_of(std::string_view path, E value) {
  return quoted(split(find_setting(path)->words, ' ').at(static_cast<std::size_t>(value)));
}

inline std::string size_text(ByteSize size) { return quoted(format_size(size)); }
inline std::string duration_text(Duration duration) { return quoted(format_duration(duration)); }

// { name = value; ... } on one line; a pair with an empty value is left out.
using Pairs = std::vector<std::pair<std::string_view, std::string>>;
inline std::string group_text(const Pairs& pairs) {
  std::string out = "{";
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) out += fmt::format(" {} = {};", name, value);
  }
  return out + " }";
}

template <class Items, class Format>
std::string groups_text(const Items& items, Format format) {
  std::string out = "(";
  for (const auto& item : items) out += fmt::format("{}\n  {}", out.size() > 1 ? "," : "", format(item));
  return out + "\n)";
}

inline std::string given(std::string_view text) { return text.empty() ? std::string() : quoted(text); }
inline std::string yes_or_no(bool flag) { return flag ? "true" : "false"; }

using Line = std::pair<std::string_view, std::string>;

// describe_access.cpp
void listener_access(const Listener& listener, Pairs& pairs);
std::string clients_text(const ClientRules& rules);
std::string pickup_text(const PickupDirectory& pickup);
std::string odmr_text(const Odmr& odmr);
std::string domain_settings_text(const DomainSettings& settings);
std::string ldap_text(const std::vector<Ldap>& directories);

}  // namespace mansio::config::written
