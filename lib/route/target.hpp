// What an alias, a :include: file or a ~/.forward leads to, and the one grammar they share (aliases(5)): items
// separated by commas or line ends,
//   user            somebody@else.example      \user (no further aliasing)     "quoted: item"
//   |/path/of/program words                    /path/of/file                   :include:/path/of/list
//   :blackhole:     :fail: text                :defer: text
// Program words are split at blanks; "…", '…' and backslash quote; there is no shell. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/address.hpp"
#include "table/passwd_file.hpp"

namespace mansio::route {

enum class TargetKind : std::uint8_t { address, name, command, file, include, blackhole, fail, defer };

struct Target {
  TargetKind kind = TargetKind::defer;
  bool exact = false;                      // "\name": the mailbox itself
  std::uint32_t line = 0;                  // of the file it stands in; an alias that goes on: its first
  std::optional<mail::Address> address;    // kind address
  std::string text;                        // name; path of file and include; text of fail and defer
  std::vector<std::string> command;        // argv, the first an absolute path
};

using TargetProblem = table::LineProblem;

struct Targets {
  std::vector<Target> list;
  std::vector<TargetProblem> problems;
};

// One logical line of items. An item that can't be read is a problem, and a `defer` in the list: what somebody meant
// by it is not known, so its mail waits.
void parse_items(std::string_view text, std::size_t line, Targets& out);

// A :include: file or a ~/.forward: lines of items, "#" begins a comment line.
Targets parse_target_file(std::string_view text);

// Words of a command. nullopt: a quote isn't closed.
std::optional<std::vector<std::string>> split_words(std::string_view text);

}  // namespace mansio::route
