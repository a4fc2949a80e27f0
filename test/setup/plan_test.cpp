#include "setup/plan.hpp"

#include <catch2/catch.hpp>

#include "setup/difference.hpp"
#include "setup/site_text.hpp"
#include "setup/takeover.hpp"

using namespace mansio::setup;
using mansio::config::Source;

namespace {

constexpr const char* main_file = "/etc/mansio/mansio.conf";

Answers answers_for(Site site) {
  Answers out;
  out.site = site;
  out.mail_name = "ex.test";
  out.listen = {"127.0.0.1:2525", "::1"};
  out.local_domains = {"ex.test", "localhost"};
  out.smart_host = "smtp.example.com:587";
  return out;
}

Present present_with(std::vector<Source> sources) {
  Present out;
  out.main_file = main_file;
  out.sources = std::move(sources);
  out.facts.host_name = "mx.ex.test";
  return out;
}

// The files as they are after a plan.
Present carried_out(const Plan& plan, Present present) {
  for (const FileChange& change : plan.changes) {
    if (change.secret) {
      present.credentials = change.after;
      continue;
    }
    auto known = std::ranges::find(present.sources, change.path, &Source::file);
    if (known == present.sources.end()) present.sources.push_back({change.path, change.after});
    else known->text = change.after;
  }
  std::ranges::sort(present.sources, [](const Source& a, const Source& b) { return (a.file != main_file) < (b.file != main_file); });
  return present;
}

std::string first_problem(const Answers& answers, const Present& present) {
  auto plan = make_plan(answers, present);
  return plan ? "" : plan.error().front().message();
}

}  // namespace

TEST_CASE("the text of each kind of site") {
  Answers answers = answers_for(Site::smart_host);
  answers.user = "me";
  answers.relay_networks = {"192.0.2.0/24"};
  answers.relay_domains = {"branch.test"};
  CHECK(site_text(answers, "/etc/mansio/smart_host.secret") == R"(# Written by "mansioctl setup": run it again to change what is here.
# Kind of site: smarthost

mail_name = "ex.test";
listeners = (
  { address = "127.0.0.1"; port = 2525; role = "relay"; },
  { address = "::1"; port = 25; role = "relay"; }
);
domains = {
  local = [ "ex.test", "localhost" ];
  relay_to = [ "branch.test" ];
};
relay_from = [ "127.0.0.0/8", "::1", "192.0.2.0/24" ];
transports = {
  mailbox = { kind = "mbox"; path = "/var/mail/{local}"; };
  smart_host = { kind = "smtp"; hosts = [ "smtp.example.com:587" ]; credentials = "/etc/mansio/smart_host.secret"; };
};
routes = (
  { name = "local"; domains = [ "@local" ]; users = "system"; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "smart_host"; }
);
)");
  std::string satellite = site_text(answers_for(Site::satellite), "x");
  CHECK(satellite.find("mailbox") == std::string::npos);
  CHECK(satellite.find("local = [ ];") != std::string::npos);
  std::string local = site_text(answers_for(Site::local), "x");
  CHECK(local.find("smtp") == std::string::npos);
  CHECK(local.find("everywhere") == std::string::npos);
  CHECK(site_text(answers_for(Site::internet), "x").find("internet = { kind = \"smtp\"; };") != std::string::npos);
}

TEST_CASE("each kind of site is a configuration, over the sample and over none, and once done there is nothing to do") {
  for (Site site : {Site::internet, Site::smart_host, Site::satellite, Site::local}) {
    for (bool there : {true, false}) {
      INFO(word_of(site) << there);
      Answers answers = answers_for(site);
      answers.user = "me";
      answers.password = mansio::crypto::Secret("geheim");
      Present present = present_with(there ? std::vector<Source>{{main_file, std::string(sample_text())}} : std::vector<Source>());
      auto plan = make_plan(answers, present);
      REQUIRE(plan);
      CHECK(plan->changes.size() == (answers.has_smart_host() ? 3 : 2));
      CHECK(answers_of(*plan->config).site == site);
      CHECK(plan->config->mail_name == "ex.test");
      Present after = carried_out(*plan, present);
      auto again = make_plan(answers, after);
      REQUIRE(again);
      CHECK(again->changes.empty());
      // The password may be left out once it is there.
      answers.password = {};
      auto kept = make_plan(answers, after);
      REQUIRE(kept);
      CHECK(kept->changes.empty());
    }
  }
}

TEST_CASE("the sample's own settings become comments, line by line") {
  std::string text = take_over(sample_text(), sample_text(), std::vector<std::string_view>{"relay_from", "routes"});
  CHECK(text.find("\n#relay_from = [ \"127.0.0.0/8\", \"::1\" ];\n") != std::string::npos);
  CHECK(text.find("\n#routes = (\n#  { name = \"local\"") != std::string::npos);
  CHECK(text.find("\n  #  { name = \"newsletter\"") != std::string::npos);      // was one already
  CHECK(text.find("\nlisteners = (\n") != std::string::npos);
  CHECK(text.size() == sample_text().size() + 5);
}

TEST_CASE("what somebody has changed stays, and the two places are named") {
  Present present = present_with({{main_file, "version = 1;\nrelay_from = [ \"127.0.0.0/8\", \"10.0.0.0/8\" ];\n"}});
  CHECK(first_problem(answers_for(Site::internet), present) ==
        "/etc/mansio/conf.d/10-setup.conf:13: \"relay_from\" is given twice: here and at /etc/mansio/mansio.conf:2; set-up writes it to "
        "/etc/mansio/conf.d/10-setup.conf, so take it out of the other file, or do without set-up");
  present = present_with({{main_file, "version = 1;\n"}, {"/etc/mansio/conf.d/10-setup.conf", "# mine\n"}});
  CHECK(first_problem(answers_for(Site::internet), present).starts_with("/etc/mansio/conf.d/10-setup.conf:1: its first line is not set-up's"));
}

TEST_CASE("listeners that another file has stay there") {
  Present present = present_with({{main_file, "version = 1;\nlisteners = ( { address = \"192.0.2.1\"; port = 25; } );\n"}});
  auto plan = make_plan(answers_for(Site::internet), present);
  REQUIRE(plan);
  CHECK(plan->notes == std::vector<std::string>{"listeners stay as /etc/mansio/mansio.conf:2 has them"});
  REQUIRE(plan->config->listeners.size() == 1);
  CHECK(plan->config->listeners[0].address == "192.0.2.1");
  // They came after set-up had written its own: the two don't go together, and set-up gives way.
  Present both = present_with({{main_file, present.sources[0].text}, {"/etc/mansio/conf.d/10-setup.conf", site_text(answers_for(Site::internet), "x")}});
  auto again = make_plan(answers_for(Site::internet), both);
  REQUIRE(again);
  REQUIRE(again->changes.size() == 1);
  CHECK(again->changes[0].after.find("listeners") == std::string::npos);
}

TEST_CASE("a password is needed once, and again for another user") {
  Answers answers = answers_for(Site::smart_host);
  answers.user = "me";
  Present present = present_with({{main_file, "version = 1;\n"}});
  CHECK(first_problem(answers, present) == "/etc/mansio/smart_host.secret: there is no such file yet: the password at the smart host is needed");
  present.credentials = "user = \"you\"; password = \"x\";";
  CHECK(first_problem(answers, present) == "/etc/mansio/smart_host.secret: holds no password of me: it is needed");
  answers.password = mansio::crypto::Secret("a\"b\\c");
  auto plan = make_plan(answers, present);
  REQUIRE(plan);
  CHECK(plan->changes.front().secret);
  CHECK(plan->changes.front().after.find("password = \"a\\\"b\\\\c\";") != std::string::npos);
}

TEST_CASE("settings at the top of a file are found between comments and quotes") {
  auto found = top_settings("a = \"; }\"; # b = 1;\n// c = 2;\n/* d = 3; */ e = { f = 1; };\ng : ( \"x\", [ 1 ] );\nh = 5");
  REQUIRE(found.size() == 3);
  CHECK(found[0].name == "a");
  CHECK(found[1].name == "e");
  CHECK(found[2].name == "g");
}

TEST_CASE("a difference looks as diff -u writes it") {
  CHECK(unified_difference("a\nb\n", "a\nb\n", "f").empty());
  CHECK(unified_difference("", "a\nb\n", "f") == "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n");
  CHECK(unified_difference("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nfive\n6\n7\n8\n", "f") ==
        "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  std::string before, after;
  for (int i = 1; i <= 40; ++i) {
    before += std::to_string(i) + "\n";
    after += (i == 5 ? "x" : i == 30 ? "y" : std::to_string(i)) + "\n";
  }
  CHECK(unified_difference(before, after, "f") ==
        "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n@@ -27,7 +27,7 @@\n 27\n 28\n 29\n-30\n+y\n 31\n 32\n 33\n");
}
