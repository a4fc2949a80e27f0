#include "smtp/server.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "smtp/masking.hpp"
#include "smtp/reply.hpp"

namespace mansio::smtp {
namespace {

enum : unsigned {
  smtp_only = 1,
  lmtp_only = 2,
  needs_hello = 4,
  needs_extensions = 8,        // not after HELO
  needs_mail = 16,
  needs_recipient = 32,
  before_content = 64,         // not between two chunks
  no_mail = 128,               // not within a transaction
  octets_follow = 256,         // which are read away when the command is refused
  ends_group = 512,            // RFC 2920 §3.1: the client waits for the answer
  barren = 1024,               // brings no mail by itself: bounded
  unbounded = 2048,            // answered also when too many barren commands came
  before_tls = 4096,           // also where TLS is required (RFC 3207 §4)
  needs_login = 8192,          // where authentication is required
  mail_only = 16384,           // not where mail is given instead of taken (RFC 2645)
};

constexpr std::size_t out_limit = 16 * 1024;          // replies gathered before they are sent in any case
constexpr std::uint64_t least_barren_limit = 100;
constexpr Duration linger_time(500);
constexpr std::size_t quoted_input = 200;             // of an early talker, for the log

// A browser was made to talk to us (S-055): nothing after such a line is meant as SMTP.
bool is_http(std::string_view line) {
  constexpr std::array<std::string_view, 11> starts{"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ",
                                                    "PATCH ", "TRACE ", "PRI ", "Host:"};
  return std::ranges::any_of(starts, [line](std::string_view start) { return istarts_with(line, start); });
}

}  // namespace

// In the order of Verb. EXPN and TURN never will be: 502 (RFC 5321 §4.2.4).
const Session::Row Session::rows[verb_count] = {
    {Verb::ehlo, smtp_only | ends_group | barren | before_tls, &Session::hello},
    {Verb::helo, smtp_only | ends_group | barren, &Session::hello},
    {Verb::lhlo, lmtp_only | ends_group | barren | before_tls, &Session::hello},
    {Verb::mail, needs_hello | no_mail | needs_login | mail_only, &Session::mail},
    {Verb::rcpt, needs_hello | needs_mail | before_content | mail_only, &Session::rcpt},
    {Verb::data, needs_hello | needs_mail | before_content | needs_recipient | ends_group | unbounded | mail_only, &Session::data},
    {Verb::bdat, needs_hello | needs_extensions | needs_mail | needs_recipient | octets_follow | unbounded | mail_only,
     &Session::bdat},
    {Verb::rset, barren, &Session::rset},
    {Verb::noop, ends_group | barren | before_tls, &Session::noop},
    {Verb::quit, ends_group | unbounded | before_tls, &Session::quit},
    {Verb::vrfy, ends_group | barren | mail_only, &Session::vrfy},
    {Verb::expn, ends_group, nullptr},
    {Verb::help, ends_group | barren, &Session::help},
    {Verb::etrn, smtp_only | needs_hello | no_mail | ends_group | barren | mail_only, &Session::etrn},
    {Verb::starttls, no_mail | ends_group | barren | before_tls, &Session::starttls},
    {Verb::auth, needs_hello | needs_extensions | no_mail | ends_group | barren, &Session::auth},
    {Verb::atrn, smtp_only | needs_hello | needs_extensions | no_mail | needs_login | ends_group | barren, &Session::atrn},
    {Verb::turn, ends_group, nullptr},
};

event::Task<> serve(net::Connection& connection, Handler& handler, const SessionOptions& options, Conversation& conversation) {
  Session session(connection, handler, options, conversation);
  co_await session.run();
}

event::Task<> serve(net::Connection& connection, Handler& handler, const SessionOptions& options) {
  Conversation unseen;
  co_await serve(connection, handler, options, unseen);
}

Session::Session(net::Connection& connection, Handler& handler, const SessionOptions& options, Conversation& conversation)
    : connection_(connection), handler_(handler), options_(options), conversation_(conversation),
      pace_(options_.data_minimum_rate, options_.rate_window) {}

event::Task<> Session::run() {
  Result<> going;
  if (options_.tls == TlsUse::implicit) {
    auto begun = co_await secure();
    going = std::move(begun);
  }
  if (going) co_await greet();
  while (!over_ && going) {
    auto stepped = co_await step();
    going = std::move(stepped);
  }
  if (!going && !broken_) part(going.error());
  // RFC 5321 §4.1.1.10: what is under way when the connection ends never was.
  if (transaction_) end_transaction();
  if (write_failed_ || turned_) {
    if (turned_) co_await flush();
    co_return;
  }
  if (broken_) {      // the alert that tells why is on its way
    co_await connection_.linger(event::Deadline::in(linger_time));
    co_return;
  }
  auto sent = co_await flush();
  if (sent && connection_.input_waiting()) co_await connection_.linger(event::Deadline::in(linger_time));
}

event::Task<> Session::greet() {
  auto welcome = co_await handler_.connected();
  if (welcome.ok() && !options_.local && connection_.input_waiting()) {
    // RFC 5321 §4.3.1: the client waits for the greeting. One that doesn't won't read our replies either.
    auto input = co_await connection_.read_chunk(event::Deadline::in(Duration(0)));
    if (input) {       // else it went away, or sent half a TLS record
      tell(Trouble::early_talker, "", masked_input(input->substr(0, quoted_input)));
      welcome = Status(554, "you talked before you were greeted");
    }
  }
  over_ = !welcome.ok();
  say(Status(welcome.code(), options_.host_name + " " + welcome.text()));   // RFC 2034 §4: no enhanced code
}

// One command, or one line that is none, and its reply.
event::Task<Result<>> Session::step() {
  auto line = co_await next_line(longest_command());
  // AUTH may be longer than other commands.
  bool other = line && line->size() + 2 > options_.command_line && verb_of(*line) != Verb::auth;
  if (other) line = fail(Fault::too_long, "line too long");
  Reply reply = Status();
  send_now_ = true;
  if (line) {
    hear_line(*line);
    auto answered = co_await answer(*line);
    reply = std::move(answered);
  } else if (line.error().fault() == Fault::too_long || line.error().fault() == Fault::invalid) {
    data_refused_ = false;
    secrets_may_follow_ = true;       // it may have been AUTH
    conversation_.hear(Heard::note, "a line that is none: " + line.error().text());
    reply = mistake(Trouble::syntax_error, "", Status(500, 5, 2, line.error().text()));
  } else {
    co_return std::unexpected(line.error());
  }
  if (secrets_may_follow_) connection_.wipe_lines();
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->code() == 421) over_ = true;
  say(*reply);
  if (!send_now_ || over_) co_return Result<>();
  auto sent = co_await flush();
  if (!sent || !handshake_next_) co_return sent;
  auto begun = co_await secure();
  co_return begun;
}

std::size_t Session::longest_command() const noexcept {
  bool login = !options_.mechanisms.empty() && !authenticated_;
  return login ? std::max<std::size_t>(options_.command_line, auth_line) : options_.command_line;
}

event::Task<Result<std::string_view>> Session::next_line(std::size_t limit) {
  auto deadline = event::Deadline::in(options_.command_timeout);
  for (;;) {
    if (connection_.finishing() && !transaction_) co_return fail(Fault::cancelled, "stopping");
    // RFC 2920 §3.2: replies are kept together while whole commands are there, and never while we wait.
    if (!connection_.has_line() || out_.size() > out_limit) {
      auto sent = co_await flush();
      if (!sent) co_return std::unexpected(sent.error());
    }
    auto line = co_await connection_.read_line(limit, deadline);
    bool go_on = !line && line.error().fault() == Fault::cancelled && transaction_ && connection_.resume();
    if (!go_on) co_return line;
  }
}

event::Task<Session::Reply> Session::answer(std::string_view line) {
  auto verb = verb_of(line);
  if (auto last = hopeless(line, verb)) co_return std::move(*last);
  if (verb) secrets_may_follow_ = *verb == Verb::auth;
  if (verb) conversation_.verb = *verb;
  if (!verb) {
    auto unknown = parse_command(line, false);
    co_return mistake(Trouble::syntax_error, line, unknown.error());
  }
  const Row& row = rows[static_cast<std::size_t>(*verb)];
  send_now_ = (row.flags & ends_group) != 0;
  if (row.flags & barren) ++barren_;
  if (auto refused = gate(row)) {
    Status status = mistake(Trouble::protocol_error, line, std::move(*refused));
    auto reply = co_await refuse_command(row, line, std::move(status));
    co_return reply;
  }
  auto command = parse_command(line, *verb == Verb::rcpt ? transaction_->smtputf8 : extended(), options_.mail_name);
  if (!command) {
    data_refused_ = *verb == Verb::data;
    co_return mistake(Trouble::syntax_error, line, command.error());
  }
  auto reply = co_await (this->*row.run)(std::move(*command));
  co_return reply;
}

// A refused command, once what belongs to it is out of the way.
event::Task<Session::Reply> Session::refuse_command(const Row& row, std::string_view line, Status status) {
  if (row.verb == Verb::data) {
    data_refused_ = true;
    body_may_follow_ = connection_.has_input();
  }
  if (!(row.flags & octets_follow) || status.code() == 421) co_return status;
  auto command = parse_command(line, false);
  if (!command) co_return status;
  // RFC 3030 §2: the octets of a refused chunk are discarded before the answer.
  auto gone = co_await discard(std::get<BdatArguments>(command->arguments).size);
  if (!gone) co_return std::unexpected(gone.error());
  co_return status;
}

// Lines after which nothing good can come: the session ends at them.
std::optional<Status> Session::hopeless(std::string_view line, std::optional<Verb> verb) {
  bool refused = std::exchange(data_refused_, false), early = std::exchange(body_may_follow_, false);
  // A body sent without waiting for 354: none of its lines may be taken for a command (S-075). A client that sends
  // more before the answer to DATA breaks RFC 2920 §3.1.
  bool body = (refused && !verb) || (early && (*verb == Verb::mail || *verb == Verb::rcpt));
  if (body) {
    tell(Trouble::protocol_error, line, "a message follows DATA that was refused");
    return closing(5, 0, "that is no command: DATA was refused");
  }
  if (!verb && is_http(line)) {
    tell(Trouble::protocol_error, line, "HTTP");
    return closing(7, 0, "this is no HTTP server");
  }
  bool bounded = !verb || !(rows[static_cast<std::size_t>(*verb)].flags & unbounded);
  if (bounded && barren_ >= std::max(least_barren_limit, options_.recipients)) {
    tell(Trouble::too_many_errors, line, "too many commands without a message");
    return closing(7, 0, "too many commands without a message");
  }
  return std::nullopt;
}

// Is it a command of this protocol?
bool Session::spoken(const Row& row) const noexcept { return !(row.flags & (lmtp() ? smtp_only : lmtp_only)); }

// Does this listener have it at all? What is listed in EHLO is; STARTTLS is too when it is too late for it.
bool Session::available(const Row& row) const noexcept {
  if (row.verb == Verb::starttls) return options_.tls != TlsUse::none;
  if (row.verb == Verb::auth) return !options_.mechanisms.empty();
  if (row.verb == Verb::etrn) return options_.etrn && !options_.odmr;
  if (row.verb == Verb::atrn) return options_.odmr;
  return row.run != nullptr && !(options_.odmr && (row.flags & mail_only));
}

std::optional<Status> Session::gate(const Row& row) const {
  if (!spoken(row)) {
    // RFC 2033 §4.1: LMTP knows no EHLO and no HELO.
    return Status(500, 5, 1, lmtp() ? "this is LMTP: say LHLO" : "this is SMTP: say EHLO");
  }
  if (!available(row)) {
    // RFC 5321 §F.1: it would give the mail of a domain to whoever says that he is it.
    std::string_view why = row.verb == Verb::turn ? ", for it is not safe: use ETRN, or log in and use ATRN" : "";
    return Status(502, 5, 1, std::string(verb_name(row.verb)) + (options_.odmr && (row.flags & mail_only) ? " is not for this port" : " is not implemented") + std::string(why));
  }
  if (!(row.flags & before_tls) && tls_missing()) return Status(530, 7, 0, "Must issue a STARTTLS command first");
  if ((row.flags & needs_hello) && !hello_) return Status(503, 5, 1, lmtp() ? "LHLO first" : "EHLO first");
  if ((row.flags & needs_extensions) && !extended()) return Status(503, 5, 1, "only after EHLO");
  bool login_needed = (row.flags & needs_login) && (options_.auth_required || options_.odmr);      // RFC 2645 §5.2.1
  if (login_needed && !authenticated_) {
    // The users can't be read just now: a server that sends its mail through this one must not take that for the end of it.
    if (options_.mechanisms.empty()) return Status(454, 7, 0, "temporary authentication failure");
    return Status(530, 7, 0, "Authentication required");      // RFC 6409 §4.3, RFC 4954 §6
  }
  return gate_transaction(row);
}

// RFC 5321 §3.3, §4.1.4.
std::optional<Status> Session::gate_transaction(const Row& row) const {
  if ((row.flags & no_mail) && transaction_) return Status(503, 5, 1, "a transaction is open already");
  if ((row.flags & needs_mail) && !transaction_) return Status(503, 5, 1, "MAIL first");
  if ((row.flags & before_content) && transaction_->content) {
    return Status(503, 5, 1, "BDAT has begun: only BDAT or RSET can follow");     // RFC 3030 §2
  }
  if ((row.flags & needs_recipient) && transaction_->accepted == 0) {
    if (transaction_->tried == 0 || lmtp()) return Status(503, 5, 1, "RCPT first");   // RFC 2033 §4.2
    return Status(554, 5, 1, "no valid recipients");
  }
  return std::nullopt;
}

// Counts what the client does wrong; the reply to it.
Status Session::mistake(Trouble kind, std::string_view line, Status status) {
  if (++errors_ > options_.errors) {
    tell(Trouble::too_many_errors, line, status.text());
    return closing(7, 0, "too many errors");
  }
  tell(kind, line, status.text());
  return status;
}

// What may be the answer to a challenge that the client made up is not shown.
void Session::hear_line(std::string_view line) {
  conversation_.stir();
  conversation_.spoke = true;
  if (secrets_may_follow_ && !verb_of(line)) conversation_.hear_secret(Heard::client);
  else conversation_.hear(Heard::client, line.empty() ? " " : line);
}

// The one place where the handler hears of trouble: no credentials get there.
void Session::tell(Trouble kind, std::string_view line, std::string_view text) {
  bool hidden = secrets_may_follow_ && !line.empty() && !verb_of(line);
  handler_.trouble(kind, hidden ? "***" : masked_command(line), text);
  conversation_.hear(Heard::note, text);
}

// RFC 5321 §4.2.3: 421 names the host.
Status Session::closing(std::uint16_t subject, std::uint16_t detail, std::string_view text) const {
  return Status(421, subject, detail, options_.host_name + " closing: " + std::string(text));
}

// The connection ended, or is ended by us, without QUIT.
void Session::part(const Error& error) {
  switch (error.fault()) {
    case Fault::timed_out:
      if (write_failed_) return tell(Trouble::write_timeout, "", error.text());
      tell(conversation_.in_data ? Trouble::data_timeout : Trouble::command_timeout, "", error.text());
      return say(closing(4, 2, error.text()));
    case Fault::cancelled:
      if (conversation_.ended_by_admin) return say(closing(3, 2, "ended by the administrator; try again later"));
      return say(closing(3, 2, "the server stops; try again later"));
    case Fault::denied:
      tell(Trouble::too_many_errors, "", error.text());
      return say(closing(7, 0, error.text()));
    default: tell(conversation_.in_data ? Trouble::lost_in_data : Trouble::lost, "", error.text());
  }
}

// The one place where replies are written.
void Session::say(const Status& status) {
  std::size_t before = out_.size();
  append_reply(out_, status);
  conversation_.hear(Heard::server, std::string_view(out_).substr(before));
}

event::Task<Result<>> Session::flush() {
  if (out_.empty()) co_return Result<>();
  std::string out = std::exchange(out_, std::string());
  auto sent = co_await connection_.write(out, event::Deadline::in(options_.write_timeout));
  if (!sent) write_failed_ = true;
  co_return sent;
}

void Session::end_transaction() {
  bool told = transaction_->refused.has_value();
  transaction_.reset();
  if (!told) handler_.reset(nullptr);
}

}  // namespace mansio::smtp
