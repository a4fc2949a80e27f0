// MailBox: a Handler that keeps the mail in memory. Its world: the domain ex.test with alice, bob, carol, postmaster and
// every user…; full answers 452 at the end of LMTP data, later 451 at RCPT; all else there does not exist, and nothing
// else is relayed. Content with "X-Refuse:" is refused at its end; "X-Full:" meets a full disk. The client named
// refused.test is not liked, nor the senders refused@, later@, and nodata@ before its data. Who may log in: alice and bob
// with the password "opensesame"; carol, with the same, is refused when she has shown it, and for dave the back end does
// not work. The token "opensesame" is alice's, and whoever shows a certificate may be alice. Two messages wait for held.test, and
// none for empty.test; no other domain is asked for by ETRN, or given by ATRN.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "event/timer.hpp"
#include "sasl/decoy.hpp"
#include "smtp/handler.hpp"

namespace mansio::smtp {

class MailBox final : public Handler {
 public:
  MailBox(event::Loop& loop, Status greeting) : timer_(loop), greeting_(std::move(greeting)) {}

  struct Message {
    std::string envelope;      // "from=<a@b> to=<c@d>,<e@f> hello=EHLO:x body=binary smtputf8 ret=HDRS envid=… notify=… orcpt=…"
    std::string content;
  };
  std::vector<Message> messages;
  std::vector<Trouble> troubles;
  std::vector<std::string> events;     // TLS, logins, trouble, in their order
  std::size_t open = 0;        // contents begun and neither taken nor given up

  event::Task<Status> connected() override;
  event::Task<Status> hello(Verb verb, std::string name) override;
  event::Task<Status> mail(MailArguments arguments) override;
  event::Task<Status> rcpt(RcptArguments arguments) override;
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
  event::Task<Status> start_queue(EtrnArguments arguments) override;
  event::Task<Status> turn_round(std::vector<std::string> domains) override;
  void trouble(Trouble kind, std::string_view command, std::string_view text) override;

 private:
  void keep();
  event::Timer timer_;
  Status greeting_;
  std::string hello_, from_, extras_, content_;
  std::vector<std::string> to_;
  bool in_content_ = false;
};

std::string_view trouble_name(Trouble kind);

// What the session needs for SCRAM.
const sasl::Decoy& mail_box_decoy();

}  // namespace mansio::smtp
