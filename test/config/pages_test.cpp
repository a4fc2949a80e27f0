// Holds docs/from-windows-smtp.md to the settings table: every setting that it names exists, and every block of it is a configuration.
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/reader.hpp"
#include "config/settings.hpp"
#include "config/source_root.hpp"

namespace mansio::config {
namespace {

std::string page_text() {
  auto text = read_file(std::string(source_root) + "/docs/from-windows-smtp.md", 1 << 20);
  REQUIRE(text);
  return *text;
}

// What stands between `begin` and `end`, each time.
std::vector<std::string> all_between(const std::string& text, std::string_view begin, std::string_view end) {
  std::vector<std::string> out;
  for (auto at = text.find(begin); at != std::string::npos;) {
    at += begin.size();
    auto stop = text.find(end, at);
    if (stop == std::string::npos) break;
    out.push_back(text.substr(at, stop - at));
    at = text.find(begin, stop + end.size());
  }
  return out;
}

// "listeners[].port", "smart_host", "transports.*.tls": a path, or one name with an underscore.
bool looks_like_setting(std::string_view text) {
  if (text.empty() || !is_alpha(text[0]) || text != to_lower(text)) return false;
  bool plain = std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '[' || c == ']' || c == '*'; });
  return plain && text.find_first_of("_.[") != std::string_view::npos;
}

}  // namespace

TEST_CASE("every setting that the page for those who come from Windows names exists") {
  std::string text = page_text();
  for (const std::string& block : all_between(text, "```conf\n", "```\n")) text.erase(text.find(block), block.size());
  int names = 0;
  for (const std::string& word : all_between(text, "`", "`")) {
    if (!looks_like_setting(word)) continue;
    INFO(word);
    CHECK((find_setting(word) != nullptr || is_group(word)));
    ++names;
  }
  CHECK(names > 220);
}

TEST_CASE("every block of the page for those who come from Windows is a configuration") {
  auto blocks = all_between(page_text(), "```conf\n", "```\n");
  CHECK(blocks.size() >= 14);
  for (const std::string& block : blocks) {
    INFO(block);
    MachineFacts facts;
    facts.host_name = facts.mail_name = "mail.example.org";
    auto config = parse({{"page.conf", "version = 1;\n" + block}}, facts);
    if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
    CHECK(config);
  }
}

TEST_CASE("the page for those who come from Windows has each setting of what the SMTP service did") {
  std::string text = page_text();
  std::set<std::string> missing;
  for (const Setting& setting : settings()) {
    std::string_view path = setting.path;
    bool of_windows = path.starts_with("access.") || path.starts_with("relay_") || path.starts_with("odmr") || path.starts_with("control.") ||
                      path.starts_with("listeners[].limits.") || path == "smart_host" || path == "direct_first" || path == "smtp.reverse_dns";
    if (of_windows && text.find("`" + std::string(path) + "`") == std::string::npos) missing.insert(std::string(path));
  }
  CHECK(missing == std::set<std::string>{});
}

}  // namespace mansio::config
