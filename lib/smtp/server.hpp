// Session: one SMTP or LMTP connection, the server's side. Its commands are the rows of one table (server.cpp); one loop
// reads a line, parses it, holds it against the flags of its row and calls the row's member. Private to session.hpp.
//
// Members that read or write give Result: an Error means that the connection is over. Member commands give the one
// reply to their command; what must be said before it (354, all but the last reply of LMTP) they say() themselves.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sasl/server.hpp"
#include "smtp/pace.hpp"
#include "smtp/session.hpp"

namespace mansio::smtp {

class Session {
 public:
  Session(net::Connection& connection, Handler& handler, const SessionOptions& options, Conversation& conversation);
  event::Task<> run();

 private:
  using Reply = Result<Status>;

  struct Row {
    Verb verb;
    unsigned flags;
    event::Task<Reply> (Session::*run)(Command);     // nullptr: known, and not implemented
  };
  static const Row rows[verb_count];

  struct Transaction {
    std::uint64_t tried = 0, accepted = 0, chunks = 0;     // recipients, recipients, BDAT
    bool smtputf8 = false, binary = false;
    std::optional<DataDecoder> content;                    // data has begun
    std::optional<Status> refused;                         // content is dropped; the reply to the end of data
  };

  struct Login;                              // authentication.cpp; exists while an AUTH command goes on

  // server.cpp: the loop
  event::Task<> greet();
  event::Task<Result<>> step();
  std::size_t longest_command() const noexcept;
  event::Task<Result<std::string_view>> next_line(std::size_t limit);
  event::Task<Reply> answer(std::string_view line);
  bool spoken(const Row& row) const noexcept;
  bool available(const Row& row) const noexcept;
  std::optional<Status> gate(const Row& row) const;
  std::optional<Status> gate_transaction(const Row& row) const;
  event::Task<Reply> refuse_command(const Row& row, std::string_view line, Status status);
  std::optional<Status> hopeless(std::string_view line, std::optional<Verb> verb);
  Status mistake(Trouble kind, std::string_view line, Status status);
  void tell(Trouble kind, std::string_view line, std::string_view text);
  Status closing(std::uint16_t subject, std::uint16_t detail, std::string_view text) const;
  void part(const Error& error);
  void say(const Status& status);
  void hear_line(std::string_view line);
  event::Task<Result<>> flush();
  void end_transaction();

  // commands.cpp
  event::Task<Reply> hello(Command command);
  event::Task<Reply> mail(Command command);
  event::Task<Reply> rcpt(Command command);
  event::Task<Reply> rset(Command command);
  event::Task<Reply> noop(Command command);
  event::Task<Reply> quit(Command command);
  event::Task<Reply> vrfy(Command command);
  event::Task<Reply> help(Command command);
  event::Task<Reply> etrn(Command command);
  event::Task<Reply> atrn(Command command);
  std::string capabilities() const;
  std::string odmr_capabilities() const;
  std::optional<Status> judge_mail(const MailArguments& arguments) const;
  std::uint64_t offered_size() const noexcept;
  // EHLO or LHLO: parameters and BDAT may be used.
  bool extended() const noexcept { return hello_ && *hello_ != Verb::helo; }

  // starttls.cpp
  event::Task<Reply> starttls(Command command);
  event::Task<Result<>> secure();
  bool starttls_listed() const noexcept;
  bool tls_missing() const noexcept { return options_.tls == TlsUse::required && !connection_.tls(); }

  // authentication.cpp
  event::Task<Reply> auth(Command command);
  event::Task<Result<>> converse(Login& login);
  event::Task<Result<>> challenge(Login& login);
  event::Task<Status> conclude(Login& login);
  void hear(Login& login, std::string_view text, bool first);
  Status failed_login(Status status);
  sasl::ServerContext login_context() const;
  std::string listed_mechanisms() const;
  // RFC 4954 §4: 12288 octets of base64; with "AUTH", the longest mechanism's name, their blanks and CRLF.
  static constexpr std::size_t auth_line = 12288 + 28;

  // content.cpp
  event::Task<Reply> data(Command command);
  event::Task<Reply> bdat(Command command);
  event::Task<Result<>> take_dots();
  event::Task<Result<>> take_chunk(std::uint64_t size, bool last);
  event::Task<Result<std::string_view>> read_piece();
  event::Task<Result<>> store(std::vector<std::string_view> spans, std::uint64_t octets);
  event::Task<Result<>> discard(std::uint64_t size);
  void refuse_content(Status status);
  Status too_large() const;
  event::Task<Status> finish();
  bool lmtp() const noexcept { return options_.protocol == Protocol::lmtp; }

  net::Connection& connection_;
  Handler& handler_;
  const SessionOptions& options_;
  Conversation& conversation_;
  std::optional<Verb> hello_;
  std::optional<Transaction> transaction_;
  std::string out_;                          // replies not sent yet
  Pace pace_;
  std::uint64_t octets_ = 0, discarded_ = 0;
  std::uint32_t mails_ = 0, errors_ = 0, barren_ = 0, failed_logins_ = 0;
  // DATA was refused just now, and was there already more of input: it may be the body.
  bool data_refused_ = false, body_may_follow_ = false;
  bool send_now_ = true;                     // the reply to this command isn't kept for others (RFC 2920 §3.2)
  bool over_ = false, write_failed_ = false;
  bool turned_ = false;                      // ATRN: the connection is somebody else's now
  bool handshake_next_ = false;              // once the reply is out
  bool broken_ = false;                      // TLS failed: no word more
  bool authenticated_ = false;
  bool secrets_may_follow_ = false;          // the last command was AUTH: what is no command may be a response to it
};

}  // namespace mansio::smtp
