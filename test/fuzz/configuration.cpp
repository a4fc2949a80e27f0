// Files of the configuration's syntax: the reader with all settings, set-up's answers, and what takes settings out.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/describe.hpp"
#include "config/reader.hpp"
#include "fuzz/targets.hpp"
#include "setup/answers.hpp"
#include "setup/takeover.hpp"

namespace fuzz {

using namespace mansio;

namespace {

void check_reasons(const config::Problems& problems, std::string_view input) {
  auto lines = std::ranges::count(input, '\n') + 1;
  require(!problems.empty(), "a refusal has its reason");
  for (const auto& problem : problems) {
    require(problem.line >= 0 && problem.line <= lines, "the line is one of the file");
    require(!has_control(problem.text) && is_utf8(problem.text) && problem.text.size() < 5000, "a reason is a line of text");
  }
}

}  // namespace

// What is read is described by a text that is read to the same.
void configuration(std::string_view input) {
  if (input.size() > 16384) return;
  std::vector<config::Source> sources{{"/etc/mansio/mansio.conf", std::string(input)}};
  config::MachineFacts facts;
  facts.host_name = "mx.ex.test";
  auto parsed = config::parse(sources, facts);
  if (!parsed) return check_reasons(parsed.error(), input);
  std::string text = config::describe(**parsed);
  sources[0].text = text;
  auto again = config::parse(sources, facts);
  require(again.has_value(), "what is described can be read");
  require(config::describe(**again) == text, "and describes itself");
}

void answers(std::string_view input) {
  config::Source source{"answers", std::string(input)};
  setup::Answers defaults;
  defaults.mail_name = "ex.test";
  auto parsed = setup::parse_answers(source, defaults);
  if (!parsed) return check_reasons(parsed.error(), input);
  config::Source written{"answers", setup::answers_file(*parsed)};
  auto again = setup::parse_answers(written, defaults);
  require(again.has_value(), "a file of answers is read again");
  require(setup::answers_file(*again) == written.text, "and to the same");
}

void takeover(std::string_view input) {
  std::size_t last = 0;
  for (const auto& setting : setup::top_settings(input)) {
    require(setting.begin >= last && setting.begin < setting.end && setting.end <= input.size(), "settings follow each other");
    require(input.substr(setting.begin).starts_with(setting.name), "a setting begins with its name");
    last = setting.end;
  }
  static constexpr std::array<std::string_view, 2> names{"listeners", "domains"};
  std::string taken = setup::take_over(input, setup::sample_text(), names);
  require(taken.size() >= input.size() && std::ranges::count(taken, '\n') == std::ranges::count(input, '\n'), "lines become comments, none goes");
}

}  // namespace fuzz
