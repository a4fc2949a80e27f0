#include "sendmail_options.hpp"

#include <catch2/catch.hpp>

namespace mansio::sendmail {
namespace {

using Words = std::vector<std::string_view>;

Options parsed(Words words) {
  words.insert(words.begin(), "/usr/sbin/sendmail");
  auto options = parse_options(words);
  INFO((options ? "" : options.error().text()));
  REQUIRE(options);
  return *options;
}

TEST_CASE("cron's and PHP's calls") {
  Options cron = parsed({"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"});
  CHECK(cron.full_name == "CronDaemon");
  CHECK_FALSE(cron.dot_ends);
  CHECK(cron.body == mail::Body::eight_bit);
  CHECK(cron.errors == Errors::mail);
  CHECK(cron.arguments == std::vector<std::string>{"root"});
  Options php = parsed({"-t", "-i"});
  CHECK(php.extract);
  CHECK_FALSE(php.dot_ends);
}

TEST_CASE("a lone dot ends the message unless -i, -oi or -oitrue") {
  CHECK(parsed({"x"}).dot_ends);
  for (const char* word : {"-i", "-oi", "-oitrue", "-ti"}) {
    INFO(word);
    CHECK_FALSE(parsed({word}).dot_ends);
  }
  CHECK(parsed({"-ti"}).extract);
  CHECK_FALSE(parsed({"-o", "i"}).dot_ends);
}

TEST_CASE("values stand in the word or are the next one") {
  for (Words words : {Words{"-fann@x.example", "bob"}, {"-f", "ann@x.example", "bob"}, {"-rann@x.example", "bob"}, {"-tfann@x.example", "bob"}}) {
    Options o = parsed(words);
    CHECK(o.sender == "ann@x.example");
    CHECK(o.arguments == std::vector<std::string>{"bob"});
  }
  CHECK(parsed({"-f", "<>"}).sender == "<>");
  CHECK(parsed({"-f", ""}).sender == "");
  CHECK(parsed({"-fa", "-fb"}).sender == "b");
  CHECK_FALSE(parsed({"bob"}).sender);
  CHECK(parsed({"-C", "/x.conf"}).config_file == "/x.conf");
  CHECK(parsed({"-N", "success,delay"}).notify == (mail::Notify::success | mail::Notify::delay));
  CHECK(parsed({"-Nnever"}).notify == mail::Notify::never);
  CHECK(parsed({"-Rhdrs"}).ret == mail::Return::headers);
  CHECK(parsed({"-V", "a b"}).envid == "a+20b");
  CHECK(parsed({"-V", "a+20b"}).envid == "a+20b");
}

TEST_CASE("after -- and after the first recipient everything is data") {
  CHECK(parsed({"--", "-f@evil", "-Fx"}).arguments == std::vector<std::string>{"-f@evil", "-Fx"});
  Options o = parsed({"bob", "-fx", "--"});
  CHECK(o.arguments == std::vector<std::string>{"bob", "-fx", "--"});
  CHECK_FALSE(o.sender);
  CHECK(parsed({"-i", "-"}).arguments == std::vector<std::string>{"-"});
}

TEST_CASE("names of the program choose the mode") {
  struct Row {
    const char* argv0;
    Mode mode;
  };
  for (Row row : {Row{"/usr/bin/mailq", Mode::list}, {"newaliases", Mode::aliases}, {"runq", Mode::run_queue}, {"rsmtp", Mode::smtp},
                  {"rmail", Mode::submit}, {"sendmail", Mode::submit}, {"", Mode::submit}, {"/", Mode::submit}}) {
    INFO(row.argv0);
    CHECK(parse_options({row.argv0})->mode == row.mode);
  }
  CHECK(parse_options({})->mode == Mode::submit);      // argc 0
  CHECK(parse_options({"rmail"})->rmail);
}

TEST_CASE("modes") {
  struct Row {
    const char* word;
    Mode mode;
  };
  for (Row row : {Row{"-bm", Mode::submit}, {"-bs", Mode::smtp}, {"-bd", Mode::daemon}, {"-bi", Mode::aliases}, {"-bt", Mode::route},
                  {"-bv", Mode::verify}, {"-bV", Mode::version}, {"-bP", Mode::settings}, {"-bp", Mode::list}, {"-bpc", Mode::count},
                  {"-bpr", Mode::list}, {"-bpa", Mode::list}, {"-q", Mode::run_queue}, {"-qff", Mode::run_queue},
                  {"-q15m", Mode::daemon}, {"-I", Mode::aliases},
                  {"--version", Mode::version}}) {
    INFO(row.word);
    CHECK(parsed({row.word}).mode == row.mode);
  }
  CHECK(parsed({"-bpu"}).undelivered_only);
  CHECK(parsed({"-qRexample.org"}).match_recipient == "example.org");
  CHECK(parsed({"-qSann"}).match_sender == "ann");
  CHECK(parsed({"-qI1tBx6K-000001-AA"}).match_id == "1tBx6K-000001-AA");
  CHECK(parsed({"-bd", "-q30m"}).mode == Mode::daemon);
  CHECK(parsed({"--json", "-bp"}).json);
}

TEST_CASE("listings: -bpu leaves out what is done, -bpr doesn't sort") {
  struct Row {
    const char* word;
    bool undelivered, unsorted;
  };
  for (Row row : {Row{"-bp", false, false}, {"-bpu", true, false}, {"-bpr", false, true}, {"-bpru", true, true}, {"-bpa", false, false},
                  {"-bpra", false, true}}) {
    INFO(row.word);
    Options o = parsed({row.word});
    CHECK(o.mode == Mode::list);
    CHECK(o.undelivered_only == row.undelivered);
    CHECK(o.unsorted == row.unsorted);
  }
}

TEST_CASE("queue runs: only -qff asks for frozen messages, and a part of an address chooses") {
  struct Row {
    Words words;
    bool frozen;
    const char *recipient, *sender;
  };
  for (const Row& row : {Row{{"-q"}, false, "", ""}, {{"-qf"}, false, "", ""}, {{"-qff"}, true, "", ""}, {{"-qqff"}, true, "", ""},
                         {{"-qRa.test"}, false, "a.test", ""}, {{"-qffRa.test"}, true, "a.test", ""}, {{"-qfSann"}, false, "", "ann"},
                         {{"-S", "ann"}, false, "", "ann"}, {{"-Sann"}, false, "", "ann"}}) {
    INFO(row.words[0]);
    Options o = parsed(row.words);
    CHECK(o.mode == Mode::run_queue);
    CHECK(o.force_frozen == row.frozen);
    CHECK(o.match_recipient == row.recipient);
    CHECK(o.match_sender == row.sender);
  }
}

TEST_CASE("the queue verbs of Exim") {
  struct Row {
    const char* word;
    Mode mode;
    const char* verb;
  };
  for (Row row : {Row{"-M", Mode::queue_verb, "run"}, {"-Mf", Mode::queue_verb, "freeze"}, {"-Mt", Mode::queue_verb, "thaw"},
                  {"-Mrm", Mode::queue_verb, "remove"}, {"-Mg", Mode::queue_verb, "give_up"}, {"-Mmad", Mode::queue_verb, "mark_all_delivered"},
                  {"-Mvh", Mode::show, "envelope"}, {"-Mvb", Mode::show, "body"}, {"-Mvc", Mode::show, "copy"}, {"-Mvl", Mode::show_log, "log"}}) {
    INFO(row.word);
    Options o = parsed({row.word, "1tBx6K-000001-AA", "1tBx6K-000002-AA"});
    CHECK(o.mode == row.mode);
    CHECK(o.queue_verb == row.verb);
    CHECK(o.arguments == std::vector<std::string>{"1tBx6K-000001-AA", "1tBx6K-000002-AA"});
  }
  for (Row row : {Row{"-Mar", Mode::queue_verb, "add_recipients"}, {"-Mes", Mode::queue_verb, "set_sender"}, {"-Mmd", Mode::queue_verb, "mark_delivered"}}) {
    Options o = parsed({row.word, "1tBx6K-000001-AA", "ann@a.test"});
    CHECK(o.queue_verb == row.verb);
    CHECK(o.arguments == std::vector<std::string>{"1tBx6K-000001-AA", "ann@a.test"});
  }
}

TEST_CASE("a queue verb needs an id, and some an address") {
  for (Words words : {Words{"-M"}, {"-Mrm"}, {"-Mvh"}, {"-Mvl"}, {"-Mxx", "id"}, {"-Mrm", "../../etc/passwd"}, {"-Mrm", "id", ""}, {"-Mvl", ".*"},
                      {"-Mar", "id"}, {"-Mes", "id"}, {"-Mes", "id", "a@b", "c@d"}, {"-Mmd", "a@b", "id"}, {"-qR"}, {"-qS"}, {"-S"},
                      {"-S", "a\nb"}, {"-R", "example.org"}}) {
    INFO(words[0]);
    words.insert(words.begin(), "sendmail");
    CHECK_FALSE(parse_options(words));
  }
}

TEST_CASE("options that are accepted and ignored leave the recipient alone") {
  for (Words words : {Words{"-Ac"}, {"-Am"}, {"-m"}, {"-n"}, {"-U"}, {"-x"}, {"-h", "99"}, {"-h99"}, {"-L", "tag"}, {"-o7"}, {"-o8"},
                      {"-om"}, {"-odb"}, {"-odi"}, {"-odq"}, {"-odf"}, {"-O", "QueueDirectory=/tmp"}, {"-OA=b"}, {"-em"}, {"-E"}, {"-G"},
                      {"-X", "/tmp/x"}, {"-X/var/www/x.php"}, {"-d0.1"}, {"-d"}, {"-oMr", "smtp"}, {"-oMrSMTP"}, {"-pSMTP:host"}, {"-v"}}) {
    INFO(words[0]);
    words.push_back("bob");
    Options o = parsed(words);
    CHECK(o.mode == Mode::submit);
    CHECK(o.arguments == std::vector<std::string>{"bob"});
  }
}

TEST_CASE("errors are of usage") {
  std::string junk = std::string("-f") + "a\nb";
  for (Words words : {Words{"-Z"}, {"-f"}, {"-bx"}, {"--nonsense"}, {"-Nmaybe"}, {"-N", "never,success"}, {"-R", "all"}, {"-BBINARYMIME"},
                      {junk}, {"-F", "a\x7f"}, {"-qI../../etc/passwd"}, {"-qxyz"}, {"-C"}, {"-Mrm"}}) {
    INFO(words[0]);
    words.insert(words.begin(), "sendmail");
    auto options = parse_options(words);
    CHECK_FALSE(options);
  }
  std::string huge(1 << 20, 'A');
  for (const char* letter : {"-R", "-S", "-N", "-V", "-F", "-q", "-oMr", "-M", "-b"}) {
    std::string word = letter + huge;
    auto options = parse_options({"sendmail", word, "bob"});
    if (!options) CHECK(options.error().text().size() < 200);
  }
}

TEST_CASE("a hundred thousand words") {
  Words words(100000, "-oMr");
  words.insert(words.begin(), "sendmail");
  CHECK(parse_options(words));
  Words recipients(100000, "bob@example.org");
  recipients.insert(recipients.begin(), "sendmail");
  CHECK(parse_options(recipients)->arguments.size() == 100000);
}

}  // namespace
}  // namespace mansio::sendmail
