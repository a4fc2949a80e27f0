// The parts of the page: charts of inline SVG in percents, so that they fill what room there is and letters keep their
// size; their labels are HTML. All text from outside goes through html_text().
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "report/report.hpp"

namespace mansio::report {

// Safe between tags and in quoted attributes; control bytes are shown escaped.
std::string html_text(std::string_view text);

// Columns side by side, each of parts that stand on one another.
struct ColumnChart {
  struct Part {
    std::uint64_t value = 0;
    std::string_view series;             // class of its colour: "received", "failed"
  };
  struct Column {
    std::vector<Part> parts;
    std::string title;                   // shown while the pointer is over it; plain text
    std::string tick;                    // below it; "": none
  };
  std::string label;                     // for those who don't see it
  std::vector<Column> columns;
  int height = 200;                      // pixels
  bool ticks = true;
  bool counts = false;                   // numbers above the columns
  std::string html() const;
};

// Parts of a whole in one lying bar.
struct ShareBar {
  struct Part {
    std::uint64_t value = 0;
    std::string_view series;
    std::string title;
  };
  std::string label;
  std::vector<Part> parts;
  std::string html() const;
};

// A table whose rows have a bar: the list of the most frequent.
std::string list_html(const std::vector<Top>& tops, std::string_view series, std::string_view what, bool sizes);

struct Series {
  std::string_view name, words;
};
std::string legend_html(const std::vector<Series>& series);

// A number that ends a chart's axis nicely: 1, 2 or 5 times a power of ten, not below `value`.
std::uint64_t axis_end(std::uint64_t value);

extern const std::string_view page_style;

}  // namespace mansio::report
