#include "sendmail_compose.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include <fmt/format.h>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "mail/dsn.hpp"
#include "mail/header.hpp"
#include "mail/list.hpp"
#include "sendmail_content.hpp"
#include "sendmail_message.hpp"
#include "sendmail_pickup.hpp"
#include "sendmail_submit.hpp"

namespace mansio::sendmail {
namespace {

// Why the work ends here, in words for stderr.
struct Stop {
  Exit exit;
  std::string text;
};
template <class T>
using OrStop = std::expected<T, Stop>;

std::unexpected<Stop> stop(Exit exit, std::string text) { return std::unexpected(Stop{exit, std::move(text)}); }

std::string random_text() {
  std::uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = static_cast<std::uint64_t>(::getpid());
  return hex_encode(bits);
}

OrStop<std::vector<mail::Address>> read_arguments(const Options& options, const mail::Domain& qualify) {
  std::vector<mail::Address> all;
  for (const std::string& argument : options.arguments) {
    auto list = has_control(argument) ? Result<std::vector<mail::Address>>(fail(Fault::invalid, "control characters"))
                                      : mail::parse_address_list(argument, qualify);
    if (!list) return stop(Exit::usage, fmt::format("recipient {}: {}", escape(argument, 200), list.error().text()));
    all.insert(all.end(), list->begin(), list->end());
  }
  return all;
}

// -f: "", "<>" and an address in any form a header has.
OrStop<std::optional<mail::Address>> parse_sender(const std::string& text, const mail::Domain& qualify) {
  if (trim(text).empty() || trim(text) == "<>") return std::optional<mail::Address>();
  auto list = mail::parse_address_list(text, qualify);
  if (!list || list->size() != 1) return stop(Exit::usage, fmt::format("-f {}: not an address", escape(text, 200)));
  return list->front();
}

Exit exit_of(const Error& error) { return error.fault() == Fault::full ? Exit::temporary : Exit::io; }

// stdin through the builder into `content`.
OrStop<void> read_message(MessageBuilder& builder, Content& content) {
  char buffer[65536];
  std::string out;
  bool more = true;
  while (more) {
    ssize_t n = builder.ended() ? 0 : ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return stop(Exit::io, Error::from_errno(errno, "reading the message").text());
    more = n > 0;
    auto built = more ? builder.feed(std::string_view(buffer, static_cast<std::size_t>(n)), out) : builder.finish(out);
    if (!built) return stop(Exit::data, built.error().text());
    auto kept = content.append(out);
    if (!kept) return stop(exit_of(kept.error()), "keeping the message: " + kept.error().text());
    out.clear();
  }
  return {};
}

// Each address once: domains compare without case, local parts as they stand.
std::vector<mail::Recipient> unique_recipients(const std::vector<mail::Address>& addresses, const std::vector<mail::Address>& without,
                                               std::uint8_t notify) {
  auto key = [](const mail::Address& address) { return address.local().value() + '@' + address.domain().key(); };
  std::set<std::string> seen;
  for (const mail::Address& address : without) seen.insert(key(address));
  std::vector<mail::Recipient> out;
  for (const mail::Address& address : addresses) {
    if (!seen.insert(key(address)).second) continue;
    out.emplace_back(address);
    out.back().notify = notify;
  }
  return out;
}

bool needs_smtputf8(const mail::Envelope& envelope) {
  return (envelope.sender && envelope.sender->needs_smtputf8()) ||
         std::ranges::any_of(envelope.recipients, [](const mail::Recipient& r) { return r.address.needs_smtputf8(); });
}

void tell(const Options& options, std::string_view text) {
  if (options.errors != Errors::quiet) fmt::print(stderr, "sendmail: {}\n", text);
}

Exit exit_of(const Status& status) {
  if (!status.permanent()) return Exit::temporary;
  EnhancedCode code = status.enhanced();
  if (code.subject == 7) return Exit::no_permission;
  if (code.subject == 1) return Exit::no_user;
  if (status.code() == 552 || code.subject == 6) return Exit::data;
  return Exit::unavailable;
}

// What the daemon didn't take now goes to the pickup directory, unless it may have taken it or said no to all of it.
Exit keep_left(const Options& options, const Setup& setup, const mail::Envelope& envelope, const Content& content, Outcome& outcome) {
  if (outcome.left.empty()) return Exit::ok;
  if (outcome.uncertain) {
    tell(options, "the connection ended before the daemon's last answer; the message may or may not be queued");
    return Exit::temporary;
  }
  if (outcome.reached && outcome.queued == 0) {
    tell(options, "not queued: " + escape(outcome.left.front().status.line()));
    return Exit::temporary;
  }
  mail::Envelope rest = envelope;
  rest.recipients.clear();
  for (const Unsent& unsent : outcome.left) rest.recipients.push_back(unsent.recipient);
  auto name = leave_for_pickup(setup.pickup_directory(), rest, content);
  if (!name) {
    tell(options, fmt::format("not queued: {}; pickup directory: {}", escape(outcome.left.front().status.text()),
                                  name.error().text()));
    return Exit::temporary;
  }
  if (options.verbose) fmt::print("left for pickup as {}\n", *name);
  return Exit::ok;
}

// A report to the sender about the refused recipients (-oem). False: it couldn't be queued.
bool mail_bounce(const Setup& setup, const mail::Envelope& envelope, const Content& content, const Outcome& outcome) {
  if (!envelope.sender) return false;
  auto head = content.head(64 * 1024);
  if (!head) return false;
  mail::HeaderReader reader(*head);
  while (reader.next()) {}
  mail::Dsn dsn(setup.host_name, *envelope.sender);
  dsn.mail_name = setup.mail_name;
  dsn.message_id = random_text() + "@" + setup.host_name;
  dsn.date = dsn.arrival = envelope.received;
  dsn.envid = envelope.envid;
  dsn.original = head->substr(0, reader.body_offset());
  for (const Unsent& unsent : outcome.refused) {
    dsn.recipients.emplace_back(unsent.recipient.address, mail::DsnAction::failed, unsent.status);
  }
  std::string text = mail::format_dsn(dsn);
  Content report;
  if (!report.append(text)) return false;
  mail::Envelope back;
  back.recipients.emplace_back(*envelope.sender);
  back.received = envelope.received;
  back.body = is_ascii(text) ? mail::Body::unspecified : mail::Body::eight_bit;
  back.smtputf8 = needs_smtputf8(back);
  back.protocol = "local";
  Outcome sent = submit(setup.submit_socket(), back, report);
  if (sent.queued == 1) return true;
  return !sent.reached && !sent.uncertain && leave_for_pickup(setup.pickup_directory(), back, report).has_value();
}

Exit tell_refused(const Options& options, const Setup& setup, const mail::Envelope& envelope, const Content& content,
                  const Outcome& outcome) {
  if (outcome.refused.empty()) return Exit::ok;
  bool some_queued = outcome.refused.size() < envelope.recipients.size();
  if (options.errors == Errors::mail && mail_bounce(setup, envelope, content, outcome) && some_queued) return Exit::ok;
  for (const Unsent& unsent : outcome.refused) {
    tell(options, fmt::format("{}: {}", escape(unsent.recipient.address.text()), escape(unsent.status.line())));
  }
  return exit_of(outcome.refused.front().status);
}

OrStop<Exit> compose(const Options& options, const Setup& setup) {
  auto qualify = mail::Domain::parse(setup.mail_name);
  if (!qualify) return stop(Exit::config, "mail_name: " + qualify.error().text());
  auto arguments = read_arguments(options, *qualify);
  if (!arguments) return std::unexpected(arguments.error());
  if (arguments->empty() && !options.extract) return stop(Exit::usage, "no recipients");

  Caller who = caller();
  auto own_name = mail::LocalPart::from_unquoted(who.user);
  if (!own_name) return stop(Exit::os, "the caller's name can't be an address: " + own_name.error().text());
  mail::Address own(*own_name, *qualify);
  mail::Envelope envelope;
  envelope.sender = own;
  if (options.sender) {
    auto sender = parse_sender(*options.sender, *qualify);
    if (!sender) return std::unexpected(sender.error());
    envelope.sender = std::move(*sender);
  }
  envelope.received = std::chrono::system_clock::now();

  MessageOptions message(*qualify, setup.host_name);
  message.dot_ends = options.dot_ends;
  message.extract = options.extract;
  message.from = format_mailbox(options.full_name.empty() ? who.full_name : options.full_name, envelope.sender.value_or(own));
  message.now = envelope.received;
  message.unique = random_text();
  MessageBuilder builder(std::move(message));
  Content content;
  auto read = read_message(builder, content);
  if (!read) return std::unexpected(read.error());

  if (options.rmail && !options.sender && !builder.mbox_sender().empty()) {
    auto sender = parse_sender(builder.mbox_sender(), *qualify);
    if (sender) envelope.sender = std::move(*sender);
  }
  std::vector<mail::Address> all = builder.recipients(), without;
  if (options.extract && setup.remove_arguments) without = std::move(*arguments);
  else all.insert(all.end(), arguments->begin(), arguments->end());
  envelope.recipients = unique_recipients(all, without, options.notify);
  if (envelope.recipients.empty()) return stop(Exit::usage, "no recipients");
  envelope.body = builder.has_eight_bit() ? mail::Body::eight_bit : options.body;
  envelope.ret = options.ret;
  envelope.envid = options.envid;
  envelope.smtputf8 = needs_smtputf8(envelope);
  envelope.protocol = "local";
  envelope.user = who.user;

  Outcome outcome = submit(setup.submit_socket(), envelope, content);
  if (options.verbose) {
    for (const std::string& reply : outcome.replies) fmt::print("{}\n", escape(reply));
  }
  Exit kept = keep_left(options, setup, envelope, content, outcome);
  Exit refused = tell_refused(options, setup, envelope, content, outcome);
  return kept != Exit::ok ? kept : refused;
}

}  // namespace

Exit submit_message(const Options& options, const Setup& setup) {
  auto done = compose(options, setup);
  if (done) return *done;
  fmt::print(stderr, "sendmail: {}\n", done.error().text);
  return done.error().exit;
}

}  // namespace mansio::sendmail
