#include "setup/difference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/text.hpp"

namespace mansio::setup {
namespace {

constexpr std::size_t context = 3;
constexpr std::size_t table_max = 4'000'000;       // cells; past it the middle is shown as replaced

using Lines = std::vector<std::string_view>;

struct Step {
  char mark;                   // ' ', '-', '+'
  std::string_view line;
};

Lines lines_of(std::string_view text) {
  if (text.empty()) return {};
  if (text.ends_with('\n')) text.remove_suffix(1);
  return split(text, '\n');
}

// The longest common subsequence of what is left between equal ends.
void compare(const Lines& a, const Lines& b, std::vector<Step>& out) {
  std::size_t rows = a.size(), columns = b.size();
  bool too_large = (rows + 1) * (columns + 1) > table_max;
  std::vector<std::uint32_t> table(too_large ? 0 : (rows + 1) * (columns + 1));
  auto cell = [&](std::size_t i, std::size_t j) -> std::uint32_t& { return table[i * (columns + 1) + j]; };
  for (std::size_t i = rows; !too_large && i-- > 0;) {
    for (std::size_t j = columns; j-- > 0;) cell(i, j) = a[i] == b[j] ? cell(i + 1, j + 1) + 1 : std::max(cell(i + 1, j), cell(i, j + 1));
  }
  std::size_t i = 0, j = 0;
  while (i < rows || j < columns) {
    if (!too_large && i < rows && j < columns && a[i] == b[j]) {
      out.push_back({' ', a[i++]});
      ++j;
    } else if (i < rows && (j == columns || too_large || cell(i + 1, j) >= cell(i, j + 1))) {
      out.push_back({'-', a[i++]});
    } else {
      out.push_back({'+', b[j++]});
    }
  }
}

std::vector<Step> steps_between(const Lines& a, const Lines& b) {
  std::size_t head = 0, tail = 0, least = std::min(a.size(), b.size());
  while (head < least && a[head] == b[head]) ++head;
  while (tail < least - head && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  std::vector<Step> out;
  for (std::size_t i = 0; i < head; ++i) out.push_back({' ', a[i]});
  auto middle = [&](const Lines& lines) { return Lines(lines.begin() + static_cast<std::ptrdiff_t>(head), lines.end() - static_cast<std::ptrdiff_t>(tail)); };
  compare(middle(a), middle(b), out);
  for (std::size_t i = a.size() - tail; i < a.size(); ++i) out.push_back({' ', a[i]});
  return out;
}

// One "@@" part: steps [begin, end), whose first lines are `before` and `after` in the two texts, counted from zero.
std::string hunk(const std::vector<Step>& steps, std::size_t begin, std::size_t end, std::size_t before, std::size_t after) {
  std::size_t old_count = 0, new_count = 0;
  std::string body;
  for (std::size_t i = begin; i < end; ++i) {
    if (steps[i].mark != '+') ++old_count;
    if (steps[i].mark != '-') ++new_count;
    body += fmt::format("{}{}\n", steps[i].mark, steps[i].line);
  }
  return fmt::format("@@ -{},{} +{},{} @@\n{}", old_count == 0 ? before : before + 1, old_count, new_count == 0 ? after : after + 1, new_count, body);
}

}  // namespace

std::string unified_difference(std::string_view before, std::string_view after, std::string_view name) {
  if (before == after) return {};
  auto steps = steps_between(lines_of(before), lines_of(after));
  std::string out = fmt::format("--- {}\n+++ {}\n", before.empty() ? "/dev/null" : name, name);
  auto changed = [](const Step& step) { return step.mark != ' '; };
  std::size_t at = 0, old_line = 0, new_line = 0;      // at: of steps
  while (true) {
    auto next = static_cast<std::size_t>(std::ranges::find_if(steps.begin() + static_cast<std::ptrdiff_t>(at), steps.end(), changed) - steps.begin());
    if (next == steps.size()) return out;
    std::size_t begin = next - std::min(context, next - at), end = next, quiet = 0;
    for (std::size_t i = next; i < steps.size() && quiet <= 2 * context; ++i) {
      quiet = changed(steps[i]) ? 0 : quiet + 1;
      if (quiet == 0) end = i + 1;
    }
    end = std::min(end + context, steps.size());
    old_line += begin - at;
    new_line += begin - at;
    out += hunk(steps, begin, end, old_line, new_line);
    for (std::size_t i = begin; i < end; ++i) {
      if (steps[i].mark != '+') ++old_line;
      if (steps[i].mark != '-') ++new_line;
    }
    at = end;
  }
}

}  // namespace mansio::setup
