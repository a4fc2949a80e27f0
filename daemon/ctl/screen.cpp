#include "ctl/screen.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <ctime>
#include <cwchar>

#include "base/text.hpp"

namespace mansio::ctl {
namespace {

const char* start_of(Look look) {
  switch (look) {
    case Look::bold: return "\x1b[1m";
    case Look::dim: return "\x1b[2m";
    case Look::good: return "\x1b[32m";
    case Look::warning: return "\x1b[33m";
    case Look::bad: return "\x1b[31m";
    case Look::accent: return "\x1b[36m";
    default: return "";
  }
}

// The next character of `text`: how many octets it has, and how many columns it takes.
struct Glyph {
  std::size_t octets = 1, columns = 1;
};

Glyph glyph_at(std::string_view text) {
  if (text[0] == '\x1b') {
    auto end = text.find('m');
    return {end == std::string_view::npos ? text.size() : end + 1, 0};
  }
  auto lead = static_cast<unsigned char>(text[0]);
  Glyph glyph;
  glyph.octets = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  glyph.octets = std::min(glyph.octets, text.size());
  if (glyph.octets < 2) return glyph;
  std::mbstate_t state{};
  wchar_t wide = 0;
  static const bool utf8 = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr;
  if (!utf8 || std::mbrtowc(&wide, text.data(), glyph.octets, &state) != glyph.octets) return glyph;
  int columns = ::wcwidth(wide);
  if (columns >= 0) glyph.columns = static_cast<std::size_t>(columns);
  return glyph;
}

std::string padded(const std::string& cell, std::size_t width, Table::Align align) {
  std::string space(width - std::min(width, columns_of(cell)), ' ');
  return align == Table::Align::left ? cell + space : space + cell;
}

}  // namespace

bool has_colours() {
  static const bool colours = [] {
    const char* never = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) != 0 && (never == nullptr || *never == '\0') && terminal != nullptr && std::string_view(terminal) != "dumb";
  }();
  return colours;
}

int screen_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0) return 0;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string dress(std::string_view safe, Look look) {
  if (look == Look::plain || !has_colours()) return std::string(safe);
  return fmt::format("{}{}\x1b[0m", start_of(look), safe);
}

std::string show(std::string_view text, Look look) { return dress(escape(text, 100'000), look); }

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    Glyph glyph = glyph_at(text);
    columns += glyph.columns;
    text.remove_prefix(glyph.octets);
  }
  return columns;
}

std::string cut(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  std::string out;
  std::size_t used = 0;
  bool dressed = false;
  while (!text.empty()) {
    Glyph glyph = glyph_at(text);
    if (used + glyph.columns + 1 > columns && glyph.columns > 0) break;
    dressed = dressed || text[0] == '\x1b';
    out += text.substr(0, glyph.octets);
    used += glyph.columns;
    text.remove_prefix(glyph.octets);
  }
  return out + "…" + (dressed ? "\x1b[0m" : "");
}

std::string Table::text() const {
  if (rows_.empty()) return {};
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(columns_of(column.title));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  std::size_t before = 0, last = columns_.size() - 1;
  for (std::size_t i = 0; i < last; ++i) before += widths[i] + 2;
  std::size_t screen = static_cast<std::size_t>(screen_width());
  auto line = [&](const std::vector<std::string>& cells) {
    std::string out;
    for (std::size_t i = 0; i < cells.size() && i <= last; ++i) {
      bool ends = i == last && columns_[i].align == Align::left;
      if (ends) out += screen > before + 8 ? cut(cells[i], screen - before) : cells[i];
      else out += padded(cells[i], widths[i], columns_[i].align);
      if (i < last) out += "  ";
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out + '\n';
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(dress(column.title, Look::dim));
  std::string out = line(titles);
  for (const auto& row : rows_) out += line(row);
  return out;
}

std::string age_text(std::int64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", std::max<std::int64_t>(seconds, 0));
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86400) return seconds % 3600 < 60 ? fmt::format("{}h", seconds / 3600) : fmt::format("{}h {}m", seconds / 3600, seconds % 3600 / 60);
  return seconds % 86400 < 3600 ? fmt::format("{}d", seconds / 86400) : fmt::format("{}d {}h", seconds / 86400, seconds % 86400 / 3600);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit < 4) {
    size /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : size < 10 ? fmt::format("{:.1f} {}", size, units[unit]) : fmt::format("{:.0f} {}", size, units[unit]);
}

std::string time_text(std::int64_t seconds) {
  std::time_t now = std::time(nullptr), then = static_cast<std::time_t>(seconds);
  std::tm today{}, day{};
  ::localtime_r(&now, &today);
  ::localtime_r(&then, &day);
  char text[32];
  bool same = today.tm_year == day.tm_year && today.tm_yday == day.tm_yday;
  std::strftime(text, sizeof text, same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &day);
  return text;
}

std::string when_text(std::int64_t seconds, std::int64_t now) {
  if (seconds == now) return "now";
  return seconds > now ? "in " + age_text(seconds - now) : age_text(now - seconds) + " ago";
}

}  // namespace mansio::ctl
