// Mail that its receiver fetches: ETRN (RFC 1985) and ATRN (RFC 2645), as a session needs them of the queue. Implemented over
// lib/queue by the daemon. Who may ask is judged here (session_fetch.cpp).
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/quantity.hpp"
#include "event/task.hpp"
#include "net/connection.hpp"

namespace mansio::receive {

struct Fetch {
  // Domains are keys (Domain::key()); `below`: with all below it.
  virtual bool is_held(const std::string& domain, bool below) const = 0;
  // Nothing leaves at the moment: an admin's pause.
  virtual bool paused() const = 0;
  // There are other mail processes, with mail of their own.
  virtual bool has_others() const { return false; }
  // What waits is sent now: how many messages. Nullopt: others ask just now, try again later.
  virtual event::Task<std::optional<std::size_t>> start(std::string domain, bool below, std::string by) = 0;
  // How many messages wait. Nullopt: as above.
  virtual event::Task<std::optional<std::size_t>> waiting(std::vector<std::string> domains) = 0;
  // Gives them over the connection, whose other side is about to greet us, and ends it.
  virtual event::Task<> give(net::Connection connection, std::string user, std::vector<std::string> domains) = 0;

 protected:
  ~Fetch() = default;
};

// How often one client may ask: each time costs a look at the whole queue. Pure.
class FetchPace {
 public:
  static constexpr std::size_t most = 10;                            // within `span`
  static constexpr Duration span{std::chrono::minutes(1)};
  // Notes that the client asks; false: too often.
  bool may_ask(std::string_view client, MonotonicTime now);

 private:
  static constexpr std::size_t clients_kept = 10'000;
  std::unordered_map<std::string, std::deque<MonotonicTime>> asked_;
};

}  // namespace mansio::receive
