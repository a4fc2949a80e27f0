// Two configurations held against each other over many envelopes: each recipient whose decision differs is counted under
// every kind of change that it shows, with the first few as examples. Bounded in memory: equal questions are asked once, as
// long as they are remembered. Pure, but for what the judges ask.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "replay/judge.hpp"

namespace mansio::replay {

enum class Change : std::uint8_t {
  refused,       // accepted → refused
  accepted,      // refused → accepted
  answer,        // refused both times, but once for good and once for now
  recipients,    // leads to other final addresses
  route,
  transport,
  hosts,
  place,         // another path, command or directory
  user,
};
inline constexpr std::size_t changes_count = 9;
const char* word_of(Change change);        // "refused", ...; in JSON
const char* describe(Change change);       // "accepted now, refused then", for people

// What differs; empty: nothing.
std::vector<Change> differences(const Decision& before, const Decision& after);

struct Example {
  Time time{};
  std::string client, login, sender, recipient, before, after;
};

struct Tally {
  std::uint64_t recipients = 0;          // times it was seen
  std::uint64_t addresses = 0;           // different questions that show it, as far as they are remembered
  std::vector<Example> examples;
};

class Comparison {
 public:
  Comparison(Judge& before, Judge& after, std::size_t most_examples) : before_(before), after_(after), most_examples_(most_examples) {}

  void add(const Envelope& envelope);

  const std::array<Tally, changes_count>& tallies() const noexcept { return tallies_; }
  std::uint64_t envelopes() const noexcept { return envelopes_; }
  std::uint64_t recipients() const noexcept { return recipients_; }
  std::uint64_t changed() const noexcept { return changed_; }      // recipients with any change

 private:
  static constexpr std::size_t most_remembered = 200'000;
  void add_recipient(const Envelope& envelope, const std::string& recipient);

  Judge& before_;
  Judge& after_;
  std::size_t most_examples_;
  std::array<Tally, changes_count> tallies_;
  std::unordered_map<std::string, std::vector<Change>> known_;     // question → what differs
  std::uint64_t envelopes_ = 0, recipients_ = 0, changed_ = 0;
};

}  // namespace mansio::replay
