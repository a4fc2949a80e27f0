#include "route/target.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::route {
namespace {

// Length of the item at the beginning of `text`: up to a comma outside of double quotes.
std::size_t item_length(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') ++i;
    else if (text[i] == '"') quoted = !quoted;
    else if (text[i] == ',' && !quoted) return i;
  }
  return text.size();
}

// "\"|/bin/x y\"" → "|/bin/x y" when the quotes hold all of it; "\"john smith\"@x" stays.
std::string without_quotes(std::string_view item) {
  if (item.size() < 2 || item.front() != '"') return std::string(item);
  std::string out;
  for (std::size_t i = 1; i < item.size(); ++i) {
    if (item[i] == '"') return i + 1 == item.size() ? out : std::string(item);
    if (item[i] == '\\' && i + 1 < item.size()) ++i;
    out += item[i];
  }
  return std::string(item);
}

struct ItemReader {
  Target target;
  std::string problem;

  void command(std::string_view text) {
    target.kind = TargetKind::command;
    auto words = split_words(text);
    // |"/path words": the whole of it quoted is a command line, not one long word
    if (words && words->size() == 1 && trim(text).starts_with('"')) words = split_words((*words)[0]);
    if (!words) problem = "a quote of the command is not closed";
    else if (words->empty() || !(*words)[0].starts_with('/')) problem = "a command must begin with the absolute path of a program";
    else target.command = std::move(*words);
  }

  void path(TargetKind kind, std::string_view text) {
    target.kind = kind;
    target.text = trim(text);
    if (!target.text.starts_with('/') || target.text.size() > 4000) problem = "not an absolute path";
  }

  void mailbox(std::string_view text) {
    if (text.starts_with('<') && text.ends_with('>')) text = text.substr(1, text.size() - 2);
    target.exact = text.starts_with('\\');
    if (target.exact) text.remove_prefix(1);
    if (text.find('@') != std::string_view::npos) {
      auto address = mail::Address::parse(text);
      target.kind = TargetKind::address;
      if (address) target.address = std::move(*address);
      else problem = address.error().text();
      return;
    }
    auto name = mail::LocalPart::from_unquoted(text);
    target.kind = TargetKind::name;
    if (!name) problem = name.error().text();
    else if (text.find_first_of(" \t:|/\"\\<>") != std::string_view::npos) problem = "neither a name nor an address";
    else target.text = text;
  }

  void read(std::string_view text) {
    if (has_control(text)) problem = "holds a control character";
    else if (text.starts_with('|')) command(text.substr(1));
    else if (istarts_with(text, ":include:")) path(TargetKind::include, text.substr(9));
    else if (iequals(text, ":blackhole:")) target.kind = TargetKind::blackhole;
    else if (text.starts_with('/')) path(TargetKind::file, text);
    else mailbox(text);
  }
};

// ":fail: text" and ":defer: text": their text goes to the end of the line, commas and all.
std::optional<Target> reading_to_the_end(std::string_view text) {
  for (auto [word, kind] : {std::pair{std::string_view(":fail:"), TargetKind::fail}, std::pair{std::string_view(":defer:"), TargetKind::defer}}) {
    if (!istarts_with(text, word)) continue;
    Target target;
    target.kind = kind;
    target.text = escape(trim(text.substr(word.size())), 500);
    return target;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<std::string>> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quote == 0 && is_blank(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) words.back() += text[++i];
    else if (quote == 0 && (c == '"' || c == '\'')) quote = c;
    else if (c == quote) quote = 0;
    else words.back() += c;
  }
  if (quote != 0) return std::nullopt;
  return words;
}

void parse_items(std::string_view text, std::size_t line, Targets& out) {
  while (!text.empty()) {
    if (auto rest = reading_to_the_end(trim(text))) {
      rest->line = static_cast<std::uint32_t>(line);
      out.list.push_back(std::move(*rest));
      return;
    }
    auto length = item_length(text);
    auto item = trim(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
    if (item.empty()) continue;
    ItemReader reader;
    reader.read(without_quotes(item));
    if (!reader.problem.empty()) {
      out.problems.push_back({line, fmt::format("\"{}\": {}", escape(item, 80), reader.problem)});
      reader.target = Target();
      reader.target.text = "an entry of the alias could not be read";
    }
    reader.target.line = static_cast<std::uint32_t>(line);
    out.list.push_back(std::move(reader.target));
  }
}

Targets parse_target_file(std::string_view text) {
  Targets out;
  std::size_t number = 0;
  for (auto line : split(text, '\n')) {
    ++number;
    line = trim(line);
    if (!line.empty() && line[0] != '#') parse_items(line, number, out);
  }
  return out;
}

}  // namespace mansio::route
