// The conversations that go on, with clients and with other hosts: listed, and ended by an admin.
#include <fmt/format.h>

#include "base/unix_time.hpp"
#include "config/match.hpp"
#include "control/session.hpp"
#include "receive/receiver.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t sessions_send_at = 32768;

Session::Json session_object(const smtp::ConversationFacts& facts) {
  using std::chrono::duration_cast, std::chrono::seconds;
  auto now = std::chrono::steady_clock::now();
  auto age = duration_cast<seconds>(now - facts.opened).count();
  auto since = unix_seconds(std::chrono::system_clock::now()) - age;
  Session::Json out;
  out["session"] = facts.id;
  out["side"] = facts.incoming ? "in" : "out";
  out["address"] = facts.address;
  out["port"] = facts.port;
  out["name"] = facts.name;
  out["local_address"] = facts.local_address;
  out["local_port"] = facts.local_port;
  out["service"] = facts.service;
  if (!facts.incoming) out["site"] = facts.site;
  out["since"] = since;
  out["age_seconds"] = age;
  out["idle_seconds"] = duration_cast<seconds>(now - facts.active).count();
  out["state"] = facts.state;
  out["in_data"] = facts.in_data;
  out["content_octets"] = facts.content;
  out["messages"] = facts.messages;
  out["recipients"] = facts.recipients;
  out["octets"] = facts.octets;
  out["user"] = facts.user;
  out["tls"] = facts.tls;
  return out;
}

std::string session_words(const smtp::ConversationFacts& facts) {
  if (facts.address.empty()) return facts.incoming ? "of " + facts.user : "with " + facts.name;
  std::string at = fmt::format("[{}]:{}", facts.address, facts.port);
  return (facts.incoming ? "from " : "with ") + (facts.name.empty() ? at : facts.name + " " + at);
}

}  // namespace

event::Task<> Session::sessions() {
  std::string side = text_of("side"), id = text_of("id");
  std::size_t count = 0;
  std::vector<smtp::ConversationFacts> all;
  if (side != "out" && services_.receiver != nullptr) all = services_.receiver->sessions();
  if (side != "in") {
    for (auto& one : queue_.remote.sessions()) all.push_back(std::move(one));
  }
  for (const auto& one : all) {
    if (!id.empty() && one.id != id) continue;
    ++count;
    say(session_object(one));
    bool there = co_await send_gathered(sessions_send_at);
    if (!there) co_return;
  }
  Json last;
  last["count"] = count;
  end(std::move(last));
}

event::Task<> Session::session_kill() {
  std::string id = text_of("id"), client = text_of("client");
  config::NetworkList networks({client});
  bool one = !id.empty() && client.empty();
  if (!one && (client.empty() || !id.empty())) {
    refuse("say the id of a session, or the client whose sessions are meant");
    co_return;
  }
  auto wanted = [&](const smtp::ConversationFacts& facts) {
    return one ? facts.id == id : facts.incoming && networks.matches(facts.address);
  };
  std::vector<smtp::ConversationFacts> ended;
  if (services_.receiver != nullptr) ended = services_.receiver->end_sessions(wanted);
  if (one) {
    for (auto& facts : queue_.remote.end_sessions(wanted)) ended.push_back(std::move(facts));
  }
  for (const auto& facts : ended) {
    services_.log.notice(fmt::format("session {} {} ended by {}", facts.id, session_words(facts), caller_.name()));
    say(session_object(facts));
  }
  if (!ended.empty()) co_await write_log();
  Json last;
  last["count"] = ended.size();
  end(std::move(last));
}

}  // namespace mansio::control
