#include "base/sabotage.hpp"

namespace mansio {

std::string_view sabotage_notice() {
  switch (sabotage) {
    case Sabotage::none: break;
    case Sabotage::sync: return "SABOTAGED: the journal is never synced. This program loses mail; it is for test/crash only";
    case Sabotage::acknowledge: return "SABOTAGED: mail is acknowledged before it is stored. This program loses mail; it is for test/crash only";
    case Sabotage::done: return "SABOTAGED: recipients are done before they get their mail. This program loses mail; it is for test/crash only";
  }
  return {};
}

}  // namespace mansio
