// The one table of settings: path, type, default, range, what it means, and where the snapshot keeps it. The reader and
// "did you mean" work from it; the sample mansio.conf and mansio.conf.5 are held to it by test/config/drift_test.cpp.
// In a path, "name[]" is a list of groups ("listeners[].port") and ".*" a group of groups with names of the
// admin's choice ("transports.*.kind").
#pragma once
#include <climits>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace mansio::config {

// choice: a word, or one that goes on after a colon: "pam", "pam:NAME", "file:PATH".
enum class Type : std::uint8_t { string, boolean, integer, size, duration, names, word, path, users, schedule, choice };

// What a setting's text became; which member counts depends on the type.
struct Value {
  std::string text;                        // string, word, path; choice: what follows the colon
  std::int64_t number = 0;                 // integer; size in bytes; duration in milliseconds; word, choice: its index; boolean: 0, 1
  std::vector<std::string> names;
  Users users;
  std::vector<RetryStep> schedule;

  ByteSize size() const { return ByteSize(static_cast<std::uint64_t>(number)); }
  Duration duration() const { return Duration(number); }
  std::uint32_t count() const { return static_cast<std::uint32_t>(number); }
  std::uint16_t port() const { return static_cast<std::uint16_t>(number); }
  bool flag() const { return number != 0; }
};

struct Setting {
  std::string_view path = {};
  Type type = Type::string;
  std::string_view fallback = {};               // default, as written in a file; "" when there is none or `note` tells it
  std::string_view note = {};                   // default in words, when it depends on the machine or on other settings
  std::int64_t least = 0, most = INT64_MAX;    // integer, size (bytes), duration (milliseconds)
  std::string_view words = {};                  // word, choice: what there is, in the order of the enum
  std::string_view kinds = {};                  // a transport's setting: the kinds that have it; "" for all
  bool required = false;                   // in its group
  std::string_view doc = {};                    // one or more sentences, plain text; "x" stands for a literal
  void (*store)(Config&, const Value&) = nullptr;
};

// A part of the configuration that is there any number of times, each with the same settings.
struct Container {
  std::string_view path;                   // "listeners[]", "transports.*"
  void (*begin)(Config&, const std::string& name);   // makes the element that the settings' `store` then fill
};

std::span<const Setting> settings();
std::span<const Container> containers();
const Setting* find_setting(std::string_view path);
const Container* find_container(std::string_view path);
bool is_group(std::string_view path);                              // is it the beginning of a setting's path?
std::string_view parent_of(std::string_view path);                 // "limits" of "limits.hops", "" at the top
std::vector<std::string> names_in(std::string_view group_path);    // what may stand in a group

// For error texts: `unknown setting "listners" (did you mean "listeners"?)`.
std::string unknown_setting(std::string_view group_path, std::string_view name);

}  // namespace mansio::config
