#include "queue/site_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::queue {
namespace {

constexpr std::string_view first_line = "mansio destinations 1";
constexpr std::size_t text_limit = 1000, name_limit = 4000;

std::optional<Lanes::Site> parse_site(std::string_view line) {
  auto words = split(line, ' ');
  if (words.size() != 6) return std::nullopt;
  auto until = parse_number(words[0]), since = parse_number(words[1]), failures = parse_number(words[2]), code = parse_number(words[3]);
  auto text = xtext_decode(words[4]), name = xtext_decode(words[5]);
  if (!until || !since || !failures || !code || !text || !name) return std::nullopt;
  if (!is_unix_time(*until) || !is_unix_time(*since) || *failures > UINT32_MAX || *code < 400 || *code > 599 || name->empty()) return std::nullopt;
  Lanes::Site site;
  site.name = std::move(*name);
  site.key = lane_key(site.name);
  site.closed_until = from_unix(*until);
  site.outage_since = from_unix(*since);
  site.failures = static_cast<std::uint32_t>(*failures);
  site.why = Status(static_cast<int>(*code), 4, 1, std::move(*text));
  return site;
}

}  // namespace

std::string format_sites(const std::vector<Lanes::Site>& sites) {
  std::string out = std::string(first_line) + "\n";
  std::size_t lines = 0;
  for (const Lanes::Site& site : sites) {
    if (site.name.empty() || site.name.size() > name_limit || site.closed_until == Time() || ++lines > site_file_lines) continue;
    int code = site.why.code() < 400 || site.why.code() > 599 ? 451 : site.why.code();
    out += fmt::format("{} {} {} {} {} {}\n", unix_seconds(site.closed_until), unix_seconds(site.outage_since), site.failures, code,
                       xtext_encode(std::string_view(site.why.text()).substr(0, text_limit)), xtext_encode(site.name));
  }
  return out;
}

ParsedSites parse_sites(std::string_view text) {
  ParsedSites out;
  auto lines = split(text, '\n');
  if (lines.front() != first_line) return out;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    auto site = i <= site_file_lines ? parse_site(lines[i]) : std::nullopt;
    if (site) out.sites.push_back(std::move(*site));
    else ++out.dropped;
  }
  return out;
}

}  // namespace mansio::queue
