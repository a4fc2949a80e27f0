// The addresses of this machine.
#pragma once
#include <string>
#include <vector>

namespace mansio::event {

// Of all its interfaces, numeric. Asks the kernel: quick, but not for every packet.
std::vector<std::string> interface_addresses();

}  // namespace mansio::event
