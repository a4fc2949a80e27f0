// Which messages an admin means: conditions that must all hold, as "filter" of queue_select has them (session.hpp). Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/quantity.hpp"
#include "base/result.hpp"
#include "spool/spool.hpp"

namespace mansio::control {

// "*" any octets, "?" one of them; `text` whole. ASCII case doesn't count, but in ids, where it tells one from another.
bool matches_glob(std::string_view pattern, std::string_view text, bool case_counts = false) noexcept;

struct Selection {
  Selection() = default;
  // Of each list one has to fit; an empty list says nothing. Lower case but for ids.
  std::vector<std::string> ids;            // globs; case counts
  std::vector<std::string> senders;        // globs of the address; "<>" or "": the null sender
  std::vector<std::string> recipients;     // globs of an address that still waits
  std::vector<std::string> domains;        // globs of such a recipient's domain, A-labels
  std::vector<std::string> destinations;   // globs of the destination's name, of one of its hosts, or of its domain
  std::vector<std::string> transports;     // globs of what it was rerouted to
  std::optional<Duration> older, newer;    // in the queue for at least, for less than
  std::optional<std::uint64_t> larger, smaller;   // octets: at least, less than
  std::optional<bool> frozen, tried;

  // An unknown key or a value that makes no sense is Fault::invalid.
  static Result<Selection> parse(const nlohmann::json& filter);

  bool may_match(const spool::QueueId& id, Time now) const;             // without reading the message
  bool matches(const spool::Message& message, Time now) const;          // all but the destination
  bool matches_destination(std::string_view name) const;
  // No globs, and only ids: these messages, in this order; nullopt: others may be meant.
  std::optional<std::vector<spool::QueueId>> exact_ids() const;
};

}  // namespace mansio::control
