// Who may log in, where and how, and who may ask the daemon: the second look's part about users.
#include <algorithm>

#include "base/text.hpp"
#include "config/checker.hpp"
#include "config/value.hpp"

namespace mansio::config {
namespace {

constexpr std::string_view gssapi = "GSSAPI", external = "EXTERNAL";

// A mechanism and who can log in with it, best first as in sasl/server.cpp, which knows what they are (held together by
// test/auth/mechanisms_test.cpp). Here it is which settings go together.
struct MechanismRule {
  std::string_view name;
  bool clear;                                    // shows the password or token, so only inside TLS
  bool client;                                   // ours, too, when we log in elsewhere
  std::initializer_list<AuthUsers> users;        // empty: any
};
constexpr MechanismRule mechanism_rules[] = {
  {external, false, true, {}}, {gssapi, false, false, {}}, {"SCRAM-SHA-256-PLUS", false, true, {AuthUsers::passwd_file}},
  {"SCRAM-SHA-256", false, true, {AuthUsers::passwd_file}}, {"OAUTHBEARER", true, true, {AuthUsers::dovecot}},
  {"XOAUTH2", true, true, {AuthUsers::dovecot}}, {"PLAIN", true, true, {}}, {"LOGIN", true, true, {}},
};

bool goes_with(const MechanismRule& rule, AuthUsers users) {
  if (users == AuthUsers::none) return false;
  return rule.users.size() == 0 || std::ranges::find(rule.users, users) != rule.users.end();
}

std::string_view users_text_of(AuthUsers users) {
  switch (users) {
    case AuthUsers::passwd_file: return "passwd-file:";
    case AuthUsers::pam: return "pam";
    case AuthUsers::dovecot: return "dovecot:";
    case AuthUsers::none: break;
  }
  return "";
}

bool anybody(const Auth& auth) { return auth.users != AuthUsers::none || !auth.kerberos.keytab.empty(); }

bool on_unix_socket(const Listener& listener) { return listener.address.starts_with("unix:"); }

constexpr const char* how_to_log_in = "write auth = { users = \"pam\"; }, or \"passwd-file:/path\" or \"dovecot:/path\"";

}  // namespace

void Checker::mechanism_names(const std::string& path, std::vector<std::string>& list, const std::vector<std::string>& known) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string place = fmt::format("{}[{}]", path, i);
    std::ranges::transform(list[i], list[i].begin(), ascii_upper);
    if (std::ranges::find(known, list[i]) == known.end()) {
      auto near = nearest(list[i], known);
      problem(place, fmt::format("unknown mechanism \"{}\"{}", escape(list[i], 60),
                                 near ? fmt::format(" (did you mean \"{}\"?)", *near) : fmt::format(": there are {}", fmt::join(known, ", "))));
    } else if (repeated(seen, list[i])) {
      problem(place, fmt::format("\"{}\" is in the list twice", list[i]));
    }
  }
}

void Checker::mechanisms(const std::string& path, std::vector<std::string>& list) {
  std::vector<std::string> known;
  for (const MechanismRule& rule : mechanism_rules) {
    if (rule.client) known.emplace_back(rule.name);
  }
  mechanism_names(path, list, known);
}

// Can anybody log in with each of them?
void Checker::server_mechanisms(const std::string& path, std::vector<std::string>& list, bool asks_certificate) {
  const Auth& auth = config_.auth;
  std::vector<std::string> known;
  for (const MechanismRule& rule : mechanism_rules) known.emplace_back(rule.name);
  mechanism_names(path, list, known);
  if (!anybody(auth)) return;           // said elsewhere
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto rule = std::ranges::find(mechanism_rules, list[i], &MechanismRule::name);
    if (rule == std::end(mechanism_rules)) continue;
    std::string place = fmt::format("{}[{}]", path, i);
    if (rule->name == gssapi) {
      if (auth.kerberos.keytab.empty() && !places_.has("auth.kerberos.keytab")) problem(place, "GSSAPI needs auth.kerberos.keytab, the keys of this server");
    } else if (rule->name == external) {
      if (auth.certificates.empty()) problem(place, "EXTERNAL needs auth.certificates, the file that says which certificate is whose");
      if (!asks_certificate) problem(place, "EXTERNAL needs a listener with ask_certificate = true");
    } else if (auth.users == AuthUsers::none) {
      if (!places_.has("auth.users")) problem(place, fmt::format("{} needs auth.users, who have passwords or tokens", rule->name));
    } else if (!goes_with(*rule, auth.users)) {
      problem(place, fmt::format("{} needs users = \"{}...\", not \"{}\"", rule->name, users_text_of(*rule->users.begin()), users_text_of(auth.users)));
    }
  }
}

void Checker::kerberos() {
  const Auth::Kerberos& kerberos = config_.auth.kerberos;
  bool told = places_.has("auth.kerberos.keytab");
  if (kerberos.keytab.empty() && !told && (!kerberos.principal.empty() || !kerberos.realms.empty())) {
    problem("auth.kerberos", "\"keytab\" is missing, the file with the keys of this server");
  }
  const std::string& principal = kerberos.principal;
  if (!principal.empty() && (has_control(principal) || principal.find('/') == std::string::npos)) {
    problem("auth.kerberos.principal", "expected the name of a service, such as \"smtp/mail.example.org@EXAMPLE.ORG\"");
  }
  for (std::size_t i = 0; i < kerberos.realms.size(); ++i) {
    const std::string& realm = kerberos.realms[i];
    bool good = !realm.empty() && !has_control(realm) && realm.find_first_of("@/\\ ") == std::string::npos;
    if (!good) problem(fmt::format("auth.kerberos.realms[{}]", i), fmt::format("\"{}\" is no realm: write \"EXAMPLE.ORG\"", escape(realm, 60)));
  }
}

void Checker::auth() {
  Auth& auth = config_.auth;
  bool asked = std::ranges::any_of(config_.listeners, &Listener::ask_certificate);
  server_mechanisms("auth.mechanisms", auth.mechanisms, asked);
  kerberos();
  bool wanted = !auth.mechanisms.empty() || !auth.certificates.empty();
  bool told = places_.has("auth.users") || places_.has("auth.kerberos");
  if (!anybody(auth) && wanted && !told) problem("auth", "\"users\" is missing: write users = \"passwd-file:/path\", \"pam\" or \"dovecot:/path\"");
}

// RFC 6409 §4.3: a submission server wants its users to log in, unless it is told to know them by their addresses.
void Checker::listener_auth(Listener& listener) {
  const std::string& path = listener.setting;
  bool users = anybody(config_.auth), told = places_.has("auth.users") || places_.has("auth.kerberos.keytab");
  bool for_users = listener.role == Role::submission || listener.role == Role::odmr;
  bool demanded = listener.auth_required.value_or(false);
  if (!listener.auth_required) listener.auth_required = for_users && !on_unix_socket(listener);
  bool needed = *listener.auth_required;
  if (!listener.auth) listener.auth = (for_users || (demanded && listener.role != Role::lmtp)) && users;
  if (listener.role == Role::lmtp) {
    if (*listener.auth) problem(path + ".auth", "LMTP has no log-ins");
    if (demanded) problem(path + ".auth_required", "LMTP has no log-ins");
    return;
  }
  if (needed && !users) {
    if (told) return;
    if (demanded) return problem(path + ".auth_required", fmt::format("nobody could log in: {}", how_to_log_in));
    return problem(path + ".role", fmt::format("\"{}\" needs users that log in: {}", listener.role == Role::odmr ? "odmr" : "submission", how_to_log_in));
  }
  if (*listener.auth && !users && !told) return problem(path + ".auth", fmt::format("nobody could log in: {}", how_to_log_in));
  if (needed && users && !*listener.auth) {
    if (demanded) problem(path + ".auth", "auth_required = true asks clients to log in, which this forbids");
    else if (listener.role == Role::odmr) problem(path + ".auth", "who fetches mail has to log in: leave auth out");
    else problem(path + ".auth", "a submission listener takes mail only from users that log in: leave auth out, or write role = \"relay\"");
  }
  listener_mechanisms(listener);
}

void Checker::listener_mechanisms(Listener& listener) {
  const std::string& path = listener.setting;
  const Auth& auth = config_.auth;
  if (!listener.auth_mechanisms.empty() && !*listener.auth) problem(path + ".auth_mechanisms", "clients can't log in here: write auth = true");
  server_mechanisms(path + ".auth_mechanisms", listener.auth_mechanisms, listener.ask_certificate);
  if (!*listener.auth || on_unix_socket(listener) || listener.tls != ListenerTls::none || auth.clear_text) return;
  const std::vector<std::string>& offered = listener.auth_mechanisms.empty() ? auth.mechanisms : listener.auth_mechanisms;
  auto open = [&](const MechanismRule& rule) {
    bool given = offered.empty() ? rule.name != external : std::ranges::find(offered, rule.name) != offered.end();
    bool works = rule.name == gssapi ? !auth.kerberos.keytab.empty() : goes_with(rule, auth.users);
    return !rule.clear && given && works;
  };
  if (anybody(auth) && std::ranges::none_of(mechanism_rules, open)) {
    problem(path, "nobody could log in: without TLS no password may be sent. Give tls.certificate and tls.key, or auth = false for this listener");
  }
}

// Whether there are such users is the machine's to say, and may change: `mansioctl check` does.
void Checker::operators(const std::string& path, const std::vector<std::string>& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string_view name = list[i];
    if (name.starts_with('@')) name.remove_prefix(1);
    bool good = !name.empty() && !has_control(name) && name.find_first_of("@:, ") == std::string_view::npos;
    if (!good) problem(fmt::format("{}[{}]", path, i), fmt::format("\"{}\" is no name: write \"user\" or \"@group\"", escape(list[i], 60)));
  }
}

void Checker::control() {
  operators("control.admins", config_.control_admins);
  operators("control.readers", config_.control_readers);
}

}  // namespace mansio::config
