#include "control/session.hpp"

#include <algorithm>
#include <array>

#include "control/describe.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t line_limit = 65536;
constexpr Duration request_time{10'000}, answer_time{30'000};

}  // namespace

enum class Who : std::uint8_t { anybody, admin };

struct CommandRow {
  const char* name;
  Who who;
  event::Task<> (Session::*answer)();
  static const std::array<CommandRow, 18> rows;
};

const std::array<CommandRow, 18> CommandRow::rows{{
    {"queue_list", Who::anybody, &Session::queue_list},
    {"queue_count", Who::anybody, &Session::queue_count},
    {"queue_run", Who::admin, &Session::queue_run},
    {"queue_act", Who::admin, &Session::queue_act},
    {"queue_show", Who::anybody, &Session::queue_show},
    {"route", Who::anybody, &Session::route},
    {"reload_aliases", Who::admin, &Session::reload_aliases},
    {"queue_select", Who::admin, &Session::queue_select},
    {"queue_summary", Who::admin, &Session::queue_summary},
    {"status", Who::admin, &Session::status},
    {"sessions", Who::admin, &Session::sessions},
    {"session_kill", Who::admin, &Session::session_kill},
    {"pause", Who::admin, &Session::pause},
    {"resume", Who::admin, &Session::resume},
    {"trace", Who::admin, &Session::trace},
    {"why", Who::admin, &Session::why},
    {"metrics", Who::admin, &Session::metrics},
    {"reload", Who::admin, &Session::reload},
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
    if (buffer.size() > line_limit) break;
    auto got = co_await stream_.read_some(event::Deadline::in(request_time));
    if (!got) break;
    buffer += *got;
  }
}

event::Task<> Session::answer(std::string line) {
  request_ = Json::parse(line, nullptr, false);
  std::string command = text_of("command");
  auto row = std::ranges::find(CommandRow::rows, command, &CommandRow::name);
  if (row == CommandRow::rows.end()) {
    refuse("unknown command");
  } else if (row->who == Who::admin && !caller_.admin) {
    Json denied;
    denied["error"] = "not permitted: only root and the daemon's group may do this";
    denied["denied"] = true;
    end(std::move(denied));
  } else {
    co_await (this->*row->answer)();
  }
  co_await send_gathered(0);
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
