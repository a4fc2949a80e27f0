// By which rules mail waits: when it is tried again, when it has expired, when its sender is told that it is late. The group of
// domain_settings that the domain has is first asked, then the route, then the rules for domains (retry), then the general
// setting; each for the schedule and for the notice by itself. What no route led anywhere (a refusal that may pass, a file or
// program that an alias names) waits as the first route of its domain says. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "route/tables.hpp"

namespace mansio::queue {

struct WaitingRules {
  enum class By : std::uint8_t { settings, route, rule, general };

  const std::vector<config::RetryStep>* schedule = nullptr;     // never null when waiting_rules() made it; the tables' own
  Duration delay_warning{};                                     // 0: nobody is told
  By schedule_by = By::general, warning_by = By::general;
  std::size_t schedule_index = 0, warning_index = 0;            // of the group, the route, the rule

  Time expires(Time arrived) const { return arrived + schedule->back().until; }
  bool warns(Time arrived, Time now) const { return delay_warning > Duration(0) && now - arrived >= delay_warning; }
  // As the configuration names them: "domain_settings[0].retry", "routes[1].retry", "retry[0]"; "delay_warning".
  std::string schedule_setting() const;
  std::string warning_setting() const;
  bool operator==(const WaitingRules&) const = default;
};

// `domain`: of the address that the mail goes to, as Domain::key(). `route`: the name of the one that leads there; any other
// text: none did. Valid as long as the tables.
WaitingRules waiting_rules(const route::Tables& tables, std::string_view domain, std::string_view route);

}  // namespace mansio::queue
