#include "config/senders_file.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::config {
namespace {

constexpr std::size_t senders_line_max = 64 << 10, senders_problems_max = 20;

// The patterns of one line, or what is wrong with it.
Result<std::vector<std::string>> patterns_of(std::string_view text) {
  std::vector<std::string> out;
  for (std::string_view item : split(text, ',')) {
    item = trim(item);
    if (item.empty()) return fail(Fault::invalid, "an address is missing after the \":\" or beside a comma");
    auto pattern = canonical_sender(item);
    if (!pattern) return fail(Fault::invalid, fmt::format("\"{}\": {}", escape(item, 80), pattern.error().text()));
    out.push_back(std::move(*pattern));
  }
  return out;
}

}  // namespace

std::expected<SendersFile, Problems> SendersFile::parse(const Source& source) {
  std::map<std::string, std::vector<std::string>> found;
  Problems problems;
  int number = 0;
  for (std::string_view line : split(source.text, '\n')) {
    ++number;
    auto problem = [&](std::string text) { problems.push_back({source.file, number, std::move(text)}); };
    if (problems.size() == senders_problems_max) break;
    line = trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    auto colon = line.find(':');
    std::string user = to_lower(trim(line.substr(0, colon)));
    if (line.size() > senders_line_max) problem(fmt::format("a line is longer than {} bytes", senders_line_max));
    else if (has_control(user) || !is_utf8(line)) problem("it holds a control character, or is not UTF-8");
    else if (colon == std::string_view::npos || user.empty()) problem("expected a user, \":\" and addresses: \"bob: bob@example.org\"");
    else if (auto patterns = patterns_of(line.substr(colon + 1)); !patterns) problem(patterns.error().text());
    else found[user].insert(found[user].end(), patterns->begin(), patterns->end());
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  SendersFile out;
  for (const auto& [user, patterns] : found) out.users_.emplace(user, SenderList(patterns));
  return out;
}

bool SendersFile::allows(std::string_view login, std::string_view local, std::string_view domain) const {
  for (const std::string& user : {to_lower(login), std::string("*")}) {
    auto it = users_.find(user);
    if (it != users_.end() && it->second.matches(local, domain)) return true;
  }
  return false;
}

}  // namespace mansio::config
