#include "ctl/command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace mansio::ctl {

int complain(const Invocation& invocation, Exit exit, std::string_view text) {
  std::fflush(stdout);
  fmt::print(stderr, "mansioctl: {}\n", escape(text, 10'000));
  if (invocation.json) {
    nlohmann::json object;
    object["error"] = text;
    object["exit"] = static_cast<int>(exit);
    print_json(object);
  }
  return exit;
}

void print_json(const nlohmann::json& object) {
  fmt::print("{}\n", object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

bool confirm(const std::string& question) {
  if (::isatty(STDIN_FILENO) == 0) {
    fmt::print(stderr, "mansioctl: \"{}\" is not asked where nobody can answer: say --yes\n", question);
    return false;
  }
  fmt::print(stderr, "{} [y/N] ", question);
  std::string line;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar()) {
    if (line.size() < 16) line += static_cast<char>(c);
  }
  return line == "y" || line == "Y" || line == "yes";
}

}  // namespace mansio::ctl
