// The queue as numbers: how many messages wait for each destination or domain, how old they are and why they wait. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "control/describe.hpp"

namespace mansio::control {

class QueueTally {
 public:
  enum class By : std::uint8_t { destination, recipient_domain, sender_domain };
  static std::optional<By> parse_by(std::string_view text);     // "destination", "recipient-domain", "sender-domain"; "": the first
  // Upper ends of the columns, but for the last column, which has none.
  static constexpr std::array<int, 9> minutes{5, 10, 20, 40, 80, 160, 320, 640, 1280};

  explicit QueueTally(By by) : by_(by) {}

  void add(const QueueWalk::Found& found, Time now);
  void add(const QueueTally& other);
  // One of the objects() of another process; what is none is left out.
  void add(const nlohmann::json& object);
  std::size_t rows() const noexcept { return rows_.size(); }
  // Rows, the largest first, then as "total": true the sum, in which a message of several rows counts once.
  std::vector<nlohmann::json> objects() const;

 private:
  struct Row {
    std::array<std::uint64_t, minutes.size() + 1> ages{};
    std::array<std::uint64_t, state_names.size()> states{};
    std::uint64_t messages = 0, bytes = 0;
    Time closed_until{};
    std::string why;

    void count(const QueueWalk::Found& found, std::size_t age);
    void add(const Row& other);
    void add(const nlohmann::json& object);
    nlohmann::json object() const;
  };

  By by_;
  std::map<std::string, Row, std::less<>> rows_;
  Row total_;
};

}  // namespace mansio::control
