#include "log/text.hpp"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::log {
namespace {

// Escaped text in which the characters of `special`, too, are shown as \xHH.
std::string escape_also(std::string_view text, std::string_view special, std::size_t limit = 1024) {
  std::string escaped = escape(text, limit), out;
  if (escaped.find_first_of(special) == std::string::npos) return escaped;
  for (char c : escaped) {
    if (special.find(c) == std::string_view::npos) out += c;
    else out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

// One word: no blank, so that fields of a line can't be imitated.
std::string word(std::string_view text) { return escape_also(text, " "); }
// A name in parentheses: none of its own, or a HELO could show fail2ban a second address.
std::string helo_word(std::string_view text) { return escape_also(text, " ()", 256); }
std::string in_quotes(std::string_view text) { return '"' + escape_also(text, "\"") + '"'; }
std::string word_in_quotes(std::string_view text) { return '"' + escape_also(text, " \"") + '"'; }

std::string bracketed(std::string_view address, std::uint16_t port) {
  std::string out = fmt::format("[{}]", word(address));
  if (port != 0) out += fmt::format(":{}", port);
  return out;
}

// host = name [ip] | (helo) [ip] | name (helo) [ip]
std::string host_text(const Host& host) {
  std::string out;
  if (!host.name.empty()) out += word(host.name) + ' ';
  if (!host.helo.empty() && !iequals(host.helo, host.name)) out += fmt::format("({}) ", helo_word(host.helo));
  return out + bracketed(host.address, host.port);
}

std::string host_field(const Host& host) { return host.address.empty() ? "" : " H=" + host_text(host); }

// A deferral's host stands behind its text. Where there is none, no text ends like one.
std::string text_before_host(const Deferral& e) {
  std::string text = escape(e.text);
  auto at = e.host.address.empty() ? text.rfind(" H=") : std::string::npos;
  if (at != std::string::npos) text.replace(at, 1, "\\x20");
  return text;
}

std::string field(std::string_view key, std::string_view value) {
  return value.empty() ? std::string() : fmt::format(" {}={}", key, word(value));
}

std::string sender_field(const std::optional<std::string>& sender) {
  return sender ? fmt::format(" F=<{}>", word(*sender)) : std::string();
}

std::string tls_fields(const std::optional<Tls>& tls) {
  if (!tls) return {};
  std::string out = fmt::format(" X={}:{}:{}", word(tls->version), word(tls->cipher), tls->bits);
  if (tls->verified) out += *tls->verified ? " CV=yes" : " CV=no";
  if (!tls->subject.empty()) out += " DN=" + word_in_quotes(tls->subject);
  return out + field("SNI", tls->server_name);
}

// Whole seconds as Exim writes them ("1d2h3m4s"), which eximstats reads; below one second "0.123s".
std::string time_text(Duration duration) {
  using namespace std::chrono;
  auto ms = std::max<std::int64_t>(duration.count(), 0);
  if (ms < 1000) return ms == 0 ? "0s" : fmt::format("0.{:03}s", ms);
  std::int64_t rest = ms / 1000;
  std::string out;
  for (auto [unit, letter] : {std::pair{604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}) {
    if (rest >= unit) out += fmt::format("{}{}", rest / unit, letter);
    rest %= unit;
  }
  return out;
}

std::string time_field(std::string_view key, const std::optional<Duration>& duration) {
  return duration ? fmt::format(" {}={}", key, time_text(*duration)) : std::string();
}

std::string original_field(std::string_view address, std::string_view original) {
  return original.empty() || original == address ? std::string() : fmt::format(" <{}>", word(original));
}

std::string_view mark_text(Delivery::Mark mark) {
  switch (mark) {
    case Delivery::Mark::first: return "=>";
    case Delivery::Mark::further: return "->";
    case Delivery::Mark::cut_through: return ">>";
    case Delivery::Mark::suppressed: return "*>";
  }
  return "=>";
}

// Senders of RCPT refusals are long-lived in the log: lists are cut after this many.
constexpr std::size_t listed_recipients = 100;

struct LineFormatter {
  std::string operator()(const Arrival& e) const {
    std::string out = e.id + " <= " + (e.sender.empty() ? "<>" : word(e.sender));
    out += field("R", e.reply_to_id) + host_field(e.host);
    if (!e.local_address.empty()) out += " I=" + bracketed(e.local_address, e.local_port);
    out += field("U", e.user) + field("P", e.protocol) + tls_fields(e.tls) + field("A", e.auth);
    out += fmt::format(" S={}", e.size);
    if (!e.host.address.empty() || e.body != BodyType::unspecified) out += fmt::format(" M8S={}", body_digit(e.body));
    out += field("DKIM", e.dkim) + field("id", e.message_id);
    if (e.recipients.empty()) return out;
    out += " for";
    for (std::size_t i = 0; i < e.recipients.size() && i < listed_recipients; ++i) out += ' ' + word(e.recipients[i]);
    if (e.recipients.size() > listed_recipients) {
      out += fmt::format(" ...({} more)", e.recipients.size() - listed_recipients);
    }
    return out;
  }

  std::string operator()(const Delivery& e) const {
    std::string out = fmt::format("{} {} {}", e.id, mark_text(e.mark), word(e.address));
    out += original_field(e.address, e.original) + sender_field(e.sender);
    out += field("R", e.route) + field("T", e.transport);
    if (e.size != 0) out += fmt::format(" S={}", e.size);
    out += host_field(e.host);
    if (e.dnssec) out += '*';
    out += tls_fields(e.tls) + field("A", e.auth);
    if (e.pipelining) out += " L";
    if (e.chunking) out += " K";
    if (!e.reply.empty()) out += " C=" + in_quotes(e.reply);
    return out + time_field("QT", e.queue_time) + time_field("DT", e.delivery_time);
  }

  std::string operator()(const Deferral& e) const {
    std::string out = fmt::format("{} == {}", e.id, word(e.address));
    out += original_field(e.address, e.original) + field("R", e.route) + field("T", e.transport);
    return out + fmt::format(" defer ({}): {}", e.number, text_before_host(e)) + host_field(e.host);
  }

  std::string operator()(const Failure& e) const {
    std::string out = fmt::format("{} ** {}", e.id, word(e.address));
    out += original_field(e.address, e.original) + field("R", e.route) + field("T", e.transport);
    return out + host_field(e.host) + ": " + escape(e.text);
  }

  std::string operator()(const Completed& e) const { return e.id + " Completed" + time_field("QT", e.queue_time); }

  std::string operator()(const Rejection& e) const {
    std::string out = e.id.empty() ? "" : e.id + ' ';
    out += "H=" + host_text(e.host) + tls_fields(e.tls) + sender_field(e.sender) + field("A", e.auth);
    out += e.temporary ? " temporarily rejected " : " rejected ";
    return out + refused(e) + ": " + escape(e.reason);
  }

  std::string operator()(const ConnectionTrouble& e) const {
    using Kind = ConnectionTrouble::Kind;
    std::string host = "H=" + host_text(e.host), sender = sender_field(e.sender);
    switch (e.kind) {
      case Kind::early_talker:
        return fmt::format("SMTP protocol synchronization error (input sent without waiting for greeting): "
                           "rejected connection from {} input={}", host, in_quotes(e.input));
      case Kind::early_pipelining:
        return fmt::format("SMTP protocol synchronization error (next input sent too soon: pipelining was not "
                           "allowed here): rejected {} {} next input={}", word_in_quotes(e.command), host, in_quotes(e.input));
      case Kind::too_many_errors:
        return fmt::format("SMTP call from {} dropped: too many syntax or protocol errors (last command was {})", host,
                           in_quotes(e.command));
      case Kind::too_many_nonmail:
        return fmt::format("SMTP call from {} dropped: too many nonmail commands (last was {})", host, in_quotes(e.command));
      case Kind::syntax_error: return fmt::format("SMTP syntax error in {} {} {}", in_quotes(e.command), host, escape(e.text));
      case Kind::protocol_error:
        return fmt::format("SMTP protocol error in {} {} {}", in_quotes(e.command), host, escape(e.text));
      case Kind::lost: return fmt::format("unexpected disconnection while reading SMTP command from {}{}{}", host, sender,
                                          time_field("D", e.duration));
      case Kind::lost_in_data: return fmt::format("SMTP connection lost while reading message data {}{}", host, sender);
      case Kind::command_timeout: return fmt::format("SMTP command timeout on connection from {}{}", host, sender);
      case Kind::data_timeout:
        return fmt::format("SMTP data timeout (message abandoned) on connection from {}{}", host, sender);
      case Kind::tls_error: return fmt::format("TLS error on connection from {}: {}", host, escape(e.text));
      case Kind::refused:
        return fmt::format("Connection from {} refused: {}", bracketed(e.host.address, e.host.port), escape(e.text));
      case Kind::no_mail: return no_mail(e, host);
    }
    return host;
  }

  std::string operator()(const Connection& e) const {
    std::string out = "SMTP connection from " + host_text(e.host);
    if (!e.local_address.empty()) out += " I=" + bracketed(e.local_address, e.local_port);
    switch (e.what) {
      case Connection::What::begun: return out + fmt::format(" (TCP/IP connection count = {})", e.count);
      case Connection::What::quit: return out + time_field("D", e.duration) + " closed by QUIT";
      case Connection::What::lost: return out + " lost" + time_field("D", e.duration);
      case Connection::What::ended: return out + time_field("D", e.duration) + " ended by this server";
    }
    return out;
  }

  std::string operator()(const AuthFailure& e) const {
    std::string mechanism;   // fail2ban wants one word of letters, digits and '_'
    for (char c : e.mechanism) mechanism += is_alnum(c) ? c : '_';
    std::string out = fmt::format("{} authenticator failed for {}: 535 Incorrect authentication data",
                                  mechanism.empty() ? "unknown" : mechanism.substr(0, 32), host_text(e.host));
    return e.user.empty() ? out : out + fmt::format(" (set_id={})", word(e.user));
  }

  std::string operator()(const Notice& e) const { return (e.id.empty() ? "" : e.id + ' ') + escape(e.text, 4096); }

 private:
  static char body_digit(BodyType body) {
    return body == BodyType::eight_bit ? '8' : body == BodyType::seven_bit ? '7' : '0';
  }

  static std::string refused(const Rejection& e) {
    switch (e.stage) {
      case Rejection::Stage::connection: return "connection in \"connect\" ACL";
      case Rejection::Stage::helo: return "EHLO or HELO " + word(e.argument);
      case Rejection::Stage::mail: return fmt::format("MAIL <{}>", word(e.argument));
      case Rejection::Stage::rcpt: return fmt::format("RCPT <{}>", word(e.argument));
      case Rejection::Stage::data: return "after DATA";
      case Rejection::Stage::other: return escape(e.argument);
    }
    return "";
  }

  static std::string no_mail(const ConnectionTrouble& e, const std::string& host) {
    std::string out = fmt::format("no MAIL in SMTP connection from {} D={}", host, time_text(e.duration.value_or(Duration{})));
    for (std::size_t i = 0; i < e.commands.size() && i < 20; ++i) out += (i == 0 ? " C=" : ",") + word(e.commands[i]);
    return out;
  }
};

}  // namespace

std::string_view Stamp::text(Time time) {
  std::int64_t second = unix_seconds(time);
  if (second != second_ || text_.empty()) {
    std::time_t clock = second;
    std::tm local{};
    ::localtime_r(&clock, &local);
    text_ = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
                        local.tm_hour, local.tm_min, local.tm_sec);
    second_ = second;
  }
  return text_;
}

std::string format_line(const Event& event) { return std::visit(LineFormatter{}, event); }

std::string format_text(const Event& event, Time time) {
  Stamp stamp;
  return fmt::format("{} {}", stamp.text(time), format_line(event));
}

std::string format_reject_details(const Rejection& e) {
  if (e.headers.empty() && e.recipients.empty()) return {};
  std::string out = fmt::format("  Envelope-from: <{}>\n", word(e.sender.value_or("")));
  for (std::size_t i = 0; i < e.recipients.size() && i < listed_recipients; ++i) {
    out += fmt::format("  {} <{}>\n", i == 0 ? "Envelope-to:" : "            ", word(e.recipients[i]));
  }
  for (std::size_t i = 0; i < e.headers.size() && i < 200; ++i) out += fmt::format("  {}\n", escape(e.headers[i]));
  return out;
}

}  // namespace mansio::log
