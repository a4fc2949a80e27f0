#include "sendmail_submit.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/text.hpp"
#include "sendmail_socket.hpp"

namespace mansio::sendmail {
namespace {

constexpr std::size_t group_size = 100;      // commands sent ahead of their replies
constexpr std::size_t reply_line_limit = 4096, reply_lines_limit = 200;

struct Server {
  LineSocket socket;
  bool pipelining = false, chunking = false, size = false, eight_bit = false, smtputf8 = false, dsn = false;
};

// "5.1.1 text": the enhanced code (RFC 2034) apart from the text.
Status make_status(int code, std::string text) {
  std::string_view rest = text;
  auto blank = rest.find(' ');
  auto parts = split(rest.substr(0, blank), '.');
  if (parts.size() != 3 || parts[0] != std::string(1, static_cast<char>('0' + code / 100))) return Status(code, text);
  auto subject = parse_number(parts[1]), detail = parse_number(parts[2]);
  if (!subject || !detail || *subject > 999 || *detail > 999) return Status(code, text);
  return Status(code, static_cast<std::uint16_t>(*subject), static_cast<std::uint16_t>(*detail),
                std::string(blank == std::string_view::npos ? "" : rest.substr(blank + 1)));
}

// One reply, its lines joined by '\n' (RFC 5321 §4.2.1).
Result<Status> read_reply(LineSocket& socket) {
  std::string text;
  for (std::size_t lines = 0; lines < reply_lines_limit; ++lines) {
    auto line = socket.read_line(reply_line_limit);
    if (!line) return std::unexpected(line.error());
    auto code = parse_number(std::string_view(*line).substr(0, 3));
    if (!code || *code < 200 || *code > 599 || (line->size() > 3 && (*line)[3] != '-' && (*line)[3] != ' ')) {
      return fail(Fault::invalid, "the daemon's answer is no SMTP reply");
    }
    if (lines > 0) text += '\n';
    if (line->size() > 4) text += line->substr(4);
    if (line->size() <= 3 || (*line)[3] == ' ') return make_status(static_cast<int>(*code), std::move(text));
  }
  return fail(Fault::too_long, "the daemon's answer is too long");
}

Result<Status> ask(LineSocket& socket, std::string_view command) {
  auto sent = socket.send(command);
  if (!sent) return std::unexpected(sent.error());
  return read_reply(socket);
}

Result<Status> greet(Server& server) {
  auto greeting = read_reply(server.socket);
  if (!greeting || !greeting->ok()) return greeting;
  auto reply = ask(server.socket, "EHLO localhost\r\n");
  if (!reply || !reply->ok()) return reply;
  for (std::string_view line : split(reply->text(), '\n')) {
    std::string_view word = line.substr(0, line.find(' '));
    if (iequals(word, "PIPELINING")) server.pipelining = true;
    else if (iequals(word, "CHUNKING")) server.chunking = true;
    else if (iequals(word, "SIZE")) server.size = true;
    else if (iequals(word, "8BITMIME")) server.eight_bit = true;
    else if (iequals(word, "SMTPUTF8")) server.smtputf8 = true;
    else if (iequals(word, "DSN")) server.dsn = true;
  }
  return reply;
}

std::string mail_command(const Server& server, const mail::Envelope& envelope, std::uint64_t size) {
  std::string out = fmt::format("MAIL FROM:<{}>", envelope.sender_text());
  if (server.size) out += fmt::format(" SIZE={}", size);                                            // RFC 1870 §6
  if (server.eight_bit && envelope.body == mail::Body::eight_bit) out += " BODY=8BITMIME";         // RFC 6152 §3
  if (server.eight_bit && envelope.body == mail::Body::seven_bit) out += " BODY=7BIT";
  if (envelope.smtputf8) out += " SMTPUTF8";                                                        // RFC 6531 §3.4
  if (server.dsn && envelope.ret == mail::Return::full) out += " RET=FULL";                         // RFC 3461 §4.3
  if (server.dsn && envelope.ret == mail::Return::headers) out += " RET=HDRS";
  if (server.dsn && !envelope.envid.empty()) out += " ENVID=" + envelope.envid;
  return out + "\r\n";
}

std::string rcpt_command(const Server& server, const mail::Recipient& recipient) {
  std::string out = fmt::format("RCPT TO:<{}>", recipient.address.text());
  if (server.dsn && recipient.notify != 0) {                                                        // RFC 3461 §4.1
    std::string words;
    auto add = [&](std::uint8_t bit, const char* word) {
      if (recipient.notify & bit) words += (words.empty() ? "" : ",") + std::string(word);
    };
    add(mail::Notify::never, "NEVER");
    add(mail::Notify::success, "SUCCESS");
    add(mail::Notify::failure, "FAILURE");
    add(mail::Notify::delay, "DELAY");
    out += " NOTIFY=" + words;
  }
  return out + "\r\n";
}

// The recipients of one transaction, sorted by what the daemon said.
struct Transaction {
  std::vector<mail::Recipient> accepted, later;   // later: over the limit of one transaction
  std::size_t answered = 0;
};

void sort_out(Transaction& transaction, Outcome& outcome, const mail::Recipient& recipient, const Status& status) {
  bool too_many = status.code() == 452 && status.enhanced() == EnhancedCode{4, 5, 3};   // RFC 5321 §4.5.3.1.10
  if (status.ok()) transaction.accepted.push_back(recipient);
  else if (too_many && !transaction.accepted.empty()) transaction.later.push_back(recipient);
  else if (status.permanent()) outcome.refused.push_back({recipient, status});
  else outcome.left.push_back({recipient, status});
}

Result<> send_recipients(Server& server, const std::vector<mail::Recipient>& recipients, Transaction& transaction,
                         Outcome& outcome) {
  std::size_t group = server.pipelining ? group_size : 1;
  for (std::size_t at = 0; at < recipients.size(); at += group) {
    std::size_t end = std::min(recipients.size(), at + group);
    std::string commands;
    for (std::size_t i = at; i < end; ++i) commands += rcpt_command(server, recipients[i]);
    auto sent = server.socket.send(commands);
    if (!sent) return sent;
    for (std::size_t i = at; i < end; ++i) {
      auto reply = read_reply(server.socket);
      if (!reply) return std::unexpected(reply.error());
      sort_out(transaction, outcome, recipients[i], *reply);
      ++transaction.answered;
    }
  }
  return {};
}

// BDAT …, BDAT … LAST (RFC 3030 §2). The reply that decides; `complete` tells that all was sent.
Result<Status> send_content(Server& server, const Content& content, bool& complete) {
  Status last;
  auto done = content.each_piece([&](std::string_view piece, bool is_last) -> Result<> {
    if (!last.ok()) return {};
    auto sent = server.socket.send(fmt::format("BDAT {}{}\r\n", piece.size(), is_last ? " LAST" : ""));
    if (sent) sent = server.socket.send(piece);
    if (!sent) return sent;
    complete = is_last;
    auto reply = read_reply(server.socket);
    if (!reply) return std::unexpected(reply.error());
    last = *reply;
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return last;
}

void add_unsent(Outcome& outcome, const std::vector<mail::Recipient>& recipients, const Status& status) {
  auto& list = status.permanent() ? outcome.refused : outcome.left;
  for (const mail::Recipient& recipient : recipients) list.push_back({recipient, status});
}

// Nobody answers (any more): all of these are left.
void give_up(Outcome& outcome, const std::vector<mail::Recipient>& recipients, const std::string& why) {
  outcome.reached = false;
  add_unsent(outcome, recipients, Status(421, 4, 2, why));
}

// One message to as many of `recipients` as the daemon takes at once. Those it wants in another transaction are in
// `later` afterwards. False: no further transaction makes sense.
bool run_transaction(Server& server, const mail::Envelope& envelope, const Content& content,
                     const std::vector<mail::Recipient>& recipients, std::vector<mail::Recipient>& later, Outcome& outcome) {
  auto mail_reply = ask(server.socket, mail_command(server, envelope, content.size()));
  if (!mail_reply) return give_up(outcome, recipients, mail_reply.error().text()), false;
  if (!mail_reply->ok()) return add_unsent(outcome, recipients, *mail_reply), false;

  Transaction transaction;
  auto sent = send_recipients(server, recipients, transaction, outcome);
  if (!sent) {
    give_up(outcome, transaction.accepted, sent.error().text());
    give_up(outcome, transaction.later, sent.error().text());
    std::vector<mail::Recipient> unanswered(recipients.begin() + static_cast<std::ptrdiff_t>(transaction.answered), recipients.end());
    give_up(outcome, unanswered, sent.error().text());
    return false;
  }
  if (transaction.accepted.empty()) return false;

  bool complete = false;
  auto data_reply = send_content(server, content, complete);
  if (!data_reply) {
    outcome.uncertain = complete;
    give_up(outcome, transaction.accepted, data_reply.error().text());
    give_up(outcome, transaction.later, data_reply.error().text());
    return false;
  }
  if (!data_reply->ok()) {
    add_unsent(outcome, transaction.accepted, *data_reply);
    add_unsent(outcome, transaction.later, *data_reply);
    return false;
  }
  outcome.queued += transaction.accepted.size();
  outcome.replies.push_back(data_reply->line());
  later = std::move(transaction.later);
  return true;
}

}  // namespace

Outcome submit(const std::string& socket, const mail::Envelope& envelope, const Content& content) {
  Outcome outcome;
  std::vector<mail::Recipient> rest = envelope.recipients;
  auto fd = connect_unix(socket);
  if (!fd) {
    give_up(outcome, rest, fd.error().text());
    return outcome;
  }
  Server server{LineSocket(std::move(*fd))};
  auto hello = greet(server);
  if (!hello || !hello->ok() || !server.chunking) {
    give_up(outcome, rest, !hello ? hello.error().text() : hello->ok() ? "the daemon doesn't offer CHUNKING" : hello->line());
    return outcome;
  }
  if (envelope.smtputf8 && !server.smtputf8) {
    add_unsent(outcome, rest, Status(553, 6, 7, "internationalised addresses are not offered here"));
    return outcome;
  }
  std::vector<mail::Recipient> later;
  while (!rest.empty() && run_transaction(server, envelope, content, rest, later, outcome)) rest = std::exchange(later, {});
  if (outcome.reached) (void)ask(server.socket, "QUIT\r\n");      // RFC 5321 §4.1.1.10: its reply is waited for
  return outcome;
}

}  // namespace mansio::sendmail
