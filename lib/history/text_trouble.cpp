#include <array>

#include "base/text.hpp"
#include "history/text_fields.hpp"

namespace mansio::history {
namespace {

bool take_quoted(Cursor& at, std::string& out) {
  if (!at.take("\"")) return false;
  auto text = at.until("\"");
  if (text) out = unescape(*text);
  return text.has_value();
}

using Kind = log::ConnectionTrouble::Kind;
using Trouble = log::ConnectionTrouble;

// "H=host" and nothing else of it is fields: what follows is free text.
bool take_bare_host(Cursor& at, Trouble& out) { return at.take("H=") && take_host(at, out.host); }

bool parse_early(Cursor& at, Trouble& out) {
  if (out.kind == Kind::early_talker) return take_bare_host(at, out) && at.take(" input=") && take_quoted(at, out.input);
  return take_quoted(at, out.command) && at.take(" ") && take_bare_host(at, out) && at.take(" next input=") && take_quoted(at, out.input);
}

bool parse_dropped(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out)) return false;
  if (at.take(" dropped: too many syntax or protocol errors (last command was ")) return take_quoted(at, out.command);
  out.kind = Kind::too_many_nonmail;
  return at.take(" dropped: too many nonmail commands (last was ") && take_quoted(at, out.command);
}

bool parse_wrong_command(Cursor& at, Trouble& out) {
  if (!take_quoted(at, out.command) || !at.take(" ") || !take_bare_host(at, out) || !at.take(" ")) return false;
  out.text = unescape(at.rest);
  return true;
}

bool parse_end(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out)) return false;
  Fields fields = take_fields(at);
  out.sender = std::move(fields.sender);
  out.duration = fields.duration;
  return true;
}

bool parse_tls_error(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out) || !at.take(": ")) return false;
  out.text = unescape(at.rest);
  return true;
}

bool parse_refused(Cursor& at, Trouble& out) {
  if (!take_address(at, out.host.address, out.host.port) || !at.take(" refused: ")) return false;
  out.text = unescape(at.rest);
  return true;
}

bool parse_no_mail(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out) || !at.take(" D=")) return false;
  out.duration = parse_time(at.word());
  if (!at.take(" C=")) return true;
  for (std::string_view command : split(at.word(), ',')) out.commands.push_back(unescape(command));
  return true;
}

struct TroubleRow {
  std::string_view words;
  Kind kind;
  bool (*parse)(Cursor&, Trouble&);
};
constexpr std::array<TroubleRow, 12> trouble_rows{{
    {"unexpected disconnection while reading SMTP command from ", Kind::lost, parse_end},
    {"no MAIL in SMTP connection from ", Kind::no_mail, parse_no_mail},
    {"SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from ", Kind::early_talker, parse_early},
    {"SMTP protocol synchronization error (next input sent too soon: pipelining was not allowed here): rejected ", Kind::early_pipelining, parse_early},
    {"SMTP call from ", Kind::too_many_errors, parse_dropped},
    {"SMTP syntax error in ", Kind::syntax_error, parse_wrong_command},
    {"SMTP protocol error in ", Kind::protocol_error, parse_wrong_command},
    {"SMTP connection lost while reading message data ", Kind::lost_in_data, parse_end},
    {"SMTP command timeout on connection from ", Kind::command_timeout, parse_end},
    {"SMTP data timeout (message abandoned) on connection from ", Kind::data_timeout, parse_end},
    {"TLS error on connection from ", Kind::tls_error, parse_tls_error},
    {"Connection from ", Kind::refused, parse_refused},
}};

}  // namespace

std::optional<log::Event> parse_trouble(Cursor at) {
  for (const TroubleRow& row : trouble_rows) {
    if (!at.take(row.words)) continue;
    Trouble out;
    out.kind = row.kind;
    if (!row.parse(at, out)) return std::nullopt;
    return out;
  }
  return std::nullopt;
}

// SMTP connection from host I=[ip]:port (TCP/IP connection count = 1) | D=1s closed by QUIT | lost D=1s | D=1s ended by this server
std::optional<log::Event> parse_connection(Cursor at) {
  using What = log::Connection::What;
  log::Connection out;
  if (!at.take("SMTP connection from ") || !take_host(at, out.host)) return std::nullopt;
  Fields fields = take_fields(at);
  out.local_address = std::move(fields.local_address);
  out.local_port = fields.local_port;
  if (at.take(" lost")) {
    out.what = What::lost;
    fields.duration = take_fields(at).duration;
  }
  out.duration = fields.duration;
  if (out.what == What::lost && at.rest.empty()) return out;
  if (at.take(" (TCP/IP connection count = ")) {
    auto count = at.until(")");
    auto number = count ? parse_number(*count) : std::nullopt;
    out.count = number.value_or(0);
    return number && at.rest.empty() ? std::optional<log::Event>(out) : std::nullopt;
  }
  if (at.rest == " closed by QUIT") out.what = What::quit;
  else if (at.rest == " ended by this server") out.what = What::ended;
  else return std::nullopt;
  return out;
}

// MECHANISM authenticator failed for host: 535 … (set_id=user)
std::optional<log::Event> parse_auth_failure(Cursor at) {
  log::AuthFailure out;
  out.mechanism = at.word();
  if (!at.take(" authenticator failed for ") || !take_host(at, out.host) || !at.take(": 535 ")) return std::nullopt;
  if (auto user = at.rest.find(" (set_id="); user != std::string_view::npos && at.rest.ends_with(')')) {
    out.user = unescape(at.rest.substr(user + 9, at.rest.size() - user - 10));
  }
  return out;
}

}  // namespace mansio::history
