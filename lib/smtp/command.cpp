#include "smtp/command.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.hpp"
#include "smtp/parameters.hpp"

namespace mansio::smtp {
namespace {

std::unexpected<Status> refuse(int code, std::uint16_t subject, std::uint16_t detail, std::string text) {
  return std::unexpected(Status(code, subject, detail, std::move(text)));
}

// "[::1]" lacks its tag, but some libraries send it; it is harmless here.
bool is_untagged_ipv6(std::string_view text) {
  if (text.size() < 4 || text.size() > 48 || !text.starts_with('[') || !text.ends_with(']')) return false;
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET6, std::string(text.substr(1, text.size() - 2)).c_str(), bytes.data()) == 1;
}

// What the session offers, or gave.
struct Context {
  bool smtputf8;
  std::string_view mail_name;             // of addresses without a domain; "": they are refused
};

ParsedCommand parse_hello(Command command, std::string_view rest, const Context&) {
  // RFC 2034 §4: no enhanced code in an answer to EHLO or HELO.
  if (rest.empty()) return std::unexpected(Status(501, std::string(verb_name(command.verb)) + " needs a host name"));
  bool valid = is_ascii(rest) && (mail::Domain::parse(rest) || is_untagged_ipv6(rest));
  if (!valid) return std::unexpected(Status(501, "Not a host name or address literal"));
  command.arguments = HelloArguments{std::string(rest)};
  return command;
}

// The Status for text that has 8-bit bytes and no right to them.
std::optional<Status> check_8bit(std::string_view text, bool allowed, bool offered) {
  if (is_ascii(text) || (allowed && is_utf8(text))) return std::nullopt;
  if (offered && is_utf8(text)) return Status(553, 6, 7, "Non-ASCII address without SMTPUTF8");   // RFC 6531 §3.5
  return Status(501, 5, 2, "8-bit characters are not allowed here");
}

struct ParsedPath {
  std::optional<mail::Address> address;   // nullopt: nothing or a bare "postmaster" between the brackets
  std::string_view mailbox, rest;
};

// "FROM:<path>" or "TO:<path>". `detail` is that of 5.1.x for a wrong address.
std::expected<ParsedPath, Status> parse_path(std::string_view rest, std::string_view keyword, std::uint16_t detail, const Context& context) {
  std::string syntax = "Syntax: " + std::string(keyword) + "<address>";
  if (!istarts_with(rest, keyword)) return refuse(501, 5, 4, syntax);
  auto path = split_path(rest.substr(keyword.size()));
  if (!path) return refuse(501, 1, detail, syntax);
  ParsedPath parsed{std::nullopt, path->mailbox, path->rest};
  bool postmaster = keyword == "TO:" && iequals(path->mailbox, "postmaster");   // RFC 5321 §4.5.1
  bool null = keyword == "FROM:" && path->mailbox.empty();
  if (postmaster || null) return parsed;
  if (!is_utf8(path->mailbox)) return refuse(501, 5, 2, "8-bit characters that are no UTF-8");
  auto address = mail::Address::parse(path->mailbox);
  // RFC 6409 §8.1: a user need not write his own domain.
  if (!address && !context.mail_name.empty()) {
    auto whole = mail::Address::parse(std::string(path->mailbox) + "@" + std::string(context.mail_name));
    if (whole && path->mailbox.find('@') == std::string_view::npos) address = std::move(whole);
  }
  if (!address) return refuse(501, 1, detail, "Bad address: " + address.error().text());
  parsed.address = std::move(*address);
  return parsed;
}

ParsedCommand parse_mail(Command command, std::string_view rest, const Context& context) {
  auto path = parse_path(rest, "FROM:", 7, context);
  if (!path) return std::unexpected(path.error());
  MailArguments arguments;
  auto parameters = parse_mail_parameters(path->rest, context.smtputf8, arguments);
  if (!parameters) return std::unexpected(parameters.error());
  if (auto status = check_8bit(path->mailbox, arguments.smtputf8, context.smtputf8)) return std::unexpected(std::move(*status));
  arguments.path = std::move(path->address);
  command.arguments = std::move(arguments);
  return command;
}

ParsedCommand parse_rcpt(Command command, std::string_view rest, const Context& context) {
  auto path = parse_path(rest, "TO:", 3, context);
  if (!path) return std::unexpected(path.error());
  RcptArguments arguments;
  auto parameters = parse_rcpt_parameters(path->rest, context.smtputf8, arguments);
  if (!parameters) return std::unexpected(parameters.error());
  if (auto status = check_8bit(path->mailbox, context.smtputf8, true)) return std::unexpected(std::move(*status));
  arguments.path = std::move(path->address);
  command.arguments = std::move(arguments);
  return command;
}

// RFC 3030 §2: BDAT SP size [SP "LAST"]
ParsedCommand parse_bdat(Command command, std::string_view rest, const Context&) {
  std::string_view digits = rest.substr(0, rest.find_first_of(" \t"));
  std::string_view last = trim(rest.substr(digits.size()));
  bool number = !digits.empty() && std::ranges::all_of(digits, is_digit);
  if (!number || (!last.empty() && !iequals(last, "LAST"))) return refuse(501, 5, 4, "Syntax: BDAT size [LAST]");
  auto size = parse_number(digits).value_or(std::numeric_limits<std::uint64_t>::max());
  command.arguments = BdatArguments{size, !last.empty()};
  return command;
}

ParsedCommand parse_nothing(Command command, std::string_view rest, const Context&) {
  if (!rest.empty()) return refuse(501, 5, 4, std::string(verb_name(command.verb)) + " takes no argument");
  return command;
}

ParsedCommand parse_text(Command command, std::string_view rest, const Context&) {
  command.arguments = TextArguments{std::string(rest), false};
  return command;
}

ParsedCommand parse_needed_text(Command command, std::string_view rest, const Context& context) {
  TextArguments arguments;
  bool searches = command.verb == Verb::vrfy || command.verb == Verb::expn;
  auto blank = rest.find_last_of(" \t");
  if (searches && context.smtputf8 && blank != std::string_view::npos && iequals(rest.substr(blank + 1), "SMTPUTF8")) {
    arguments.smtputf8 = true;
    rest = trim(rest.substr(0, blank));
  }
  if (rest.empty()) return refuse(501, 5, 4, std::string(verb_name(command.verb)) + " needs an argument");
  if (auto status = check_8bit(rest, arguments.smtputf8, searches && context.smtputf8)) return std::unexpected(std::move(*status));
  arguments.text = rest;
  command.arguments = std::move(arguments);
  return command;
}

// RFC 4954 §4: AUTH SP sasl-mech [SP initial-response]; mechanism names by RFC 4422 §3.1.
ParsedCommand parse_auth(Command command, std::string_view rest, const Context&) {
  AuthArguments arguments;
  std::string_view mechanism = rest.substr(0, rest.find_first_of(" \t"));
  bool valid = !mechanism.empty() && mechanism.size() <= 20 && std::ranges::all_of(mechanism, [](char c) {
    return is_alnum(c) || c == '-' || c == '_';
  });
  std::string_view initial = trim(rest.substr(mechanism.size()));
  if (!valid || initial.find_first_of(" \t") != std::string_view::npos) {
    return refuse(501, 5, 4, "Syntax: AUTH mechanism [initial-response]");
  }
  for (char c : mechanism) arguments.mechanism += ascii_upper(c);
  if (!initial.empty()) arguments.initial = crypto::Secret(initial);
  command.arguments = std::move(arguments);
  return command;
}

// RFC 1985 §5.2.
ParsedCommand parse_etrn(Command command, std::string_view rest, const Context&) {
  EtrnArguments arguments;
  arguments.text = rest;
  if (rest.starts_with('@')) arguments.node = EtrnArguments::Node::below;
  if (rest.starts_with('#')) arguments.node = EtrnArguments::Node::queue;
  if (arguments.node != EtrnArguments::Node::domain) rest.remove_prefix(1);
  if (rest.empty()) return refuse(501, 5, 4, "Syntax: ETRN domain, @domain or #queue");
  if (!is_ascii(rest)) return refuse(501, 5, 2, "8-bit characters are not allowed here");
  arguments.name = rest;
  if (arguments.node != EtrnArguments::Node::queue) {
    auto domain = mail::Domain::parse(rest);
    if (!domain) return refuse(501, 5, 4, "Not a domain: " + domain.error().text());
    arguments.name = domain->key();
  }
  command.arguments = std::move(arguments);
  return command;
}

// RFC 2645 §5.2.1: ATRN [SP domain *("," domain)]
ParsedCommand parse_atrn(Command command, std::string_view rest, const Context&) {
  constexpr std::size_t domains_limit = 100;
  AtrnArguments arguments;
  if (!rest.empty()) {
    for (std::string_view name : split(rest, ',')) {
      auto domain = mail::Domain::parse(trim(name));
      if (!domain || arguments.domains.size() >= domains_limit) return refuse(501, 5, 4, "Syntax: ATRN [domain,domain...]");
      arguments.domains.push_back(domain->key());
    }
  }
  command.arguments = std::move(arguments);
  return command;
}

struct VerbRow {
  std::string_view name;
  ParsedCommand (*parse)(Command, std::string_view, const Context&);
  bool may_be_8bit;     // its parser checks 8-bit bytes itself
};

// In the order of Verb.
constexpr std::array<VerbRow, verb_count> verbs{{
    {"EHLO", parse_hello, true}, {"HELO", parse_hello, true}, {"LHLO", parse_hello, true},
    {"MAIL", parse_mail, true}, {"RCPT", parse_rcpt, true}, {"DATA", parse_nothing, false}, {"BDAT", parse_bdat, false},
    {"RSET", parse_nothing, false}, {"NOOP", parse_text, false}, {"QUIT", parse_nothing, false},
    {"VRFY", parse_needed_text, true}, {"EXPN", parse_needed_text, true}, {"HELP", parse_text, false},
    {"ETRN", parse_etrn, true}, {"STARTTLS", parse_nothing, false}, {"AUTH", parse_auth, false},
    {"ATRN", parse_atrn, false}, {"TURN", parse_text, false},
}};

}  // namespace

std::optional<Verb> verb_of(std::string_view line) noexcept {
  std::string_view word = line.substr(0, line.find_first_of(" \t"));
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    if (iequals(verbs[i].name, word)) return static_cast<Verb>(i);
  }
  return std::nullopt;
}

std::string_view verb_name(Verb verb) noexcept { return verbs[static_cast<std::size_t>(verb)].name; }

ParsedCommand parse_command(std::string_view line, bool allow_smtputf8, std::string_view mail_name) {
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);   // RFC 5321 §4.1.1
  bool control = std::ranges::any_of(line, [](char c) { return is_control(c) && c != '\t'; });
  if (control) return refuse(500, 5, 2, "Control characters are not allowed in commands");
  auto verb = verb_of(line);
  if (!verb) return refuse(500, 5, 2, "Command not recognized");
  const VerbRow& row = verbs[static_cast<std::size_t>(*verb)];
  if (!row.may_be_8bit && !is_ascii(line)) return refuse(501, 5, 2, "8-bit characters are not allowed here");
  return row.parse(Command(*verb), trim(line.substr(row.name.size())), Context{allow_smtputf8, mail_name});
}

}  // namespace mansio::smtp
