// Files of the pickup directory: messages that `sendmail` left while the daemon didn't run. Pure format and parser.
//
//   "mansio-pickup 1 " LENGTH "\n"                  LENGTH of the envelope's text, 20 digits
//   the envelope (mail/envelope.hpp)                ends in an empty line
//   the content                                     lines end in CRLF
//   "mansio-end " LENGTH " " CHECKSUM "\n"          of all bytes before: 20 decimal digits, XXH3 as 16 hex digits
//
// Head and trailer have fixed sizes, so that content of any size can be streamed past. Who wrote a file isn't told in
// it: the reader takes the owner from fstat and trusts the envelope no further than that user.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "mail/envelope.hpp"

namespace mansio::mail {

inline constexpr std::size_t pickup_line_size = 37;        // the first line
inline constexpr std::size_t pickup_trailer_size = 49;

// First line and envelope: what comes before the content.
std::string format_pickup_head(const Envelope& envelope);
// For `length` bytes before it, with this checksum (base/bytes.hpp, seed 0).
std::string format_pickup_trailer(std::uint64_t length, std::uint64_t checksum);

// Length of the envelope, from the first `pickup_line_size` bytes: the content begins at pickup_line_size + this.
Result<std::uint64_t> parse_pickup_line(std::string_view line);

struct PickupTrailer {
  std::uint64_t length = 0, checksum = 0;
};
// From the last `pickup_trailer_size` bytes.
Result<PickupTrailer> parse_pickup_trailer(std::string_view trailer);

struct Pickup {
  Envelope envelope;
  std::string_view content;     // part of the text parsed
};
// A whole file that lies in memory; length and checksum are verified.
Result<Pickup> parse_pickup(std::string_view file);

}  // namespace mansio::mail
