// Which messages of the queue a filter means, and the queue as numbers.
#include "control/session.hpp"

namespace mansio::control {

event::Task<> Session::queue_select() {
  refuse("not available yet");
  co_return;
}

event::Task<> Session::queue_summary() {
  refuse("not available yet");
  co_return;
}

}  // namespace mansio::control
