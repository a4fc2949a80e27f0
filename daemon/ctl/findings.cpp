#include "ctl/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

using doctor::State;

Look look_of(State state) {
  switch (state) {
    case State::ok: return Look::good;
    case State::warning: return Look::warning;
    case State::bad: return Look::bad;
    case State::note: return Look::accent;
    case State::skipped: break;
  }
  return Look::dim;
}

}  // namespace

void print_findings(const Invocation& invocation, const doctor::Findings& findings) {
  for (const doctor::Finding& finding : findings) {
    std::string word(doctor::word_of(finding.state));
    if (invocation.json) {
      nlohmann::json object{{"check", finding.name}, {"state", word}, {"seen", finding.seen}};
      if (!finding.advice.empty()) object["advice"] = finding.advice;
      print_json(object);
      continue;
    }
    std::string padding(8 - std::min<std::size_t>(word.size(), 8), ' ');
    fmt::print("{}{} {}: {}\n", show(word, look_of(finding.state)), padding, show(finding.name, Look::bold), show(finding.seen));
    if (!finding.advice.empty()) fmt::print("         -> {}\n", show(finding.advice));
  }
}

void print_sum(const Invocation& invocation, const doctor::Findings& findings) {
  if (invocation.json) return;
  auto count = [&](State state) { return std::ranges::count(findings, state, &doctor::Finding::state); };
  std::string text = fmt::format("{} ok", count(State::ok));
  if (auto n = count(State::note); n > 0) text += fmt::format(", {} {}", n, n == 1 ? "note" : "notes");
  text += fmt::format(", {} {}, {} bad", count(State::warning), count(State::warning) == 1 ? "warning" : "warnings", count(State::bad));
  if (auto n = count(State::skipped); n > 0) text += fmt::format(", {} could not be found out", n);
  fmt::print("{}\n", dress(text, Look::bold));
}

Exit exit_of(const doctor::Findings& findings) {
  bool trouble = std::ranges::any_of(findings, [](const doctor::Finding& finding) { return doctor::is_trouble(finding.state); });
  return trouble ? failed : done;
}

}  // namespace mansio::ctl
