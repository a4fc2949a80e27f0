// Prints typical lines, as the main log shows them, for tests with the tools that read such logs.
#include <cstdio>

#include "log/samples.hpp"
#include "log/text.hpp"

int main() {
  auto now = std::chrono::system_clock::now();
  for (const auto& sample : mansio::log::test::samples()) {
    std::puts(mansio::log::format_text(sample.event, now).c_str());
  }
}
