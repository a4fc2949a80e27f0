// Progress: what was tried for each recipient of a message, and when to try next. Its text form is what is appended to
// a file in deferred/ (lines, readable with less).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/status.hpp"

namespace mansio::spool {

enum class RecipientState : std::uint8_t {
  waiting,      // to be tried (again)
  delivered,
  failed,       // given up; its bounce, if one is due, is queued
};

struct RecipientProgress {
  RecipientState state = RecipientState::waiting;
  Status last{250, "not tried yet"};   // what the last attempt said
  std::string host;                    // who said it: "mx.example [192.0.2.1]:25", or "" for ourselves; 255 octets are kept
  bool warned = false;                 // its sender has been told that it is late
  // As of the last attempt, where it waits by rules that its address alone doesn't tell: the route, and the domain it led to.
  std::string route, domain;
  bool settled() const noexcept { return state != RecipientState::waiting; }
};

struct Progress {
  explicit Progress(std::size_t count = 0) : recipients(count) {}
  std::vector<RecipientProgress> recipients;   // in the envelope's order
  // Places a waiting recipient leads to (an alias' members) that already have the message: whatever numbers the queue
  // gives them. Cleared for a recipient by nobody: a settled recipient's are simply not asked for again.
  std::vector<std::uint64_t> done_places;
  std::uint32_t attempts = 0;
  Time next_attempt{};
  bool delay_warned = false;           // everybody's senders were told of the delay; also each recipient has it then
  bool frozen = false;
  std::string transport;               // an admin's word: what goes to other hosts goes by this one; "": as the routes say
  bool finished() const noexcept;
};

std::string format_progress(const Progress& progress);
// `recipients` is how many the envelope has; another index or an unknown line is an error.
Result<Progress> parse_progress(std::string_view text, std::size_t recipients);

}  // namespace mansio::spool
