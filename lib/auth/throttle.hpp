// How long a client waits for the answer to a log-in that failed: doubling from `first` with each failure of its network
// (an IPv4 address, an IPv6 /64) or of the name, whichever has more, up to `most`; forgotten after `memory` without
// one. The same for names that exist and names that don't. A log-in that goes well is never held up, and clears
// nothing: else whoever has a user of his own could try others' passwords at full speed. Pure: time is given. Both tables are bounded: the entry that
// was quiet longest makes room.
#pragma once
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/quantity.hpp"

namespace mansio::auth {

class Throttle {
 public:
  struct Options {
    Duration first{1000}, most{16'000};
    Duration memory{std::chrono::minutes(15)};
    std::size_t entries = 10'000;   // of each table
  };
  explicit Throttle(Options options) : networks_(options), names_(options) {}
  Throttle() : Throttle(Options()) {}

  // Notes the failure and says how long to wait before it is told. `client` "" (a unix socket) counts by name alone;
  // `name` "" (none was heard) by client alone.
  Duration failed(std::string_view client, std::string_view name, MonotonicTime now);
  // What a failure now would wait; for a log line.
  Duration pending(std::string_view client, std::string_view name, MonotonicTime now) const;
  // A reload may change the delays; what was counted stays.
  void use(Options options);

  std::size_t size() const noexcept { return networks_.size() + names_.size(); }

 private:
  class Table {
   public:
    explicit Table(Options options) : options_(options) {}
    Duration count(std::string key, MonotonicTime now);
    Duration delay(const std::string& key, MonotonicTime now) const;
    void forget(const std::string& key);
    void use(Options options) { options_ = options; }
    std::size_t size() const noexcept { return order_.size(); }

   private:
    struct Entry {
      std::string key;
      unsigned failures = 0;
      MonotonicTime last;
    };
    Duration delay_after(unsigned failures) const;

    Options options_;
    std::list<Entry> order_;   // the quietest first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;   // views of the entries' keys
  };

  Table networks_, names_;
};

// "192.0.2.1" → "192.0.2.1", "2001:db8::1" → its /64, "::ffff:192.0.2.1" as IPv4; what is no address → "".
std::string network_of(std::string_view client);

}  // namespace mansio::auth
