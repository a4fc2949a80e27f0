#include <catch2/catch.hpp>

#include "config/places.hpp"
#include "config/reader.hpp"
#include "config/settings_list.hpp"

namespace mansio::config {
namespace {

ConfigPtr two_files() {
  auto parsed = parse({{"/e/mansio.conf", "version = 1;\nrelay_from = [ \"192.0.2.0/24\",\n  \"::1\" ];\ndomains = { local = \"a.example\"; };\n"
                                          "limits = { hops = 30; command_timeout = \"300s\"; };\n"},
                       {"/e/conf.d/x.conf", "transports = {\n  out = { kind = \"smtp\"; credentials = \"secret\"; };\n  box = { kind = \"maildir\"; path = \"m\"; };\n};\n"
                                            "routes = ( { name = \"r\"; domains = [ \"*\" ]; transport = \"out\"; } );\nretry = ( { domains = [ \"b.example\" ]; schedule = \"1m for 1h\"; } );\n"}},
                      MachineFacts{"h.example", "a.example", ""});
  if (!parsed) for (const Problem& p : parsed.error()) UNSCOPED_INFO(p.message());
  REQUIRE(parsed);
  return *parsed;
}

const SettingState& state(const std::vector<SettingState>& all, std::string_view path) {
  for (const SettingState& one : all) {
    if (one.path == path) return one;
  }
  FAIL("no setting " << path);
  return all.front();
}

}  // namespace

TEST_CASE("a snapshot knows the file and the line of each setting, list entry and group") {
  ConfigPtr c = two_files();
  for (auto [path, place] : {std::pair{"relay_from[0]", "/e/mansio.conf:2"}, {"relay_from[1]", "/e/mansio.conf:3"},
                             {"domains.local[0]", "/e/mansio.conf:4"}, {"limits.hops", "/e/mansio.conf:5"},
                             {"transports.out", "/e/conf.d/x.conf:2"}, {"transports.box.path", "/e/conf.d/x.conf:3"},
                             {"routes[0]", "/e/conf.d/x.conf:5"}, {"retry[0]", "/e/conf.d/x.conf:6"},
                             {"retry[1]", "default"}, {"routes[1]", "default"}, {"transports.internet", "default"}, {"aliases", "default"}}) {
    INFO(path);
    CHECK(place_of(*c, path) == place);
  }
  CHECK(c->retry.size() == 2);
  CHECK(place_of(Config(), "limits.hops").empty());
}

TEST_CASE("every setting is listed with value, default, place, and whether it differs") {
  ConfigPtr c = two_files();
  auto all = list_settings(*c);
  const SettingState& hops = state(all, "limits.hops");
  CHECK(hops.value == "30");
  CHECK(hops.fallback == "100");
  CHECK(hops.place == "/e/mansio.conf:5");
  CHECK(hops.differs);
  CHECK_FALSE(hops.row->doc.empty());
  CHECK(state(all, "limits.recipients").value == "1000");
  CHECK(state(all, "limits.recipients").place == "default");
  CHECK_FALSE(state(all, "limits.recipients").differs);
  CHECK(state(all, "limits.command_timeout").place == "/e/mansio.conf:5");
  CHECK_FALSE(state(all, "limits.command_timeout").differs);       // 300s are 5m
  CHECK(state(all, "relay_from").value == "[ \"192.0.2.0/24\", \"::1\" ]");
  CHECK(state(all, "transports.out.kind").value == "\"smtp\"");
  CHECK(state(all, "transports.out.credentials").value == "\"/e/secret\"");
  CHECK(state(all, "transports.out.timeouts.connect").value == "\"30s\"");
  CHECK(state(all, "routes[0].transport").place == "/e/conf.d/x.conf:5");
  CHECK(state(all, "tls.certificate").value.empty());
  CHECK(std::ranges::none_of(all, [](const SettingState& s) { return s.path == "transports.box.port"; }));      // a Maildir has none
  CHECK(state(all, "listeners[0].port").value == "25");
}

TEST_CASE("a setting is found by its path, by its group, by a part, and what is not there gets a proposal") {
  auto all = list_settings(*two_files());
  auto paths = [&](std::string_view word) {
    std::vector<std::string> out;
    for (const SettingState* one : find_settings(all, word)) out.push_back(one->path);
    return out;
  };
  CHECK(paths("limits.hops") == std::vector<std::string>{"limits.hops"});
  CHECK(paths("limits").size() == 14);
  CHECK(paths("transports.*.kind") == std::vector<std::string>{"transports.out.kind", "transports.box.kind"});
  CHECK(paths("transports.out.timeouts").size() == 8);
  CHECK(paths("retry[0]") == std::vector<std::string>{"retry[0].domains", "retry[0].schedule"});
  CHECK(paths("hops") == std::vector<std::string>{"limits.hops"});
  CHECK(paths("limits.hopps").empty());
  CHECK(unknown_path(all, "limits.hopps") == "there is no setting \"limits.hopps\" (did you mean \"limits.hops\"?)");
  CHECK(unknown_path(all, "tls.hops") == "there is no setting \"tls.hops\" (did you mean \"limits.hops\"?)");
  CHECK(unknown_path(all, "zzz\n") == "there is no setting \"zzz\\n\"");
}

}  // namespace mansio::config
