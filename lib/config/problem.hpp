// What is wrong with a configuration, and where: one line for the admin, "file:line: text".
#pragma once
#include <string>
#include <vector>

namespace mansio::config {

struct Place {
  std::string file;
  int line = 0;                                  // 0: the file as a whole
  bool operator==(const Place&) const = default;
  std::string text() const { return line > 0 ? file + ":" + std::to_string(line) : file; }
};

struct Problem {
  std::string file;
  int line = 0;
  std::string text;
  std::string message() const { return Place{file, line}.text() + ": " + text; }   // "file:line: text"
};

using Problems = std::vector<Problem>;

}  // namespace mansio::config
