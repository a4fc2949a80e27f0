#include "replay/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace mansio::replay {
namespace {

constexpr const char* words[] = {"refused", "accepted", "answer", "recipients", "route", "transport", "hosts", "place", "user"};
constexpr const char* descriptions[] = {
    "accepted, and would be refused",          "refused, and would be accepted",    "refused for good, and would be for now, or the other way round",
    "would lead to other final addresses",     "would take another route",          "would take another transport",
    "would be given to other hosts",           "would go to another place",         "would be delivered as another user"};

std::string in_words(const Decision& decision) {
  if (!decision.accepted) return decision.answer;
  constexpr std::size_t most_shown = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min(decision.ways.size(), most_shown); ++i) out += (i == 0 ? "" : "; ") + decision.ways[i].text();
  if (decision.ways.size() > most_shown) out += fmt::format("; and {} more", decision.ways.size() - most_shown);
  return out;
}

}  // namespace

const char* word_of(Change change) { return words[static_cast<std::size_t>(change)]; }
const char* describe(Change change) { return descriptions[static_cast<std::size_t>(change)]; }

std::vector<Change> differences(const Decision& before, const Decision& after) {
  std::vector<Change> out;
  if (before.accepted != after.accepted) {
    out.push_back(after.accepted ? Change::accepted : Change::refused);
    return out;
  }
  if (!before.accepted) {
    if (before.code / 100 != after.code / 100) out.push_back(Change::answer);
    return out;
  }
  bool same = before.ways.size() == after.ways.size();
  for (std::size_t i = 0; same && i < before.ways.size(); ++i) {
    const Way &a = before.ways[i], &b = after.ways[i];
    same = iequals(a.address, b.address) && a.place.starts_with(refused_place) == b.place.starts_with(refused_place);
  }
  if (!same) {
    out.push_back(Change::recipients);
    return out;
  }
  auto differs = [&](std::string Way::* part) {
    return !std::ranges::equal(before.ways, after.ways, [&](const Way& a, const Way& b) { return a.*part == b.*part; });
  };
  if (differs(&Way::route)) out.push_back(Change::route);
  if (differs(&Way::transport)) out.push_back(Change::transport);
  if (differs(&Way::hosts)) out.push_back(Change::hosts);
  if (differs(&Way::place)) out.push_back(Change::place);
  if (differs(&Way::user)) out.push_back(Change::user);
  return out;
}

void Comparison::add(const Envelope& envelope) {
  ++envelopes_;
  for (const std::string& recipient : envelope.recipients) add_recipient(envelope, recipient);
}

void Comparison::add_recipient(const Envelope& envelope, const std::string& recipient) {
  ++recipients_;
  std::string question = fmt::format("{}{} {}\n{}", static_cast<int>(before_.may_relay(envelope)), static_cast<int>(after_.may_relay(envelope)), envelope.sender, recipient);
  auto known = known_.find(question);
  bool fresh = known == known_.end();
  if (fresh) {
    Decision before = before_.decide(envelope, recipient), after = after_.decide(envelope, recipient);
    auto changes = differences(before, after);
    for (Change change : changes) {
      Tally& tally = tallies_[static_cast<std::size_t>(change)];
      ++tally.addresses;
      if (tally.examples.size() >= most_examples_) continue;
      tally.examples.push_back({envelope.time, envelope.client, envelope.login, envelope.sender, recipient, in_words(before), in_words(after)});
    }
    if (known_.size() >= most_remembered) known_.clear();
    known = known_.emplace(std::move(question), std::move(changes)).first;
  }
  if (!known->second.empty()) ++changed_;
  for (Change change : known->second) ++tallies_[static_cast<std::size_t>(change)].recipients;
}

}  // namespace mansio::replay
