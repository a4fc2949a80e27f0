// Typical events and the exact lines they give: a table for text_test and the input of the tools' test.
#pragma once
#include <string>
#include <vector>

#include "log/event.hpp"

namespace mansio::log::test {

struct Sample {
  Event event;
  std::string line;
};

const std::vector<Sample>& samples();

}  // namespace mansio::log::test
