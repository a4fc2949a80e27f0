#include "kerberos/acceptor.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.hpp"
#include "kerberos/keytab.hpp"
#include "kerberos/keytab_bytes.hpp"

namespace mansio::kerberos {
namespace {

const std::string good = keytab_start + keytab_entry({"smtp", "mx.ex.test"}, "EX.TEST", 3);

std::string why_not(const std::string& bytes) {
  auto made = Keytab::make(bytes);
  return made ? "" : made.error().text();
}

std::string made_with(const AcceptorOptions& options) {
  auto made = Acceptor::make(good, options);
  if (!made) return made.error().text();
  std::string out;
  for (const auto& realm : (*made)->realms()) out += realm + " ";
  return out;
}

sasl::Question ticket(std::string_view token) { return sasl::Question(sasl::Question::Kind::ticket, "", crypto::Secret(token)); }

}  // namespace

TEST_CASE("a keytab tells whose keys it has, each once and in its order") {
  auto made = Keytab::make(good + keytab_entry({"HTTP", "mx.ex.test"}, "EX.TEST") + keytab_entry({"smtp", "mx.ex.test"}, "EX.TEST", 2) +
                           keytab_entry({"bob"}, "OTHER.TEST"));
  REQUIRE(made);
  CHECK(made->principals() == std::vector<std::string>{"smtp/mx.ex.test@EX.TEST", "HTTP/mx.ex.test@EX.TEST", "bob@OTHER.TEST"});
}

TEST_CASE("the file of a keytab is in memory, and gone with it") {
  std::string path;
  {
    auto made = Keytab::make(good);
    REQUIRE(made);
    REQUIRE(made->name().starts_with("FILE:/proc/self/fd/"));
    path = made->name().substr(5);
    CHECK(std::filesystem::read_symlink(path).string().starts_with("/memfd:"));
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("what is no keytab, or has no key, is refused") {
  CHECK(why_not("").starts_with("this is no keytab"));
  CHECK(why_not("-----BEGIN CERTIFICATE-----\n").starts_with("this is no keytab"));
  CHECK(why_not(std::string("\x05\x09", 2)).starts_with("this is no keytab"));
  CHECK(why_not(keytab_start) == "there is no key in it");
  CHECK_FALSE(why_not(good.substr(0, good.size() - 8)).empty());
  CHECK(why_not(good).empty());
}

TEST_CASE("the realms are those that are given, else the principal's, else that of the first key") {
  AcceptorOptions options;
  CHECK(made_with(options) == "EX.TEST ");
  options.principal = "smtp/mx.ex.test@EX.TEST";
  CHECK(made_with(options) == "EX.TEST ");
  options.realms = {"A.TEST", "B.TEST"};
  CHECK(made_with(options) == "A.TEST B.TEST ");
  options.principal = "smtp/other.ex.test@EX.TEST";
  CHECK(made_with(options).find("smtp/other.ex.test@EX.TEST") != std::string::npos);       // there is no key of it
}

TEST_CASE("garbage is refused, never a crash, and says why") {
  auto made = Acceptor::make(good, AcceptorOptions());
  REQUIRE(made);
  for (const std::string& token : {std::string("x"), std::string(9216, '\0'), std::string("\x60\x82\xff\xff"), std::string("\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02", 13),
                                   std::string("\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00", 15), std::string("NTLMSSP\0\1\0\0\0", 12)}) {
    auto heard = (*made)->accept(ticket(token));
    CHECK(heard.answer.verdict == sasl::Answer::Verdict::denied);
    CHECK_FALSE(heard.why.empty());
    CHECK_FALSE(heard.answer.context);
  }
  auto password = (*made)->accept(sasl::Question(sasl::Question::Kind::password, "bob", crypto::Secret("x")));
  CHECK(password.answer.verdict == sasl::Answer::Verdict::denied);
}

}  // namespace mansio::kerberos
