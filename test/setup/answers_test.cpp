#include "setup/answers.hpp"

#include <catch2/catch.hpp>

#include "config/reader.hpp"
#include "setup/questions.hpp"

using namespace mansio::setup;
using mansio::config::Source;

namespace {

Answers defaults() {
  Answers out;
  out.mail_name = "ex.test";
  out.listen = {"*"};
  out.local_domains = {"ex.test"};
  return out;
}

std::string problem_of(const std::string& text) {
  auto parsed = parse_answers(Source{"answers", text}, defaults());
  return parsed ? "" : parsed.error().front().message();
}

}  // namespace

TEST_CASE("a file of answers gives what it says, and leaves the rest") {
  auto parsed = parse_answers(Source{"answers", R"(
    site = "smarthost";
    mail_name = "Example.ORG.";
    listen = [ "127.0.0.1:2525", "[::1]:2525" ];
    local_domains = "example.org, *.example.org; Bücher.example";
    relay_networks = "192.0.2.0/24 2001:db8::/32";
    smart_host = "smtp.example.com:587";
    smart_host_user = "me@example.com"; smart_host_password = "a \"b\" \\ c";
    mailboxes = "2";
  )"}, defaults());
  REQUIRE(parsed);
  CHECK(parsed->site == Site::smart_host);
  CHECK(parsed->mail_name == "example.org");
  CHECK(parsed->listen == std::vector<std::string>{"127.0.0.1:2525", "[::1]:2525"});
  CHECK(parsed->local_domains == std::vector<std::string>{"example.org", "*.example.org", "xn--bcher-kva.example"});
  CHECK(parsed->relay_domains.empty());
  CHECK(parsed->relay_networks == std::vector<std::string>{"192.0.2.0/24", "2001:db8::/32"});
  CHECK(parsed->user == "me@example.com");
  CHECK(parsed->password.view() == "a \"b\" \\ c");
  CHECK(parsed->mailboxes == Mailboxes::maildir);
}

TEST_CASE("the same answer has one form, so that it changes nothing the second time") {
  Answers answers;
  CHECK(put_answer(answers, "listen", "[::1]:25 127.0.0.1:25, 127.0.0.1; *:587"));
  CHECK(answer_text(answers, "listen") == "::1, 127.0.0.1, *:587");
  CHECK(put_answer(answers, "smart_host", " SMTP.example.com "));
  CHECK(answers.smart_host == "smtp.example.com:25");
  CHECK(put_answer(answers, "smart_host", "[2001:DB8::1]:587"));
  CHECK(answers.smart_host == "[2001:db8::1]:587");
}

TEST_CASE("a wrong answer is told with its line, and never with the password") {
  CHECK(problem_of("site = \"moon\";") == "answers:1: site: \"moon\" is none of these: internet, smarthost, satellite, local");
  CHECK(problem_of("\nlistten = \"*\";") == "answers:2: \"listten\" is no question: did you mean \"listen\"?");
  CHECK(problem_of("listen = \"nowhere\";").starts_with("answers:1: listen: \"nowhere\" is nothing to listen on"));
  CHECK(problem_of("listen = \"[::1]x\";").starts_with("answers:1: listen: "));
  CHECK(problem_of("listen = \"127.0.0.1:70000\";").starts_with("answers:1: listen: "));
  CHECK(problem_of("relay_networks = \"192.0.2.1/24\";").starts_with("answers:1: relay_networks: "));
  CHECK(problem_of("mail_name = \"a b\";").starts_with("answers:1: mail_name: "));
  CHECK(problem_of("site = \"smarthost\";") == "answers: smart_host is missing");
  CHECK(problem_of("smart_host = \"unix:/x\";").starts_with("answers:1: smart_host: a smart host is another machine"));
  CHECK(problem_of("smart_host_password = \"geheim\x01\";") == "answers:1: smart_host_password: control characters can't be in a password");
  CHECK(problem_of("local_domains = \"\";") == "answers: local_domains is missing");
  CHECK(problem_of("site = 5;") == "answers:1: site: expected a text in quotes");
}

TEST_CASE("a question matters only where its answer is used") {
  struct Row { Site site; const char* name; bool matters; };
  for (const Row& row : {Row{Site::internet, "smart_host", false}, Row{Site::smart_host, "smart_host", true}, Row{Site::satellite, "local_domains", false},
                         Row{Site::local, "relay_domains", false}, Row{Site::local, "local_domains", true}, Row{Site::satellite, "mailboxes", false},
                         Row{Site::satellite, "relay_networks", true}, Row{Site::smart_host, "smart_host_password", false}}) {
    Answers answers = defaults();
    answers.site = row.site;
    INFO(row.name);
    CHECK(matters(answers, row.name) == row.matters);
  }
}

TEST_CASE("the file of answers that is shown is one that is taken, and holds no password") {
  Answers answers = defaults();
  answers.site = Site::smart_host;
  answers.smart_host = "smtp.example.com:587";
  answers.user = "me";
  answers.password = mansio::crypto::Secret("geheim");
  std::string text = answers_file(answers);
  CHECK(text.find("geheim") == std::string::npos);
  auto parsed = parse_answers(Source{"answers", text}, Answers());
  REQUIRE(parsed);
  for (const Question& question : questions()) {
    INFO(question.name);
    CHECK(answer_text(*parsed, question.name) == answer_text(answers, question.name));
  }
}

TEST_CASE("a configuration in use tells what it would have answered") {
  auto config = mansio::config::parse({Source{"/etc/mansio/mansio.conf", R"(
    version = 1; mail_name = "ex.test"; host_name = "mx.ex.test";
    listeners = ( { address = "127.0.0.1"; port = 2525; }, { address = "::1"; port = 25; } );
    domains = { local = [ "ex.test" ]; relay_to = [ "branch.test" ]; };
    relay_from = [ "127.0.0.0/8", "::1", "192.0.2.0/24" ];
    transports = { mailbox = { kind = "maildir"; path = "~/Maildir"; }; out = { kind = "smtp"; hosts = [ "smtp.example.com" ]; }; };
    routes = ( { name = "local"; domains = [ "@local" ]; users = "system"; transport = "mailbox"; },
               { name = "everywhere"; domains = [ "*" ]; transport = "out"; } );
  )"}}, {});
  REQUIRE(config);
  Answers answers = answers_of(**config);
  CHECK(answers.site == Site::smart_host);
  CHECK(answers.listen == std::vector<std::string>{"127.0.0.1:2525", "::1"});
  CHECK(answers.relay_networks == std::vector<std::string>{"192.0.2.0/24"});
  CHECK(answers.relay_domains == std::vector<std::string>{"branch.test"});
  CHECK(answers.smart_host == "smtp.example.com:25");
  CHECK(answers.mailboxes == Mailboxes::maildir);
}
