// Which promise this program breaks on purpose: none. The tests of test/crash have to catch programs that do; meson makes
// those with -Dsabotage=true, each from a few files that are compiled once more with MANSIO_SABOTAGE set. They are never
// installed, name themselves at --version and in the panic log, and refuse the machine's own configuration.
#pragma once
#include <string_view>

#ifndef MANSIO_SABOTAGE
#define MANSIO_SABOTAGE none
#endif

namespace mansio {

enum class Sabotage {
  none,
  sync,           // the journal's batches are written and never synced
  acknowledge,    // 250 is said before a message is in the journal
  done            // a recipient is recorded as done before the delivery begins
};

// Of the file that includes this.
constexpr Sabotage sabotage = Sabotage::MANSIO_SABOTAGE;

// What a program that isn't whole says of itself; "": it is whole.
std::string_view sabotage_notice();

}  // namespace mansio
