// The text of SPOOL/state/destinations: the sites that are out of reach and until when, so that a restart neither hammers them
// nor forgets how long they have been so. Advice, not data: a lost or damaged file costs a probe for each site. Pure.
// Format: "mansio destinations 1", then a line a site: until, since (seconds), failures, code, text and name (xtext).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "queue/lanes.hpp"

namespace mansio::queue {

inline constexpr std::size_t site_file_lines = 10'000, site_file_limit = 16u << 20;   // octets

// At most site_file_lines of `sites`.
std::string format_sites(const std::vector<Lanes::Site>& sites);

struct ParsedSites {
  std::vector<Lanes::Site> sites;
  std::size_t dropped = 0;          // lines that make no sense
};
// A text of another version gives nothing.
ParsedSites parse_sites(std::string_view text);

}  // namespace mansio::queue
