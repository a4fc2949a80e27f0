#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "deliver/pipe.hpp"

namespace mansio::deliver {
namespace {

bool is_variable_name(std::string_view name) {
  return !name.empty() && name[0] >= 'A' && name[0] <= 'Z' &&
         std::ranges::all_of(name, [](char c) { return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_'; });
}

std::string harmless(std::string_view value) {
  std::string out(value);
  for (char& c : out) {
    if (!is_alnum(c) && std::string_view("@%_+=:,./-").find(c) == std::string_view::npos) c = '_';
  }
  return out;
}

}  // namespace

std::vector<std::string> make_environment(const Job& job) {
  std::vector<std::string> out{"PATH=/usr/local/bin:/usr/bin:/bin", "SHELL=/bin/sh", "LANG=C.UTF-8",
                               "HOME=" + (job.home.empty() ? std::string("/") : harmless(job.home)),
                               "USER=" + harmless(job.user), "LOGNAME=" + harmless(job.user)};
  // Names that steer the loader or a shell are kept out by being no part of mail.
  constexpr std::array<std::string_view, 7> allowed{"SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT", "LOCAL", "DOMAIN", "DETAIL", "QUEUE_ID"};
  for (const auto& entry : job.environment) {
    auto equals = entry.find('=');
    auto name = std::string_view(entry).substr(0, equals);
    if (equals == std::string::npos || !is_variable_name(name) || std::ranges::find(allowed, name) == allowed.end()) continue;
    out.push_back(fmt::format("{}={}", name, harmless(std::string_view(entry).substr(equals + 1))));
  }
  return out;
}

Status status_of_exit(int code, std::string_view output) {
  auto said = trim(output.substr(0, 512));
  auto text = fmt::format("the program ended with status {}{}{}", code, said.empty() ? "" : ": ", escape(said, 600));
  switch (code) {
    case 0: return Status(250, 2, 0, "delivered to the program");
    case 65: return Status(554, 6, 0, text);     // EX_DATAERR
    case 67: return Status(550, 1, 1, text);     // EX_NOUSER
    case 68: return Status(550, 1, 2, text);     // EX_NOHOST
    case 69: return Status(554, 3, 0, text);     // EX_UNAVAILABLE
    case 76: return Status(554, 5, 0, text);     // EX_PROTOCOL
    case 77: return Status(550, 7, 0, text);     // EX_NOPERM
    default: return Status(451, 3, 0, text);
  }
}

}  // namespace mansio::deliver
