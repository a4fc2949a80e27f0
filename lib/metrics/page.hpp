// Writes the Prometheus text format, version 0.0.4: families with # HELP and # TYPE, samples with labels. Label values are
// escaped here; names are ours.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "metrics/figures.hpp"

namespace mansio::metrics {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// As samples have them.
std::string number_text(double value);

class Page {
 public:
  // Begins a family; its samples follow.
  void counter(std::string_view name, std::string_view help) { family(name, "counter", help); }
  void gauge(std::string_view name, std::string_view help) { family(name, "gauge", help); }
  void sample(Labels labels, double value) { line("", labels, value); }
  void sample(double value) { line("", {}, value); }
  // A whole family.
  void counter(std::string_view name, std::string_view help, const Counter& value);
  void gauge(std::string_view name, std::string_view help, double value);
  void histogram(std::string_view name, std::string_view help, const Histogram& value);

  std::string take() { return std::move(out_); }

 private:
  void family(std::string_view name, std::string_view type, std::string_view help);
  void line(std::string_view suffix, Labels labels, double value);

  std::string out_, name_;
};

}  // namespace mansio::metrics
