#include "deliver/remote.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "deliver/outgoing.hpp"

namespace mansio::deliver {
namespace {

constexpr Duration bad_time{std::chrono::minutes(5)};     // how long an address that failed is tried after the others
constexpr Duration sweep_step{500};
constexpr std::size_t bad_limit = 10'000;

std::string endpoint_text(const event::Endpoint& endpoint) { return fmt::format("[{}]:{}", endpoint.address, endpoint.port); }

std::string pool_key(const RemoteRequest& request) { return request.transport->name + " " + request.site.key; }

// What a host said before any message is about itself, not about ours: a refusal there is never final for the mail
// (R-091: 554 in the greeting sends us to the next host, and then back to the queue).
Status soften(const Status& said, const char* at) {
  EnhancedCode code = said.enhanced();
  return Status(451, code.klass != 0 ? code.subject : 4, code.klass != 0 ? code.detail : 0,
                fmt::format("{} was refused: {}", at, said.line()));
}

smtp::ClientTimeouts client_timeouts(const config::ClientTimes& times) {
  smtp::ClientTimeouts out;
  out.greeting = times.greeting;
  out.hello = times.hello;
  out.mail = times.mail;
  out.rcpt = times.rcpt;
  out.data_init = times.data_init;
  out.data_block = times.data_block;
  out.data_end = times.data_end;
  return out;
}

// RFC 6531 §3.7.1: without SMTPUTF8 a domain goes as A-labels.
std::string wire_address(const mail::Address& address, bool smtputf8) {
  if (smtputf8 || !address.needs_smtputf8()) return address.text();
  return address.local().quoted() + "@" + address.domain().key();
}

bool ascii_local_part(const mail::Address& address) {
  return std::ranges::all_of(address.local().value(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

struct Remote::Session {
  Session(Remote& o, net::Connection connection, smtp::ClientOptions options, std::shared_ptr<const config::Transport> t, log::Host h, std::string e)
      : owner(o), client(std::move(connection), std::move(options)), transport(std::move(t)), host(std::move(h)), endpoint(std::move(e)) {
    ++owner.open_;
  }
  ~Session() { --owner.open_; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Remote& owner;
  smtp::ClientSession client;
  std::shared_ptr<const config::Transport> transport;
  log::Host host;
  std::string endpoint;
  MonotonicTime opened = std::chrono::steady_clock::now(), idle_since{};
};

// Where one delivery stands in the list of hosts and addresses.
struct Remote::Try {
  Try() = default;
  struct Place {
    Place(SiteHost h, event::Endpoint e) : host(std::move(h)), endpoint(std::move(e)) {}
    SiteHost host;
    event::Endpoint endpoint;
  };
  std::size_t next_host = 0;
  unsigned cut_at = 65535;            // hosts of this preference and worse are behind ourselves; 65535 are fallback hosts
  std::deque<Place> now, later;       // later: those that failed lately
  Status last{451, 4, 4, "no host of the destination could be tried"};
  log::Host last_host;
  bool own_trouble = false;           // descriptors or memory: says nothing about the site
  bool soft = false;                  // something that may pass has happened
  bool served = false;                // some host was there and took commands
};

Remote::Remote(event::Loop& loop, event::Scope& scope, SiteFinder& finder)
    : loop_(loop), scope_(scope), finder_(finder), reading_(loop, "relay", 4), sweeper_(loop) {}

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
  outcome->host = session->host;
  outcome->ours.assign(count, false);
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

// ---- connections

Remote::SessionPtr Remote::take_idle(const RemoteRequest& request) {
  auto found = idle_.find(pool_key(request));
  if (found == idle_.end()) return nullptr;
  auto& list = found->second;
  SessionPtr session;
  while (!list.empty() && session == nullptr) {
    session = std::move(list.back());
    list.pop_back();
    if (session->client.stale()) session.reset();
    else if (session->transport != request.transport) scope_.spawn(say_goodbye(std::move(session)));
  }
  if (list.empty()) idle_.erase(found);
  return session;
}

void Remote::keep(const RemoteRequest& request, SessionPtr session) {
  auto now = std::chrono::steady_clock::now();
  if (session->idle_since == MonotonicTime::max()) return;     // of no use any more: closed
  const config::Transport& transport = *request.transport;
  std::uint32_t most = transport.messages_per_connection;
  if (session->client.capabilities().mail_max > 0) most = std::min(most, session->client.capabilities().mail_max);
  if (stopping_ || transport.connection_idle <= Duration(0) || session->client.messages() >= most ||
      now - session->opened >= transport.connection_lifetime) {
    scope_.spawn(say_goodbye(std::move(session)));
    return;
  }
  session->idle_since = now;
  idle_[pool_key(request)].push_back(std::move(session));
  if (!sweeping_) {
    sweeping_ = true;
    scope_.spawn(sweep());
  }
}

event::Task<> Remote::say_goodbye(SessionPtr session) {
  co_await session->client.quit();
  session.reset();
  slot_.fire();
}

event::Task<> Remote::sweep() {
  while (!stopping_ && !idle_.empty()) {
    co_await sweeper_.sleep(sweep_step);
    auto now = std::chrono::steady_clock::now();
    std::vector<SessionPtr> old;
    for (auto at = idle_.begin(); at != idle_.end();) {
      auto& list = at->second;
      while (!list.empty() && (now - list.front()->idle_since >= list.front()->transport->connection_idle || list.front()->client.stale())) {
        old.push_back(std::move(list.front()));
        list.pop_front();
      }
      at = list.empty() ? idle_.erase(at) : std::next(at);
    }
    for (SessionPtr& session : old) scope_.spawn(say_goodbye(std::move(session)));
  }
  sweeping_ = false;
}

event::Task<> Remote::stop() {
  stopping_ = true;
  sweeper_.wake();
  auto idle = std::move(idle_);
  idle_.clear();
  for (auto& [key, list] : idle) {
    for (SessionPtr& session : list) scope_.spawn(say_goodbye(std::move(session)));
  }
  slot_.fire();
  co_return;
}

void Remote::mark_bad(const std::string& endpoint) {
  if (bad_.size() >= bad_limit) bad_.clear();
  bad_[endpoint] = std::chrono::steady_clock::now() + bad_time;
}

bool Remote::is_bad(const std::string& endpoint) const {
  auto found = bad_.find(endpoint);
  return found != bad_.end() && found->second > std::chrono::steady_clock::now();
}

// The next host or address that answers; null when there is none left.
event::Task<Remote::SessionPtr> Remote::connect(const RemoteRequest* request, Try* state) {
  for (;;) {
    if (!state->now.empty()) {
      Try::Place place = std::move(state->now.front());
      state->now.pop_front();
      SessionPtr session = co_await connect_to(request, std::move(place.host), std::move(place.endpoint), state);
      if (session != nullptr) co_return session;
    } else if (state->next_host < request->site.hosts.size()) {
      SiteHost host = request->site.hosts[state->next_host++];
      if (host.preference >= state->cut_at && host.preference != 65535) continue;
      SessionPtr session = co_await connect_host(request, std::move(host), state);
      if (session != nullptr) co_return session;
    } else if (!state->later.empty()) {
      state->now.swap(state->later);
    } else {
      co_return nullptr;
    }
  }
}

// Looks the host's addresses up; those that failed lately stand back.
event::Task<Remote::SessionPtr> Remote::connect_host(const RemoteRequest* request, SiteHost host, Try* state) {
  if (host.port == 0) {
    event::Endpoint path;
    path.address = host.name;
    SessionPtr session = co_await connect_to(request, host, std::move(path), state);
    co_return session;
  }
  auto found = co_await finder_.addresses(request->transport, host);
  if (!found.status.ok()) {
    state->soft = state->soft || found.status.temporary();
    // RFC 5321 §5.1: it is ourselves, so what is not better would only send the mail back here.
    if (found.status.enhanced() == EnhancedCode{5, 4, 6}) state->cut_at = std::min<unsigned>(state->cut_at, host.preference);
    // A host that may come back outweighs one that doesn't exist.
    if (found.status.temporary() || !state->soft) state->last = found.status;
    co_return nullptr;
  }
  for (event::Endpoint& endpoint : found.endpoints) {
    bool bad = is_bad(endpoint_text(endpoint));
    (bad ? state->later : state->now).emplace_back(host, std::move(endpoint));
  }
  co_return nullptr;
}

event::Task<Remote::SessionPtr> Remote::connect_to(const RemoteRequest* request, SiteHost host, event::Endpoint endpoint, Try* state) {
  while (open_ >= limit_ && !stopping_) {
    if (!idle_.empty()) {
      auto at = idle_.begin();
      SessionPtr oldest = std::move(at->second.front());
      at->second.pop_front();
      if (at->second.empty()) idle_.erase(at);
      oldest.reset();
      continue;
    }
    co_await slot_.wait();
  }
  // A connection that is being made counts, too: each is a descriptor.
  struct Opening {
    explicit Opening(std::size_t& o) : open(o) { ++open; }
    ~Opening() { --open; }
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;
    std::size_t& open;
  };
  std::optional<Opening> opening(std::in_place, open_);
  bool unix_socket = host.port == 0;
  log::Host where;
  where.name = host.literal || unix_socket ? std::string() : host.name;
  where.address = endpoint.address;
  where.port = endpoint.port;
  std::string text = unix_socket ? endpoint.address : endpoint_text(endpoint);
  state->last_host = where;
  auto deadline = event::Deadline::in(request->transport->timeouts.connect);
  Result<event::Stream> stream = fail(Fault::invalid, "");
  if (unix_socket) {
    stream = co_await event::Stream::connect_unix(loop_, endpoint.address, deadline);
  } else {
    bool v6 = endpoint.address.find(':') != std::string::npos;
    std::string source = v6 ? request->transport->source_address6 : request->transport->source_address;
    stream = co_await event::Stream::connect(loop_, endpoint, std::move(source), deadline);
  }
  state->soft = true;
  if (!stream) {
    state->own_trouble = stream.error().fault() == Fault::full;
    std::string name = where.name.empty() ? text : where.name + " " + text;
    state->last = Status(451, 4, 1, fmt::format("could not connect to {}: {}", name, stream.error().text()));
    if (!state->own_trouble) mark_bad(text);
    co_return nullptr;
  }
  smtp::ClientOptions options;
  options.helo_name = request->transport->helo_name.empty() ? request->helo_name : request->transport->helo_name;
  options.lmtp = request->transport->kind == config::TransportKind::lmtp;
  options.timeouts = client_timeouts(request->transport->timeouts);
  net::Connection connection(std::move(*stream));
  auto session = std::make_unique<Session>(*this, std::move(connection), std::move(options), request->transport, where, text);
  opening.reset();          // the session counts itself
  Status ready = co_await session->client.start();
  if (!ready.ok()) {
    state->last = soften(ready, session->client.stage() == smtp::Stage::greeting ? "the connection" : "our greeting");
    mark_bad(text);
    co_return nullptr;
  }
  bad_.erase(text);
  co_return session;
}

}  // namespace mansio::deliver
