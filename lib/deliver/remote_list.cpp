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

smtp::Tracing::About about_of(const log::Host& host, const std::string& site, const std::string& transport, const RemoteRequest* request) {
  smtp::Tracing::About about;
  about.address = host.address;
  about.port = host.port;
  about.names = {host.name, site, transport};
  if (request == nullptr) return about;
  for (const RemoteRecipient& recipient : request->recipients) about.names.push_back(recipient.address.domain().key());
  return about;
}

std::string opening_words(const log::Host& host, const std::string& endpoint, const std::string& transport) {
  return fmt::format("{}{}{}, transport {}", host.name, host.name.empty() ? "" : " ", endpoint, transport);
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
  auto about = about_of(session.host, session.site, session.transport->name, request);
  tracing_->consider(session.conversation, about, opening_words(session.host, session.endpoint, session.transport->name));
}

// A conversation that never was: who follows its destination is told why.
void Remote::tell_failure(const RemoteRequest& request, const Approach& approach, std::string_view why) {
  if (tracing_ == nullptr || !tracing_->wanted()) return;
  smtp::Conversation conversation(smtp::Conversation::Side::outgoing, ++numbers_);
  auto about = about_of(approach.where, request.site.key, request.transport->name, &request);
  tracing_->consider(conversation, about, opening_words(approach.where, approach.text, request.transport->name));
  conversation.hear(smtp::Heard::note, fmt::format("could not connect: {}", why));
}

void Remote::show_to_tracing() {
  for (Session* each : sessions_) consider(*each, nullptr);
}

}  // namespace mansio::deliver
