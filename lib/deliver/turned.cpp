#include "deliver/turned.hpp"

#include "deliver/remote_session.hpp"

namespace mansio::deliver {

Turned::Turned(std::unique_ptr<Remote::Session> session) : session_(std::move(session)) {}
Turned::~Turned() = default;

bool Turned::usable() const noexcept { return session_->idle_since != MonotonicTime::max(); }

// RFC 2645 §5.2.2: the other side greets us, and we say EHLO. TLS and log-in were before.
event::Task<Result<std::unique_ptr<Turned>>> Remote::turn(net::Connection connection, std::string helo_name, std::string user) {
  smtp::ClientOptions options;
  options.helo_name = std::move(helo_name);
  auto transport = std::make_shared<config::Transport>();
  transport->name = "odmr";
  transport->kind = config::TransportKind::smtp;
  auto session = std::make_unique<Session>(*this, std::move(connection), std::move(options));
  session->transport = std::move(transport);
  session->host.address = session->peer.address;
  session->host.port = session->peer.port;
  session->endpoint = session->peer.address;
  session->site = "odmr " + user;
  Status ready = co_await session->client.start();
  if (!ready.ok()) co_return fail(Fault::closed, ready.line());
  std::unique_ptr<Turned> turned(new Turned(std::move(session)));
  co_return turned;
}

event::Task<RemoteOutcome> Remote::deliver_over(Turned* turned, const RemoteRequest* request) {
  RemoteOutcome outcome;
  std::size_t count = request->recipients.size();
  outcome.recipients.assign(count, Status(451, 4, 0, "not tried"));
  outcome.stages.assign(count, smtp::Stage::connect);
  outcome.tried.assign(count, true);
  outcome.ours.assign(count, false);
  // There is no other host to go to: what it said is what there is.
  co_await transact(request, turned->session_.get(), &outcome);
  co_return outcome;
}

event::Task<> Remote::end_turn(std::unique_ptr<Turned> turned) {
  co_await turned->session_->client.quit();
}

}  // namespace mansio::deliver
