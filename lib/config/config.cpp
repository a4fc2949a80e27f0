#include "config/config.hpp"

#include <algorithm>

namespace mansio::config {

const Transport* Config::transport(std::string_view name) const noexcept {
  auto it = std::ranges::find(transports, name, &Transport::name);
  return it == transports.end() ? nullptr : &*it;
}

}  // namespace mansio::config
