// Files of users and passwords, and what says who may log in.
#include <algorithm>

#include "auth/dovecot_wire.hpp"
#include "auth/user_file.hpp"
#include "base/text.hpp"
#include "config/credentials.hpp"
#include "config/senders_file.hpp"
#include "crypto/password.hpp"
#include "crypto/saslprep.hpp"
#include "fuzz/targets.hpp"
#include "sasl/identity.hpp"
#include "table/passwd_edit.hpp"
#include "table/passwd_file.hpp"

namespace fuzz {
namespace {

using namespace mansio;

std::size_t lines_of(std::string_view text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1; }

void check_problems(const config::Problems& problems, std::string_view input) {
  require(!problems.empty(), "a refusal has its reason");
  for (const auto& problem : problems) {
    require(problem.line >= 0 && static_cast<std::size_t>(problem.line) <= lines_of(input), "the line is one of the file");
    require(is_utf8(problem.text), "a reason is text");
  }
}

}  // namespace

void passwd_file(std::string_view input) {
  auto parsed = table::parse_passwd_file(input);
  std::size_t lines = lines_of(input);
  for (const auto& user : parsed.users.all()) {
    require(!user.name.empty() && user.line >= 1 && user.line <= lines, "a user has a name and a line");
    require(table::canonical_user_name(user.name) == user.name, "a name has one form");
    require(parsed.users.find(user.name) != nullptr, "a user is found by its name");
  }
  for (const auto& problem : parsed.problems) require(problem.line >= 1 && problem.line <= lines, "a problem has a line");
}

void passwd_edit(std::string_view input) {
  static constexpr std::string_view entry = "{PLAIN}neu";
  auto edited = table::set_password(input, "bob", "ex.test", entry);
  if (!edited) return;
  auto users = table::parse_passwd_file(edited->text);
  const table::VirtualUser* bob = users.users.find(edited->name);
  require(bob != nullptr && bob->password == entry, "the password that was set is there");
  auto again = table::set_password(edited->text, "bob", "ex.test", entry);
  require(again && again->text == edited->text, "to set it again changes nothing");
  auto removed = table::remove_user(edited->text, edited->name, "ex.test");
  require(removed && table::parse_passwd_file(removed->text).users.find(edited->name) == nullptr, "who was taken out is gone");
  auto before = table::parse_passwd_file(input).users.size(), after = users.users.size();
  require(after == before || after == before + 1, "nobody else comes or goes");
}

void password_entry(std::string_view input) {
  bool good = crypto::check_password_entry(input).has_value();
  auto keys = crypto::scram_keys_of(input);
  if (good) require(keys.has_value(), "a good entry can be asked for its keys");
  if (good && keys && *keys) require((*keys)->iterations >= 1 && (*keys)->iterations <= crypto::scram_iterations_max, "iterations are bounded");
  if (auto parsed = crypto::parse_scram_keys(input)) require(crypto::parse_scram_keys(crypto::format_scram_keys(*parsed)) == *parsed, "keys survive");
  // Others cost up to seconds each, by intent.
  bool cheap = input.starts_with("{PLAIN}") || input.starts_with("{SSHA");
  if (!cheap) return;
  auto opened = crypto::check_password(input, "pencil");
  require(opened.has_value() == good || crypto::is_locked(input), "what is checked can be used");
  require(!crypto::check_password(input, "").value_or(false), "no password is none");
  if (input.starts_with("{PLAIN}") && opened) require(*opened == (input.substr(7) == "pencil"), "a password opens its own entry");
}

void saslprep(std::string_view input) {
  auto prepared = crypto::saslprep(input);
  if (prepared) {
    require(is_utf8(*prepared) && !has_control(*prepared) && !prepared->empty(), "what is prepared is printable UTF-8");
    auto again = crypto::saslprep(*prepared);
    require(!again || *again == *prepared || !is_ascii(input), "ASCII is prepared once");
    if (is_ascii(input)) require(*prepared == input, "ASCII stays as it is");
  }
  if (auto user = sasl::prepare_user(input)) require(user->size() <= sasl::user_max && !user->empty(), "a user's name is bounded");
}

void dovecot_line(std::string_view input) {
  std::string text = auth::escape_dovecot(input);
  require(text.find_first_of(std::string_view("\t\r\n\0", 4)) == std::string::npos, "nothing of a parameter is syntax");
  require(auth::unescape_dovecot(text) == input, "any octets survive");
  auto line = auth::parse_dovecot_line(input);
  if (line && line->kind == auth::DovecotLine::Kind::mechanism) require(line->name.find('\t') == std::string::npos, "a mechanism is a word");
}

// Costs some 4 ms for each entry in {PLAIN}.
void user_file(std::string_view input) {
  if (input.size() > 600 || lines_of(input) > 5) return;
  static const sasl::Decoy decoy("0123456789abcdef0123456789abcdef");
  auto loaded = auth::UserFile::load(input, "ex.test", decoy);
  require(loaded.users != nullptr && !loaded.users->stand_ins().empty(), "there is always a stand-in");
  for (const char* name : {"bob", "bob@ex.test", "joe"}) {
    const auth::UserEntry* user = loaded.users->find(name);
    if (user == nullptr || !user->usable) continue;
    require(!crypto::is_locked(user->entry.view()), "a locked entry lets nobody in");
    if (!user->nets_limited) require(user->admits("192.0.2.1"), "without a limit everybody may come");
  }
}

void credentials(std::string_view input) {
  config::Source source{"c", std::string(input)};
  auto parsed = config::Credentials::parse(source);
  if (!parsed) return check_problems(parsed.error(), input);
  require(parsed->all().size() <= config::credentials_max, "entries are bounded");
  for (const auto& one : parsed->all()) {
    int ways = (one.password.empty() ? 0 : 1) + (one.token_file.empty() ? 0 : 1) + (one.token_command.empty() ? 0 : 1);
    require(ways <= 1, "there is one way to log in");
    require(one.token_command.empty() || one.token_command[0].starts_with('/'), "a command is a path");
  }
  (void)parsed->find("smtp.ex.test", "bob", "ex.test");
}

void senders_file(std::string_view input) {
  config::Source source{"s", std::string(input)};
  auto parsed = config::SendersFile::parse(source);
  if (!parsed) return check_problems(parsed.error(), input);
  bool everybody = input.find('*') != std::string_view::npos;
  if (!everybody) require(!parsed->allows("nobody-of-the-file", "bob", "ex.test"), "who isn't there may nothing");
  (void)parsed->allows("bob", "", "");
}

}  // namespace fuzz
