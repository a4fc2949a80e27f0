// A frame of mansioctl top: sessions and destinations, in the room that there is. Pure but for colours (screen.hpp).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/daemon_link.hpp"

namespace mansio::ctl {

enum class TopOrder : std::uint8_t { newest, idle, size, messages };
std::string_view order_name(TopOrder order);
TopOrder next_order(TopOrder order);

struct TopView {
  TopView() = default;
  Json status;
  std::vector<Json> sessions;
  TopOrder order = TopOrder::newest;
  bool held = false;               // the frame does not change
  std::size_t width = 0, height = 0;         // 0: as much as is needed
};

// Its lines, without ends; at most `height`, each at most `width` columns.
std::vector<std::string> top_lines(TopView view, std::int64_t now);

}  // namespace mansio::ctl
