// One connection's side of the mail: smtp::Handler over policy, router and spool. Holds at most one transaction.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "config/clients.hpp"
#include "mail/header.hpp"
#include "policy/recipient.hpp"
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
  event::Task<Status> start_queue(smtp::EtrnArguments arguments) override;
  event::Task<Status> turn_round(std::vector<std::string> domains) override;
  void trouble(smtp::Trouble kind, std::string_view command, std::string_view text) override;

  // After ATRN was answered with 250: who is to get the mail of which domains over this connection.
  struct Turn {
    Turn(std::string u, std::vector<std::string> d) : user(std::move(u)), domains(std::move(d)) {}
    std::string user;
    std::vector<std::string> domains;
  };
  std::unique_ptr<Turn> take_turn() { return std::move(turn_); }

  // For an admin's list: what is known of the client; what the conversation itself knows is there already.
  void describe(smtp::ConversationFacts& facts) const;
  const smtp::Client& client() const noexcept { return client_; }
  const Service& service() const noexcept { return *service_; }
  log::Host host() const;
  bool lost() const noexcept { return lost_; }         // the client went without QUIT

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

  std::optional<log::Tls> log_tls() const;
  auth::Facts auth_facts() const;
  bool may_send_as(const std::optional<mail::Address>& address) const;
  Status judge_sender(const std::optional<mail::Address>& sender) const;
  Status judge_quota(std::size_t recipients) const;
  // A listener for submission on a unix socket: its permissions say who may send.
  bool on_submission_socket() const { return service_->submission && client_.peer.address.empty(); }
  // session_client.cpp
  const route::ClientTables& client_tables() const;
  event::Task<> learn_name();
  event::Task<Status> judge_access();
  event::Task<config::Match> may_relay();
  event::Task<Status> judge_submitter();
  void describe_client(policy::RecipientFacts& facts) const;
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
  bool trusted_ = false, lost_ = false;
  config::Match listed_ = config::Match::no;     // of relay_from and not of relay_deny
  config::ClientName client_name_;
  std::unique_ptr<Turn> turn_;
  std::unique_ptr<Transaction> transaction_;     // idle connections pay nothing for it
};

}  // namespace mansio::receive
