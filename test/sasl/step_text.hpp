// A step in one line, for tests: "challenge DATA", "password USER SECRET", "keys USER", "done USER", "failed denied USER".
#pragma once
#include <string>

#include "sasl/server.hpp"

namespace mansio::sasl {

inline std::string text_of(const Step& step) {
  if (auto* challenge = std::get_if<Challenge>(&step)) return "challenge " + challenge->data;
  if (auto* done = std::get_if<Done>(&step)) return "done " + done->user;
  if (auto* question = std::get_if<Question>(&step)) {
    static constexpr const char* kinds[] = {"password ", "keys ", "token ", "certificate ", "ticket "};
    std::string out = kinds[static_cast<int>(question->kind)] + question->user;
    return question->secret.empty() ? out : out + " " + std::string(question->secret.view());
  }
  auto& failed = std::get<Failed>(step);
  static constexpr const char* reasons[] = {"malformed", "denied", "unavailable"};
  std::string out = std::string("failed ") + reasons[static_cast<int>(failed.reason)];
  return failed.user.empty() ? out : out + " " + failed.user;
}

}  // namespace mansio::sasl
