#include "control/session.hpp"

#include <algorithm>
#include <array>

#include "control/describe.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t line_limit = 65536, peer_line_limit = 4u << 20;      // all that is paused
constexpr Duration request_time{10'000}, answer_time{30'000};

}  // namespace

// What a command needs: nothing (then it tells of the caller's own messages, and of all to who may read), the right to see
// all, or the right to change it.
enum class Right : std::uint8_t { own, read, all };

// `together` answers when there are several mail processes; null: the first one's answer is that of all.
struct CommandRow {
  const char* name;
  Right right;
  event::Task<> (Session::*answer)();
  event::Task<> (Session::*together)() = nullptr;
  static const std::array<CommandRow, 24> rows;
};

const std::array<CommandRow, 24> CommandRow::rows{{
    {"queue_list", Right::own, &Session::queue_list, &Session::listed_together},
    {"queue_count", Right::own, &Session::queue_count, &Session::chained},
    {"queue_run", Right::all, &Session::queue_run, &Session::chained},
    {"queue_act", Right::all, &Session::queue_act, &Session::acted_together},
    {"queue_show", Right::own, &Session::queue_show, &Session::owned},
    {"route", Right::own, &Session::route},
    {"reload_aliases", Right::all, &Session::reload_aliases, &Session::reload_tables_of_all},
    {"queue_select", Right::read, &Session::queue_select, &Session::ordered},
    {"queue_summary", Right::read, &Session::queue_summary, &Session::summary_of_all},
    {"status", Right::read, &Session::status, &Session::status_of_all},
    {"sessions", Right::read, &Session::sessions, &Session::chained},
    {"session_kill", Right::all, &Session::session_kill, &Session::chained},
    {"pause", Right::read, &Session::pause, &Session::pause_all},
    {"resume", Right::all, &Session::resume, &Session::pause_all},
    {"trace", Right::read, &Session::trace, &Session::traced_together},
    {"why", Right::read, &Session::why, &Session::why_of_all},
    {"metrics", Right::read, &Session::metrics, &Session::metrics_together},
    {"reload", Right::all, &Session::reload, &Session::reload_all},
    {"badmail_list", Right::read, &Session::badmail_list},       // one directory for all
    {"badmail_show", Right::read, &Session::badmail_show},
    {"badmail_retry", Right::all, &Session::badmail_retry},
    {"badmail_remove", Right::all, &Session::badmail_remove},
    {"ping", Right::own, &Session::ping},
    {"pauses", Right::all, &Session::take_pauses},
}};

event::Task<> Session::run() {
  std::string buffer;
  while (!gone_) {
    auto end = buffer.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      co_await answer(std::move(line));
      continue;
    }
    if (buffer.size() > (from_peer_ ? peer_line_limit : line_limit)) break;
    auto got = co_await stream_.read_some(event::Deadline::in(request_time));
    if (!got) break;
    buffer += *got;
  }
}

event::Task<> Session::answer(std::string line) {
  request_ = Json::parse(line, nullptr, false);
  if (from_peer_) caller_ = named_caller();
  std::string command = text_of("command");
  auto row = std::ranges::find(CommandRow::rows, command, &CommandRow::name);
  if (row == CommandRow::rows.end()) {
    refuse("unknown command");
  } else if (!may(row->right)) {
    deny(row->right == Right::read ? "control.admins or control.readers" : "control.admins");
  } else {
    bool together = row->together != nullptr && services_.peers != nullptr && !from_peer_;
    auto answer = together ? row->together : row->answer;
    co_await (this->*answer)();
  }
  co_await send_gathered(0);
}

bool Session::may(Right right) const { return right == Right::own || (right == Right::read ? caller_.reader : caller_.admin); }

void Session::deny(const std::string& setting) {
  Json denied;
  denied["error"] = "not permitted: only root, the daemon's group and those of " + setting + " may do this: ask an administrator";
  denied["denied"] = true;
  end(std::move(denied));
}

std::string Session::text_of(const char* key) const {
  if (!request_.is_object()) return {};
  auto found = request_.find(key);
  return found != request_.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool Session::flag_of(const char* key) const {
  if (!request_.is_object()) return false;
  auto found = request_.find(key);
  return found != request_.end() && found->is_boolean() && found->get<bool>();
}

std::vector<std::string> Session::list_of(const char* key) const {
  std::vector<std::string> out;
  auto found = request_.find(key);
  if (found == request_.end() || !found->is_array()) return out;
  for (const Json& one : *found) {
    if (one.is_string()) out.push_back(one.get<std::string>());
  }
  return out;
}

std::optional<std::size_t> Session::number_of(const char* key) const {
  if (!request_.is_object()) return std::nullopt;
  auto found = request_.find(key);
  return found != request_.end() && found->is_number_unsigned() ? std::optional(found->get<std::size_t>()) : std::nullopt;
}

// Text from outside may be no UTF-8: it is replaced, never an exception.
void Session::say(const Json& object) { out_ += line_of(object); }

event::Task<bool> Session::send_gathered(std::size_t at_least) {
  if (out_.size() < at_least || gone_) co_return !gone_;
  auto sent = co_await stream_.write(out_, event::Deadline::in(answer_time));
  out_.clear();
  gone_ = !sent;
  co_return !gone_;
}

void Session::end(Json object) {
  object["end"] = true;
  say(object);
}

void Session::refuse(const std::string& text) {
  Json object;
  object["error"] = text;
  end(std::move(object));
}

// The configuration as a whole. Not done: it was refused, and the old one stays in use.
event::Task<> Session::reload() {
  log::Notice notice;
  notice.text = "reload asked for by " + caller_.name();
  services_.log.write(std::move(notice));
  auto result = co_await services_.reload();
  co_await write_log();
  auto tell = [&](const char* key, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      Json line;
      line[key] = text;
      say(line);
    }
  };
  tell("refused", result.refusals);
  if (result.refusals.empty()) tell("problem", result.problems);
  Json last;
  last["done"] = result.refusals.empty();
  last["aliases"] = result.aliases;
  end(std::move(last));
}

event::Task<> Session::reload_aliases() {
  auto result = co_await services_.reload_tables();
  for (const auto& problem : result.problems) {
    Json line;
    line["problem"] = problem;
    say(line);
  }
  Json last;
  last["aliases"] = result.aliases;
  end(std::move(last));
}

}  // namespace mansio::control
