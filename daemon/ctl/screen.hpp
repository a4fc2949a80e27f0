// What commands print for people: colours only where a terminal shows them (and NO_COLOR isn't set), columns that line
// up, and nothing of the outside world that could steer the terminal: text is escaped here.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::ctl {

enum class Look : std::uint8_t { plain, bold, dim, good, warning, bad, accent };

// `text` as it may be shown: control bytes escaped, then dressed when standard output shows colours.
std::string show(std::string_view text, Look look = Look::plain);
// As show(), of text that is safe already (made here, may have several escapes of ours).
std::string dress(std::string_view safe, Look look);

bool has_colours();                 // does standard output show them?
int screen_width();                 // columns of standard output's terminal; 0: no terminal, lines may be long
// How many columns a text takes: escapes of colours none, wide characters two.
std::size_t columns_of(std::string_view text);
// Cut to `columns` with "…" at its end.
std::string cut(std::string_view text, std::size_t columns);

// A table whose columns are as wide as they need to be. The last one is cut to what the terminal has left.
class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    Column(std::string t, Align a = Align::left) : title(std::move(t)), align(a) {}
    std::string title;
    Align align;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }      // of show() or dress()
  bool empty() const noexcept { return rows_.empty(); }
  std::string text() const;           // with its titles, each line ended; "" without rows

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "2d 3h", "14m", "8s"; of negative numbers "0s".
std::string age_text(std::int64_t seconds);
// "12.4 MiB"; binary.
std::string bytes_text(std::uint64_t bytes);
// Local time "2026-11-22 14:03:20", or with only the clock's when it is today; `seconds` since 1970.
std::string time_text(std::int64_t seconds);
// "in 14m", "2h ago", "now".
std::string when_text(std::int64_t seconds, std::int64_t now);

}  // namespace mansio::ctl
