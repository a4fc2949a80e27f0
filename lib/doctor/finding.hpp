// What a check found: one line for a person, one object for a monitor.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mansio::doctor {

enum class State : std::uint8_t {
  ok,
  note,        // nothing to mend, but good to know
  warning,     // works, and not everywhere or not for long
  bad,
  skipped,     // could not be found out; `seen` says why
};

struct Finding {
  // `n` is a word, the same in every run: what a monitor looks for.
  Finding(std::string n, State s, std::string what, std::string todo = "")
      : name(std::move(n)), state(s), seen(std::move(what)), advice(std::move(todo)) {}
  std::string name;
  State state;
  std::string seen;            // may hold what others sent: it is escaped where it is shown
  std::string advice;          // what to do; "" when there is nothing to do
};

using Findings = std::vector<Finding>;

std::string_view word_of(State state);             // "ok", "note", …
bool is_trouble(State state);                      // warning or bad

}  // namespace mansio::doctor
