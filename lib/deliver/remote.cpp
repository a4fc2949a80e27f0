#include "deliver/remote.hpp"

#include "net/tls_log.hpp"

#include <algorithm>
#include <set>

#include "deliver/outgoing.hpp"
#include "deliver/remote_session.hpp"

namespace mansio::deliver {
namespace {

// RFC 6531 §3.7.1: without SMTPUTF8 a domain goes as A-labels.
std::string wire_address(const mail::Address& address, bool smtputf8) {
  if (smtputf8 || !address.needs_smtputf8()) return address.text();
  return address.local().quoted() + "@" + address.domain().key();
}

bool ascii_local_part(const mail::Address& address) {
  return std::ranges::all_of(address.local().value(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// RFC 4954 §5: who the message is from is told on when a client said it that had logged in; of others it is told that nobody knows.
std::string asserted_sender(const mail::Envelope& envelope) {
  bool logged_in = envelope.protocol.ends_with('A');       // RFC 3848
  return envelope.auth.empty() || logged_in ? envelope.auth : "<>";
}

}  // namespace

Remote::Remote(event::Loop& loop, event::Scope& scope, SiteFinder& finder, const Secrets* secrets, log::Logger* log)
    : loop_(loop), scope_(scope), finder_(finder), log_(log), reading_(loop, "relay", 4), tokens_(reading_), logins_(secrets, tokens_),
      contexts_(secrets), sweeper_(loop) {}

Remote::~Remote() = default;

// ---- one delivery

event::Task<RemoteOutcome> Remote::deliver(const RemoteRequest* request) {
  RemoteOutcome outcome;
  std::size_t count = request->recipients.size();
  outcome.recipients.assign(count, Status(451, 4, 0, "not tried"));
  outcome.stages.assign(count, smtp::Stage::connect);
  outcome.tried.assign(count, true);
  outcome.ours.assign(count, false);
  Try state;
  for (SessionPtr session = take_idle(*request); session != nullptr; session = take_idle(*request)) {
    bool decided = co_await transact(request, session.get(), &outcome);
    if (!decided) continue;        // it had gone stale: the next one, or a new connection
    keep(*request, std::move(session));
    slot_.fire();
    co_return outcome;
  }
  for (;;) {
    SessionPtr session = co_await connect(request, &state);
    if (session == nullptr) break;
    bool decided = co_await transact(request, session.get(), &outcome);
    state.served = state.served || outcome.reach == RemoteOutcome::Reach::reached;
    if (!decided) {
      mark_bad(session->endpoint);
      state.last = outcome.recipients.front();
      state.last_host = session->host;
      session.reset();
      slot_.fire();
      continue;
    }
    keep(*request, std::move(session));
    slot_.fire();
    co_return outcome;
  }
  slot_.fire();
  outcome.host = state.last_host;
  outcome.why = state.last;
  outcome.reach = state.own_trouble ? RemoteOutcome::Reach::neither
                  : state.served ? RemoteOutcome::Reach::reached : RemoteOutcome::Reach::unreachable;
  // Final only when every host was proven not to exist.
  if (state.last.permanent() && state.soft) state.last = soften(state.last, "the connection");
  for (std::size_t i = 0; i < count; ++i) outcome.recipients[i] = state.last;
  outcome.why = state.last;
  co_return outcome;
}

// False: the host or the connection failed before anything was decided, so that another one may be tried.
event::Task<bool> Remote::transact(const RemoteRequest* request, Session* session, RemoteOutcome* outcome) {
  const smtp::Capabilities& offered = session->client.capabilities();
  const mail::Envelope& envelope = request->message->envelope;
  std::size_t count = request->recipients.size();
  consider(*session, request);
  outcome->host = session->host;
  outcome->ours.assign(count, false);
  outcome->tls.reset();
  if (const net::TlsInfo* tls = session->client.tls()) outcome->tls = net::log_fields(*tls);
  outcome->auth = session->client.auth();
  outcome->pipelining = offered.pipelining;
  outcome->chunking = offered.chunking;
  outcome->dsn = offered.dsn;
  outcome->reach = RemoteOutcome::Reach::reached;

  Outgoing content(reading_, request->message);
  Status possible = co_await content.prepare(&offered);
  if (possible.ok() && envelope.sender && !ascii_local_part(*envelope.sender) && !content.smtputf8()) {
    possible = Status(550, 6, 7, "the next host does not take internationalised addresses (SMTPUTF8), and the sender has one");
  }
  if (!possible.ok()) {
    outcome->recipients.assign(count, possible);
    outcome->ours.assign(count, true);
    outcome->stages.assign(count, smtp::Stage::mail);
    co_return true;
  }

  smtp::Transaction transaction;
  if (envelope.sender) transaction.sender = wire_address(*envelope.sender, content.smtputf8());
  transaction.size = content.size();
  transaction.body = content.body();
  transaction.smtputf8 = content.smtputf8();
  transaction.ret = envelope.ret;
  transaction.envid = envelope.envid;
  transaction.auth = asserted_sender(envelope);
  transaction.content = &content;
  std::size_t most = request->transport->recipients_per_message;
  if (offered.rcpt_max > 0) most = std::min<std::size_t>(most, offered.rcpt_max);
  std::vector<std::size_t> of;           // index of each recipient of the transaction
  std::set<std::string> domains;
  for (std::size_t i = 0; i < count; ++i) {
    const RemoteRecipient& recipient = request->recipients[i];
    if (!ascii_local_part(recipient.address) && !content.smtputf8()) {
      outcome->recipients[i] = Status(550, 6, 7, "the next host does not take internationalised addresses (SMTPUTF8)");
      outcome->ours[i] = true;
      outcome->stages[i] = smtp::Stage::rcpt;
      continue;
    }
    domains.insert(recipient.address.domain().key());
    bool full = of.size() >= most || (offered.rcpt_domain_max > 0 && domains.size() > offered.rcpt_domain_max);
    outcome->tried[i] = !full;
    if (full) continue;
    transaction.recipients.emplace_back(wire_address(recipient.address, content.smtputf8()), recipient.orcpt, recipient.notify);
    of.push_back(i);
  }
  if (of.empty()) co_return true;

  auto result = co_await session->client.send(&transaction);
  bool any_final = false, all_at_mail = true;
  for (std::size_t k = 0; k < of.size(); ++k) {
    outcome->recipients[of[k]] = result.recipients[k];
    outcome->stages[of[k]] = result.stages[k];
    any_final = any_final || !result.recipients[k].temporary();
    all_at_mail = all_at_mail && result.stages[k] == smtp::Stage::mail;
  }
  if (!result.reusable) session->idle_since = MonotonicTime::max();       // not to be kept
  // A host that breaks off before it takes a message says something about itself; later it may be the message.
  if (result.host_trouble && all_at_mail) outcome->reach = RemoteOutcome::Reach::unreachable;
  bool elsewhere = !any_final && !result.unknown && (result.host_trouble || all_at_mail);
  co_return !elsewhere;
}

}  // namespace mansio::deliver
