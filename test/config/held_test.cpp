// What is asked of domains.hold_for_etrn, odmr and listeners for it, and of drop transports.
#include <catch2/catch.hpp>

#include "config/reader.hpp"

namespace mansio::config {
namespace {

std::string held_problems(const std::string& text) {
  MachineFacts facts;
  facts.host_name = "mx.ex.test";
  facts.mail_name = "ex.test";
  auto config = parse({{"/d/mansio.conf", "version = 1;\n" + text}}, facts);
  std::string out;
  if (!config) for (const Problem& p : config.error()) out += p.message() + "\n";
  return out;
}

}  // namespace

TEST_CASE("mail that is fetched: domains are domains, users have names, and a port for ATRN has something to give") {
  const std::string users = "auth = { users = \"passwd-file:/d/users\"; clear_text = true; };\n";
  const std::string port = "listeners = ( { port = 366; role = \"odmr\"; } );\n";
  CHECK(held_problems(users + port + "domains = { hold_for_etrn = [ \"Branch.Test\", \"*.branch.test\", \"file:/d/held\" ]; };\n"
                      "odmr = ( { user = \"branch\"; domains = [ \"branch.test\" ]; } );").empty());
  CHECK(held_problems("domains = { hold_for_etrn = [ \"a..b\" ]; };").find("domains.hold_for_etrn[0]") != std::string::npos);
  CHECK(held_problems(users + port + "odmr = ( { user = \"\"; domains = [ \"x y\" ]; } );").find("odmr[0].user: it is empty") != std::string::npos);
  CHECK(held_problems(users + port + "odmr = ( { user = \"b\"; domains = [ \"x y\" ]; } );").find("odmr[0].domains[0]") != std::string::npos);
  CHECK(held_problems(users + port).find("listeners[0].role: \"odmr\" has nothing to give") != std::string::npos);
}

TEST_CASE("a drop transport's directory, owner and mode are checked") {
  auto with = [](const std::string& rest) {
    return held_problems("transports = { d = { kind = \"drop\"; " + rest + " }; };\nroutes = ( { name = \"all\"; domains = [ \"*\" ]; transport = \"d\"; } );");
  };
  CHECK(with("directory = \"/d/{domain}\"; owner = \"app:mail\"; mode = \"0660\"; quota = \"1M\"; quota_files = 3;").empty());
  CHECK(with("").find("\"directory\" is missing") != std::string::npos);
  CHECK(with("directory = \"/d/{user\";").find("transports.d.directory: a { is not closed") != std::string::npos);
  CHECK(with("directory = \"/d\"; owner = \"root\";").find("transports.d.owner: nothing is delivered as root") != std::string::npos);
  CHECK(with("directory = \"/d\"; mode = \"0666\";").find("transports.d.mode: everybody could write") != std::string::npos);
}

}  // namespace mansio::config
