// Files that say where mail goes: aliases, forwards, lists of names.
#include <algorithm>

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "route/aliases.hpp"
#include "table/list.hpp"

namespace fuzz {
namespace {

using namespace mansio;
using route::TargetKind;

void check_target(const route::Target& target, std::string_view input) {
  auto lines = static_cast<std::size_t>(std::ranges::count(input, '\n')) + 1;
  require(target.line <= lines, "a target stands on a line of the file");
  require(target.address.has_value() == (target.kind == TargetKind::address), "an address is one");
  require(target.command.empty() == (target.kind != TargetKind::command), "a command has words");
  if (target.kind == TargetKind::command) require(target.command[0].starts_with('/'), "a program is named by its path");
  if (target.kind == TargetKind::file || target.kind == TargetKind::include) require(target.text.starts_with('/'), "a file is named by its path");
  for (const auto& word : target.command) require(word.find('\0') == std::string::npos, "no word holds a NUL");
  require(target.text.find('\0') == std::string::npos && target.text.find('\n') == std::string::npos, "a text is one line");
}

void check_line_problems(const std::vector<route::TargetProblem>& problems, std::string_view input) {
  auto lines = static_cast<std::size_t>(std::ranges::count(input, '\n')) + 1;
  for (const auto& problem : problems) require(problem.line >= 1 && problem.line <= lines && !has_control(problem.text), "a problem has a line");
}

}  // namespace

void aliases(std::string_view input) {
  auto parsed = route::parse_aliases(input);
  check_line_problems(parsed.problems, input);
  std::size_t seen = 0;
  parsed.table.for_each([&](const std::string& key, const std::vector<route::Target>& targets) {
    ++seen;
    require(!key.empty() && key == to_lower(key) && !has_control(key), "a key is plain and in lower case");
    require(parsed.table.find(key) == &targets, "a key is found");
    for (const auto& target : targets) check_target(target, input);
  });
  require(seen == parsed.table.size(), "each key once");
}

void forward(std::string_view input) {
  auto parsed = route::parse_target_file(input);
  check_line_problems(parsed.problems, input);
  std::size_t broken = 0;
  for (const auto& target : parsed.list) {
    check_target(target, input);
    if (target.kind == TargetKind::defer) ++broken;
  }
  require(broken >= parsed.problems.size(), "what isn't understood waits");
}

// Any words, in quotes, are the same words again.
void words(std::string_view input) {
  auto plain = route::split_words(input);
  if (!plain) return;
  std::string quoted;
  for (const std::string& word : *plain) {
    quoted += " \"";
    for (char c : word) quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    quoted += '"';
  }
  require(route::split_words(quoted) == plain, "words survive quotes");
}

void table_list(std::string_view input) {
  auto entries = table::parse_list(input);
  if (!entries) return;
  std::string text;
  for (const auto& entry : *entries) {
    require(!entry.empty() && entry.size() <= 1024 && !has_control(entry) && entry == trim(entry) && entry[0] != '#', "an entry is a bounded line");
    text += entry + "\n";
  }
  require(table::parse_list(text) == *entries, "a list survives");
}

}  // namespace fuzz
