// Names of Kerberos: "user@REALM" for people, "service/host@REALM" for programs (RFC 4120 §6.2). Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace mansio::kerberos {

// The login of a principal, as its text is written by the library: "bob" for "Bob@EX.TEST" when EX.TEST is one of `realms`
// (they are compared with their case). Lower case, since logins are. "" for everybody else: other realms, programs ("/"),
// names with blanks, and with characters that had to be quoted.
std::string login_of(std::string_view principal, const std::vector<std::string>& realms);

// What follows the last "@"; "" without one.
std::string_view realm_of(std::string_view principal);

}  // namespace mansio::kerberos
