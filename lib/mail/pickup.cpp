#include "mail/pickup.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr std::string_view pickup_magic = "mansio-pickup 1 ", pickup_end = "mansio-end ";
constexpr std::size_t pickup_digits = 20;

}  // namespace

std::string format_pickup_head(const Envelope& envelope) {
  std::string text = format_envelope(envelope);
  return fmt::format("{}{:020}\n", pickup_magic, text.size()) + text;
}

std::string format_pickup_trailer(std::uint64_t length, std::uint64_t checksum) {
  return fmt::format("{}{:020} {}\n", pickup_end, length, hex_encode(checksum));
}

Result<std::uint64_t> parse_pickup_line(std::string_view line) {
  if (line.size() != pickup_line_size || !line.starts_with(pickup_magic) || !line.ends_with('\n')) {
    return fail(Fault::invalid, "not a pickup file of version 1");
  }
  auto length = parse_number(line.substr(pickup_magic.size(), pickup_digits));
  if (!length) return fail(Fault::invalid, "pickup file: malformed first line");
  return *length;
}

Result<PickupTrailer> parse_pickup_trailer(std::string_view trailer) {
  if (trailer.size() != pickup_trailer_size || !trailer.starts_with(pickup_end) || !trailer.ends_with('\n')) {
    return fail(Fault::invalid, "pickup file: it isn't complete");
  }
  auto length = parse_number(trailer.substr(pickup_end.size(), pickup_digits));
  auto sum = hex_decode(trailer.substr(pickup_end.size() + pickup_digits + 1, 16));
  if (!length || !sum || trailer[pickup_end.size() + pickup_digits] != ' ') return fail(Fault::invalid, "pickup file: malformed last line");
  return PickupTrailer{*length, *sum};
}

Result<Pickup> parse_pickup(std::string_view file) {
  if (file.size() < pickup_line_size + pickup_trailer_size) return fail(Fault::invalid, "pickup file: it isn't complete");
  auto envelope_length = parse_pickup_line(file.substr(0, pickup_line_size));
  if (!envelope_length) return std::unexpected(envelope_length.error());
  auto trailer = parse_pickup_trailer(file.substr(file.size() - pickup_trailer_size));
  if (!trailer) return std::unexpected(trailer.error());
  std::string_view before = file.substr(0, file.size() - pickup_trailer_size);
  if (trailer->length != before.size() || trailer->checksum != checksum(before)) {
    return fail(Fault::invalid, "pickup file: length or checksum is wrong");
  }
  before.remove_prefix(pickup_line_size);
  if (*envelope_length > before.size()) return fail(Fault::invalid, "pickup file: the envelope is longer than the file");
  auto envelope = parse_envelope(before.substr(0, *envelope_length));
  if (!envelope) return std::unexpected(envelope.error());
  return Pickup{std::move(*envelope), before.substr(*envelope_length)};
}

}  // namespace mansio::mail
