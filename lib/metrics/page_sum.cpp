#include "metrics/page_sum.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hpp"
#include "metrics/page.hpp"

namespace mansio::metrics {
namespace {

constexpr auto smallest = std::to_array<std::string_view>({"mansio_queue_complete", "mansio_spool_accepting", "process_start_time_seconds"});
constexpr auto largest = std::to_array<std::string_view>({"mansio_build_info", "mansio_destinations_closed"});

bool is_one_of(std::string_view series, auto names) {
  return std::ranges::find(names, series.substr(0, series.find('{'))) != names.end();
}

double join(std::string_view series, double a, double b) {
  if (is_one_of(series, smallest)) return std::min(a, b);
  if (is_one_of(series, largest)) return std::max(a, b);
  return a + b;
}

}  // namespace

std::size_t PageSum::family(const std::string& name) {
  auto [found, is_new] = known_.try_emplace(name, families_.size());
  if (is_new) families_.emplace_back();
  return found->second;
}

void PageSum::take_sample(std::size_t process, std::string_view line) {
  auto blank = line.rfind(' ');
  if (blank == std::string_view::npos || families_.empty()) return;
  std::string series(line.substr(0, blank));
  double value = 0;
  std::string_view digits = line.substr(blank + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) return;
  Family& family = families_[current_];
  if (std::ranges::find(family.series, series) == family.series.end()) family.series.push_back(series);
  if (family.type == "gauge") {
    auto [known, is_new] = gauges_.try_emplace(series, value);
    if (!is_new) known->second = join(series, known->second, value);
    return;
  }
  Counted& counted = counters_[process][series];
  if (value < counted.last) counted.before += counted.last;
  counted.last = value;
}

void PageSum::read(std::size_t process, const std::string& page) {
  constexpr std::string_view help = "# HELP ", type = "# TYPE ";
  for (std::string_view line : split(page, '\n')) {
    bool is_help = line.starts_with(help), is_type = line.starts_with(type);
    if (is_help || is_type) {
      auto words = split(line, ' ');
      if (words.size() < 4) continue;
      current_ = family(std::string(words[2]));
      Family& family = families_[current_];
      if (is_help && family.head.empty()) family.head = std::string(line) + "\n";
      else if (is_type && family.type.empty()) {
        family.type = words[3];
        family.head += std::string(line) + "\n";
      }
    } else if (!line.empty() && line[0] != '#') {
      take_sample(process, line);
    }
  }
}

double PageSum::counted(const std::string& series) const {
  double out = 0;
  for (const auto& process : counters_) {
    auto found = process.find(series);
    if (found != process.end()) out += found->second.before + found->second.last;
  }
  return out;
}

std::string PageSum::text(const std::vector<std::string>& pages) {
  gauges_.clear();
  if (counters_.size() < pages.size()) counters_.resize(pages.size());
  std::size_t missing = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (pages[i].empty()) ++missing;
    else read(i, pages[i]);
  }
  std::string out;
  for (const Family& family : families_) {
    out += family.head;
    for (const std::string& series : family.series) {
      auto gauge = gauges_.find(series);
      if (family.type == "gauge" && gauge == gauges_.end()) continue;
      out += series + " " + number_text(family.type == "gauge" ? gauge->second : counted(series)) + "\n";
    }
  }
  Page more;
  more.gauge("mansio_processes", "Mail processes of this server.", static_cast<double>(pages.size()));
  more.gauge("mansio_processes_missing", "Those of them that did not answer for this page.", static_cast<double>(missing));
  return out + more.take();
}

}  // namespace mansio::metrics
