// The commands of a session that carry no content. RFC 5321 §4.1.1.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "smtp/server.hpp"

namespace mansio::smtp {

// An answer to EHLO or HELO has no enhanced code (RFC 2034 §4).
event::Task<Session::Reply> Session::hello(Command command) {
  std::string name = std::move(std::get<HelloArguments>(command.arguments).name);
  Verb verb = command.verb;
  auto judged = co_await handler_.hello(verb, std::move(name));
  if (!judged.ok()) co_return Status(judged.code(), judged.text());   // §4.1.4: and nothing has changed
  if (transaction_) end_transaction();
  hello_ = verb;
  co_return Status(250, verb == Verb::helo ? options_.host_name : capabilities());
}

// What is listed is enforced, and what isn't offered is refused (§4.2.4).
std::string Session::capabilities() const {
  if (options_.odmr) return odmr_capabilities();
  std::string mechanisms = listed_mechanisms();
  std::string_view starttls = starttls_listed() ? "STARTTLS\n" : "";
  std::string auth = mechanisms.empty() ? "" : "AUTH " + mechanisms + "\n";
  std::string_view etrn = options_.etrn && !lmtp() ? "ETRN\n" : "";
  return fmt::format("{}\nPIPELINING\nSIZE {}\n8BITMIME\nENHANCEDSTATUSCODES\nCHUNKING\nBINARYMIME\nSMTPUTF8\nDSN\n"
                     "{}{}{}LIMITS MAILMAX={} RCPTMAX={}\nHELP",
                     options_.host_name, offered_size(), etrn, starttls, auth, options_.messages_per_connection,
                     options_.recipients);
}

// RFC 2645 §5.2: what is about taking mail has no meaning here.
std::string Session::odmr_capabilities() const {
  std::string mechanisms = listed_mechanisms();
  std::string_view starttls = starttls_listed() ? "STARTTLS\n" : "";
  std::string auth = mechanisms.empty() ? "" : "AUTH " + mechanisms + "\n";
  return fmt::format("{}\nENHANCEDSTATUSCODES\n{}{}ATRN\nHELP", options_.host_name, starttls, auth);
}

std::uint64_t Session::offered_size() const noexcept { return std::min(options_.message_size, options_.session_size); }

std::optional<Status> Session::judge_mail(const MailArguments& arguments) const {
  if (arguments.extended && !extended()) return Status(555, 5, 4, "no parameters after HELO");   // §4.1.1.11
  // RFC 4954 §3: a parameter of the extension, so known only where that is listed.
  if (!arguments.auth.empty() && listed_mechanisms().empty()) {
    return Status(555, 5, 4, "Parameter not recognized: AUTH");
  }
  if (arguments.size && *arguments.size > offered_size()) return too_large();   // RFC 1870 §6.1
  if (mails_ >= options_.messages_per_connection) return closing(7, 0, "too many messages in one connection");
  if (octets_ >= options_.session_size) return closing(7, 0, "too many octets in one connection");
  return std::nullopt;
}

event::Task<Session::Reply> Session::mail(Command command) {
  MailArguments arguments = std::get<MailArguments>(std::move(command.arguments));
  if (auto refused = judge_mail(arguments)) co_return std::move(*refused);
  Transaction opened;
  opened.smtputf8 = arguments.smtputf8;
  opened.binary = arguments.body == mail::Body::binary;
  auto judged = co_await handler_.mail(std::move(arguments));
  if (!judged.ok()) {
    ++barren_;
    handler_.reset(nullptr);
    co_return judged;
  }
  ++mails_;
  transaction_ = std::move(opened);
  co_return judged;
}

event::Task<Session::Reply> Session::rcpt(Command command) {
  RcptArguments arguments = std::get<RcptArguments>(std::move(command.arguments));
  ++transaction_->tried;
  if (arguments.extended && !extended()) co_return Status(555, 5, 4, "no parameters after HELO");
  // §4.5.3.1.10: the recipients accepted so far stay.
  if (transaction_->accepted >= options_.recipients) co_return Status(452, 5, 3, "too many recipients");
  auto judged = co_await handler_.rcpt(std::move(arguments));
  if (judged.ok()) {
    ++transaction_->accepted;
    ++conversation_.recipients;
  } else {
    ++barren_;
  }
  co_return judged;
}

event::Task<Session::Reply> Session::rset(Command) {
  if (transaction_) end_transaction();
  co_return Status();
}

event::Task<Session::Reply> Session::noop(Command) { co_return Status(); }

event::Task<Session::Reply> Session::quit(Command) {
  if (transaction_) end_transaction();
  over_ = true;                                  // what came after QUIT is not looked at
  if (mails_ == 0) tell(Trouble::no_mail, "", "");
  co_return Status(221, 0, 0, options_.host_name + " closing connection");
}

event::Task<Session::Reply> Session::vrfy(Command command) {
  std::string text = std::move(std::get<TextArguments>(command.arguments).text);
  auto judged = co_await handler_.verify(std::move(text));
  co_return judged;
}

event::Task<Session::Reply> Session::etrn(Command command) {
  EtrnArguments arguments = std::move(std::get<EtrnArguments>(command.arguments));
  auto judged = co_await handler_.start_queue(std::move(arguments));
  co_return judged;
}

event::Task<Session::Reply> Session::atrn(Command command) {
  // RFC 2645 §5.2.1: it is not pipelined; what came behind it would be taken for the answer of a server.
  if (connection_.input_waiting()) {
    co_return mistake(Trouble::protocol_error, "ATRN", Status(503, 5, 1, "nothing may follow ATRN before its answer"));
  }
  std::vector<std::string> domains = std::move(std::get<AtrnArguments>(command.arguments).domains);
  auto judged = co_await handler_.turn_round(std::move(domains));
  if (!judged.ok()) co_return judged;
  turned_ = over_ = true;
  co_return judged;
}

event::Task<Session::Reply> Session::help(Command) {
  std::string text = "Commands:";
  for (const Row& row : rows) {
    if (available(row) && spoken(row)) fmt::format_to(std::back_inserter(text), " {}", verb_name(row.verb));
  }
  co_return Status(214, 0, 0, std::move(text));
}

}  // namespace mansio::smtp
