// The keys of session tickets that several mail processes share, so that each resumes what another began. The parent makes
// a new one every hour and hands it to all; it keeps those that still count for a process that is started anew. They are
// wiped in agents, which begin with a copy of the parent's memory.
#pragma once
#include <array>
#include <functional>
#include <optional>
#include <string>

#include "base/quantity.hpp"
#include "net/tls.hpp"

namespace mansio::daemon {

class TicketKeys {
 public:
  ~TicketKeys() { wipe(); }
  // Makes a new one when it is time for it; false: it isn't, or there are no random octets now.
  bool turn(MonotonicTime now);
  std::optional<MonotonicTime> next() const;       // when it is time; nullopt: at once
  // "AGE KEY", for whom they are handed to: the newest, or all that count, the oldest first. To be wiped.
  void each(MonotonicTime now, bool newest_only, const std::function<void(std::string&)>& use) const;
  void wipe() noexcept;

 private:
  struct Key {
    std::array<char, net::ticket_key_size> bytes{};
    std::optional<MonotonicTime> made;
  };
  static constexpr std::size_t kept = net::ticket_key_useful / net::ticket_key_fresh + 1;
  std::array<Key, kept> keys_;     // the newest first; in their place, so that no copy is left anywhere
};

}  // namespace mansio::daemon
