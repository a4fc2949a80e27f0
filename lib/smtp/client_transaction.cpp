#include "smtp/client_transaction.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace mansio::smtp {
namespace {

// Octets of commands that may be out without their replies read. They fit our socket's send buffer even when the server reads
// nothing before its replies are read, so no group can stop both sides (RFC 2920 §3.1, R-113).
constexpr std::size_t group_limit = 8192;

// May it stand between < and >, so that nothing of it is taken for the end of the path or of the line?
bool is_path(std::string_view address) {
  bool quoted = false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    char c = address[i];
    if (is_control(c)) return false;
    if (c == '"') quoted = !quoted;
    else if (quoted && c == '\\') ++i;
    else if (!quoted && (c == ' ' || c == '<' || c == '>')) return false;
    if (i < address.size() && is_control(address[i])) return false;
  }
  return !quoted;
}

// RFC 6533 §3, utf-8-addr-xtext: an address of type utf-8 for a transaction without SMTPUTF8. `text` is valid UTF-8.
std::string ascii_orcpt(std::string_view text) {
  if (is_ascii(text) || !is_utf8(text)) return std::string(text);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned point = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k) point = point << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3fu);
    if (length == 1 && lead != '=' && lead != '+') out += text[i];
    else out += fmt::format("\\x{{{:02X}}}", point);
    i += length;
  }
  return out;
}

// A value of an ESMTP parameter. 8-bit only in an address of type utf-8 (RFC 6533 §3), in a transaction with SMTPUTF8.
bool is_parameter_value(std::string_view value, bool smtputf8) {
  return !value.empty() && !has_control(value) && value.find(' ') == std::string_view::npos && (smtputf8 || is_ascii(value));
}

std::string notify_words(std::uint8_t notify) {
  if (notify & mail::Notify::never) return "NEVER";
  std::string words;
  auto add = [&](std::uint8_t bit, std::string_view word) {
    if (!(notify & bit)) return;
    if (!words.empty()) words += ',';
    words += word;
  };
  add(mail::Notify::success, "SUCCESS");
  add(mail::Notify::failure, "FAILURE");
  add(mail::Notify::delay, "DELAY");
  return words;
}

// For lists: what of a transaction is under way.
void show_stage(Conversation* conversation, Stage stage) {
  if (conversation == nullptr) return;
  conversation->spoke = true;
  conversation->verb = stage == Stage::mail ? Verb::mail : stage == Stage::rcpt ? Verb::rcpt : Verb::data;
}

}  // namespace

ClientTransaction::ClientTransaction(ClientChannel& channel, const Capabilities& offered, const ClientOptions& options,
                                     Transaction& transaction)
    : channel_(channel), offered_(offered), options_(options), transaction_(transaction) {
  std::size_t count = transaction.recipients.size();
  result_.recipients.assign(count, Status(451, 4, 2, "not sent"));
  result_.stages.assign(count, Stage::mail);
  fates_.assign(count, Fate::open);
}

event::Task<TransactionResult> ClientTransaction::run() {
  refuse_unsendable();
  skip_settled();
  if (next_ < fates_.size()) {
    auto held = co_await converse();
    if (held && channel_.has_input()) channel_.drop();     // what it says more belongs to no command; or it is a 421
    if (!held) broke(held.error());
  }
  if (Conversation* conversation = channel_.conversation()) conversation->spoke = false;
  result_.reusable = channel_.open();
  co_return std::move(result_);
}

event::Task<Result<>> ClientTransaction::converse() {
  auto held = co_await envelope();
  if (!held) co_return held;
  held = co_await message();
  if (!held) co_return held;
  if (!over_) held = co_await reset();
  co_return held;
}

// ---- what can't be said to this server

// Never a parameter that wasn't offered (RFC 5321 §4.1.1.3), and nothing that needs one without it.
std::optional<Status> ClientTransaction::unsendable() const {
  const Transaction& t = transaction_;
  if (offered_.size && offered_.size_limit > 0 && t.size > offered_.size_limit) {       // RFC 1870 §6
    return Status(552, 3, 4, fmt::format("a message of {} octets, and the host takes {}", t.size, offered_.size_limit));
  }
  // RFC 6531 §3.2, §3.5.
  if (t.smtputf8 && !offered_.smtputf8) return Status(550, 6, 7, "the host does not take internationalised mail (SMTPUTF8)");
  if (!t.smtputf8 && !is_ascii(t.sender)) return Status(550, 6, 7, "the sender's address is not ASCII");
  if (!is_path(t.sender)) return Status(553, 1, 7, "the sender's address can't be sent");
  bool binary = t.body == mail::Body::binary && !(offered_.binarymime && offered_.chunking);   // RFC 3030 §3
  bool eight_bit = t.body == mail::Body::eight_bit && !offered_.eight_bit;                     // RFC 6152 §3
  if (binary || eight_bit) return Status(554, 6, 3, "the host does not take this kind of content");
  return std::nullopt;
}

void ClientTransaction::refuse_unsendable() {
  auto all = unsendable();
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    const std::string& address = transaction_.recipients[i].address;
    if (all) settle(i, *all, Stage::mail);
    else if (!transaction_.smtputf8 && !is_ascii(address)) settle(i, Status(550, 6, 7, "the address is not ASCII"), Stage::rcpt);
    else if (address.empty() || !is_path(address)) settle(i, Status(553, 1, 3, "the address can't be sent"), Stage::rcpt);
  }
}

// ---- the envelope

std::string ClientTransaction::mail_command() const {
  const Transaction& t = transaction_;
  std::string line = fmt::format("MAIL FROM:<{}>", t.sender);
  if (offered_.size && t.size > 0) line += fmt::format(" SIZE={}", t.size);
  if (t.body == mail::Body::eight_bit) line += " BODY=8BITMIME";
  if (t.body == mail::Body::binary) line += " BODY=BINARYMIME";
  if (t.smtputf8) line += " SMTPUTF8";
  if (offered_.dsn && t.ret != mail::Return::unspecified) line += t.ret == mail::Return::full ? " RET=FULL" : " RET=HDRS";
  if (offered_.dsn && is_parameter_value(t.envid, false)) line += " ENVID=" + t.envid;
  // RFC 4954 §5; "<>" is the one value that is no xtext.
  if (!offered_.auth.empty() && is_parameter_value(t.auth, false)) line += " AUTH=" + t.auth;
  return line + "\r\n";
}

std::string ClientTransaction::rcpt_command(const TransactionRecipient& recipient) const {
  std::string line = fmt::format("RCPT TO:<{}>", recipient.address);
  if (offered_.dsn && recipient.notify != 0) line += " NOTIFY=" + notify_words(recipient.notify);
  std::string orcpt = transaction_.smtputf8 ? recipient.orcpt : ascii_orcpt(recipient.orcpt);
  if (offered_.dsn && is_parameter_value(orcpt, transaction_.smtputf8)) line += " ORCPT=" + orcpt;
  return line + "\r\n";
}

event::Task<Result<>> ClientTransaction::envelope() {
  std::string group;
  while (!envelope_sent()) {
    fill_group(group);
    stage_ = due_.front().stage;
    began_ = true;
    show_stage(channel_.conversation(), stage_);
    channel_.hear(Heard::client, group);
    auto written = co_await channel_.write(group, time_for(stage_));
    // A server that has closed may have said why: its replies are read in any case.
    if (!written && written.error().fault() != Fault::closed) co_return written;
    // RFC 2920 §3.1: replies are counted, whatever they say.
    for (const Step& step : due_) {
      stage_ = step.stage;
      auto reply = co_await channel_.reply(time_for(stage_));
      if (!reply) co_return std::unexpected(reply.error());
      auto taken = take(step, *reply);
      if (!taken) co_return taken;
    }
    if (!written) co_return written;
  }
  co_return Result<>();
}

Duration ClientTransaction::time_for(Stage stage) const noexcept {
  const ClientTimeouts& times = options_.timeouts;
  return stage == Stage::mail ? times.mail : stage == Stage::rcpt ? times.rcpt : times.data_init;
}

bool ClientTransaction::envelope_sent() const noexcept { return began_ && (mail_refused_ || next_ == fates_.size()); }

void ClientTransaction::skip_settled() {
  while (next_ < fates_.size() && fates_[next_] == Fate::settled) ++next_;
}

// The commands that go out together. Without PIPELINING one at a time; DATA, which waits for its answer, only last
// (RFC 2920 §3.1), and never on the way to BDAT.
void ClientTransaction::fill_group(std::string& group) {
  group.clear();
  due_.clear();
  if (!began_) {
    group = mail_command();
    due_.emplace_back(Stage::mail, 0);
  }
  bool room = due_.empty() || offered_.pipelining;
  while (room && next_ < fates_.size()) {
    group += rcpt_command(transaction_.recipients[next_]);
    due_.emplace_back(Stage::rcpt, next_++);
    skip_settled();
    room = offered_.pipelining && group.size() < group_limit;
  }
  if (offered_.pipelining && !chunked() && next_ == fates_.size()) {
    group += "DATA\r\n";
    due_.emplace_back(Stage::data, 0);
    data_sent_ = true;
  }
}

Result<> ClientTransaction::take(const Step& step, const ServerReply& reply) {
  if (reply.code == 421) return closing(reply);
  if (step.stage == Stage::data) {
    data_code_ = reply.code;
    if (reply.refused()) settle_accepted(reply.status(), Stage::data);
    // RFC 5321 §3.3: 354, or nothing of the message is sent.
    if (!reply.refused() && reply.code != 354) return fail(Fault::invalid, fmt::format("the server said {}", reply.code));
    return {};
  }
  if (!reply.ok() && !reply.refused()) return fail(Fault::invalid, fmt::format("the server said {}", reply.code));
  if (step.stage == Stage::rcpt) {
    take_rcpt(step.recipient, reply);
  } else if (!reply.ok()) {
    mail_refused_ = true;
    settle_open(reply.status());
  }
  return {};
}

void ClientTransaction::take_rcpt(std::size_t recipient, const ServerReply& reply) {
  if (fates_[recipient] == Fate::settled) return;       // MAIL was refused: what follows says nothing new
  if (reply.ok()) {
    fates_[recipient] = Fate::accepted;
    ++accepted_;
    if (Conversation* conversation = channel_.conversation()) ++conversation->recipients;
    return;
  }
  Status status = reply.status();
  // RFC 5321 §4.5.3.1.10: 552 here means too many recipients, and is as temporary as 452.
  if (status.code() == 552) status = Status(452, status.enhanced().subject, status.enhanced().detail, status.text());
  settle(recipient, status, Stage::rcpt);
}

// Before the connection carries another transaction (RFC 3030 §2). It must not hold the outcome up.
event::Task<Result<>> ClientTransaction::reset() {
  if (!channel_.open()) co_return Result<>();
  std::string command = "RSET\r\n";
  auto reply = co_await channel_.ask(std::move(command), options_.timeouts.quit);
  if (!reply || !reply->ok()) channel_.drop();
  co_return Result<>();
}

// ---- outcomes

void ClientTransaction::settle(std::size_t recipient, const Status& status, Stage stage) {
  result_.recipients[recipient] = status;
  result_.stages[recipient] = stage;
  fates_[recipient] = Fate::settled;
}

void ClientTransaction::settle_accepted(const Status& status, Stage stage) {
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    if (fates_[i] == Fate::accepted) settle(i, status, stage);
  }
  accepted_ = 0;
}

void ClientTransaction::settle_open(const Status& status) {
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    if (fates_[i] != Fate::settled) settle(i, status, stage_);
  }
  accepted_ = 0;
}

// RFC 5321 §3.8. After the end of data nobody knows what the server did: it may have taken the message (RFC 1047), so no other
// host is tried at once.
void ClientTransaction::broke(const Error& error) {
  bool any_open = std::ranges::any_of(fates_, [](Fate fate) { return fate != Fate::settled; });
  settle_open(verdict_ ? *verdict_ : broken_session(error, stage_));
  result_.unknown = end_sent_ && any_open && !verdict_;
  result_.host_trouble = host_trouble_ && !result_.unknown && error.fault() != Fault::cancelled;
  channel_.drop();
}

std::unexpected<Error> ClientTransaction::closing(const ServerReply& reply) {
  verdict_ = reply.status();
  return fail(Fault::closed, "the server closes");
}

std::unexpected<Error> ClientTransaction::abandon(Status status) {
  verdict_ = std::move(status);
  host_trouble_ = false;
  return fail(Fault::invalid, "the message can't be sent whole");
}

}  // namespace mansio::smtp
