#include "queue/waiting_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/retry.hpp"

namespace mansio::queue {
namespace {

// The named route, or the first of the domain that is for every sender.
const config::Route* route_of(const route::Tables& tables, std::string_view domain, std::string_view name) {
  const auto& routes = tables.config->routes;
  auto named = std::ranges::find(routes, name, &config::Route::name);
  if (!name.empty() && named != routes.end()) return &*named;
  for (std::size_t i = 0; i < routes.size() && i < tables.route_domains.size(); ++i) {
    if (routes[i].senders.empty() && tables.route_domains[i].matches(domain)) return &routes[i];
  }
  return nullptr;
}

const config::RetryRule* rule_of(const route::Tables& tables, std::string_view domain) {
  const auto& rules = tables.config->retry;
  for (std::size_t i = 0; i < rules.size() && i < tables.retry_domains.size(); ++i) {
    if (tables.retry_domains[i].matches(domain)) return &rules[i];
  }
  return nullptr;
}

std::string setting_name(WaitingRules::By by, std::size_t index, std::string_view leaf, std::string_view general) {
  switch (by) {
    case WaitingRules::By::settings: return fmt::format("domain_settings[{}].{}", index, leaf);
    case WaitingRules::By::route: return fmt::format("routes[{}].{}", index, leaf);
    case WaitingRules::By::rule: return fmt::format("retry[{}]", index);
    case WaitingRules::By::general: break;
  }
  return std::string(general);
}

template <class Item>
std::size_t index_of(const Item* item, const std::vector<Item>& list) {
  return static_cast<std::size_t>(item - list.data());
}

}  // namespace

std::string WaitingRules::schedule_setting() const { return setting_name(schedule_by, schedule_index, "retry", "retry"); }
std::string WaitingRules::warning_setting() const { return setting_name(warning_by, warning_index, "delay_warning", "delay_warning"); }

WaitingRules waiting_rules(const route::Tables& tables, std::string_view domain, std::string_view route_name) {
  static const std::vector<config::RetryStep> general = config::parse_schedule(config::default_schedule).value();
  const config::Config& config = *tables.config;
  const config::DomainSettings* group = tables.settings_of(domain);
  const config::Route* route = route_of(tables, domain, route_name);
  WaitingRules out;
  out.schedule = &general;
  if (group != nullptr && !group->retry.empty()) {
    out.schedule = &group->retry;
    out.schedule_by = WaitingRules::By::settings;
    out.schedule_index = index_of(group, config.domain_settings);
  } else if (route != nullptr && !route->retry.empty()) {
    out.schedule = &route->retry;
    out.schedule_by = WaitingRules::By::route;
    out.schedule_index = index_of(route, config.routes);
  } else if (const config::RetryRule* rule = rule_of(tables, domain); rule != nullptr && !rule->schedule.empty()) {
    out.schedule = &rule->schedule;
    out.schedule_by = WaitingRules::By::rule;
    out.schedule_index = index_of(rule, config.retry);
  }
  out.delay_warning = config.delay_warning;
  if (group != nullptr && group->delay_warning) {
    out.delay_warning = *group->delay_warning;
    out.warning_by = WaitingRules::By::settings;
    out.warning_index = index_of(group, config.domain_settings);
  } else if (route != nullptr && route->delay_warning) {
    out.delay_warning = *route->delay_warning;
    out.warning_by = WaitingRules::By::route;
    out.warning_index = index_of(route, config.routes);
  }
  return out;
}

}  // namespace mansio::queue
