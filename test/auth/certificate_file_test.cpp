#include "auth/certificate_file.hpp"

#include <catch2/catch.hpp>

#include "asking.hpp"
#include "auth/backends.hpp"

namespace mansio::auth {
namespace {

const std::string one(64, 'a'), two = std::string(62, '0') + "1f", three(64, 'c');

std::string with_colons(const std::string& fingerprint) {
  std::string out;
  for (std::size_t i = 0; i < fingerprint.size(); i += 2) out += (i == 0 ? "" : ":") + fingerprint.substr(i, 2);
  for (char& c : out) c = static_cast<char>(c >= 'a' && c <= 'f' ? c - 32 : c);
  return out;
}

class Fixed final : public Backend {
 public:
  event::Task<sasl::Answer> ask(sasl::Question, Facts) override { co_return sasl::Answer(sasl::Answer::Verdict::accepted, "fixed"); }
  std::vector<std::string_view> mechanisms() const override { return {"LOGIN", "PLAIN", "SCRAM-SHA-256"}; }
};

}  // namespace

TEST_CASE("certificates are found by their fingerprints, and stand for the users of their lines") {
  auto loaded = CertificateFile::load("# notebooks\n\n" + with_colons(one) + " Bob@Example.ORG\r\n" + two + "\tcarol  \n" + two + " dave\n" + two + " dave\n");
  CHECK(loaded.problems.empty());
  const auto& file = *loaded.file;
  struct Row { std::string fingerprint, wanted, want; };
  const std::vector<Row> rows{
      {one, "", "bob@example.org"}, {one, "bob@example.org", "bob@example.org"}, {one, "BOB@EXAMPLE.ORG", "bob@example.org"},
      {one, "bob", ""}, {one, "carol", ""}, {two, "carol", "carol"}, {two, "dave", "dave"}, {two, "", ""}, {three, "", ""}, {three, "bob", ""}, {"", "", ""},
  };
  for (const auto& row : rows) CHECK(file.find(row.fingerprint, row.wanted) == row.want);
}

TEST_CASE("lines that can't be read are told, and the others count") {
  auto loaded = CertificateFile::load("bob\n" + one + "\n" + one.substr(1) + " bob\nzz" + one.substr(2) + " bob\n" + one + " @x\n" + two + " carol\n");
  CHECK(loaded.problems == std::vector<std::string>{
      "line 1: no SHA-256 fingerprint, which has 64 hexadecimal digits", "line 2: no name of a user after the fingerprint",
      "line 3: no SHA-256 fingerprint, which has 64 hexadecimal digits", "line 4: no SHA-256 fingerprint, which has 64 hexadecimal digits",
      "line 5: no name of a user after the fingerprint"});
  CHECK(loaded.file->size() == 1);
}

TEST_CASE("certificates and passwords are asked where they are known") {
  auto certificates = std::make_shared<CertificateBackend>(CertificateFile::load(one + " bob\n").file);
  Backends both(std::make_shared<Fixed>(), certificates), passwords(std::make_shared<Fixed>(), nullptr), nothing(nullptr, nullptr);
  using Kind = sasl::Question::Kind;
  event::OnLoop on;
  Facts facts;
  facts.fingerprint = one;
  CHECK(words_of(ask(on, both, sasl::Question(Kind::certificate, ""), facts)) == "accepted bob");
  CHECK(words_of(ask(on, both, sasl::Question(Kind::certificate, "eve"), facts)) == "denied");
  CHECK(words_of(ask(on, both, sasl::Question(Kind::certificate, ""), Facts())) == "denied");
  CHECK(words_of(ask(on, both, password_question("x", "y"), facts)) == "accepted fixed");
  CHECK(words_of(ask(on, passwords, sasl::Question(Kind::certificate, ""), facts)) == "denied");
  CHECK(words_of(ask(on, nothing, password_question("x", "y"), facts)) == "denied");
  CHECK(words_of(ask(on, *certificates, password_question("bob", "y"), facts)) == "denied");
  CHECK(both.mechanisms() == std::vector<std::string_view>{"EXTERNAL", "SCRAM-SHA-256", "PLAIN", "LOGIN"});
  CHECK(nothing.mechanisms().empty());
}

}  // namespace mansio::auth
