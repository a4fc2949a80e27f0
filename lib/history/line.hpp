// One line of our main, reject or panic log (docs/logs.md), text or JSON, back to the event it was made from. Pure; takes
// any bytes. What a text line does not hold stays as it is in an empty event: whether a notice was a panic, a HELO name that
// is the host's, fractions of more than a second, names after the hundredth recipient. A line of ours that is none of the
// grammar's events is a Notice. Text cut at its bound by the log keeps its "...".
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/quantity.hpp"
#include "log/event.hpp"

namespace mansio::history {

struct Record {
  Record() = default;
  Record(Time t, log::Event e) : time(t), event(std::move(e)) {}
  Time time{};
  log::Event event{};
};

// Remembers the last hour's offset from UTC, as most lines share it. Not for several threads.
// Times from 1970 to the end of this year are taken: what is past them does not fit into Time.
inline constexpr int latest_year = 2199;

class LineParser {
 public:
  // `line` without its end. nullopt: it begins with no time stamp and is no object with a time (the indented lines of the
  // reject log, a torn line).
  std::optional<Record> parse(std::string_view line);
  // Only when it was: much cheaper.
  std::optional<Time> time_of(std::string_view line);

 private:
  std::string hour_;             // "2026-11-20 14"
  std::int64_t hour_began_ = 0;
};

// The event of a text line without its time stamp.
log::Event parse_event(std::string_view text);
// An object of the JSON log; nullopt when it is none.
std::optional<Record> parse_json(std::string_view line);
// "2026-11-20T14:03:20.123Z", as the JSON log writes it.
std::optional<Time> utc_time(std::string_view stamp);
// An indented line below a refusal in the reject log becomes part of it. False: it is no such line.
bool add_detail(log::Rejection& rejection, std::string_view line);

// A message id: "1xUytM-0000Gh-Ab", or as Exim writes it since 4.97.
bool is_message_id(std::string_view word) noexcept;
// The id of the message that an event is about; "" for none.
const std::string& id_of(const log::Event& event) noexcept;
// Undoes base's escape().
std::string unescape(std::string_view text);

}  // namespace mansio::history
