#include "base/quantity.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/text.hpp"

namespace mansio {
namespace {

constexpr std::int64_t longest_ms = std::chrono::duration_cast<Duration>(std::chrono::days(36525)).count();
constexpr std::array<std::pair<char, int>, 4> size_units{{{'K', 10}, {'M', 20}, {'G', 30}, {'T', 40}}};
constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> time_units{
    {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}}};

std::string_view take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  std::string_view digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

}  // namespace

Result<ByteSize> parse_size(std::string_view text) {
  std::string_view rest = text;
  auto number = parse_number(take_digits(rest));
  auto bad = [&] { return fail(Fault::invalid, fmt::format("\"{}\" is no size (write \"50M\": a number and K, M, G or T)", escape(text, 40))); };
  if (!number) return bad();
  if (rest.empty()) return ByteSize(*number);
  for (auto [unit, shift] : size_units) {
    if (ascii_upper(rest[0]) != unit) continue;
    rest.remove_prefix(1);
    if (!rest.empty() && rest != "B" && rest != "iB") return bad();
    if (*number > (UINT64_MAX >> 1) >> shift) return fail(Fault::invalid, fmt::format("\"{}\" is too large", escape(text, 40)));
    return ByteSize(*number << shift);
  }
  return bad();
}

Result<Duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  auto bad = [&](std::string_view why) {
    return fail(Fault::invalid, fmt::format("\"{}\" is no duration: {} (write \"15m\" or \"2h30m\"; units d, h, m, s, ms)", escape(text, 40), why));
  };
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  if (rest.empty()) return bad("it is empty");
  while (!rest.empty()) {
    auto number = parse_number(take_digits(rest));
    if (!number || *number > 1000000000000) return bad("a number is missing or too large");
    std::size_t letters = 0;
    while (letters < rest.size() && is_alpha(rest[letters])) ++letters;
    std::string_view unit = rest.substr(0, letters);
    if (unit.empty()) return bad("it needs a unit");
    rest.remove_prefix(letters);
    std::size_t i = 0;
    while (i < time_units.size() && time_units[i].first != unit) ++i;
    if (i == time_units.size()) return bad("unknown unit");
    if (i < next_unit) return bad("units go from large to small");
    next_unit = i + 1;
    std::int64_t part = 0;
    if (__builtin_mul_overflow(static_cast<std::int64_t>(*number), time_units[i].second, &part) || __builtin_add_overflow(total, part, &total) ||
        total > longest_ms) {
      return bad("it is too large");
    }
  }
  return Duration(total);
}

std::string format_size(ByteSize size) {
  for (std::size_t i = size_units.size(); i-- > 0;) {
    auto [unit, shift] = size_units[i];
    std::uint64_t one = std::uint64_t{1} << shift;
    if (size.bytes() >= one && size.bytes() % one == 0) return fmt::format("{}{}", size.bytes() >> shift, unit);
  }
  return fmt::format("{}", size.bytes());
}

std::string format_duration(Duration duration) {
  std::int64_t rest = duration.count();
  if (rest <= 0) return "0s";
  std::string out;
  for (auto [unit, length] : time_units) {
    if (rest >= length) out += fmt::format("{}{}", rest / length, unit);
    rest %= length;
  }
  return out;
}

std::string short_age(std::chrono::seconds age) {
  auto minutes = age.count() / 60;
  if (minutes > 90) {
    auto hours = (minutes + 30) / 60;
    return hours > 72 ? fmt::format("{}d", (hours + 12) / 24) : fmt::format("{}h", hours);
  }
  return fmt::format("{}m", minutes < 0 ? 0 : minutes);
}

std::string short_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{}", bytes);
  double kilo = static_cast<double>(bytes) / 1024;
  if (kilo < 10) return fmt::format("{:.1f}K", kilo);
  if (kilo < 1024) return fmt::format("{:.0f}K", kilo);
  double mega = kilo / 1024;
  return mega < 10 ? fmt::format("{:.1f}M", mega) : fmt::format("{:.0f}M", mega);
}

}  // namespace mansio
