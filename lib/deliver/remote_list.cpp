// The conversations of a Remote, as an admin sees them, ends them and follows them.
#include <fmt/format.h>

#include <algorithm>

#include "deliver/remote_session.hpp"

namespace mansio::deliver {
namespace {

std::string_view stage_name(smtp::Stage stage) {
  switch (stage) {
    case smtp::Stage::connect: return "connect";
    case smtp::Stage::greeting: return "greeting";
    case smtp::Stage::hello: return "EHLO";
    case smtp::Stage::tls: return "TLS";
    case smtp::Stage::auth: return "AUTH";
    case smtp::Stage::mail: return "MAIL";
    case smtp::Stage::rcpt: return "RCPT";
    case smtp::Stage::data: return "DATA";
    case smtp::Stage::end_of_data: return "end of data";
  }
  return "?";
}

}  // namespace

smtp::ConversationFacts Remote::facts_of(const Session& session) const {
  smtp::ConversationFacts facts(session.conversation);
  bool idle = session.idle_since != MonotonicTime{} && session.idle_since != MonotonicTime::max();
  const smtp::Conversation& conversation = session.conversation;
  std::string_view verb = conversation.verb == smtp::Verb::data && !conversation.in_data ? "end of data" : smtp::verb_name(conversation.verb);
  facts.state = idle ? "idle" : conversation.spoke ? verb : stage_name(session.client.stage());
  facts.address = session.host.address;
  facts.port = session.host.port;
  facts.name = session.host.name;
  facts.local_address = session.local.address;
  facts.local_port = session.local.port;
  facts.service = session.transport->name;
  facts.site = session.site;
  facts.user = session.client.auth().substr(session.client.auth().find(':') + 1);
  if (const net::TlsInfo* tls = session.client.tls()) facts.tls = tls->version + " " + tls->cipher;
  return facts;
}

std::vector<smtp::ConversationFacts> Remote::sessions() const {
  std::vector<const Session*> all(sessions_.begin(), sessions_.end());
  std::ranges::sort(all, {}, [](const Session* each) { return each->conversation.number; });
  std::vector<smtp::ConversationFacts> out;
  for (const Session* each : all) out.push_back(facts_of(*each));
  return out;
}

// One that is idle has nobody who would notice: it is closed here.
std::vector<smtp::ConversationFacts> Remote::end_sessions(const std::function<bool(const smtp::ConversationFacts&)>& wanted) {
  std::vector<smtp::ConversationFacts> out;
  auto now = sessions_;
  for (Session* each : now) {
    if (!sessions_.contains(each)) continue;
    auto facts = facts_of(*each);
    if (!wanted(facts)) continue;
    out.push_back(std::move(facts));
    each->conversation.ended_by_admin = true;
    SessionPtr idle = take_out(*each);
    if (idle == nullptr) each->client.interrupt();
  }
  slot_.fire();
  return out;
}

Remote::SessionPtr Remote::take_out(const Session& session) {
  for (auto at = idle_.begin(); at != idle_.end(); ++at) {
    auto found = std::ranges::find(at->second, &session, [](const SessionPtr& one) { return one.get(); });
    if (found == at->second.end()) continue;
    SessionPtr out = std::move(*found);
    at->second.erase(found);
    if (at->second.empty()) idle_.erase(at);
    return out;
  }
  return nullptr;
}

// `request`: what it is used for now; null: of an idle one, or one that is being looked at again.
void Remote::consider(Session& session, const RemoteRequest* request) {
  if (tracing_ == nullptr || !tracing_->wanted()) return;
  smtp::Tracing::About about;
  about.address = session.host.address;
  about.port = session.host.port;
  about.names = {session.host.name, session.site, session.transport->name};
  if (request != nullptr) {
    for (const RemoteRecipient& recipient : request->recipients) about.names.push_back(recipient.address.domain().key());
  }
  std::string opened = fmt::format("{} {}, transport {}", session.host.name, session.endpoint, session.transport->name);
  tracing_->consider(session.conversation, about, opened.starts_with(' ') ? std::string_view(opened).substr(1) : opened);
}

void Remote::show_to_tracing() {
  for (Session* each : sessions_) consider(*each, nullptr);
}

}  // namespace mansio::deliver
