#include "control/server.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace mansio::control {
namespace {

using Json = nlohmann::json;
constexpr std::size_t line_limit = 65536, client_limit = 100;
constexpr Duration request_time{10'000}, answer_time{30'000};

std::string line_of(const Json& object) {
  // Text from outside may be no UTF-8: it is replaced, never an exception.
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json describe(const spool::Message& message, Time now) {
  Json recipients = Json::array();
  std::string reason;
  for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
    const auto& progress = message.progress.recipients[i];
    Json one;
    one["address"] = message.envelope.recipients[i].address.text();
    one["done"] = progress.settled();
    if (!progress.settled() && !progress.last.ok()) {
      one["status"] = progress.last.line();
      if (reason.empty()) reason = progress.last.line();
    }
    recipients.push_back(std::move(one));
  }
  Json out;
  out["id"] = message.id.text();
  out["sender"] = message.envelope.sender_text();
  auto age = std::chrono::duration_cast<std::chrono::seconds>(now - message.envelope.received).count();
  out["age_seconds"] = static_cast<std::uint64_t>(age < 0 ? 0 : age);
  out["size"] = message.size();
  out["frozen"] = message.progress.frozen;
  out["recipients"] = std::move(recipients);
  out["reason"] = reason;
  auto next = std::chrono::duration_cast<std::chrono::seconds>(message.progress.next_attempt.time_since_epoch()).count();
  out["next_attempt"] = next;
  out["attempts"] = message.progress.attempts;
  return out;
}

}  // namespace

Server::Server(event::Loop& loop, event::Scope& scope, queue::Queue& queue, log::Logger& logger)
    : loop_(loop), scope_(scope), queue_(queue), log_(logger) {}

Result<> Server::listen(const std::string& path) {
  auto fd = event::listen_unix(path, 0666);
  if (!fd) return std::unexpected(fd.error());
  auto serve_one = [this](event::Stream stream) {
    if (clients_ < client_limit) scope_.spawn(serve(std::move(stream)));
  };
  auto listener = event::Listener::adopt(loop_, std::move(*fd), true, serve_one);
  if (!listener) return std::unexpected(listener.error());
  listener_.emplace(std::move(*listener));
  return {};
}

void Server::close() { listener_.reset(); }

// Blocks for the user database: called on a thread.
Result<Server::Who> Server::identify(const event::Stream& stream) const {
  auto peer = stream.credentials();
  if (!peer) return std::unexpected(peer.error());
  Who who;
  passwd entry{};
  passwd* found = nullptr;
  char buffer[16384];
  if (::getpwuid_r(peer->uid, &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr) who.user = found->pw_name;
  who.sees_all = peer->uid == 0 || peer->uid == ::getuid() || peer->gid == ::getgid();
  if (!who.sees_all && !who.user.empty()) {
    std::vector<gid_t> groups(256);
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(who.user.c_str(), peer->gid, groups.data(), &count) >= 0) {
      for (int i = 0; i < count; ++i) who.sees_all = who.sees_all || groups[static_cast<std::size_t>(i)] == ::getgid();
    }
  }
  return who;
}

event::Task<> Server::serve(event::Stream stream) {
  ++clients_;
  auto look = [&] { return identify(stream); };
  auto who = co_await queue_.blocking.run(look);
  std::string buffer;
  while (who) {
    auto end = buffer.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      Who asking = *who;
      co_await answer(&stream, std::move(line), std::move(asking));
      continue;
    }
    if (buffer.size() > line_limit) break;
    auto got = co_await stream.read_some(event::Deadline::in(request_time));
    if (!got) break;
    buffer += *got;
  }
  --clients_;
}

event::Task<> Server::answer(event::Stream* stream, std::string line, Who who) {
  Json request = Json::parse(line, nullptr, false);
  std::string command;
  if (request.is_object() && request.contains("command") && request["command"].is_string()) command = request["command"].get<std::string>();
  Json out;
  std::string before;
  if (command == "queue_list") {
    co_await list(stream, std::move(who));
    co_return;
  }
  if (command == "queue_run" && who.sees_all) {
    out["started"] = queue_.waiting();
    queue_.run_now();
  } else if (command == "reload_aliases" && who.sees_all && reload_) {
    auto result = co_await reload_();
    out["aliases"] = result.aliases;
    for (const auto& problem : result.problems) before += line_of({{"problem", problem}});
  } else if (command == "route" && request.contains("address") && request["address"].is_string()) {
    std::string address = request["address"].get<std::string>();
    before = co_await describe_route(address);
  } else if (command == "queue_run" || command == "reload_aliases") {
    out["error"] = "not permitted: only root and the daemon's group may do this";
    out["denied"] = true;
  } else {
    out["error"] = "unknown command";
  }
  out["end"] = true;
  std::string reply = before + line_of(out);
  (void)co_await stream->write(reply, event::Deadline::in(answer_time));
}

event::Task<> Server::list(event::Stream* stream, Who who) {
  Time now = std::chrono::system_clock::now();
  std::string out;
  bool complete = !queue_.spool.recovering();
  auto ids = queue_.ids();
  for (const auto& id : ids) {
    auto message = co_await queue_.spool.load(id);
    if (!message) continue;      // finished meanwhile
    if (!who.sees_all && (who.user.empty() || (*message)->envelope.user != who.user)) continue;
    out += line_of(describe(**message, now));
    if (out.size() < 32768) continue;
    auto sent = co_await stream->write(out, event::Deadline::in(answer_time));
    if (!sent) co_return;
    out.clear();
  }
  Json end;
  end["end"] = true;
  end["complete"] = complete;
  out += line_of(end);
  (void)co_await stream->write(out, event::Deadline::in(answer_time));
}

event::Task<std::string> Server::describe_route(std::string text) {
  auto address = mail::Address::parse(text);
  auto say = [](const std::string& line) { return line_of({{"line", line}}); };
  if (!address) co_return say(text + ": " + address.error().text());
  auto router = queue_.router();
  auto resolution = co_await router->resolve(*address, std::string());
  std::string out;
  for (const auto& destination : resolution.destinations) {
    std::string line = text + " -> " + destination.address.text() + " R=" + destination.route;
    if (destination.transport) line += " T=" + destination.transport->name;
    if (!destination.path.empty()) line += " " + destination.path;
    if (!destination.command.empty()) line += " |" + destination.command.front();
    out += say(line);
  }
  for (const auto& refusal : resolution.refusals) out += say(text + ": " + refusal.status.line());
  co_return out;
}

}  // namespace mansio::control
