// What is asked, in this order, and how it is explained in a line.
#pragma once
#include <span>
#include <string_view>

namespace mansio::setup {

struct Question {
  std::string_view name;             // as in a file of answers
  std::string_view title;
  std::string_view explanation;
  bool needed = true;                // an empty answer is none
};

std::span<const Question> questions();

}  // namespace mansio::setup
