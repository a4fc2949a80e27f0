// What the logs say about a time, in numbers: counted from events one by one in bounded memory, then shown as text, JSON
// or a page of HTML. Pure.
#pragma once
#include <array>
#include <map>
#include <string>
#include <vector>

#include "history/line.hpp"
#include "report/spread.hpp"
#include "report/top_list.hpp"

namespace mansio::report {

// Of the whole time, or of a part of it.
struct Volume {
  std::uint64_t received = 0, delivered = 0, deferred = 0, failed = 0, rejected = 0, bytes = 0;
  void add(const Volume& other) noexcept;
  std::uint64_t outcomes() const noexcept { return delivered + deferred + failed + rejected; }
};

struct Slot {
  Slot() = default;
  Time begin{};
  Volume volume;
};

struct Times {
  Times() = default;
  std::uint64_t count = 0;
  Duration median{}, p95{}, p99{}, longest{};
  std::vector<std::uint64_t> ranges;       // one more than time_bounds
};
inline constexpr auto time_bounds = std::to_array<Duration>({Duration(100), Duration(1'000), Duration(5'000), Duration(15'000), Duration(60'000),
    Duration(300'000), Duration(900'000), Duration(3'600'000), Duration(14'400'000), Duration(86'400'000)});

struct TlsShare {
  TlsShare() = default;
  std::string version;                     // "" is none
  std::uint64_t in = 0, out = 0;
};

// A finished report. Names in it are as they came from outside.
struct Report {
  std::string host;                        // whose logs
  Time from{}, to{}, made{};
  Volume total;
  std::uint64_t recipients = 0, delivered_local = 0, delivered_remote = 0, delivered_bytes = 0, bounces = 0, completed = 0,
                rejected_for_now = 0, login_failures = 0, logged_in = 0, troubles = 0, panics = 0, lines = 0;
  std::chrono::seconds step{3600};         // of a slot
  std::vector<Slot> slots;                 // without gaps
  Times queue, delivery;
  std::vector<TlsShare> tls;
  std::vector<Top> sender_domains, senders, recipient_domains, recipients_top, clients, destinations, users, deferrals, rejections,
      failures, login_clients, trouble_kinds;
  std::vector<std::string> problems;       // files that could not be read
};

class Statistics {
 public:
  void add(const history::Record& record);
  // `from`, `to`: what was asked for; the epoch: what the events span. At most `most_slots` slots, `tops` names a list.
  Report finish(Time from, Time to, std::size_t most_slots, std::size_t tops) const;

 private:
  struct Adder;
  std::vector<Slot> slots(Time from, Time to, std::chrono::seconds step) const;

  Report counts_;                          // its plain numbers
  std::map<std::int64_t, Volume> hours_;
  std::int64_t hour_ = -1;
  Volume* volume_ = nullptr;               // of hour_
  Spread queue_, delivery_;
  std::map<std::string, TlsShare> tls_;
  TopList sender_domains_, senders_, recipient_domains_, recipients_, clients_, destinations_, users_, deferrals_, rejections_,
      failures_, login_clients_, trouble_kinds_;
};

// A reply or an error without what differs from one case to the next (addresses, numbers, ids), so that equal reasons
// count together; at most 120 octets.
std::string common_reason(std::string_view text);

// For terminals; at most 80 columns, or `width` where it is more than 80. `colours`: with ANSI colours.
std::string to_text(const Report& report, std::size_t width, bool colours);
// One object (man/mansioctl.8 has its keys).
std::string to_json(const Report& report);
// A page that needs nothing else: charts are inline SVG, no script, light and dark.
std::string to_html(const Report& report);

}  // namespace mansio::report
