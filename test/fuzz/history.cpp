#include "history/line.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "history/reader.hpp"
#include "log/json.hpp"
#include "log/text.hpp"
#include "log/w3c.hpp"
#include "replay/envelope.hpp"

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

// Times as an admin writes them, and as logs have them.
void fuzz::when(std::string_view input) {
  using namespace mansio;
  Time now(std::chrono::seconds(1'763'647'400));
  auto time = history::parse_when(input, now);
  if (!time) require(!has_control(time.error().text()), "a refusal is one line");
  auto stamp = history::utc_time(input);
  if (stamp) require(*stamp >= Time{}, "no time is before 1970");
  history::LineParser parser;
  (void)parser.time_of(input);
  if (history::is_message_id(input)) require(input.size() >= 16 && !has_control(input), "an id is a word");
}

// A line of the W3C log has its fields, whatever they hold.
void fuzz::w3c(std::string_view input) {
  using namespace mansio;
  log::Exchange exchange;
  exchange.user = exchange.method = exchange.query = exchange.site = exchange.client_address = input;
  auto fields = log::W3cFormat::all_fields();
  std::string line = log::W3cFormat({}).line(exchange);
  require(line.ends_with('\n') && split(line, ' ').size() == fields.size(), "a line has its fields");
  line.pop_back();
  require(!has_control(line) && is_ascii(line), "and nothing but printable octets");
}

void fuzz::replayed(std::string_view input) {
  using namespace mansio;
  auto record = history::LineParser().parse(input);
  auto envelope = record ? replay::envelope_of(*record) : std::nullopt;
  if (envelope) require(envelope->refused ? envelope->recipients.size() == 1 : true, "a refusal is of one recipient");
}
