// The words of reports to senders, which an admin may replace by files of their own (etc/bounce/*.txt holds the ones
// that are compiled in). A file is a Subject line, an empty line, the text with {places} to fill in, and sections
// "[name]" with the pieces: one recipient, its answer, what to do about each class of trouble. UTF-8 is allowed. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::mail {

enum class TemplateKind : std::uint8_t { failed, delayed, success };
inline constexpr std::size_t template_kinds = 3;
inline constexpr std::size_t template_size_limit = 64 << 10;

std::string_view template_file(TemplateKind kind) noexcept;      // "failed.txt"

struct ReportTemplate {
  std::string subject;
  std::map<std::string, std::string, std::less<>> sections;      // the text itself is ""; lines end with '\n'
  // The first of the two that is there; "" when none is.
  const std::string& section(std::string_view name, std::string_view otherwise = {}) const;
};
using ReportTemplates = std::array<ReportTemplate, template_kinds>;   // by TemplateKind

// `name` is the file, for the error's text: "failed.txt:12: {foo} is not known in [recipient]; known: …".
Result<ReportTemplate> parse_template(std::string_view text, std::string_view name);

std::string_view default_template_text(TemplateKind kind) noexcept;
const ReportTemplates& default_templates();

// Fills in the places; a value is never looked at again. A value of several lines keeps the blanks before its place in
// front of each; a line that has places and nothing else, all of them empty, goes. Lines end with '\n'.
using PlaceValues = std::map<std::string, std::string, std::less<>>;
std::string fill_places(std::string_view text, const PlaceValues& values);

}  // namespace mansio::mail
