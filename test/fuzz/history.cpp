#include "history/line.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "log/json.hpp"
#include "log/text.hpp"

void fuzz::history(std::string_view input) {
  using namespace mansio;
  history::LineParser parser;
  auto record = parser.parse(input);
  log::Event event = record ? record->event : history::parse_event(input);
  // What was read is an event like any other: its line and its object can be written and read.
  std::string line = log::format_text(event, Time(std::chrono::seconds(1'763'647'400)));
  require(!has_control(line) && is_utf8(line), "one event is one line");
  require(parser.parse(line).has_value(), "a line of ours is read");
  require(history::parse_json(log::format_json(event, Time{})).has_value(), "an object of ours is read");
}
