#include <CLI/CLI.hpp>
#include <bsd/readpassphrase.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/reader.hpp"
#include "crypto/password.hpp"
#include "crypto/secret.hpp"
#include "ctl/command.hpp"
#include "identity.hpp"
#include "table/list.hpp"
#include "table/passwd_edit.hpp"

namespace mansio::ctl {
namespace {

struct PasswdArguments {
  std::string config_file, user, file, scheme = "SCRAM-SHA-256";
  bool remove = false, from_stdin = false, json = false;
};

// A failure with the exit status that tells of it.
struct Refused {
  int status;
  std::string text;
};

template <class T>
using Tried = std::expected<T, Refused>;

std::unexpected<Refused> refuse(int status, std::string text) { return std::unexpected<Refused>(Refused{status, std::move(text)}); }

std::unexpected<Refused> refuse(const Error& error) {
  if (error.sys() == EACCES || error.sys() == EPERM || error.sys() == EROFS) return refuse(denied, error.text());
  return refuse(error.fault() == Fault::busy ? busy : io, error.text());
}

struct Place {
  std::string file;             // symbolic links followed
  std::string default_domain;
  std::optional<gid_t> group;   // of a new file
};

Tried<Place> find_place(const PasswdArguments& arguments) {
  Place out;
  out.file = arguments.file;
  auto sources = config::read_sources(arguments.config_file);
  auto parsed = sources ? config::parse(*sources, config::machine_facts(*sources)) : std::unexpected(sources.error());
  if (parsed) {
    const config::Config& config = **parsed;
    out.default_domain = config.mail_name;
    if (out.file.empty() && config.auth.users == config::AuthUsers::passwd_file) out.file = config.auth.source;
    auto user = daemon::find_service_user(config);
    if (user && user->switches) out.group = user->gid;
  } else if (out.file.empty()) {
    return refuse(config, parsed.error().front().message());
  }
  if (out.file.empty()) {
    return refuse(config, fmt::format("{}: auth.users names no users file (\"passwd-file:PATH\"): say which with --file", arguments.config_file));
  }
  std::array<char, PATH_MAX> real{};
  if (::realpath(out.file.c_str(), real.data()) != nullptr) out.file = real.data();
  return out;
}

// One line, without its end.
Tried<crypto::Secret> read_line_of_stdin() {
  std::array<char, crypto::password_max + 3> buffer{};
  std::size_t size = 0;
  while (size < buffer.size()) {
    ssize_t n = ::read(STDIN_FILENO, buffer.data() + size, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || buffer[size] == '\n') break;
    ++size;
  }
  std::string_view line(buffer.data(), size);
  if (line.ends_with('\r')) line.remove_suffix(1);
  crypto::Secret out(line);
  ::explicit_bzero(buffer.data(), buffer.size());
  return out;
}

Tried<crypto::Secret> ask_on_terminal(const std::string& prompt) {
  std::array<char, crypto::password_max + 2> buffer{};
  bool read = ::readpassphrase(prompt.c_str(), buffer.data(), buffer.size(), RPP_REQUIRE_TTY) != nullptr;
  int sys = errno;
  crypto::Secret out(read ? std::string_view(buffer.data()) : std::string_view());
  ::explicit_bzero(buffer.data(), buffer.size());
  if (read) return out;
  if (sys == EINTR) return refuse(failed, "interrupted: nothing was changed");
  return refuse(usage, "there is no terminal to ask for the password on: give it on standard input, with --stdin");
}

Tried<crypto::Secret> get_password(const PasswdArguments& arguments) {
  if (arguments.from_stdin) return read_line_of_stdin();
  auto once = ask_on_terminal(fmt::format("New password of {}: ", escape(arguments.user, 80)));
  if (!once) return once;
  auto twice = ask_on_terminal("Once more: ");
  if (!twice) return twice;
  if (once->view() != twice->view()) return refuse(failed, "the two are not the same: nothing was changed");
  return once;
}

// Against ourselves: the file is replaced, so what is locked is its directory.
Tried<UniqueFd> lock_directory(const std::string& file) {
  auto slash = file.rfind('/');
  std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : file.substr(0, slash);
  auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return refuse(fd.error());
  for (int left = 200; ::flock(fd->get(), LOCK_EX | LOCK_NB) != 0; --left) {
    if (errno != EWOULDBLOCK && errno != EINTR) return refuse(Error::from_errno(errno, "lock " + directory));
    if (left == 0) return refuse(busy, directory + " is locked by another mansioctl: try again");
    ::usleep(50'000);
  }
  return std::move(*fd);
}

Tried<table::EditedPasswd> edit(const PasswdArguments& arguments, const Place& place, std::string_view entry) {
  auto lock = lock_directory(place.file);
  if (!lock) return std::unexpected(lock.error());
  struct stat st {};
  bool exists = ::stat(place.file.c_str(), &st) == 0;
  std::string text;
  if (exists) {
    auto old = read_file(place.file, table::max_table_size);
    if (!old) return refuse(old.error());
    text = std::move(*old);
  } else if (errno != ENOENT) {
    return refuse(Error::from_errno(errno, "look at " + place.file));
  }
  auto edited = arguments.remove ? table::remove_user(text, arguments.user, place.default_domain)
                                 : table::set_password(text, arguments.user, place.default_domain, entry);
  if (!edited) return refuse(usage, edited.error().text());
  if (edited->change == table::PasswdChange::none) return refuse(failed, fmt::format("{}: no user \"{}\"", place.file, escape(arguments.user, 80)));
  mode_t mode = exists ? st.st_mode & 07777 : 0640;
  uid_t owner = exists ? st.st_uid : static_cast<uid_t>(-1);
  gid_t group = exists ? st.st_gid : place.group.value_or(static_cast<gid_t>(-1));
  auto written = replace_file(place.file, edited->text, mode, owner, group);
  if (!written) return refuse(written.error());
  return std::move(*edited);
}

void tell(const PasswdArguments& arguments, const Place& place, const table::EditedPasswd& edited) {
  const char* what = edited.change == table::PasswdChange::added ? "added" : edited.change == table::PasswdChange::removed ? "removed" : "replaced";
  if (!arguments.json) return fmt::print("{}: {} {}\n", place.file, edited.name, what);
  nlohmann::json out{{"user", edited.name}, {"file", place.file}, {"change", what}};
  if (!arguments.remove) out["scheme"] = arguments.scheme;
  fmt::print("{}\n", out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Tried<table::EditedPasswd> change(const PasswdArguments& arguments, const Place& place) {
  // A name or scheme that can't be is told before a password is asked for.
  if (auto named = table::set_password("", arguments.user, "", ""); !named) return refuse(usage, named.error().text());
  if (arguments.remove) return edit(arguments, place, "");
  if (auto made = crypto::make_password_entry(arguments.scheme, "x"); !made) return refuse(usage, made.error().text());
  auto password = get_password(arguments);
  if (!password) return std::unexpected(password.error());
  auto entry = crypto::make_password_entry(arguments.scheme, password->view());
  if (!entry) return refuse(failed, entry.error().text());
  return edit(arguments, place, *entry);
}

int run(const PasswdArguments& arguments) {
  auto place = find_place(arguments);
  auto edited = place ? change(arguments, *place) : std::unexpected(place.error());
  if (edited) {
    tell(arguments, *place, *edited);
    return done;
  }
  fmt::print(stderr, "mansioctl: {}\n", edited.error().text);
  return edited.error().status;
}

}  // namespace

void add_passwd(CLI::App& app, Invocation& invocation) {
  static PasswdArguments passwd;
  auto* verb = app.add_subcommand("passwd", "set the password of a user in the users file, or take the user out");
  verb->add_option("user", passwd.user, "the name, with or without @domain")->required();
  verb->add_option("--file", passwd.file, "the users file, instead of the one that the configuration names");
  auto* scheme = verb->add_option("--scheme", passwd.scheme, "how the password is kept")->capture_default_str();
  auto* remove = verb->add_flag("--delete", passwd.remove, "take the user out");
  auto* from_stdin = verb->add_flag("--stdin", passwd.from_stdin, "read the password as one line from standard input");
  remove->excludes(scheme)->excludes(from_stdin);
  verb->callback([&invocation] {
    invocation.chosen = [&invocation] {
      passwd.config_file = invocation.config_file;
      passwd.json = invocation.json;
      std::ranges::transform(passwd.scheme, passwd.scheme.begin(), ascii_upper);
      return run(passwd);
    };
  });
}

}  // namespace mansio::ctl
