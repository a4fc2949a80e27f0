#include "report/html_charts.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "report/wording.hpp"

namespace mansio::report {
namespace {

double percent(std::uint64_t part, std::uint64_t of) {
  return of == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(of);
}

std::uint64_t height_of(const ColumnChart::Column& column) {
  std::uint64_t sum = 0;
  for (const auto& part : column.parts) sum += part.value;
  return sum;
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  for (char c : escape(text, 2000)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::uint64_t axis_end(std::uint64_t value) {
  for (std::uint64_t power = 1;; power *= 10) {
    for (std::uint64_t digit : {2, 4, 6, 10}) {
      if (digit * power >= value || power >= 1'000'000'000'000'000'000) return digit * power;
    }
  }
}

std::string ColumnChart::html() const {
  std::uint64_t most = 0;
  for (const Column& column : columns) most = std::max(most, height_of(column));
  most = axis_end(most);
  double width = 100.0 / static_cast<double>(std::max<std::size_t>(columns.size(), 1));
  std::string out = fmt::format("<div class=\"chart\"><div class=\"plot\" style=\"height:{}px\">", height);
  for (int tick = 0; tick <= 2; ++tick) {
    out += fmt::format("<span class=\"y\" style=\"bottom:{}%\">{}</span>", tick * 50, grouped(most * static_cast<std::uint64_t>(tick) / 2));
  }
  out += fmt::format("<svg role=\"img\" aria-label=\"{}\" width=\"100%\" height=\"100%\">", html_text(label));
  for (int tick = 0; tick <= 2; ++tick) out += fmt::format("<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{0}%\" y2=\"{0}%\"/>", tick * 50);
  std::string labels;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    double left = static_cast<double>(i) * width, top = 100;
    out += fmt::format("<g class=\"column\"><title>{}</title><rect class=\"hit\" x=\"{:.3f}%\" y=\"0\" width=\"{:.3f}%\" height=\"100%\"/>",
                       html_text(column.title), left, width);
    for (const Part& part : column.parts) {
      if (part.value == 0) continue;
      double high = percent(part.value, most);
      top -= high;
      out += fmt::format("<rect class=\"{}\" x=\"{:.3f}%\" y=\"{:.3f}%\" width=\"{:.3f}%\" height=\"{:.3f}%\"/>", part.series,
                         left + width * 0.12, top, width * 0.76, high);
    }
    out += "</g>";
    std::uint64_t sum = height_of(column);
    if (counts && sum > 0) {
      labels += fmt::format("<span class=\"count\" style=\"left:{:.3f}%;bottom:{:.3f}%\">{}</span>", left + width / 2, percent(sum, most), grouped(sum));
    }
  }
  out += "</svg>" + labels + "</div>";
  if (ticks) {
    auto labelled = std::ranges::count_if(columns, [](const Column& column) { return !column.tick.empty(); });
    out += fmt::format("<div class=\"x{}\" aria-hidden=\"true\">", labelled > 9 ? " many" : "");
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].tick.empty()) continue;
      out += fmt::format("<span style=\"left:{:.3f}%\">{}</span>", (static_cast<double>(i) + 0.5) * width, html_text(columns[i].tick));
    }
    out += "</div>";
  }
  return out + "</div>";
}

std::string ShareBar::html() const {
  std::uint64_t sum = 0;
  for (const Part& part : parts) sum += part.value;
  std::string out = fmt::format("<svg class=\"share\" role=\"img\" aria-label=\"{}\" width=\"100%\" height=\"22\">", html_text(label));
  double left = 0;
  for (const Part& part : parts) {
    if (part.value == 0) continue;
    double width = percent(part.value, sum);
    out += fmt::format("<g><title>{}</title><rect class=\"{}\" x=\"{:.3f}%\" width=\"{:.3f}%\" height=\"22\"/></g>", html_text(part.title),
                       part.series, left, width);
    left += width;
  }
  return out + "</svg>";
}

std::string list_html(const std::vector<Top>& tops, std::string_view series, std::string_view what, bool sizes) {
  if (tops.empty()) return "<p class=\"none\">None in this time.</p>";
  std::string out = fmt::format("<table class=\"list\"><thead><tr><th>{}</th><th class=\"number\">Count</th>{}</tr></thead><tbody>", what,
                                sizes ? "<th class=\"number\">Size</th>" : "");
  for (const Top& top : tops) {
    std::string name = top.name.empty() ? "(none)" : top.name;
    std::string group = top.group.empty() ? "" : fmt::format("<b>{}</b> ", html_text(top.group));
    std::string full = top.group.empty() ? name : top.group + ": " + name;
    out += fmt::format("<tr><td class=\"name\" title=\"{}\"><div>{}{}</div><svg width=\"100%\" height=\"6\" aria-hidden=\"true\">"
                       "<rect class=\"track\" width=\"100%\" height=\"6\" rx=\"3\"/><rect class=\"{}\" width=\"{:.2f}%\" height=\"6\" rx=\"3\"/></svg></td>"
                       "<td class=\"number\">{}</td>{}</tr>",
                       html_text(full), group, html_text(name), series, std::max(percent(top.count, tops.front().count), 1.0), grouped(top.count),
                       sizes ? "<td class=\"number\">" + size_text(top.bytes) + "</td>" : "");
  }
  return out + "</tbody></table>";
}

std::string legend_html(const std::vector<Series>& series) {
  std::string out = "<ul class=\"legend\">";
  for (const Series& one : series) {
    out += fmt::format("<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"{}\" width=\"12\" height=\"12\" rx=\"3\"/></svg>{}</li>", one.name, one.words);
  }
  return out + "</ul>";
}

const std::string_view page_style = R"css(
:root{color-scheme:light dark;--bg:#f4f6f9;--card:#fff;--ink:#1b2330;--soft:#5b6675;--line:#e2e7ee;--track:#edf0f5;
--received:#3a6fd8;--delivered:#1d9a72;--deferred:#dc9a06;--failed:#d0433a;--rejected:#8660c8;--clear:#a9b2c0}
@media (prefers-color-scheme:dark){:root{--bg:#11151c;--card:#1a2029;--ink:#e7ebf1;--soft:#98a3b4;--line:#2b3442;--track:#262e3a;
--received:#6d9bf2;--delivered:#3cc496;--deferred:#efb93a;--failed:#f07269;--rejected:#b195ee;--clear:#5d6879}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{padding-top:32px;padding-bottom:8px}
h1{font-size:26px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h1 span{color:var(--soft);font-weight:400}
header p,footer{color:var(--soft);margin:0}
footer{padding-top:8px;padding-bottom:40px;font-size:13px}
h2{font-size:16px;margin:0}
.cards{list-style:none;margin:20px 0;padding:0;display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(46%,220px),1fr))}
.cards li,.box{background:var(--card);border:1px solid var(--line);border-radius:12px}
.cards li{padding:14px 16px;border-top:3px solid var(--mark)}
.cards .label{color:var(--soft);font-size:13px}
.cards strong{display:block;font-size:26px;line-height:1.2;letter-spacing:-.02em;font-variant-numeric:tabular-nums;margin:2px 0}
.cards .note{color:var(--soft);font-size:13px}
.box{padding:18px 20px;margin:0 0 16px;min-width:0;break-inside:avoid}
.box figcaption,.box .head{display:flex;flex-wrap:wrap;gap:4px 20px;justify-content:space-between;align-items:baseline;margin-bottom:14px}
.box .sub{color:var(--soft);font-size:13px;margin:0}
.grid2{display:grid;gap:0 16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
.flow{columns:2 440px;column-gap:16px;margin-bottom:16px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:0;padding:0;font-size:13px;color:var(--soft)}
.legend svg{vertical-align:-1px;margin-right:6px}
.panel{color:var(--soft);font-size:13px;margin:0 0 6px}
.chart{padding-left:52px;margin-bottom:18px}
.plot{position:relative;margin-top:20px}
.plot svg{display:block;overflow:visible}
.plot .y{position:absolute;right:100%;margin-right:8px;transform:translateY(50%);color:var(--soft);font-size:12px;font-variant-numeric:tabular-nums;white-space:nowrap}
.plot .count{position:absolute;transform:translateX(-50%);font-size:11px;color:var(--soft);font-variant-numeric:tabular-nums;pointer-events:none}
.x{position:relative;height:20px;font-size:12px;color:var(--soft);margin-top:6px}
.x span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.grid{stroke:var(--line);stroke-width:1}
.hit{fill:transparent}
.column:hover .hit{fill:var(--track)}
rect.received{fill:var(--received)}rect.delivered{fill:var(--delivered)}rect.deferred{fill:var(--deferred)}
rect.failed{fill:var(--failed)}rect.rejected{fill:var(--rejected)}rect.clear{fill:var(--clear)}rect.track{fill:var(--track)}
.share{display:block;border-radius:6px;margin:4px 0 14px}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;color:var(--soft);font-weight:500;font-size:12px;padding:0 0 6px}
td{padding:5px 0;vertical-align:top;border-top:1px solid var(--line)}
td.name{width:100%;max-width:0;padding-right:8px}
td.name div{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
td.name b{font-weight:600}
td.name svg{display:block;margin-top:4px}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;padding-left:14px}
.none{color:var(--soft);margin:0}
details{font-size:13px;color:var(--soft)}
details summary{cursor:pointer}
details .scroll{max-height:340px;overflow:auto;margin-top:10px}
details td,details th{font-size:13px;padding:3px 10px 3px 0;white-space:nowrap}
.warning{border-left:4px solid var(--failed)}
@media (max-width:560px){body{font-size:14px}.box{padding:14px}.chart{padding-left:40px}.cards strong{font-size:22px}.plot .count{display:none}.x.many span:nth-child(even){display:none}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--track:#eee;--received:#3a6fd8;--delivered:#1d9a72;--deferred:#dc9a06;--failed:#d0433a;--rejected:#8660c8;--clear:#a9b2c0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}details{display:none}header{padding-top:0}.grid2{grid-template-columns:1fr 1fr}.flow{columns:2}.cards{grid-template-columns:repeat(4,1fr)}}
)css";

}  // namespace mansio::report
