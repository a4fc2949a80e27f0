// Changes to the text of a passwd-file: a password set, a user taken out. All other lines, and the other fields of the
// line that changes, stay byte for byte. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::table {

enum class PasswdChange : std::uint8_t { none, added, replaced, removed };

struct EditedPasswd {
  std::string text;
  std::string name;                          // as the file has it
  PasswdChange change = PasswdChange::none;
};

// `user` is looked up as log-ins do it: "bob" also finds "bob@default-domain", and the other way round. A new user is
// written as canonical_user_name has it, since Dovecot looks for lower case. `entry` is "{SCHEME}hash".
// Fault::invalid: a name that can't stand in the file, or whose line there is none that log-ins read.
Result<EditedPasswd> set_password(std::string_view text, std::string_view user, std::string_view default_domain, std::string_view entry);

// Every line of the name goes, else a second one would come alive.
Result<EditedPasswd> remove_user(std::string_view text, std::string_view user, std::string_view default_domain);

}  // namespace mansio::table
