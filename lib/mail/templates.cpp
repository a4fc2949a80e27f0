#include "mail/templates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t template_line_limit = 500;

// Which places mean something in which section.
struct SectionRule {
  std::string_view name;
  std::vector<std::string_view> places;
};
const std::vector<SectionRule>& section_rules() {
  static const std::vector<std::string_view> answer{"remote", "time", "reply", "host"};
  static const std::vector<std::string_view> advice{"until", "host", "postmaster"};
  static const std::vector<SectionRule> rules{
      {"", {"host", "queue_id", "arrival", "sender", "postmaster", "recipients"}},
      {"recipient", {"address", "written_as", "answer", "advice", "until", "host"}},
      {"written_as", {"original"}},
      {"host_answer", answer},
      {"own_answer", answer},
      {"no_such_user", advice}, {"no_such_domain", advice}, {"mailbox_full", advice}, {"too_large", advice},
      {"policy", advice}, {"content", advice}, {"loop", advice}, {"expired", advice}, {"other", advice},
      {"delivered", advice}, {"relayed", advice}, {"expanded", advice},
  };
  return rules;
}

const SectionRule* rule_of(std::string_view name) {
  auto found = std::ranges::find(section_rules(), name, &SectionRule::name);
  return found == section_rules().end() ? nullptr : &*found;
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string out;
  for (auto name : names) out += fmt::format("{}{{{}}}", out.empty() ? "" : " ", name);
  return out;
}

bool is_place_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// The next "{name}" from `at` on: where it is, and the name; npos when there is none. Other braces are text.
std::size_t next_place(std::string_view line, std::size_t at, std::string_view& name) {
  while ((at = line.find('{', at)) != line.npos) {
    auto close = line.find('}', at);
    if (close == line.npos) return line.npos;
    name = line.substr(at + 1, close - at - 1);
    if (is_place_name(name)) return at;
    ++at;
  }
  return at;
}

class TemplateParser {
 public:
  TemplateParser(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  Result<ReportTemplate> parse() {
    if (text_.size() > template_size_limit) return bad("the file is longer than 64K");
    if (!is_utf8(text_)) return bad("the file is not UTF-8");
    auto head = subject();
    if (!head) return std::unexpected(head.error());
    while (!text_.empty()) {
      auto line = take_line();
      auto taken = take(line);
      if (!taken) return std::unexpected(taken.error());
    }
    for (auto& [name, section] : out_.sections) {
      while (section.starts_with('\n')) section.erase(0, 1);
      while (section.ends_with("\n\n")) section.pop_back();
    }
    return complete();
  }

 private:
  std::unexpected<Error> bad(std::string_view what) const {
    return fail(Fault::invalid, fmt::format("{}:{}: {}", file_, line_, what));
  }

  std::string_view take_line() {
    ++line_;
    auto end = text_.find('\n');
    std::string_view line = text_.substr(0, end);
    text_.remove_prefix(end == text_.npos ? text_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  Result<> subject() {
    std::string_view line = take_line();
    while (line.starts_with('#') && !text_.empty()) line = take_line();
    if (!istarts_with(line, "subject:")) return bad("the first line must be \"Subject: …\"");
    out_.subject = trim(line.substr(8));
    if (out_.subject.empty() || out_.subject.size() > 200) return bad("the subject must have 1 to 200 octets");
    if (has_control(out_.subject)) return bad("the subject has a control character");
    if (!text_.empty() && !trim(take_line()).empty()) return bad("an empty line must follow the subject");
    out_.sections[""];
    return {};
  }

  Result<> take(std::string_view line) {
    if (line.size() > template_line_limit) return bad("the line is longer than 500 octets");
    bool bracketed = line.size() > 2 && line.front() == '[' && line.back() == ']';
    if (bracketed && is_place_name(line.substr(1, line.size() - 2))) {
      section_ = line.substr(1, line.size() - 2);
      if (rule_of(section_) == nullptr) return bad(fmt::format("[{}] is no section that mansio knows", section_));
      if (out_.sections.contains(section_)) return bad(fmt::format("[{}] is there twice", section_));
      out_.sections[section_];
      return {};
    }
    auto forbidden = [](char c) { return is_control(c) && c != '\t'; };
    if (std::ranges::any_of(line, forbidden)) return bad("the line has a control character");
    const auto& known = rule_of(section_)->places;
    std::string_view name;
    for (std::size_t at = 0; (at = next_place(line, at, name)) != line.npos; at += name.size()) {
      if (std::ranges::find(known, name) != known.end()) continue;
      std::string where = section_.empty() ? "the text" : "[" + section_ + "]";
      return bad(fmt::format("{{{}}} is not known in {}; known: {}", name, where, joined(known)));
    }
    out_.sections[section_].append(line).append("\n");
    return {};
  }

  Result<ReportTemplate> complete() {
    if (out_.section("").find("{recipients}") == std::string::npos) return bad("the text lacks {recipients}");
    bool addressed = out_.section("recipient").find("{address}") != std::string::npos;
    if (!addressed) return bad("there is no [recipient] with {address}");
    for (const char* name : {"host_answer", "own_answer"}) {
      if (out_.section(name).empty()) return bad(fmt::format("there is no [{}]", name));
    }
    return std::move(out_);
  }

  std::string_view text_, file_;
  std::size_t line_ = 0;
  std::string section_;
  ReportTemplate out_;
};

// One line with its places filled in, without line end.
std::string fill_line(std::string_view line, const PlaceValues& values) {
  std::string out;
  std::string_view name;
  std::size_t from = 0;
  for (std::size_t at = 0; (at = next_place(line, from, name)) != line.npos;) {
    out += line.substr(from, at - from);
    std::string_view before = line.substr(0, at);
    bool indented = trim(before).empty();
    auto value = values.find(name);
    if (value != values.end()) {
      std::string_view rest = value->second;
      while (rest.ends_with('\n')) rest.remove_suffix(1);
      for (char c : rest) {
        out += c;
        if (c == '\n' && indented) out += before;
      }
    }
    from = at + name.size() + 2;
  }
  return out.append(line.substr(from));
}

}  // namespace

std::string_view template_file(TemplateKind kind) noexcept {
  constexpr std::array<std::string_view, template_kinds> files{"failed.txt", "delayed.txt", "success.txt"};
  return files[static_cast<std::size_t>(kind)];
}

const std::string& ReportTemplate::section(std::string_view name, std::string_view otherwise) const {
  static const std::string none;
  auto found = sections.find(name);
  if (found == sections.end() && name != otherwise && !otherwise.empty()) found = sections.find(otherwise);
  return found == sections.end() ? none : found->second;
}

Result<ReportTemplate> parse_template(std::string_view text, std::string_view name) {
  return TemplateParser(text, name).parse();
}

const ReportTemplates& default_templates() {
  static const ReportTemplates templates = [] {
    ReportTemplates out;
    for (std::size_t i = 0; i < template_kinds; ++i) {
      auto kind = static_cast<TemplateKind>(i);
      out[i] = parse_template(default_template_text(kind), template_file(kind)).value();
    }
    return out;
  }();
  return templates;
}

std::string fill_places(std::string_view text, const PlaceValues& values) {
  std::string out;
  while (!text.empty()) {
    auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    std::string filled = fill_line(line, values);
    if (!trim(line).empty() && trim(filled).empty()) continue;
    // Blanks that only indented an empty line of a value.
    std::size_t start = 0;
    for (std::size_t stop = 0; stop != filled.npos; start = stop + 1) {
      stop = filled.find('\n', start);
      std::string_view piece = std::string_view(filled).substr(start, stop == filled.npos ? stop : stop - start);
      while (!piece.empty() && is_blank(piece.back())) piece.remove_suffix(1);
      out.append(piece).append("\n");
    }
  }
  return out;
}

}  // namespace mansio::mail
