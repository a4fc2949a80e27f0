#include "mail_box.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "crypto/password.hpp"
#include "crypto/scram_keys.hpp"

namespace mansio::smtp {

std::string_view trouble_name(Trouble kind) {
  constexpr std::string_view names[] = {"early_talker", "too_many_errors", "syntax_error", "protocol_error", "lost",
                                        "lost_in_data", "command_timeout", "data_timeout", "write_timeout", "no_mail",
                                        "tls_failed", "early_pipelining"};
  return names[static_cast<std::size_t>(kind)];
}

event::Task<Status> MailBox::connected() { co_return greeting_; }

event::Task<Status> MailBox::hello(Verb verb, std::string name) {
  if (name == "refused.test") co_return Status(550, 7, 1, "go away");
  hello_ = fmt::format("{}:{}", verb_name(verb), name);
  co_return Status();
}

event::Task<Status> MailBox::mail(MailArguments arguments) {
  from_ = arguments.path ? arguments.path->text() : "";
  if (from_.starts_with("refused@")) co_return Status(550, 7, 1, "sender refused");
  if (from_.starts_with("later@")) co_return Status(451, 7, 1, "try again later");
  extras_.clear();
  if (arguments.body == mail::Body::seven_bit) extras_ += " body=7bit";
  if (arguments.body == mail::Body::eight_bit) extras_ += " body=8bit";
  if (arguments.body == mail::Body::binary) extras_ += " body=binary";
  if (arguments.smtputf8) extras_ += " smtputf8";
  if (arguments.ret != mail::Return::unspecified) extras_ += arguments.ret == mail::Return::full ? " ret=FULL" : " ret=HDRS";
  if (!arguments.envid.empty()) extras_ += " envid=" + arguments.envid;
  if (!arguments.auth.empty()) extras_ += " auth=" + arguments.auth;
  to_.clear();
  // Another await, so that a session that forgets to copy its input is found out.
  if (from_.starts_with("slow@")) co_await timer_.sleep(Duration(2));
  co_return Status(250, 1, 0, "sender OK");
}

event::Task<Status> MailBox::rcpt(RcptArguments arguments) {
  if (arguments.notify != 0) extras_ += fmt::format(" notify={}", arguments.notify);
  if (!arguments.orcpt.empty()) extras_ += " orcpt=" + arguments.orcpt;
  if (!arguments.path) {
    to_.push_back("postmaster");
    co_return Status(250, 1, 5, "postmaster OK");
  }
  const mail::Address& path = *arguments.path;
  if (path.domain().key() != "ex.test") co_return Status(550, 7, 1, "relaying denied");
  std::string local = path.local().key();
  if (local == "later") co_return Status(451, 3, 0, "try again later");
  bool known = local == "alice" || local == "bob" || local == "carol" || local == "postmaster" || local == "full" ||
               local.starts_with("user") || !is_ascii(local);
  if (!known) co_return Status(550, 1, 1, "no such user");
  to_.push_back(path.text());
  co_return Status(250, 1, 5, "recipient OK");
}

event::Task<Status> MailBox::begin_data() {
  if (from_.starts_with("nodata@")) co_return Status(554, 7, 1, "no data from you");
  content_.clear();
  in_content_ = true;
  ++open;
  co_return Status();
}

event::Task<Result<>> MailBox::content(std::vector<std::string_view> spans) {
  for (auto span : spans) content_ += span;
  if (from_.starts_with("slow@")) co_await timer_.sleep(Duration(2));
  if (content_.find("X-Full:") != std::string::npos) co_return fail(Fault::full, "disk full");
  co_return Result<>();
}

void MailBox::keep() {
  std::string to;
  for (const auto& each : to_) to += fmt::format("{}<{}>", to.empty() ? "" : ",", each);
  messages.push_back({fmt::format("from=<{}> to={} hello={}{}", from_, to, hello_, extras_), content_});
}

event::Task<Status> MailBox::end_data() {
  if (from_.starts_with("slow@")) co_await timer_.sleep(Duration(2));
  if (content_.find("X-Refuse:") != std::string::npos) co_return Status(554, 7, 1, "content refused");
  keep();
  co_return Status(250, 0, 0, fmt::format("OK, queued as {}", messages.size()));
}

event::Task<std::vector<Status>> MailBox::end_data_lmtp() {
  std::vector<Status> replies;
  for (const auto& each : to_) {
    if (each.starts_with("full@")) replies.push_back(Status(452, 2, 2, "mailbox full"));
    else replies.push_back(Status(250, 0, 0, each + " delivered"));
  }
  keep();
  co_return replies;
}

void MailBox::reset(const Status*) {
  if (in_content_) --open;
  in_content_ = false;
  to_.clear();
  from_.clear();
}

event::Task<Status> MailBox::start_queue(EtrnArguments arguments) {
  events.push_back("etrn " + arguments.name);
  bool all = arguments.node == EtrnArguments::Node::queue;
  if (all) co_return Status(458, 3, 3, "Unable to queue messages for node " + arguments.text);
  if (arguments.name == "empty.test") co_return Status(251, 0, 0, "OK, no messages waiting for node " + arguments.text);
  if (arguments.name != "held.test") co_return Status(459, 7, 1, "Node " + arguments.text + " not allowed: not held");
  co_return Status(253, 0, 0, "OK, 2 pending messages for node " + arguments.text + " started");
}

event::Task<Status> MailBox::turn_round(std::vector<std::string> domains) {
  std::string wanted;
  for (const std::string& domain : domains) wanted += " " + domain;
  events.push_back("atrn" + wanted);
  if (wanted == " empty.test") co_return Status(453, 2, 0, "You have no mail");
  if (!wanted.empty() && wanted != " held.test") co_return Status(450, 7, 1, "ATRN request refused");
  co_return Status(250, 0, 0, "OK now reversing the connection");
}

event::Task<Status> MailBox::verify(std::string) { co_return Status(252, 1, 5, "will try"); }

void MailBox::secured(const net::TlsInfo& info) {
  events.push_back("secured " + info.version);
  hello_.clear();
}

namespace {

// As a users file would have them.
bool opens(std::string_view secret) {
  auto right = crypto::check_password("{PLAIN}opensesame", secret);
  return right && *right;
}

const crypto::ScramKeys& stored_keys() {
  static const crypto::ScramKeys keys =
      crypto::derive_scram_keys(crypto::Hash::sha256, "opensesame", "salt of sixteen.", crypto::scram_iterations_min);
  return keys;
}

}  // namespace

const sasl::Decoy& mail_box_decoy() {
  static const sasl::Decoy one("0123456789abcdef0123456789abcdef");
  return one;
}

event::Task<sasl::Answer> MailBox::ask(sasl::Question question) {
  using Kind = sasl::Question::Kind;
  using Verdict = sasl::Answer::Verdict;
  co_await timer_.sleep(Duration(1));
  const std::string user = question.user;
  if (user == "dave") co_return sasl::Answer(Verdict::unavailable);
  bool known = user == "alice" || user == "bob" || user == "carol";
  if (question.kind == Kind::keys && known) co_return sasl::Answer(stored_keys());
  bool right = question.kind == Kind::password && known && opens(question.secret.view());
  if (question.kind == Kind::token) right = (user.empty() || user == "alice") && question.secret.view() == "opensesame";
  if (question.kind == Kind::certificate) right = user.empty() || user == "alice";
  std::string name = user.empty() ? "alice" : user;
  co_return sasl::Answer(right ? Verdict::accepted : Verdict::denied, std::move(name));
}

event::Task<Status> MailBox::authenticated(std::string_view mechanism, std::string user) {
  if (user == "carol") co_return Status(535, 7, 8, "not you");
  events.push_back(fmt::format("authenticated {} {}", mechanism, user));
  co_return Status(235, 7, 0, "welcome");
}

event::Task<> MailBox::auth_failed(std::string_view mechanism, sasl::Failed failure) {
  events.push_back(fmt::format("failed {} {}: {}", mechanism, failure.user, failure.text));
  co_await timer_.sleep(Duration(1));
}

void MailBox::trouble(Trouble kind, std::string_view command, std::string_view text) {
  troubles.push_back(kind);
  events.push_back(fmt::format("trouble {}: {}: {}", trouble_name(kind), command, text));
}

}  // namespace mansio::smtp
