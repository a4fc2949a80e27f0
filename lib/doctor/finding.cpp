#include "doctor/finding.hpp"

namespace mansio::doctor {

std::string_view word_of(State state) {
  static constexpr std::string_view words[] = {"ok", "note", "warning", "bad", "skipped"};
  return words[static_cast<std::size_t>(state)];
}

bool is_trouble(State state) { return state == State::warning || state == State::bad; }

}  // namespace mansio::doctor
