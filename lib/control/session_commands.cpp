// The conversations that go on, with clients and with other hosts.
#include "control/session.hpp"

namespace mansio::control {

event::Task<> Session::sessions() {
  refuse("not available yet");
  co_return;
}

event::Task<> Session::session_kill() {
  refuse("not available yet");
  co_return;
}

event::Task<> Session::trace() {
  refuse("not available yet");
  co_return;
}

}  // namespace mansio::control
