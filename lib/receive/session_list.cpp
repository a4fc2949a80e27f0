// The sessions that go on, as an admin sees them, ends them and follows them.
#include <fmt/format.h>

#include <algorithm>

#include "receive/connection.hpp"

namespace mansio::receive {

void SessionHandler::describe(smtp::ConversationFacts& facts) const {
  facts.address = client_.peer.address;
  facts.port = client_.peer.port;
  facts.local_address = client_.local.address;
  facts.local_port = client_.local.port;
  facts.name = client_name_.names.empty() ? helo_ : client_name_.name();
  facts.user = client_.credentials ? user_ : login_;
  bool lmtp = service_->protocol == smtp::Protocol::lmtp;
  facts.service = service_->local ? "local" : lmtp ? "lmtp" : service_->submission ? "submission" : service_->odmr ? "odmr" : "relay";
  if (tls_ != nullptr) facts.tls = tls_->version + " " + tls_->cipher;
}

smtp::ConversationFacts Receiver::facts_of(const Connection& connection) const {
  const smtp::Conversation& conversation = connection.conversation;
  smtp::ConversationFacts facts(conversation);
  connection.handler.describe(facts);
  facts.state = conversation.in_data ? "DATA" : conversation.spoke ? smtp::verb_name(conversation.verb) : "connected";
  return facts;
}

std::vector<smtp::ConversationFacts> Receiver::sessions() const {
  std::vector<const Connection*> all(connections_.begin(), connections_.end());
  std::ranges::sort(all, {}, [](const Connection* each) { return each->conversation.number; });
  std::vector<smtp::ConversationFacts> out;
  out.reserve(all.size());
  for (const Connection* each : all) out.push_back(facts_of(*each));
  return out;
}

std::vector<smtp::ConversationFacts> Receiver::end_sessions(const std::function<bool(const smtp::ConversationFacts&)>& wanted) {
  std::vector<smtp::ConversationFacts> out;
  auto now = connections_;     // ending one may end others, which take themselves out of the set
  for (Connection* each : now) {
    if (!connections_.contains(each)) continue;
    auto facts = facts_of(*each);
    if (!wanted(facts)) continue;
    out.push_back(std::move(facts));
    each->conversation.ended_by_admin = true;
    each->connection.interrupt();
  }
  return out;
}

std::size_t Receiver::sessions_at(const event::Endpoint& listener, std::string_view unix_path) const {
  auto is_v6 = [](std::string_view address) { return address.find(':') != std::string_view::npos; };
  bool any = listener.address == "0.0.0.0" || listener.address == "::";
  auto here = [&](const Connection* each) {
    const event::Endpoint& local = each->handler.client().local;
    if (local.address.empty() || !unix_path.empty()) return !unix_path.empty() && each->handler.service().address == unix_path;
    if (local.port != listener.port) return false;
    return any ? is_v6(local.address) == is_v6(listener.address) : local.address == listener.address;
  };
  return static_cast<std::size_t>(std::ranges::count_if(connections_, here));
}

void Receiver::consider(Connection& connection) {
  const smtp::Client& client = connection.handler.client();
  smtp::Tracing::About about;
  about.address = client.peer.address;
  about.port = client.peer.port;
  about.local_address = client.local.address;
  about.local_port = client.local.port;
  about.recorded = connection.handler.service().w3c;
  about.lmtp = connection.handler.service().protocol == smtp::Protocol::lmtp;
  std::string text = client.peer.address.empty() ? "a program of this machine" : fmt::format("[{}]:{} to [{}]:{}", client.peer.address, client.peer.port, client.local.address, client.local.port);
  tracing_->consider(connection.conversation, about, text);
}

void Receiver::show_to_tracing() {
  for (Connection* each : connections_) consider(*each);
}

// ---- log.connections

static log::Connection connection_event(const smtp::ConversationFacts& facts, const log::Host& host) {
  log::Connection out;
  out.host = host;
  out.local_address = facts.local_address;
  out.local_port = facts.local_port;
  return out;
}

void Receiver::log_begin(const Connection& connection) {
  log::Connection event = connection_event(facts_of(connection), connection.handler.host());
  event.count = connections_.size();
  log.write(std::move(event));
}

void Receiver::log_end(const Connection& connection) {
  using What = log::Connection::What;
  const smtp::Conversation& conversation = connection.conversation;
  log::Connection event = connection_event(facts_of(connection), connection.handler.host());
  bool quit = conversation.spoke && conversation.verb == smtp::Verb::quit;
  event.what = quit ? What::quit : connection.handler.lost() ? What::lost : What::ended;
  event.duration = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - conversation.opened);
  log.write(std::move(event));
}

}  // namespace mansio::receive
