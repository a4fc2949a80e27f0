#include "config/retry.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/text.hpp"

namespace mansio::config {
namespace {

constexpr Duration longest_schedule{std::chrono::days(365)};

std::vector<std::string_view> schedule_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::string_view word : split(text, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

Result<Duration> schedule_duration(std::string_view word) {
  auto duration = parse_duration(word);
  if (!duration) return duration;
  if (*duration < std::chrono::seconds(1) || *duration > std::chrono::hours(24 * 365)) {
    return fail(Fault::invalid, fmt::format("{} is not between 1s and 365d", word));
  }
  return duration;
}

Result<double> schedule_factor(std::string_view word) {
  double factor = 0;
  auto [end, error] = std::from_chars(word.data() + 1, word.data() + word.size(), factor);
  if (error != std::errc() || end != word.data() + word.size() || !(factor > 1 && factor <= 100)) {
    return fail(Fault::invalid, fmt::format("\"{}\" is no factor: write x1.5, more than 1 and at most 100", escape(word, 20)));
  }
  return factor;
}

// One step; `before` is the end of the step before it, 0 for the first.
Result<RetryStep> parse_step(std::string_view text, Duration before) {
  std::vector<std::string_view> words = schedule_words(text);
  RetryStep step;
  std::size_t next = 1;
  if (words.empty()) return fail(Fault::invalid, "a step is empty");
  if (words[0].starts_with('x')) {
    if (before == Duration{}) return fail(Fault::invalid, "the first step needs an interval (\"15m for 2h\"), not a factor");
    auto factor = schedule_factor(words[0]);
    if (!factor) return std::unexpected(factor.error());
    if (words.size() < 4 || words[1] != "up" || words[2] != "to") return fail(Fault::invalid, "after a factor comes \"up to\" and a duration");
    auto most = schedule_duration(words[3]);
    if (!most) return std::unexpected(most.error());
    step = {*most, *factor, *most};
    next = 4;
  } else {
    auto interval = schedule_duration(words[0]);
    if (!interval) return std::unexpected(interval.error());
    step.interval = *interval;
    if (words.size() == 1) return fail(Fault::invalid, "it needs an end: \"for\" or \"until\" and a duration");
  }
  if (next < words.size()) {
    if (words.size() != next + 2 || (words[next] != "for" && words[next] != "until")) {
      return fail(Fault::invalid, "expected \"for\" or \"until\" and a duration");
    }
    auto end = schedule_duration(words[next + 1]);
    if (!end) return std::unexpected(end.error());
    step.until = words[next] == "for" ? before + *end : *end;
  }
  if (step.until > longest_schedule) return fail(Fault::invalid, fmt::format("it ends at {}, past the longest schedule ({})", format_duration(step.until), format_duration(longest_schedule)));
  if (step.until <= before) return fail(Fault::invalid, fmt::format("it ends at {}, not after the step before ({})", format_duration(step.until), format_duration(before)));
  return step;
}

}  // namespace

Result<std::vector<RetryStep>> parse_schedule(std::string_view text) {
  std::vector<RetryStep> schedule;
  Duration end{};
  for (std::string_view part : split(text, ',')) {
    auto step = parse_step(part, end);
    if (!step) return fail(Fault::invalid, fmt::format("step \"{}\": {}", escape(trim(part), 60), step.error().text()));
    end = step->until;
    schedule.push_back(*step);
  }
  return schedule;
}

std::string format_schedule(const std::vector<RetryStep>& schedule) {
  std::string out;
  for (const RetryStep& step : schedule) {
    if (!out.empty()) out += ", ";
    if (step.factor > 1) out += fmt::format("x{} up to {}", step.factor, format_duration(step.interval));
    else out += format_duration(step.interval);
    if (step.factor <= 1 || step.until != step.interval) out += fmt::format(" until {}", format_duration(step.until));
  }
  return out;
}

}  // namespace mansio::config
