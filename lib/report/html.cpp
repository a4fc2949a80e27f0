// The report as a page. Its tables are the charts' data, for those who can't see them or want to copy them.
#include <algorithm>

#include <fmt/format.h>

#include "report/html_charts.hpp"
#include "report/report.hpp"
#include "report/wording.hpp"

namespace mansio::report {
namespace {

class Page {
 public:
  explicit Page(const Report& report) : r_(report) {}

  std::string make() {
    head();
    cards();
    warnings();
    course();
    out_ += "<div class=\"grid2\">";
    times("Time in the queue", "from arrival until a message is done with", r_.queue, "received");
    times("Time of a delivery", "of one attempt that succeeded", r_.delivery, "delivered");
    out_ += "</div><div class=\"flow\">";
    list("Deferred", "by destination and reason", r_.deferrals, "deferred", "Destination and reason", false);
    list("Failed", "by domain and reason", r_.failures, "failed", "Domain and reason", false);
    list("Rejected", "by stage and reason", r_.rejections, "rejected", "Stage and reason", false);
    tls();
    list("Failed log-ins", "by client", r_.login_clients, "failed", "Client", false);
    list("Trouble with connections", "by kind", r_.trouble_kinds, "deferred", "Kind", false);
    out_ += "</div><div class=\"grid2\">";
    list("Sender domains", "of messages received", r_.sender_domains, "received", "Domain", true);
    list("Recipient domains", "of deliveries", r_.recipient_domains, "delivered", "Domain", true);
    list("Senders", "of messages received", r_.senders, "received", "Address", true);
    list("Recipients", "of deliveries", r_.recipients_top, "delivered", "Address", true);
    list("Clients", "that brought messages", r_.clients, "received", "Host", true);
    list("Destination hosts", "that took messages", r_.destinations, "delivered", "Host", true);
    list("Users", "who sent: logged in, or on this machine", r_.users, "received", "User", true);
    out_ += fmt::format("</div></main><footer>Made {} by mansioctl report from {} log lines.</footer></body></html>\n", stamp_text(r_.made), grouped(r_.lines));
    return std::move(out_);
  }

 private:
  void head() {
    std::string host = r_.host.empty() ? "" : " <span>" + html_text(r_.host) + "</span>";
    out_ += fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<meta name=\"color-scheme\" content=\"light dark\"><title>Mail report{}</title><style>{}</style></head><body>"
        "<header><h1>Mail report{}</h1><p>{} to {}</p></header><main>",
        r_.host.empty() ? "" : " of " + html_text(r_.host), page_style, host, stamp_text(r_.from), stamp_text(r_.to));
  }

  void card(std::string_view mark, std::string_view label, const std::string& number, const std::string& note) {
    out_ += fmt::format("<li style=\"--mark:var(--{})\"><span class=\"label\">{}</span><strong>{}</strong><span class=\"note\">{}</span></li>", mark, label, number, note);
  }

  void cards() {
    const Volume& t = r_.total;
    out_ += "<ul class=\"cards\">";
    card("received", "Received", grouped(t.received), "messages, " + size_text(t.bytes));
    card("delivered", "Delivered", grouped(t.delivered), fmt::format("{} here, {} elsewhere", grouped(r_.delivered_local), grouped(r_.delivered_remote)));
    card("deferred", "Deferred", grouped(t.deferred), "attempts that had to wait");
    card("failed", "Failed", grouped(t.failed), share_text(t.failed, t.failed + t.delivered) + " of those finished");
    card("rejected", "Rejected", grouped(t.rejected), grouped(r_.rejected_for_now) + " of them for now");
    card("received", "Time in the queue", r_.queue.count > 0 ? span_text(r_.queue.median) : "–",
         r_.queue.count > 0 ? "median; 95 % within " + span_text(r_.queue.p95) : "no message finished");
    card("delivered", "With TLS", share_text(with_tls(r_, true) + with_tls(r_, false), of_network(r_, true) + of_network(r_, false)),
         fmt::format("in {}, out {}", share_text(with_tls(r_, true), of_network(r_, true)), share_text(with_tls(r_, false), of_network(r_, false))));
    card("failed", "Failed log-ins", grouped(r_.login_failures), grouped(r_.logged_in) + " messages of users");
    out_ += "</ul>";
  }

  void warnings() {
    if (r_.panics == 0 && r_.problems.empty()) return;
    out_ += "<section class=\"box warning\"><h2>Look at this</h2>";
    if (r_.panics > 0) out_ += fmt::format("<p class=\"sub\">{} lines of the panic log.</p>", grouped(r_.panics));
    for (const std::string& problem : r_.problems) out_ += "<p class=\"sub\">Not read: " + html_text(problem) + "</p>";
    out_ += "</section>";
  }

  // About ten labels below the columns, at round times where there are any.
  std::size_t tick_every() const {
    std::size_t every = 1;
    for (std::size_t n : {1, 2, 3, 6, 12, 24, 48}) {
      every = n;
      if (r_.slots.size() / n <= 12) break;
    }
    return every;
  }

  std::string slot_title(const Slot& slot) const {
    const Volume& v = slot.volume;
    return fmt::format("{}\nreceived {} ({})\ndelivered {}\ndeferred {}\nfailed {}\nrejected {}", slot_text(r_, slot), grouped(v.received), size_text(v.bytes),
                       grouped(v.delivered), grouped(v.deferred), grouped(v.failed), grouped(v.rejected));
  }

  void course() {
    ColumnChart in, outcomes;
    in.label = "Messages received, per " + step_words(r_);
    outcomes.label = "Recipients delivered, deferred, failed and refusals, per " + step_words(r_);
    in.height = 96;
    in.ticks = false;
    std::size_t every = tick_every();
    // Labels stand at whole hours and midnights: counted from the first slot of a day.
    std::size_t first = 0;
    for (std::size_t i = 0; i < r_.slots.size() && i < 24; ++i) {
      if (slot_tick(r_, r_.slots[i]).find(':') == std::string::npos) {
        first = i % every;
        break;
      }
    }
    for (std::size_t i = 0; i < r_.slots.size(); ++i) {
      const Slot& slot = r_.slots[i];
      const Volume& v = slot.volume;
      std::string title = slot_title(slot);
      in.columns.push_back({{{v.received, "received"}}, title, ""});
      outcomes.columns.push_back({{{v.delivered, "delivered"}, {v.deferred, "deferred"}, {v.failed, "failed"}, {v.rejected, "rejected"}}, title,
                                  i % every == first ? slot_tick(r_, slot) : ""});
    }
    out_ += fmt::format("<figure class=\"box\" style=\"margin-inline:0\"><figcaption><h2>Mail per {}</h2>{}</figcaption><p class=\"panel\">Messages received</p>{}"
                        "<p class=\"panel\">What became of recipients</p>{}",
                        step_words(r_), legend_html({{"received", "received"}, {"delivered", "delivered"}, {"deferred", "deferred"}, {"failed", "failed"}, {"rejected", "rejected"}}),
                        in.html(), outcomes.html());
    course_table();
    out_ += "</figure>";
  }

  void course_table() {
    out_ += "<details><summary>As a table</summary><div class=\"scroll\"><table><thead><tr><th>Time</th><th>Received</th><th>Size</th><th>Delivered</th>"
            "<th>Deferred</th><th>Failed</th><th>Rejected</th></tr></thead><tbody>";
    for (const Slot& slot : r_.slots) {
      const Volume& v = slot.volume;
      out_ += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", html_text(slot_text(r_, slot)), grouped(v.received),
                          size_text(v.bytes), grouped(v.delivered), grouped(v.deferred), grouped(v.failed), grouped(v.rejected));
    }
    out_ += "</tbody></table></div></details>";
  }

  void times(std::string_view name, std::string_view about, const Times& times, std::string_view series) {
    ColumnChart chart;
    chart.label = fmt::format("{}: how many took how long", name);
    chart.height = 170;
    chart.counts = true;
    std::string rows;
    for (std::size_t i = 0; i < times.ranges.size(); ++i) {
      std::string range = range_text(i);
      std::string share = share_text(times.ranges[i], times.count);
      std::string tick = i < time_bounds.size() ? span_text(time_bounds[i]) : "more";
      if (auto blank = tick.find(thin); blank != std::string::npos) tick.erase(blank, thin.size());
      chart.columns.push_back({{{times.ranges[i], series}}, fmt::format("{}: {} ({})", range, grouped(times.ranges[i]), share), tick});
      rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", range, grouped(times.ranges[i]), share);
    }
    std::string sub = times.count == 0 ? std::string(about)
                                       : fmt::format("half within {}, 95 % within {}, 99 % within {}", span_text(times.median), span_text(times.p95), span_text(times.p99));
    out_ += fmt::format("<figure class=\"box\" style=\"margin-inline:0\"><figcaption><h2>{}</h2><p class=\"sub\" title=\"{}\">{}</p></figcaption>", name, about, sub);
    if (times.count == 0) out_ += "<p class=\"none\">None in this time.</p></figure>";
    else out_ += fmt::format("{}<details><summary>As a table</summary><table><thead><tr><th>Up to</th><th>Count</th><th>Share</th></tr></thead><tbody>{}</tbody></table></details></figure>", chart.html(), rows);
  }

  static std::string_view series_of(const std::string& version) {
    return version.empty() ? "clear" : version == "TLS1.3" ? "delivered" : version == "TLS1.2" ? "received" : "rejected";
  }

  void tls() {
    out_ += "<figure class=\"box\" style=\"margin-inline:0\"><figcaption><h2>TLS</h2>";
    out_ += legend_html({{"delivered", "TLS 1.3"}, {"received", "TLS 1.2"}, {"clear", "in clear"}}) + "</figcaption>";
    for (bool in : {true, false}) {
      std::uint64_t all = of_network(r_, in);
      ShareBar bar;
      for (const TlsShare& share : r_.tls) {
        std::uint64_t value = in ? share.in : share.out;
        std::string name = share.version.empty() ? "in clear" : share.version;
        bar.parts.push_back({value, series_of(share.version), fmt::format("{}: {} ({})", name, grouped(value), share_text(value, all))});
      }
      std::ranges::reverse(bar.parts);
      bar.label = fmt::format("TLS versions of mail {}", in ? "received" : "sent");
      out_ += fmt::format("<p class=\"panel\">{}: {} of {} with TLS</p>{}", in ? "Received" : "Sent", share_text(with_tls(r_, in), all), grouped(all), bar.html());
    }
    std::string rows;
    for (const TlsShare& share : r_.tls) {
      rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", share.version.empty() ? "in clear" : html_text(share.version), grouped(share.in), grouped(share.out));
    }
    out_ += fmt::format("<details><summary>As a table</summary><table><thead><tr><th>Version</th><th>Received</th><th>Sent</th></tr></thead><tbody>{}</tbody></table></details></figure>", rows);
  }

  void list(std::string_view name, std::string_view about, const std::vector<Top>& tops, std::string_view series, std::string_view what, bool sizes) {
    out_ += fmt::format("<section class=\"box\"><div class=\"head\"><h2>{}</h2><p class=\"sub\">{}</p></div>{}</section>", name, about, list_html(tops, series, what, sizes));
  }

  const Report& r_;
  std::string out_;
};

}  // namespace

std::string to_html(const Report& report) { return Page(report).make(); }

}  // namespace mansio::report
