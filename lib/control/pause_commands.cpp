// What is held up, by an admin, and until when.
#include "control/session.hpp"

namespace mansio::control {

event::Task<> Session::pause() {
  refuse("not available yet");
  co_return;
}

event::Task<> Session::resume() {
  refuse("not available yet");
  co_return;
}

}  // namespace mansio::control
