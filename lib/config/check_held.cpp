// Mail that is fetched: domains.hold_for_etrn, odmr and listeners for it.
#include <fmt/format.h>

#include <algorithm>

#include "config/checker.hpp"

namespace mansio::config {

void Checker::held() {
  patterns("domains.hold_for_etrn", config_.domains.hold_for_etrn, true);
  for (std::size_t i = 0; i < config_.odmr.size(); ++i) {
    Odmr& odmr = config_.odmr[i];
    std::string path = fmt::format("odmr[{}]", i);
    if (odmr.user.empty() && places_.has(path + ".user")) problem(path + ".user", "it is empty");
    for (std::size_t n = 0; n < odmr.domains.size(); ++n) domain(fmt::format("{}.domains[{}]", path, n), odmr.domains[n]);
  }
  for (const Listener& listener : config_.listeners) {
    if (listener.role == Role::odmr && config_.odmr.empty()) {
      problem(listener.setting + ".role", "\"odmr\" has nothing to give: say who fetches which mail, as in odmr = ( { user = \"branch\"; domains = [ \"branch.example\" ]; } )");
    }
  }
}

}  // namespace mansio::config
