// How a Remote makes a connection: host after host and address after address, with the TLS and the log-in that are wanted.
#include <fmt/format.h>

#include <algorithm>

#include "deliver/remote_session.hpp"

namespace mansio::deliver {
namespace {

constexpr Duration bad_time{std::chrono::minutes(5)};     // how long an address that failed is tried after the others
constexpr std::size_t bad_limit = 10'000;
constexpr Duration seat_patience{std::chrono::minutes(5)};

std::string endpoint_text(const event::Endpoint& endpoint) { return fmt::format("[{}]:{}", endpoint.address, endpoint.port); }

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

std::string spoken_name(const log::Host& host, const std::string& text) { return host.name.empty() ? text : host.name + " " + text; }

smtp::ClientTls client_tls(const TlsDemand& demand, bool implicit) {
  if (implicit) return smtp::ClientTls::implicit;
  switch (demand.level) {
    case config::ClientTls::none: return smtp::ClientTls::none;
    case config::ClientTls::opportunistic: return smtp::ClientTls::offered;
    default: return smtp::ClientTls::required;
  }
}

}  // namespace

// What a host said before any message is about itself, not about ours: a refusal there is never final for the mail
// 554 in the greeting sends us to the next host, and then back to the queue).
Status soften(const Status& said, const char* at) {
  EnhancedCode code = said.enhanced();
  return Status(451, code.klass != 0 ? code.subject : 4, code.klass != 0 ? code.detail : 0,
                fmt::format("{} was refused: {}", at, said.line()));
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

// One address: twice when TLS failed where it needn't be, and when a token had run out.
event::Task<Remote::SessionPtr> Remote::connect_to(const RemoteRequest* request, SiteHost host, event::Endpoint endpoint, Try* state) {
  Approach approach(std::move(host), std::move(endpoint));
  bool unix_socket = approach.host.port == 0;
  approach.where.name = approach.host.literal || unix_socket ? std::string() : approach.host.name;
  approach.where.address = approach.endpoint.address;
  approach.where.port = approach.endpoint.port;
  approach.text = unix_socket ? approach.endpoint.address : endpoint_text(approach.endpoint);
  smtp::ClientOptions& options = approach.options;
  options.helo_name = request->transport->helo_name.empty() ? request->helo_name : request->transport->helo_name;
  options.lmtp = request->transport->kind == config::TransportKind::lmtp;
  options.plain_helo = request->transport->plain_helo;
  options.timeouts = client_timeouts(request->transport->timeouts);
  state->last_host = approach.where;
  auto tls = prepare_tls(*request, approach);
  Status ready = tls ? Status() : Status(451, 3, 5, tls.error().text());
  if (!tls) tell_once(tls.error().text());
  if (ready.ok()) ready = co_await prepare_login(request, &approach);
  if (!ready.ok()) {
    state->own_trouble = state->soft = true;
    state->last = ready;
    co_return nullptr;
  }
  SessionPtr session;
  do {
    session = co_await open(request, &approach, state);
  } while (session == nullptr && approach.again && !stopping_);
  co_return session;
}

event::Task<> Remote::make_room() {
  while (open_ >= limit_ && !stopping_) {
    if (!give_up_idle(nullptr)) co_await slot_.wait();
  }
}

// Drops a connection that waits for the next message: the site's, or of any (null). False: there is none.
bool Remote::give_up_idle(const std::string* site) {
  for (auto at = idle_.begin(); at != idle_.end(); ++at) {
    if (site != nullptr && at->second.front()->site != *site) continue;
    SessionPtr oldest = std::move(at->second.front());
    at->second.pop_front();
    if (at->second.empty()) idle_.erase(at);
    return true;
  }
  return false;
}

// Waits until the limits that all processes share leave room; false: in vain, for a long time. Where others wait, they come
// first: whoever has just given a seat up would be the first to see it free.
event::Task<bool> Remote::take_seat(const RemoteRequest* request, Seats::Seat* seat) {
  if (!seats_.shared()) co_return true;
  constexpr Duration step{50}, courtesy{150};
  const std::string& site = request->site.key;
  event::Timer timer(loop_);
  if (seats_.wanted(site)) co_await timer.sleep(courtesy);
  auto end = event::Deadline::in(seat_patience);
  while (!stopping_ && !end.passed()) {
    auto answer = seats_.take(site, request->transport->connections, limit_, *seat);
    if (answer == Seats::Answer::taken) co_return true;
    bool of_site = answer == Seats::Answer::site_full;
    if (give_up_idle(of_site ? &site : nullptr)) continue;
    Seats::Wish wish(seats_, of_site ? site : std::string());
    co_await timer.sleep(step);
  }
  co_return false;
}

event::Task<Result<event::Stream>> Remote::open_stream(const RemoteRequest* request, const Approach* approach) {
  auto deadline = event::Deadline::in(request->transport->timeouts.connect);
  event::Endpoint endpoint = approach->endpoint;
  if (approach->host.port == 0) {
    auto stream = co_await event::Stream::connect_unix(loop_, std::move(endpoint.address), deadline);
    co_return stream;
  }
  bool v6 = endpoint.address.find(':') != std::string::npos;
  std::string source = v6 ? request->transport->source_address6 : request->transport->source_address;
  auto stream = co_await event::Stream::connect(loop_, std::move(endpoint), std::move(source), deadline);
  co_return stream;
}

event::Task<Remote::SessionPtr> Remote::open(const RemoteRequest* request, Approach* approach, Try* state) {
  Seats::Seat seat;
  bool seated = co_await take_seat(request, &seat);
  if (!seated) {
    state->own_trouble = state->soft = true;
    state->last = Status(451, 4, 5, "other mail processes have all the connections that the destination may have");
    co_return nullptr;
  }
  co_await make_room();
  // A connection that is being made counts, too: each is a descriptor.
  struct Opening {
    explicit Opening(std::size_t& o) : open(o) { ++open; }
    ~Opening() { --open; }
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;
    std::size_t& open;
  };
  std::optional<Opening> opening(std::in_place, open_);
  approach->again = false;
  auto stream = co_await open_stream(request, approach);
  state->soft = true;
  if (!stream) {
    state->own_trouble = stream.error().fault() == Fault::full;
    state->last = Status(451, 4, 1, fmt::format("could not connect to {}: {}", spoken_name(approach->where, approach->text), stream.error().text()));
    if (!state->own_trouble) mark_bad(approach->text);
    tell_failure(*request, *approach, stream.error().text());
    co_return nullptr;
  }
  net::Connection connection(std::move(*stream));
  auto session = std::make_unique<Session>(*this, std::move(connection), approach->options);
  opening.reset();          // the session counts itself
  session->seat = std::move(seat);
  session->transport = request->transport;
  session->host_key = Logins::host_key(*request->transport, approach->host);
  session->host = approach->where;
  session->endpoint = approach->text;
  session->login = approach->login;
  session->site = request->site.key;
  consider(*session, request);
  Status ready = co_await session->client.start();
  if (ready.ok()) {
    bad_.erase(approach->text);
    co_return session;
  }
  co_await look_again(request, session.get(), ready, approach);
  if (!approach->again) put_off(*request, *session, ready, *state);
  co_return nullptr;
}

// ---- TLS and AUTH

Result<> Remote::prepare_tls(const RemoteRequest& request, Approach& approach) {
  bool unix_socket = approach.host.port == 0;
  const config::Transport& transport = *request.transport;
  smtp::ClientOptions& options = approach.options;
  bool direct = transport.direct_first && !approach.host.configured;      // RFC 8314 §3.3 is for submission
  options.tls = client_tls(request.tls, transport.tls_implicit && !direct);
  // Nobody listens in on a unix socket; and what failed a moment ago isn't tried again.
  bool needless = unix_socket || clear_.has(approach.text);
  if (options.tls == smtp::ClientTls::offered && needless) options.tls = smtp::ClientTls::none;
  if (options.tls == smtp::ClientTls::none) return {};
  auto context = contexts_.get(transport);
  if (!context) return std::unexpected(context.error());
  options.tls_client = std::move(*context);
  net::TlsRequest& wanted = options.tls_request;
  if (!approach.host.literal && !unix_socket) wanted.server_name = approach.host.name;      // RFC 6066 §3
  wanted.names = request.tls.names;
  if (wanted.names.empty() && !unix_socket) wanted.names.push_back(approach.host.name);
  wanted.verify = request.tls.level == config::ClientTls::verify;
  wanted.resume = transport.key() + " " + approach.text + " " + request.tls.key();
  return {};
}

// Not ok: nothing can be sent there now. It is nobody's fault but ours.
event::Task<Status> Remote::prepare_login(const RemoteRequest* request, Approach* approach) {
  const config::Transport& transport = *request->transport;
  auto login = logins_.find(transport, Logins::host_key(transport, approach->host), request->message->envelope.sender);
  if (!login) {
    tell_once(login.error().text());
    co_return Status(451, 3, 5, login.error().text());
  }
  approach->login = *login;
  if (*login == nullptr) co_return Status();
  if (const Status* refusal = (*login)->refused_by(Logins::host_key(approach->host))) {
    co_return Status(451, 7, 8, "not logging in for a while, since lately " + refusal->text());
  }
  auto credentials = co_await logins_.credentials(*login);
  if (!credentials) co_return Status(451, 7, 0, "no credentials: " + credentials.error().text());
  smtp::ClientOptions& options = approach->options;
  options.credentials = std::move(*credentials);
  options.mechanisms = transport.auth_mechanisms;
  options.auth_unverified = transport.auth_unverified;
  options.blocking = &reading_;
  co_return Status();
}

// A connection was made in vain. Is another one to the same address worth it: with HELO, in clear, or with a new token?
event::Task<> Remote::look_again(const RemoteRequest* request, const Session* session, Status why, Approach* approach) {
  // RFC 5321 §3.2: who can't stand EHLO gets HELO, also where it ended the connection (RFC 1869 §4.7), unless more is wanted than
  // a HELO leads to.
  bool plain_will_do = approach->options.tls == smtp::ClientTls::none || approach->options.tls == smtp::ClientTls::offered;
  if (session->client.lost_at_ehlo() && plain_will_do && approach->login == nullptr) {
    approach->options.tls = smtp::ClientTls::none;
    approach->options.plain_helo = true;
    approach->again = true;
    co_return;
  }
  if (session->client.tls_failed() && approach->options.tls == smtp::ClientTls::offered) {
    clear_.add(approach->text);
    approach->options.tls = smtp::ClientTls::none;
    approach->again = true;
    log::Notice notice;
    notice.id = request->message->id.text();
    notice.text = fmt::format("{}: {}; it gets mail in clear now, and for the next {} minutes", spoken_name(approach->where, approach->text), why.text(),
                              std::chrono::duration_cast<std::chrono::minutes>(ClearAddresses::remembered).count());
    if (log_ != nullptr) log_->write(std::move(notice));
    co_return;
  }
  if (!session->client.login_refused() || approach->login == nullptr) co_return;
  if (!approach->renewed) {
    approach->renewed = true;
    auto others = co_await logins_.other_credentials(approach->login, approach->options.credentials);
    approach->again = others != nullptr;
    if (approach->again) approach->options.credentials = std::move(others);
    if (approach->again) co_return;
  }
  approach->login->set_refused(Logins::host_key(approach->host), why);
}

void Remote::put_off(const RemoteRequest& request, const Session& session, Status why, Try& state) {
  smtp::Stage stage = session.client.stage();
  // A password that is wrong closes the way for nobody else's mail; nor does what one domain wants for those that share its hosts.
  state.own_trouble = stage == smtp::Stage::auth || (stage == smtp::Stage::tls && request.tls.by_policy);
  if (stage == smtp::Stage::greeting) state.last = soften(why, "the connection");
  else if (stage == smtp::Stage::hello && why.enhanced() != EnhancedCode{4, 7, 10}) state.last = soften(why, "our greeting");
  else state.last = why;
  if (stage != smtp::Stage::auth) mark_bad(session.endpoint);
}

// An admin has to act; once is enough.
void Remote::tell_once(const std::string& text) {
  if (told_.size() > 1000) told_.clear();
  if (told_.insert(text).second && log_ != nullptr) log_->panic(text);
}

}  // namespace mansio::deliver
