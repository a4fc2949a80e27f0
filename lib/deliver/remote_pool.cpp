// The connections of a Remote that wait for the next message.
#include <algorithm>

#include "deliver/remote_session.hpp"

namespace mansio::deliver {
namespace {

constexpr Duration sweep_step{500}, shared_sweep_step{100};
constexpr Duration turn_of_ours{1000};        // how long a connection is ours, while another process waits for its seat

std::string pool_key(const RemoteRequest& request) {
  return request.transport->key() + " " + request.site.key + " " + request.tls.key();
}

}  // namespace

Remote::SessionPtr Remote::take_idle(const RemoteRequest& request) {
  auto found = idle_.find(pool_key(request));
  if (found == idle_.end()) return nullptr;
  auto& list = found->second;
  SessionPtr session;
  for (std::size_t i = list.size(); i-- > 0 && session == nullptr;) {
    bool old = list[i]->transport != request.transport, stale = list[i]->client.stale();
    if (!old && !stale && !fits(*list[i], request)) continue;        // logged in as somebody else
    session = std::move(list[i]);
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    if (stale) session.reset();
    else if (old) scope_.spawn(say_goodbye(std::move(session)));
  }
  if (list.empty()) idle_.erase(found);
  if (session != nullptr) session->idle_since = MonotonicTime{};
  return session;
}

bool Remote::fits(const Session& session, const RemoteRequest& request) {
  auto login = logins_.find(*request.transport, session.host_key, request.message->envelope.sender);
  return login && *login == session.login;
}

void Remote::keep(const RemoteRequest& request, SessionPtr session) {
  auto now = std::chrono::steady_clock::now();
  if (session->idle_since == MonotonicTime::max()) return;     // of no use any more: closed
  const config::Transport& transport = *request.transport;
  std::uint32_t most = transport.messages_per_connection;
  if (session->client.capabilities().mail_max > 0) most = std::min(most, session->client.capabilities().mail_max);
  bool others_turn = now - session->opened >= turn_of_ours && (seats_.wanted(session->site) || seats_.wanted(""));
  if (stopping_ || others_turn || transport.connection_idle <= Duration(0) || session->client.messages() >= most ||
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
    Duration step = seats_.shared() ? shared_sweep_step : sweep_step;
    co_await sweeper_.sleep(step);
    auto now = std::chrono::steady_clock::now();
    std::vector<SessionPtr> old;
    for (auto at = idle_.begin(); at != idle_.end();) {
      auto& list = at->second;
      bool wanted = seats_.wanted("") || seats_.wanted(list.front()->site);
      while (!list.empty() && (wanted || now - list.front()->idle_since >= list.front()->transport->connection_idle || list.front()->client.stale())) {
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
  tokens_.stop();
  slot_.fire();
  co_return;
}

}  // namespace mansio::deliver
