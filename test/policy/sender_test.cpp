#include <catch2/catch.hpp>

#include "policy/sender.hpp"

namespace mansio::policy {

TEST_CASE("a login may write the senders that submission.senders gives it") {
  config::Config config;
  config.mail_name = "ex.test";
  auto file = config::SendersFile::parse({"/senders", "bob: sales@ex.test\n*: info@ex.test\n"});
  REQUIRE(file);
  struct Case { const char* name; config::Senders rule; const config::SendersFile* file; const char* login; const char* sender; bool allowed; };
  const config::SendersFile* read = &*file;
  for (const Case& one : {Case{"nobody logged in", config::Senders::own, nullptr, "", "x@far.test", true},
                          Case{"any", config::Senders::any, nullptr, "bob", "x@far.test", true},
                          Case{"the own", config::Senders::own, nullptr, "bob", "Bob@ex.test", true},
                          Case{"somebody else's", config::Senders::own, nullptr, "bob", "al@ex.test", false},
                          Case{"the null sender", config::Senders::own, nullptr, "bob", "", true},
                          Case{"in the file", config::Senders::table, read, "bob", "sales@ex.test", true},
                          Case{"for everybody", config::Senders::table, read, "al", "info@ex.test", true},
                          Case{"not in the file", config::Senders::table, read, "al", "sales@ex.test", false},
                          Case{"no file", config::Senders::table, nullptr, "bob", "sales@ex.test", false}}) {
    INFO(one.name);
    config.submission.senders = one.rule;
    std::optional<mail::Address> sender;
    if (*one.sender != '\0') sender = mail::Address::parse(one.sender).value();
    CHECK(may_send_as(config, one.file, one.login, sender) == one.allowed);
    Status status = judge_sender(config, one.file, one.login, sender);
    CHECK(status.ok() == one.allowed);
    if (!one.allowed) CHECK(status.line() == std::string("550 5.7.1 ") + one.login + " may not send as <" + one.sender + ">");
  }
}

}  // namespace mansio::policy
