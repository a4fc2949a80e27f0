#include "kerberos/principal.hpp"

#include <catch2/catch.hpp>

namespace mansio::kerberos {

TEST_CASE("a user of a realm of ours has a login, everybody else has none") {
  struct Row {
    std::string principal, login;
  };
  for (const auto& [principal, login] : {
           Row{"bob@EX.TEST", "bob"},
           Row{"Bob.B@EX.TEST", "bob.b"},
           Row{"bob+x@SECOND.TEST", "bob+x"},
           Row{"j\xc3\xb6rg@EX.TEST", "j\xc3\xb6rg"},
           Row{"bob@ex.test", ""},                    // RFC 4120 §6.1: realms have their case
           Row{"bob@OTHER.TEST", ""},
           Row{"bob@XEX.TEST", ""},
           Row{"bob@EX.TEST.OTHER.TEST", ""},
           Row{"smtp/mx.ex.test@EX.TEST", ""},
           Row{"bob/admin@EX.TEST", ""},
           Row{"WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS", ""},
           Row{"eve\\@EX.TEST@OTHER.TEST", ""},
           Row{"eve\\@x@EX.TEST", ""},
           Row{"eve@x@EX.TEST", ""},
           Row{"bo\\tb@EX.TEST", ""},
           Row{"bo\nb@EX.TEST", ""},
           Row{"bo b@EX.TEST", ""},
           Row{std::string("bo\0b@EX.TEST", 12), ""},
           Row{"\xff@EX.TEST", ""},
           Row{std::string(321, 'u') + "@EX.TEST", ""},
           Row{"@EX.TEST", ""},
           Row{"bob", ""},
           Row{"bob@", ""},
           Row{"", ""},
       }) {
    INFO(principal);
    CHECK(login_of(principal, {"EX.TEST", "SECOND.TEST"}) == login);
  }
  CHECK(login_of("bob@EX.TEST", {}).empty());
  CHECK(login_of("bob@", {""}).empty());
}

TEST_CASE("the realm is what follows the last @") {
  CHECK(realm_of("smtp/mx.ex.test@EX.TEST") == "EX.TEST");
  CHECK(realm_of("a@b@EX.TEST") == "EX.TEST");
  CHECK(realm_of("smtp/mx.ex.test").empty());
}

}  // namespace mansio::kerberos
