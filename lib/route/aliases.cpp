#include "route/aliases.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace mansio::route {
namespace {

// The key as it is looked up, or why it is none.
Result<std::string> read_key(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  auto at = text.rfind('@');
  std::string key;
  if (at != 0) {
    auto local = mail::LocalPart::from_unquoted(text.substr(0, at));
    if (!local) return std::unexpected(local.error());
    key = local->key();
  }
  if (at == std::string_view::npos) return key;
  auto domain = mail::Domain::parse(text.substr(at + 1));
  if (!domain) return std::unexpected(domain.error());
  return key + "@" + domain->key();
}

// Where the key ends: the first ':' outside of quotes.
std::size_t key_length(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == ':' && !quoted) return i;
  }
  return std::string_view::npos;
}

void read_entry(std::string_view entry, std::size_t line, ParsedAliases& out) {
  auto colon = key_length(entry);
  if (colon == std::string_view::npos) {
    out.problems.push_back({line, fmt::format("\"{}\" has no colon: an alias is \"name: items\"", escape(entry, 60))});
    return;
  }
  auto key = read_key(trim(entry.substr(0, colon)));
  if (!key) {
    out.problems.push_back({line, fmt::format("\"{}\" is no name of an alias: {}", escape(trim(entry.substr(0, colon)), 60), key.error().text())});
    return;
  }
  Targets targets;
  parse_items(entry.substr(colon + 1), line, targets);
  if (targets.list.empty()) {
    targets.problems.push_back({line, fmt::format("\"{}\" leads nowhere: write :blackhole: to throw its mail away", *key)});
    targets.list.emplace_back();
    targets.list.back().text = "the alias leads nowhere";
    targets.list.back().line = static_cast<std::uint32_t>(line);
  }
  out.problems.insert(out.problems.end(), targets.problems.begin(), targets.problems.end());
  if (!out.table.insert(*key, std::move(targets.list))) {
    out.problems.push_back({line, fmt::format("\"{}\" stands here again: the first one counts", *key)});
  }
}

}  // namespace

const std::vector<Target>* AliasTable::find(const std::string& key) const {
  auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : &it->second;
}

bool AliasTable::insert(std::string key, std::vector<Target> targets) { return entries_.try_emplace(std::move(key), std::move(targets)).second; }

ParsedAliases parse_aliases(std::string_view text) {
  ParsedAliases out;
  std::string entry;              // a logical line: its continuations are joined with blanks
  std::size_t number = 0, begun = 0;
  for (auto line : split(text, '\n')) {
    ++number;
    auto content = trim(line);
    if (content.empty() || content[0] == '#') continue;
    if (is_blank(line[0]) && !entry.empty()) {
      entry += ' ';
      entry += content;
      continue;
    }
    if (!entry.empty()) read_entry(entry, begun, out);
    entry = content;
    begun = number;
  }
  if (!entry.empty()) read_entry(entry, begun, out);
  return out;
}

}  // namespace mansio::route
