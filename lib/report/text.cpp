// The report for terminals: sparklines for the course of time, bars for the lists. Made of characters that are one column
// wide each, so that it lines up.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "report/report.hpp"
#include "report/wording.hpp"

namespace mansio::report {
namespace {

constexpr const char* eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr const char* lying_eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

class TextReport {
 public:
  TextReport(const Report& report, std::size_t width, bool colours) : r_(report), width_(std::clamp<std::size_t>(width, 80, 120)), colours_(colours) {}

  std::string make() {
    heading();
    totals();
    course();
    times("Time in the queue", r_.queue);
    times("Time of a delivery", r_.delivery);
    tls();
    list("Deferred, by destination and reason", r_.deferrals, false, 33);
    list("Failed, by domain and reason", r_.failures, false, 31);
    list("Rejected, by stage and reason", r_.rejections, false, 35);
    list("Failed log-ins, by client", r_.login_clients, false, 31);
    list("Trouble with connections", r_.trouble_kinds, false, 33);
    list("Sender domains", r_.sender_domains, true, 34);
    list("Senders", r_.senders, true, 34);
    list("Clients", r_.clients, true, 34);
    list("Users", r_.users, true, 34);
    list("Recipient domains", r_.recipient_domains, true, 32);
    list("Recipients", r_.recipients_top, true, 32);
    list("Destination hosts", r_.destinations, true, 32);
    for (const std::string& problem : r_.problems) out_ += fmt::format("\nnot read: {}", escape(problem, 300));
    if (!r_.problems.empty()) out_ += '\n';
    return std::move(out_);
  }

 private:
  std::string dress(std::string_view text, int colour) const {
    if (!colours_ || text.empty()) return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", colour, text);
  }
  void title(std::string_view text) { out_ += "\n" + dress(text, 1) + "\n"; }

  // Safe, and exactly `columns` wide: what has characters that may not be one column wide is shown escaped.
  static std::string cell(std::string_view text, std::size_t columns) {
    std::string safe;
    std::size_t used = 0;
    std::string shown = escape(text, 1000);
    for (std::size_t i = 0; i < shown.size();) {
      auto c = static_cast<unsigned char>(shown[i]);
      std::size_t size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
      std::string_view one = std::string_view(shown).substr(i, size);
      bool narrow = size <= 2 || one == "…" || one == "–" || one == "≤";
      if (used + 1 == columns && i + size < shown.size()) {
        safe += "…";
        return safe;
      }
      safe += narrow ? one : "?";
      ++used;
      i += size;
    }
    return safe.append(columns - used, ' ');
  }

  std::string bar(std::uint64_t value, std::uint64_t most, std::size_t columns, int colour) const {
    if (most == 0) return std::string(columns, ' ');
    std::uint64_t parts = value * columns * 8 / most;
    if (value > 0 && parts == 0) parts = 1;
    std::string out;
    for (std::uint64_t i = 0; i < parts / 8; ++i) out += "█";
    out += lying_eighths[parts % 8];
    std::size_t used = static_cast<std::size_t>(parts / 8 + (parts % 8 != 0));
    return dress(out, colour) + std::string(columns - used, ' ');
  }

  void heading() {
    out_ += dress(r_.host.empty() ? "Mail report" : "Mail report of " + escape(r_.host, 60), 1) + "\n";
    out_ += fmt::format("{} to {}, {} lines\n", stamp_text(r_.from), stamp_text(r_.to), grouped(r_.lines));
  }

  void total(std::string_view name, std::uint64_t count, const std::string& text, int colour) {
    out_ += fmt::format("  {} {}  {}\n", dress(fmt::format("{:<12}", name), colour), fmt::format("{:>12}", grouped(count)), text);
  }

  void totals() {
    const Volume& t = r_.total;
    title("Totals");
    total("Received", t.received, fmt::format("messages, {}; {} logged in, {} reports of ours", size_text(t.bytes), grouped(r_.logged_in), grouped(r_.bounces)), 34);
    total("Delivered", t.delivered, fmt::format("recipients, {}; {} here, {} to other hosts", size_text(r_.delivered_bytes), grouped(r_.delivered_local), grouped(r_.delivered_remote)), 32);
    total("Deferred", t.deferred, "attempts that left a recipient waiting", 33);
    total("Failed", t.failed, fmt::format("recipients, {} of those finished", share_text(t.failed, t.failed + t.delivered)), 31);
    total("Rejected", t.rejected, fmt::format("{} of them for now", grouped(r_.rejected_for_now)), 35);
    if (r_.login_failures > 0) total("Log-ins", r_.login_failures, "failed", 31);
    if (r_.panics > 0) total("Panic log", r_.panics, "lines: look at them", 31);
  }

  void sparkline(std::string_view name, std::uint64_t Volume::*member, int colour) {
    std::uint64_t most = 0;
    for (const Slot& slot : r_.slots) most = std::max(most, slot.volume.*member);
    std::string line;
    for (const Slot& slot : r_.slots) {
      std::uint64_t value = slot.volume.*member;
      line += eighths[most == 0 ? 0 : (value * 8 + most - 1) / most];
    }
    out_ += fmt::format("  {:<10}{} {}\n", name, dress(line, colour), most == 0 ? "" : "≤ " + grouped(most));
  }

  void course() {
    if (r_.slots.size() < 2) return;
    title(fmt::format("Per {}", step_words(r_)));
    sparkline("Received", &Volume::received, 34);
    sparkline("Delivered", &Volume::delivered, 32);
    sparkline("Deferred", &Volume::deferred, 33);
    sparkline("Failed", &Volume::failed, 31);
    sparkline("Rejected", &Volume::rejected, 35);
    std::string first = slot_text(r_, r_.slots.front()), last = slot_text(r_, r_.slots.back());
    std::size_t gap = r_.slots.size() > first.size() + last.size() ? r_.slots.size() - first.size() - last.size() : 2;
    out_ += fmt::format("            {}{}{}\n", first, std::string(gap, ' '), last);
  }

  void times(std::string_view name, const Times& times) {
    if (times.count == 0) return;
    title(name);
    out_ += fmt::format("  half within {}, 95 % within {}, 99 % within {}, longest {}\n", span_text(times.median), span_text(times.p95),
                        span_text(times.p99), span_text(times.longest));
    std::uint64_t most = *std::ranges::max_element(times.ranges);
    std::size_t first = 0, last = times.ranges.size();
    while (first + 1 < last && times.ranges[first] == 0) ++first;
    while (last > first + 1 && times.ranges[last - 1] == 0) --last;
    for (std::size_t i = first; i < last; ++i) {
      out_ += fmt::format("  {} {}{:>10}\n", cell(range_text(i), 10), bar(times.ranges[i], most, width_ - 24, 34), grouped(times.ranges[i]));
    }
  }

  void tls() {
    std::uint64_t in = of_network(r_, true), out = of_network(r_, false);
    if (in + out == 0) return;
    title("TLS");
    for (const TlsShare& share : r_.tls) {
      out_ += fmt::format("  {} in {:>10} ({:>7})   out {:>10} ({:>7})\n", cell(share.version.empty() ? "in clear" : share.version, 12), grouped(share.in),
                          share_text(share.in, in), grouped(share.out), share_text(share.out, out));
    }
  }

  void list(std::string_view name, const std::vector<Top>& tops, bool sizes, int colour) {
    if (tops.empty()) return;
    title(name);
    std::uint64_t most = tops.front().count;
    std::size_t bars = 12, numbers = sizes ? 21 : 10, names = width_ - bars - numbers - 4;
    for (const Top& top : tops) {
      std::string label = top.group.empty() ? top.name : top.group + ": " + top.name;
      if (label.empty()) label = "(none)";
      std::string size = sizes ? fmt::format("{:>11}", size_text(top.bytes)) : "";
      out_ += fmt::format("  {} {} {:>9}{}\n", cell(label, names), bar(top.count, most, bars, colour), grouped(top.count), size);
    }
  }

  const Report& r_;
  std::size_t width_;
  bool colours_;
  std::string out_;
};

}  // namespace

std::string to_text(const Report& report, std::size_t width, bool colours) { return TextReport(report, width, colours).make(); }

}  // namespace mansio::report
