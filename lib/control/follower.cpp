#include "control/follower.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace mansio::control {
namespace {

constexpr std::array<const char*, 6> heard_names{"opened", "closed", "client", "server", "content", "note"};

// "i27", "o5"
bool is_session_id(std::string_view text) {
  return text.size() > 1 && (text[0] == 'i' || text[0] == 'o') && std::ranges::all_of(text.substr(1), is_digit);
}

std::string json_line(const nlohmann::json& object) {
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace

Follower::Follower(smtp::Tracing& tracing, std::string_view target)
    : tracing_(tracing), target_(to_lower(target)), networks_({target_}), is_session_(is_session_id(target_)) {
  tracing_.join(this);
}

Follower::~Follower() { tracing_.leave(this); }

std::optional<std::uint64_t> Follower::session_number(std::string_view target) {
  return is_session_id(target) ? parse_number(target.substr(1)) : std::nullopt;
}

bool Follower::wants(const smtp::Conversation& conversation, const smtp::Tracing::About& about) {
  if (most_ && begun_ >= *most_) return false;
  if (is_session_) return conversation.id() == target_;
  if (networks_.matches(about.address)) return true;
  return std::ranges::any_of(about.names, [&](std::string_view name) { return iequals(name, target_) && !name.empty(); });
}

void Follower::hear(const smtp::Conversation& conversation, smtp::Heard what, std::string_view text) {
  std::string id = conversation.id();
  if (what == smtp::Heard::opened) {
    ++begun_;
    open_.insert(id);
  } else if (what == smtp::Heard::closed && open_.erase(id) > 0) {
    ++ended_;
  }
  if (lines_.size() >= most_lines) {
    ++skipped_;
    return;
  }
  using std::chrono::duration_cast, std::chrono::milliseconds;
  nlohmann::json line;
  line["time"] = static_cast<double>(duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count()) / 1000;
  line["session"] = id;
  line["what"] = heard_names[static_cast<std::size_t>(what)];
  line["text"] = text.substr(0, longest_line);
  lines_.push_back(json_line(line));
}

std::string Follower::take() {
  std::string out;
  for (const std::string& line : lines_) out += line;
  lines_.clear();
  if (skipped_ > 0) {
    nlohmann::json line;
    line["skipped"] = std::exchange(skipped_, 0);
    out += json_line(line);
  }
  return out;
}

}  // namespace mansio::control
