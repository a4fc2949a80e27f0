// How many connections there are: of a client, at a listener, of a client at a listener, and in all. With several mail
// processes limits hold for all of them together.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/shared_counts.hpp"

namespace mansio::receive {

class ConnectionCounts {
 public:
  // Of connections at once.
  struct Limits {
    std::uint64_t all = 0, listener = 0, client = 0, client_at_listener = 0;
  };
  enum class Refusal : std::uint8_t { none, server, client };      // whose limit is reached

  // A connection that counts, until it goes. The counts outlive it.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : counts_(std::exchange(other.counts_, nullptr)), keys_(other.keys_), shared_(other.shared_) {}
    Place& operator=(Place&& other) = delete;
    ~Place();

   private:
    friend class ConnectionCounts;
    static constexpr std::size_t kinds = 4;
    ConnectionCounts* counts_ = nullptr;
    std::array<std::uint64_t, kinds> keys_{};      // 0: not counted
    std::array<bool, kinds> shared_{};             // counted for all processes
  };

  // The other processes' counts as well. `serves`: this process takes connections of the same listeners.
  void share(std::shared_ptr<SharedCounts> all, bool serves);
  // It has more connections than the others: those may take the next.
  bool crowded() const;
  Refusal take(const std::string& listener, const std::string& client, const Limits& limits, Place& place);

 private:
  bool take_one(Place& place, std::size_t kind, std::uint64_t limit);
  void give(Place& place) noexcept;

  std::unordered_map<std::uint64_t, std::uint32_t> own_;
  std::shared_ptr<SharedCounts> all_;              // null: there are no others
};

}  // namespace mansio::receive
