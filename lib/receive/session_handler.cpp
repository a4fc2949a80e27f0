#include "receive/session_handler.hpp"

#include <pwd.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/sabotage.hpp"
#include "base/text.hpp"
#include "event/timer.hpp"
#include "mail/header.hpp"
#include "mail/received.hpp"
#include "policy/recipient.hpp"
#include "receive/local_sender.hpp"

namespace mansio::receive {
namespace {

// The login name of a uid, "" when there is none. Blocks: for a thread.
std::string login_name(unsigned uid) {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[16384];
  if (::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) != 0 || found == nullptr) return {};
  return found->pw_name;
}

// See base/sabotage.hpp: only there it is called.
event::Task<> commit_late(Receiver& receiver, spool::Writer writer, mail::Envelope envelope, std::string head) {
  event::Timer timer(receiver.loop);
  co_await timer.sleep(Duration(100));
  auto stored = co_await writer.commit(std::move(envelope), std::move(head));
  if (stored) receiver.accepted(std::move(*stored));
}

[[maybe_unused]] void commit_later(Receiver& receiver, spool::Writer writer, mail::Envelope envelope, std::string head) {
  static event::Scope late([](std::exception_ptr) {});
  late.spawn(commit_late(receiver, std::move(writer), std::move(envelope), std::move(head)));
}

log::ConnectionTrouble::Kind to_log(smtp::Trouble kind) {
  using From = smtp::Trouble;
  using To = log::ConnectionTrouble::Kind;
  switch (kind) {
    case From::early_talker: return To::early_talker;
    case From::too_many_errors: return To::too_many_errors;
    case From::syntax_error: return To::syntax_error;
    case From::protocol_error: return To::protocol_error;
    case From::lost: return To::lost;
    case From::lost_in_data: return To::lost_in_data;
    case From::command_timeout: return To::command_timeout;
    case From::data_timeout: case From::write_timeout: return To::data_timeout;
    case From::no_mail: return To::no_mail;
    case From::tls_failed: return To::tls_error;
    case From::early_pipelining: return To::early_pipelining;
  }
  return To::lost;
}

std::string without_brackets(std::string_view message_id) {
  message_id = trim(message_id);
  if (message_id.starts_with('<') && message_id.ends_with('>')) message_id = message_id.substr(1, message_id.size() - 2);
  return std::string(message_id);
}

}  // namespace

SessionHandler::SessionHandler(Receiver& receiver, smtp::Client client, ServicePtr service)
    : receiver_(receiver), client_(std::move(client)), service_(std::move(service)), config_(receiver.config()), router_(receiver.router()) {}

log::Host SessionHandler::host() const {
  log::Host out;
  out.name = client_name_.name();
  out.helo = helo_;
  out.address = client_.peer.address;
  out.port = client_.peer.port;
  return out;
}

// RFC 3848; RFC 6531 §4.3 for SMTPUTF8.
std::string SessionHandler::protocol() const {
  if (service_->local) return "local";
  bool utf8 = transaction_ && transaction_->envelope.smtputf8;
  bool lmtp = service_->protocol == smtp::Protocol::lmtp;
  if (!lmtp && hello_verb_ == smtp::Verb::helo) return "SMTP";
  std::string out = lmtp ? (utf8 ? "UTF8LMTP" : "LMTP") : (utf8 ? "UTF8SMTP" : "ESMTP");
  if (tls_ != nullptr) out += 'S';
  if (!auth_.empty()) out += 'A';
  return out;
}

event::Task<Status> SessionHandler::connected() {
  if (client_.credentials) {
    unsigned uid = client_.credentials->uid;
    auto look_up = [uid] { return login_name(uid); };
    user_ = co_await receiver_.blocking.run(look_up);
    if (user_.empty()) user_ = fmt::format("uid{}", uid);
    const auto& trusted = config_->trusted_users;
    trusted_ = uid == 0 || uid == ::getuid() || std::ranges::find(trusted, user_) != trusted.end() ||
               std::ranges::find(trusted, "*") != trusted.end();
  }
  Status welcome = co_await judge_access();
  if (!welcome.ok()) co_return welcome;
  co_return Status(220, "ESMTP mansio");
}

event::Task<Status> SessionHandler::hello(smtp::Verb verb, std::string name) {
  helo_ = std::move(name);
  hello_verb_ = verb;
  co_return Status();
}

std::optional<mail::Address> SessionHandler::own_address() const { return address_of_user(user_, config_->mail_name); }

event::Task<Status> SessionHandler::mail(smtp::MailArguments arguments) {
  config_ = receiver_.config();
  router_ = receiver_.router();
  auto welcome = receiver_.spool.accepting();
  if (!welcome) co_return Status::from_error(welcome.error());
  Status submitter = co_await judge_submitter();
  if (!submitter.ok()) {
    log_rejection(log::Rejection::Stage::mail, arguments.path ? arguments.path->text() : std::string(), submitter, submitter.text());
    co_return submitter;
  }
  if (service_->submission && arguments.path) {
    if (auto shorter = mail::masqueraded(*arguments.path, config_->submission.masquerade)) arguments.path = std::move(shorter);
  }
  Status allowed = judge_sender(arguments.path);
  if (!allowed.ok()) {
    log_rejection(log::Rejection::Stage::mail, arguments.path ? arguments.path->text() : std::string(), allowed, allowed.text());
    co_return allowed;
  }
  transaction_ = std::make_unique<Transaction>();
  mail::Envelope& envelope = transaction_->envelope;
  envelope.sender = std::move(arguments.path);
  // sendmail -f is for trusted users; mail of others comes from themselves, but the null sender is anybody's.
  if (service_->local && !trusted_ && envelope.sender) envelope.sender = own_address();
  envelope.body = arguments.body;
  envelope.ret = arguments.ret;
  envelope.smtputf8 = arguments.smtputf8;
  envelope.envid = std::move(arguments.envid);
  // RFC 4954 §5: who has not logged in is not believed to know who submitted the message first.
  if (!arguments.auth.empty()) envelope.auth = auth_.empty() ? std::string("<>") : std::move(arguments.auth);
  envelope.helo = helo_;
  envelope.client_name = client_name_.name();
  envelope.client_address = client_.peer.address;
  envelope.client_port = client_.peer.port;
  envelope.user = user_;
  envelope.protocol = protocol();
  co_return Status(250, 1, 0, "OK");
}

event::Task<Status> SessionHandler::rcpt(smtp::RcptArguments arguments) {
  std::optional<mail::Address> address = std::move(arguments.path);
  if (!address) {
    address = router_->postmaster();   // RFC 5321 §4.5.1: <postmaster> without domain
  }
  std::string sender = transaction_->envelope.sender_text();
  std::string sender_again = sender;
  auto verdict = co_await router_->verify(*address, std::move(sender));
  policy::RecipientFacts facts = policy::facts_of(verdict);
  if (facts.standing == policy::Standing::elsewhere) {
    facts.client_may_relay = co_await may_relay();
    describe_client(facts);
  }
  policy::Verdict judged = policy::judge_recipient(facts);
  if (!judged.status.ok()) {
    log_rejection(log::Rejection::Stage::rcpt, address->text(), judged.status, judged.reason);
    co_return judged.status;
  }
  Status within = judge_quota(transaction_->envelope.recipients.size());
  // A program of this machine has no author at hand, and must not wait for DNS: its mail is returned instead.
  bool judged_now = service_->submission && !service_->local && receiver_.sendable;
  if (within.ok() && judged_now && verdict.standing == route::Standing::remote) {
    // RFC 6409 §5: what can't be sent is refused while its author is there, not returned later.
    Status possible = co_await receiver_.sendable(*address, std::move(sender_again));
    if (possible.permanent()) within = possible;
  }
  if (!within.ok()) {
    log_rejection(log::Rejection::Stage::rcpt, address->text(), within, within.text());
    co_return within;
  }
  // The same recipient twice is delivered once.
  std::string key = verdict.standing == route::Standing::local ? address->key() : address->local().quoted() + "@" + address->domain().key();
  auto& seen = transaction_->seen;
  auto at = std::ranges::lower_bound(seen, key);
  if (at != seen.end() && *at == key) co_return judged.status;
  seen.insert(at, std::move(key));
  mail::Recipient recipient(std::move(*address));
  recipient.orcpt = std::move(arguments.orcpt);
  recipient.notify = arguments.notify;
  transaction_->envelope.recipients.push_back(std::move(recipient));
  co_return judged.status;
}

event::Task<Status> SessionHandler::begin_data() {
  transaction_->envelope.received = std::chrono::system_clock::now();
  transaction_->writer.emplace(receiver_.spool.new_message());
  if (service_->submission) begin_submission();
  co_return Status();
}

event::Task<Result<>> SessionHandler::content(std::vector<std::string_view> spans) {
  if (transaction_->refused) co_return Result<>();
  std::string ready;
  if (transaction_->submitted) {
    if (!take_header(spans, ready)) co_return Result<>();
    spans.assign(1, ready);
  }
  auto stored = co_await store(std::move(spans));
  co_return stored;
}

event::Task<Result<>> SessionHandler::store(std::vector<std::string_view> spans) {
  Transaction& transaction = *transaction_;
  for (std::string_view span : spans) {
    if (transaction.start.size() < mail::header_prefix) transaction.start += span.substr(0, mail::header_prefix - transaction.start.size());
    transaction.header.feed(span);
  }
  // All spans are copied before anything waits: they lie in the loop's read buffer.
  for (std::size_t i = 0; i + 1 < spans.size(); ++i) transaction.writer->append_now(spans[i]);
  std::string_view last = spans.empty() ? std::string_view() : spans.back();
  if (transaction.writer->fits(last.size())) {
    transaction.writer->append_now(last);
    co_return Result<>();
  }
  auto done = co_await transaction.writer->append(last);
  co_return done;
}

Status SessionHandler::judge_content() const {
  if (transaction_->refused) return *transaction_->refused;
  // RFC 5321 §6.3: a message that goes round and round.
  if (transaction_->header.received_count() > config_->limits.hops) {
    return Status(554, 4, 6, fmt::format("too many hops ({} Received lines): the message is looping", transaction_->header.received_count()));
  }
  return Status();
}

// For a local user who may not choose the sender: a Sender field when From is somebody else's (spec of sendmail -f).
std::string SessionHandler::missing_sender() const {
  if (!service_->local || trusted_) return {};
  auto own = own_address();
  return own ? sender_field(transaction_->header.copy(), *own) : std::string();
}

std::string SessionHandler::head_fields() const {
  std::optional<std::uint32_t> uid;
  if (client_.credentials) uid = client_.credentials->uid;
  bool hidden = service_->submission && !service_->local && config_->submission.hide_client;
  auto from = hidden ? mail::ReceivedFrom::hidden : mail::ReceivedFrom::shown;
  std::string head = mail::format_received(transaction_->envelope, config_->host_name, transaction_->writer->id().text(), uid, from);
  head += missing_sender();
  // A first line that is no field must not become the continuation of ours (S-031).
  if (!mail::begins_like_header(transaction_->start, true).value_or(true)) head += "\r\n";
  return head;
}

event::Task<Status> SessionHandler::end_data() {
  auto ended = std::chrono::steady_clock::now();
  if (transaction_->submitted) {
    std::string ready;
    if (take_rest(ready)) {
      auto stored = co_await store(std::vector<std::string_view>(1, ready));
      if (!stored) co_return Status::from_error(stored.error());
    }
  }
  transaction_->header.finish();
  Status verdict = judge_content();
  if (!verdict.ok()) {
    log_rejection(log::Rejection::Stage::data, "", verdict, verdict.text());
    co_return verdict;
  }
  std::string head = head_fields();
  std::string message_id = without_brackets(transaction_->header.message_id());
  transaction_->envelope.delivered_to = transaction_->header.delivered_to();
  if (transaction_->envelope.delivered_to.size() > config_->limits.hops) transaction_->envelope.delivered_to.resize(config_->limits.hops);
  mail::Envelope envelope = std::move(transaction_->envelope);
  transaction_->envelope = mail::Envelope();
  spool::Writer writer = std::move(*transaction_->writer);
  transaction_->writer.reset();
  if constexpr (sabotage == Sabotage::acknowledge) {
    Status early(250, 0, 0, "OK, queued as " + writer.id().text());
    commit_later(receiver_, std::move(writer), std::move(envelope), std::move(head));
    co_return early;
  }
  auto stored = co_await writer.commit(std::move(envelope), std::move(head));
  if (!stored) {
    Status failed = Status::from_error(stored.error());
    log_rejection(log::Rejection::Stage::data, "", failed, stored.error().text());
    co_return failed;
  }
  if (!login_.empty()) {
    std::uint64_t recipients = (*stored)->envelope.recipients.size();
    receiver_.quota.add(login_, recipients, std::chrono::steady_clock::now());
    if (receiver_.others.sent) receiver_.others.sent(login_, recipients);
  }
  log_arrival(**stored, message_id);
  if (receiver_.observers.taken_over) receiver_.observers.taken_over(std::chrono::steady_clock::now() - ended);
  Status done(250, 0, 0, "OK, queued as " + (*stored)->id.text());
  receiver_.accepted(std::move(*stored));
  co_return done;
}

event::Task<std::vector<Status>> SessionHandler::end_data_lmtp() {
  std::size_t recipients = transaction_->envelope.recipients.size();
  Status status = co_await end_data();
  std::vector<Status> replies(recipients, status);
  co_return replies;
}

void SessionHandler::reset(const Status* refused) {
  if (refused != nullptr && transaction_) log_rejection(log::Rejection::Stage::data, "", *refused, refused->text());
  transaction_.reset();
}

event::Task<Status> SessionHandler::verify(std::string) {
  // RFC 5321 §3.5.3: 252 keeps the list of users to ourselves.
  co_return Status(252, 1, 5, "cannot VRFY the user, but will take mail for it and try to deliver it");
}

void SessionHandler::trouble(smtp::Trouble kind, std::string_view command, std::string_view text) {
  if (kind == smtp::Trouble::lost || kind == smtp::Trouble::lost_in_data) lost_ = true;
  if (kind == smtp::Trouble::no_mail) return;     // a monitor's probe is no news
  log::ConnectionTrouble event;
  event.kind = to_log(kind);
  event.host = host();
  event.command = command;
  event.text = text;
  if (kind == smtp::Trouble::early_talker) event.input = text;
  if (transaction_) event.sender = transaction_->envelope.sender_text();
  receiver_.log.write(std::move(event));
}

void SessionHandler::log_rejection(log::Rejection::Stage stage, std::string argument, const Status& status, std::string reason) {
  log::Rejection event;
  event.host = host();
  event.stage = stage;
  event.argument = std::move(argument);
  event.temporary = status.temporary();
  event.reason = std::move(reason);
  if (transaction_) {
    event.sender = transaction_->envelope.sender_text();
    for (const auto& recipient : transaction_->envelope.recipients) event.recipients.push_back(recipient.address.text());
    if (transaction_->writer) event.id = transaction_->writer->id().text();
    if (stage == log::Rejection::Stage::data) {
      mail::HeaderReader reader(transaction_->header.copy());
      while (auto field = reader.next()) event.headers.emplace_back(field->raw);
    }
  }
  event.tls = log_tls();
  event.auth = auth_;
  receiver_.log.write(std::move(event));
}

void SessionHandler::log_arrival(const spool::Message& message, const std::string& message_id) {
  log::Arrival event;
  event.id = message.id.text();
  event.sender = message.envelope.sender_text();
  event.host = host();
  event.local_address = client_.local.address;
  event.local_port = client_.local.port;
  event.user = user_;
  event.protocol = to_lower(message.envelope.protocol);
  event.tls = log_tls();
  event.auth = auth_;
  event.size = message.size();
  if (message.envelope.body == mail::Body::eight_bit) event.body = log::BodyType::eight_bit;
  if (message.envelope.body == mail::Body::seven_bit) event.body = log::BodyType::seven_bit;
  event.message_id = message_id;
  for (const auto& recipient : message.envelope.recipients) event.recipients.push_back(recipient.address.text());
  receiver_.log.write(std::move(event));
}

}  // namespace mansio::receive
