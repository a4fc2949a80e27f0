// By which rules mail waits: precedence of domain_settings, routes, retry and the general settings.
#include <catch2/catch.hpp>

#include "config/reader.hpp"
#include "config/retry.hpp"
#include "queue/waiting_rules.hpp"

namespace mansio::queue {
namespace {

using namespace std::chrono_literals;

route::TablesPtr tables_of(const std::string& text) {
  config::MachineFacts facts;
  facts.host_name = "mx.ex.test";
  facts.mail_name = "ex.test";
  auto config = config::parse({{"/d/mansio.conf", "version = 1;\n" + text}}, facts);
  if (!config) for (const auto& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  return route::load_tables(*config, {});
}

const std::string house = R"(
  domains = { local = [ "ex.test" ]; };
  transports = { mailbox = { kind = "mbox"; path = "/m"; }; internet = { kind = "smtp"; }; };
  routes = (
    { name = "local"; domains = [ "@local" ]; transport = "mailbox"; retry = "1m for 1h"; delay_warning = "10m"; },
    { name = "news"; domains = [ "*" ]; senders = [ "news@ex.test" ]; transport = "internet"; retry = "2m for 2h"; },
    { name = "partner"; domains = [ "partner.test", "both.test" ]; transport = "internet"; delay_warning = "20m"; },
    { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
  );
  domain_settings = ( { domains = [ "both.test" ]; retry = "3m for 3h"; }, { domains = [ "quiet.test" ]; delay_warning = "0s"; port = 26; } );
  retry = ( { domains = [ "partner.test", "ex.test" ]; schedule = "4m for 4h"; } );
  delay_warning = "5h";
)";

}  // namespace

TEST_CASE("domain_settings are asked first, then the route, then retry, then what is general") {
  auto tables = tables_of(house);
  struct Row {
    const char *domain, *route, *schedule, *setting;
    Duration warning;
    const char* warning_setting;
  };
  const Row rows[] = {
    {"ex.test", "local", "1m for 1h", "routes[0].retry", 10min, "routes[0].delay_warning"},
    {"far.test", "everywhere", config::default_schedule, "retry[1]", 5h, "delay_warning"},
    {"far.test", "news", "2m for 2h", "routes[1].retry", 5h, "delay_warning"},
    {"partner.test", "partner", "4m for 4h", "retry[0]", 20min, "routes[2].delay_warning"},
    {"both.test", "partner", "3m for 3h", "domain_settings[0].retry", 20min, "routes[2].delay_warning"},
    {"both.test", "news", "3m for 3h", "domain_settings[0].retry", 5h, "delay_warning"},
    {"quiet.test", "everywhere", config::default_schedule, "retry[1]", 0ms, "domain_settings[1].delay_warning"},
    // No route of its own: the first route of the domain that is for every sender.
    {"ex.test", "aliases", "1m for 1h", "routes[0].retry", 10min, "routes[0].delay_warning"},
    {"ex.test", "", "1m for 1h", "routes[0].retry", 10min, "routes[0].delay_warning"},
    {"far.test", "", config::default_schedule, "retry[1]", 5h, "delay_warning"},
    {"partner.test", "gone", "4m for 4h", "retry[0]", 20min, "routes[2].delay_warning"},
  };
  for (const Row& row : rows) {
    INFO(row.domain << " by " << row.route);
    auto rules = waiting_rules(*tables, row.domain, row.route);
    CHECK(config::format_schedule(*rules.schedule) == config::format_schedule(*config::parse_schedule(row.schedule)));
    CHECK(rules.schedule_setting() == row.setting);
    CHECK(rules.delay_warning == row.warning);
    CHECK(rules.warning_setting() == row.warning_setting);
  }
}

TEST_CASE("a message expires at the end of its schedule, and its sender is told from the age that the rules say") {
  auto tables = tables_of(house);
  const Time noon{std::chrono::hours(24 * 20000 + 12)};
  auto local = waiting_rules(*tables, "ex.test", "local");
  CHECK(local.expires(noon) == noon + 1h);
  CHECK_FALSE(local.warns(noon, noon + 10min - 1ms));
  CHECK(local.warns(noon, noon + 10min));
  auto never = waiting_rules(*tables, "quiet.test", "everywhere");
  CHECK_FALSE(never.warns(noon, noon + 1000h));
}

TEST_CASE("rules are the same when schedule and notice come from the same settings") {
  auto tables = tables_of(house);
  CHECK(waiting_rules(*tables, "ex.test", "local") == waiting_rules(*tables, "ex.test", ""));
  CHECK_FALSE(waiting_rules(*tables, "far.test", "news") == waiting_rules(*tables, "far.test", ""));
}

}  // namespace mansio::queue
