// One mail transaction of a client session, from MAIL to the answer to the end of data (RFC 5321 §3.3, RFC 2920, RFC 3030,
// RFC 2033). Private to client.hpp. An Error of its members means that the conversation is over; run() makes of it what each
// recipient gets.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/client.hpp"
#include "smtp/stuffing.hpp"

namespace mansio::smtp {

class ClientTransaction {
 public:
  ClientTransaction(ClientChannel& channel, const Capabilities& offered, const ClientOptions& options, Transaction& transaction);

  event::Task<TransactionResult> run();
  bool began() const noexcept { return began_; }     // MAIL was sent
  Stage stage() const noexcept { return stage_; }

 private:
  enum class Fate : std::uint8_t { open, accepted, settled };     // of a recipient: not answered, 2xx to RCPT, final here

  struct Step {              // a command on its way, whose reply is due
    Step(Stage s, std::size_t r) : stage(s), recipient(r) {}
    Stage stage;             // mail, rcpt or data
    std::size_t recipient;
  };

  // client_transaction.cpp: the envelope
  std::optional<Status> unsendable() const;
  void refuse_unsendable();
  std::string mail_command() const;
  std::string rcpt_command(const TransactionRecipient& recipient) const;
  event::Task<Result<>> converse();
  event::Task<Result<>> envelope();
  void fill_group(std::string& group);
  void skip_settled();
  Duration time_for(Stage stage) const noexcept;
  bool envelope_sent() const noexcept;
  Result<> take(const Step& step, const ServerReply& reply);
  void take_rcpt(std::size_t recipient, const ServerReply& reply);
  event::Task<Result<>> reset();
  void settle(std::size_t recipient, const Status& status, Stage stage);
  void settle_accepted(const Status& status, Stage stage);
  void settle_open(const Status& status);
  void broke(const Error& error);
  std::unexpected<Error> closing(const ServerReply& reply);       // 421
  std::unexpected<Error> abandon(Status status);                  // gives up this message, by no fault of the host

  // client_content.cpp: the message
  bool chunked() const noexcept { return offered_.chunking; }
  event::Task<Result<>> message();
  event::Task<Result<>> start_data();
  event::Task<Result<>> empty_data();
  event::Task<Result<>> send_dots();
  event::Task<Result<>> send_chunk();
  event::Task<Result<>> send_rest_of_chunk(std::string_view rest, std::uint64_t left);
  event::Task<Result<std::string_view>> next_piece();
  bool check(std::string_view piece);
  event::Task<Result<>> write_block(std::string_view block);
  event::Task<Result<>> end_of_data();
  event::Task<Result<>> end_of_data_lmtp();
  std::unexpected<Error> bare_newline();
  std::unexpected<Error> wrong_size();

  ClientChannel& channel_;
  const Capabilities& offered_;
  const ClientOptions& options_;
  Transaction& transaction_;
  TransactionResult result_;
  std::vector<Fate> fates_;
  std::vector<Step> due_;              // replies that the group under way brings
  Stuffing stuffing_;
  std::size_t next_ = 0;               // recipient to be sent
  std::size_t accepted_ = 0;
  int data_code_ = 0;                  // of the reply to DATA; 0: none yet
  Stage stage_ = Stage::mail;
  bool began_ = false, mail_refused_ = false, data_sent_ = false;
  bool end_sent_ = false;              // the final dot or the last chunk is out: from here on the server decides
  bool over_ = false;                  // the server answered the end of data
  std::optional<Status> verdict_;      // what broke() gives, when it isn't the Error's text
  bool host_trouble_ = true;           // of an Error
};

}  // namespace mansio::smtp
