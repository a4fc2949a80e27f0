// A whole server session: the fuzzer is the client. What it is answered and what mail is taken must not depend on how its
// octets were cut on their way, which is what request smuggling lives from.
#include <algorithm>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "fuzz/wire.hpp"
#include "smtp/mail_box.hpp"
#include "smtp/session.hpp"

namespace fuzz {
namespace {

using namespace mansio;

struct ServerOutcome {
  std::string said;
  std::vector<smtp::MailBox::Message> messages;
  std::vector<smtp::Trouble> troubles;
  std::size_t open = 0;
};

event::Task<> host(event::Stream* stream, smtp::MailBox* box, const smtp::SessionOptions* options) {
  net::Connection connection(std::move(*stream));
  co_await smtp::serve(connection, *box, *options);
}

// The client waits for the greeting, then says it all, `piece` octets at a time.
event::Task<> say(event::Loop* loop, event::Stream* stream, Heard* heard, std::string_view input, std::size_t piece) {
  event::Timer timer(*loop);
  auto deadline = event::Deadline::in(patience);
  while (!heard->closed && heard->text.find('\n') == std::string::npos) co_await heard->more.wait();
  for (std::size_t at = 0; at < input.size() && !heard->closed; at += piece) {
    auto sent = co_await stream->write(input.substr(at, piece), deadline);
    if (!sent) break;
    co_await timer.sleep(Duration(0));
  }
  if (!heard->closed) stream->shutdown();
  while (!heard->closed) co_await heard->more.wait();
}

event::Task<> play_server(Wire* wire, smtp::MailBox* box, const smtp::SessionOptions* options, Heard* heard, std::string_view input, std::size_t piece) {
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  scope.spawn(host(&*wire->ours, box, options));
  scope.spawn(listen(&*wire->theirs, heard));
  co_await say(&wire->on.loop, &*wire->theirs, heard, input, piece);
  co_await scope.join();
}

// The last octet of an input says what the listener offers.
smtp::SessionOptions options_of(unsigned kind) {
  smtp::SessionOptions options;
  options.host_name = "mx.ex.test";
  options.message_size = 2000;
  options.session_size = 20000;
  options.recipients = 5;
  options.errors = 50;
  options.command_line = 600;
  options.chunks = 20;
  if ((kind & 1) != 0) options.protocol = smtp::Protocol::lmtp;
  if ((kind & 2) != 0) options.bare_newline = smtp::BareNewline::normalize;
  if ((kind & 4) != 0) options.mechanisms = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"};     // SCRAM's nonce is random
  options.etrn = (kind & 8) != 0;
  options.odmr = (kind & 16) != 0;
  if ((kind & 32) != 0) options.tls = (kind & 64) != 0 ? smtp::TlsUse::required : smtp::TlsUse::offered;    // without a certificate: 454
  else options.auth_required = (kind & 64) != 0;
  if ((kind & 128) != 0) options.mail_name = "ex.test";
  options.auth_in_clear = true;
  options.auth_tries = 20;
  options.decoy = &smtp::mail_box_decoy();
  return options;
}

ServerOutcome run_server(const smtp::SessionOptions& options, std::string_view input, std::size_t piece) {
  ServerOutcome out;
  Wire wire;
  Heard heard;
  smtp::MailBox box(wire.on.loop, Status(220, "ready"));
  wire.on.run(play_server(&wire, &box, &options, &heard, input, piece));
  wire.theirs.reset();
  out.said = std::move(heard.text);
  out.messages = std::move(box.messages);
  out.troubles = std::move(box.troubles);
  out.open = box.open;
  return out;
}

// RFC 5321 §4.2, §4.5.3.1.5: lines of at most 512 octets that end in CRLF, printable, with a code that stays the same until
// the blank.
void check_replies(std::string_view said) {
  std::string_view code;
  while (!said.empty()) {
    auto end = said.find("\r\n");
    require(end != std::string_view::npos, "replies end in CRLF");
    std::string_view line = said.substr(0, end);
    said.remove_prefix(end + 2);
    require(line.size() + 2 <= 512, "a reply line has at most 512 octets");
    require(line.size() >= 4 && line[0] >= '2' && line[0] <= '5' && is_digit(line[1]) && is_digit(line[2]), "a reply begins with its code");
    require(line[3] == ' ' || line[3] == '-', "after the code comes a blank or a hyphen");
    require(std::ranges::none_of(line, [](char c) { return is_control(c); }), "a reply holds no control octet");
    require(code.empty() || code == line.substr(0, 3), "a reply has one code");
    code = line[3] == '-' ? line.substr(0, 3) : std::string_view();
  }
  require(code.empty(), "a reply has a last line");
}

void check_mail(const ServerOutcome& out, const smtp::SessionOptions& options) {
  require(out.open == 0, "content is taken or given up");
  for (const auto& message : out.messages) {
    require(message.content.size() <= options.message_size, "content is bounded");
    bool binary = message.envelope.find("body=binary") != std::string::npos;
    for (std::size_t i = 0; !binary && i < message.content.size(); ++i) {
      char c = message.content[i];
      if (c == '\n') require(i > 0 && message.content[i - 1] == '\r', "no bare LF in what was taken");
      if (c == '\r') require(i + 1 < message.content.size() && message.content[i + 1] == '\n', "no bare CR in what was taken");
    }
  }
}

// RFC 2645 §5.2.1: ATRN looks whether anything has come behind it, which hangs on how the octets travelled.
bool met_atrn(const ServerOutcome& out) {
  return out.said.find("nothing may follow ATRN") != std::string::npos || out.said.find("reversing the connection") != std::string::npos;
}

}  // namespace

void server_session(std::string_view input) {
  if (input.empty() || input.size() > 8192) return;
  smtp::SessionOptions options = options_of(static_cast<unsigned char>(input.back()));
  input.remove_suffix(1);
  ServerOutcome whole = run_server(options, input, input.size() + 1);
  check_replies(whole.said);
  check_mail(whole, options);
  std::size_t piece = 1 + checksum(input) % 97;
  ServerOutcome cut = run_server(options, input, std::max<std::size_t>(piece, input.size() / 200));
  if (met_atrn(whole) || met_atrn(cut)) return;
  require(whole.said == cut.said, "cuts change no reply");
  require(whole.messages.size() == cut.messages.size(), "cuts change no count of messages");
  for (std::size_t i = 0; i < whole.messages.size(); ++i) {
    require(whole.messages[i].envelope == cut.messages[i].envelope, "cuts change no envelope");
    require(whole.messages[i].content == cut.messages[i].content, "cuts change no content");
  }
}

}  // namespace fuzz
