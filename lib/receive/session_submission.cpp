// Submission (RFC 6409): the header of what users send is put in order before it is stored.
#include <fmt/format.h>

#include "receive/session_handler.hpp"

namespace mansio::receive {

void SessionHandler::begin_submission() {
  auto mail_name = mail::Domain::parse(config_->mail_name);
  mail::SubmissionFacts facts(*mail_name);        // the configuration was checked
  const mail::Envelope& envelope = transaction_->envelope;
  facts.sender = envelope.sender;
  if (!login_.empty()) facts.login = mail::login_address(login_, *mail_name);
  facts.message_id = fmt::format("{}@{}", transaction_->writer->id().text(), config_->host_name);
  facts.now = envelope.received;
  facts.masquerade = config_->submission.masquerade;
  facts.add_sender = config_->submission.senders != config::Senders::any;
  facts.smtputf8 = envelope.smtputf8;
  auto allowed = [this](const mail::Address& address) { return may_send_as(address); };
  transaction_->submitted = std::make_unique<SubmittedHeader>(std::move(facts), allowed, service_->local);
}

// True when the header is whole: `ready` is then what there is so far, to be stored.
bool SessionHandler::take_header(const std::vector<std::string_view>& spans, std::string& ready) {
  for (std::size_t i = 0; i < spans.size(); ++i) {
    auto taken = transaction_->submitted->take(spans[i]);
    if (!taken) {
      transaction_->refused = std::move(taken.error());
      transaction_->submitted.reset();
      return false;
    }
    if (!*taken) continue;
    ready = std::move(**taken);
    for (std::size_t rest = i + 1; rest < spans.size(); ++rest) ready += spans[rest];
    end_submission();
    return true;
  }
  return false;
}

void SessionHandler::end_submission() {
  if (transaction_->submitted->signature_broken()) {
    log::Notice notice;
    notice.id = transaction_->writer->id().text();
    notice.text = "the header was put in order, and a DKIM signature that it came with does not fit any more";
    receiver_.log.write(std::move(notice));
  }
  transaction_->submitted.reset();
}

// The content ended with its header, or within it.
bool SessionHandler::take_rest(std::string& ready) {
  auto rest = transaction_->submitted->finish();
  end_submission();
  if (rest) ready = std::move(*rest);
  else transaction_->refused = std::move(rest.error());
  return rest.has_value();
}

}  // namespace mansio::receive
