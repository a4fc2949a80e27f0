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
  facts.name = helo_;
  facts.user = client_.credentials ? user_ : login_;
  bool lmtp = service_->protocol == smtp::Protocol::lmtp;
  facts.service = service_->local ? "local" : lmtp ? "lmtp" : service_->submission ? "submission" : "relay";
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
  std::string text = client.peer.address.empty() ? "a program of this machine" : fmt::format("[{}]:{} to [{}]:{}", client.peer.address, client.peer.port, client.local.address, client.local.port);
  tracing_->consider(connection.conversation, about, text);
}

void Receiver::show_to_tracing() {
  for (Connection* each : connections_) consider(*each);
}

}  // namespace mansio::receive
