#include "mail/templates.hpp"

#include <catch2/catch.hpp>

#include "base/file.hpp"
#include "mail/bounce_files.hpp"

using namespace mansio;
using namespace mansio::mail;

namespace {

const std::string sections = "[recipient]\n<{address}>\n[host_answer]\n{reply}\n[own_answer]\n{reply}\n";
const std::string good = "Subject: x\n\n{recipients}\n" + sections;

}  // namespace

TEST_CASE("the compiled-in texts are those of etc/bounce") {
  for (auto kind : {TemplateKind::failed, TemplateKind::delayed, TemplateKind::success}) {
    std::string path = std::string(bounce_files) + "/" + std::string(template_file(kind));
    auto text = read_file(path, template_size_limit);
    INFO(path);
    REQUIRE(text);
    CHECK(*text == default_template_text(kind));
    CHECK(parse_template(*text, "x"));
  }
  const ReportTemplate& failed = default_templates()[0];
  for (const char* name : {"no_such_user", "no_such_domain", "mailbox_full", "too_large", "policy", "content", "loop", "expired", "other"}) {
    INFO(name);
    CHECK_FALSE(failed.section(name).empty());
  }
}

TEST_CASE("a template is read with comments, sections and UTF-8") {
  auto parsed = parse_template("# a comment\r\n#\r\nSubject:  Nicht zugestellt \r\n\r\nGr\xc3\xbc\xc3\x9f" "e von {host} {Not} {} {\r\n{recipients}\r\n\r\n" + sections +
                                   "[other]\n\nwait\n\n[no_such_user]\n", "failed.txt");
  REQUIRE(parsed);
  CHECK(parsed->subject == "Nicht zugestellt");
  CHECK(parsed->section("") == "Gr\xc3\xbc\xc3\x9f" "e von {host} {Not} {} {\n{recipients}\n");
  CHECK(parsed->section("other") == "wait\n");
  CHECK(parsed->section("policy", "other") == "wait\n");
  CHECK(parsed->section("no_such_user", "other").empty());
  CHECK(parsed->section("nothing").empty());
}

TEST_CASE("a mistake in a template is told with file and line") {
  struct MistakeCase {
    std::string text, problem;
  };
  for (const MistakeCase& c : std::vector<MistakeCase>{
           {"", "failed.txt:1: the first line must be \"Subject: …\""},
           {"# only\n", "failed.txt:1: the first line must be \"Subject: …\""},
           {"Subject: \n", "failed.txt:1: the subject must have 1 to 200 octets"},
           {"Subject: a\x1b\n", "failed.txt:1: the subject has a control character"},
           {"Subject: x\ntext\n", "failed.txt:2: an empty line must follow the subject"},
           {"Subject: x\n\n{recipients}\nfrom {hots}\n",
            "failed.txt:4: {hots} is not known in the text; known: {host} {queue_id} {arrival} {sender} {postmaster} {recipients}"},
           {"Subject: x\n\n{recipients}\n[written_as]\n{reply}\n", "failed.txt:5: {reply} is not known in [written_as]; known: {original}"},
           {"Subject: x\n\n{recipients}\n[advise]\n", "failed.txt:4: [advise] is no section that mansio knows"},
           {good + "[recipient]\n", "failed.txt:10: [recipient] is there twice"},
           {"Subject: x\n\nnobody\n" + sections, "failed.txt:9: the text lacks {recipients}"},
           {"Subject: x\n\n{recipients}\n", "failed.txt:3: there is no [recipient] with {address}"},
           {"Subject: x\n\n{recipients}\n[recipient]\n{address}\n[host_answer]\nx\n", "failed.txt:7: there is no [own_answer]"},
           {good + std::string(501, 'x'), "failed.txt:10: the line is longer than 500 octets"},
           {good + "a\x07\n", "failed.txt:10: the line has a control character"},
           {good + "\xff\n", "failed.txt:0: the file is not UTF-8"},
           {good + std::string(70000, '\n'), "failed.txt:0: the file is longer than 64K"},
       }) {
    auto parsed = parse_template(c.text, "failed.txt");
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().text() == c.problem);
  }
  CHECK(parse_template(good, "failed.txt"));
}

TEST_CASE("places are filled once, values keep their indentation, lines of empty values go") {
  PlaceValues values{{"a", "one\ntwo\n\nthree\n"}, {"b", "{a}"}, {"empty", ""}};
  CHECK(fill_places("  {a}\n", values) == "  one\n  two\n\n  three\n");
  CHECK(fill_places("x {b} y", values) == "x {a} y\n");
  CHECK(fill_places("  {empty}\n\nz {empty}\n{unknown}\n", values) == "\nz\n");
  CHECK(fill_places("{{a}} {A} {\n", PlaceValues{{"a", "1"}}) == "{1} {A} {\n");
}
