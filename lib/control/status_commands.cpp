// How the daemon is: one object for people and for monitoring.
#include "control/session.hpp"

namespace mansio::control {

event::Task<> Session::status() {
  refuse("not available yet");
  co_return;
}

event::Task<> Session::metrics() {
  refuse("not available yet");
  co_return;
}

}  // namespace mansio::control
