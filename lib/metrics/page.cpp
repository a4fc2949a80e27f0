#include "metrics/page.hpp"

#include <cmath>

#include <fmt/format.h>

namespace mansio::metrics {
namespace {

std::string label_text(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 200)) {
    if (c == '\n') out += "\\n";
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else out += c;
  }
  return out;
}

}  // namespace

// Whole numbers as such, others with what a double holds.
std::string number_text(double value) {
  if (std::fabs(value) < 1e15 && value == std::floor(value)) return fmt::format("{}", static_cast<std::int64_t>(value));
  return fmt::format("{}", value);
}

void Page::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Page::line(std::string_view suffix, Labels labels, double value) {
  out_ += name_;
  out_ += suffix;
  char before = '{';
  for (const auto& [key, text] : labels) {
    out_ += fmt::format("{}{}=\"{}\"", before, key, label_text(text));
    before = ',';
  }
  out_ += fmt::format("{}{}\n", labels.size() > 0 ? "} " : " ", number_text(value));
}

void Page::counter(std::string_view name, std::string_view help, const Counter& value) {
  family(name, "counter", help);
  sample(static_cast<double>(value.value()));
}

void Page::gauge(std::string_view name, std::string_view help, double value) {
  family(name, "gauge", help);
  sample(value);
}

void Page::histogram(std::string_view name, std::string_view help, const Histogram& value) {
  family(name, "histogram", help);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < value.bounds().size(); ++i) {
    below += value.count(i);
    line("_bucket", {{"le", fmt::format("{}", value.bounds()[i])}}, static_cast<double>(below));
  }
  below += value.count(value.bounds().size());
  line("_bucket", {{"le", "+Inf"}}, static_cast<double>(below));
  line("_sum", {}, value.sum());
  line("_count", {}, static_cast<double>(below));
}

}  // namespace mansio::metrics
