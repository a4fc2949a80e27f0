// What an admin has paused: accepting mail, one listener, sending, one destination; until a time or until it is resumed.
// Pure. The text of SPOOL/pauses keeps it over a restart: "mansio pauses 1", then a line each: what, since, until (seconds;
// 0: until resumed), flags, by, reason and name (xtext). A file that makes no sense pauses nothing.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "event/stream.hpp"

namespace mansio::queue {

struct Pause {
  enum class What : std::uint8_t { accepting, listener, outbound, destination };

  Pause() = default;
  What what = What::accepting;
  std::string name;              // listener: "192.0.2.1:25", "[::1]:25", "*:25", "unix:/path"; destination: lower case
  bool local = false;            // accepting: mail of this machine's own programs, too
  Time since{};
  std::optional<Time> until;
  std::string by, reason;

  // "outbound", "destination example.org", "listener 192.0.2.1:25", "accepting", "accepting, also of local programs".
  std::string title() const;
};

std::string_view pause_name(Pause::What what);                   // "accepting"
std::optional<Pause::What> pause_by_name(std::string_view name);

class PauseList {
 public:
  static constexpr std::size_t most = 1000;

  const std::vector<Pause>& all() const noexcept { return pauses_; }
  bool empty() const noexcept { return pauses_.empty(); }
  // Replaces the one of the same kind and name. False: there are too many.
  bool set(Pause pause);
  std::optional<Pause> take(Pause::What what, std::string_view name);
  std::vector<Pause> take_all();
  std::vector<Pause> take_expired(Time now);
  std::optional<Time> next_expiry() const;

  // Null: not paused.
  const Pause* of_local_programs() const;
  // A connection that came in at `local`, or at the socket `unix_path` ("unix:/path").
  const Pause* of_listener(const event::Endpoint& local, std::string_view unix_path) const;
  const Pause* of_outbound() const { return find(Pause::What::outbound, {}); }
  const Pause* of_domain(std::string_view domain) const;         // a destination by its domain
  // A destination by its key (deliver/site.hpp), that without the transport, or one of its hosts.
  const Pause* of_site(std::string_view key) const;

 private:
  const Pause* find(Pause::What what, std::string_view name) const;
  std::vector<Pause> pauses_;
};

std::string format_pauses(const std::vector<Pause>& pauses);

struct ParsedPauses {
  std::vector<Pause> pauses;
  bool damaged = false;            // something made no sense
};
ParsedPauses parse_pauses(std::string_view text);

}  // namespace mansio::queue
