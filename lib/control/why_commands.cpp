// Why an address is answered and routed as it is, and what waits for what.
#include "control/session.hpp"

namespace mansio::control {

event::Task<> Session::why() {
  refuse("not available yet");
  co_return;
}

}  // namespace mansio::control
