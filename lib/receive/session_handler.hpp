// One connection's side of the mail: smtp::Handler over policy, router and spool. Holds at most one transaction.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "mail/header.hpp"
#include "receive/receiver.hpp"
#include "receive/submitted_header.hpp"

namespace mansio::receive {

class SessionHandler final : public smtp::Handler {
 public:
  SessionHandler(Receiver& receiver, smtp::Client client, ServicePtr service);

  event::Task<Status> connected() override;
  event::Task<Status> hello(smtp::Verb verb, std::string name) override;
  event::Task<Status> mail(smtp::MailArguments arguments) override;
  event::Task<Status> rcpt(smtp::RcptArguments arguments) override;
  event::Task<Status> begin_data() override;
  event::Task<Result<>> content(std::vector<std::string_view> spans) override;
  event::Task<Status> end_data() override;
  event::Task<std::vector<Status>> end_data_lmtp() override;
  void reset(const Status* refused) override;
  void secured(const net::TlsInfo& info) override;
  event::Task<sasl::Answer> ask(sasl::Question question) override;
  event::Task<Status> authenticated(std::string_view mechanism, std::string user) override;
  event::Task<> auth_failed(std::string_view mechanism, sasl::Failed failure) override;
  event::Task<Status> verify(std::string text) override;
  void trouble(smtp::Trouble kind, std::string_view command, std::string_view text) override;

  // For an admin's list: what is known of the client; what the conversation itself knows is there already.
  void describe(smtp::ConversationFacts& facts) const;
  const smtp::Client& client() const noexcept { return client_; }
  const Service& service() const noexcept { return *service_; }

 private:
  struct Transaction {
    mail::Envelope envelope;
    std::optional<spool::Writer> writer;
    mail::HeaderScanner header;
    std::string start;                 // the content's first bytes: does it begin like a header?
    std::vector<std::string> seen;     // keys of the recipients accepted, sorted
    std::unique_ptr<SubmittedHeader> submitted;    // of a submission, until its header is whole
    std::optional<Status> refused;     // what the header says is not to be sent: the rest is dropped
  };

  log::Host host() const;
  std::optional<log::Tls> log_tls() const;
  auth::Facts auth_facts() const;
  bool may_send_as(const std::optional<mail::Address>& address) const;
  Status judge_sender(const std::optional<mail::Address>& sender) const;
  Status judge_quota(std::size_t recipients) const;
  void begin_submission();
  void end_submission();
  event::Task<Result<>> store(std::vector<std::string_view> spans);
  bool take_header(const std::vector<std::string_view>& spans, std::string& ready);
  bool take_rest(std::string& ready);
  std::string protocol() const;
  Status judge_content() const;
  std::string head_fields() const;
  std::string missing_sender() const;
  std::optional<mail::Address> own_address() const;
  void log_rejection(log::Rejection::Stage stage, std::string argument, const Status& status, std::string reason);
  void log_arrival(const spool::Message& message, const std::string& message_id);

  Receiver& receiver_;
  smtp::Client client_;
  const net::TlsInfo* tls_ = nullptr;
  std::string login_, auth_;           // once logged in: "user", "PLAIN:user"
  ServicePtr service_;
  config::ConfigPtr config_;           // of the transaction, or of the session between transactions
  std::shared_ptr<route::Router> router_;
  std::string helo_, user_;
  smtp::Verb hello_verb_ = smtp::Verb::ehlo;
  bool may_relay_ = false, trusted_ = false;
  std::unique_ptr<Transaction> transaction_;     // idle connections pay nothing for it
};

}  // namespace mansio::receive
