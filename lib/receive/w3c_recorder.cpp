#include "receive/w3c_recorder.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace mansio::receive {
namespace {

// Verb and argument of a line. What begins with no word is all argument.
void split_line(std::string_view line, std::string& method, std::string& query) {
  std::size_t end = 0;
  while (end < line.size() && is_alpha(line[end])) ++end;
  bool verb = end > 0 && end <= 20 && (end == line.size() || line[end] == ' ');
  if (!verb) end = 0;
  method.assign(line.substr(0, end));
  std::ranges::transform(method, method.begin(), ascii_upper);
  query = trim(line.substr(end));
}

std::uint16_t code_of(std::string_view reply) {
  auto code = parse_number(reply.substr(0, 3));
  return code ? static_cast<std::uint16_t>(*code) : std::uint16_t{0};
}

}  // namespace

bool wants_w3c(const config::Config& config) {
  return config.w3c || std::ranges::any_of(config.listeners, [](const config::Listener& listener) { return listener.w3c.value_or(false); });
}

W3cRecorder::~W3cRecorder() {
  if (joined_) tracing_.leave(this);
}

void W3cRecorder::configure(const config::Config& config) {
  site_ = config.instance.empty() ? "mansio" : "mansio@" + config.instance;
  computer_ = config.host_name;
  outgoing_ = config.w3c;
  bool wanted = wants_w3c(config);
  if (wanted && !joined_) tracing_.join(this);
  if (!wanted && joined_) {
    tracing_.leave(this);
    states_.clear();
  }
  joined_ = wanted;
}

bool W3cRecorder::wants(const smtp::Conversation& conversation, const smtp::Tracing::About& about) {
  bool incoming = conversation.side == smtp::Conversation::Side::incoming;
  if (incoming ? !about.recorded : !outgoing_) return false;
  State state;
  state.exchange.client_address = about.address;
  state.exchange.site = site_;
  state.exchange.computer = computer_;
  state.exchange.server_address = about.local_address;
  state.exchange.server_port = incoming ? about.local_port : about.port;
  if (about.lmtp) state.exchange.protocol = "LMTP";
  states_.insert_or_assign(&conversation, std::move(state));
  return true;
}

void W3cRecorder::hear(const smtp::Conversation& conversation, smtp::Heard what, std::string_view text) {
  auto it = states_.find(&conversation);
  if (it == states_.end()) return;
  State& state = it->second;
  if (what == smtp::Heard::closed) {
    if (state.waiting) write(state);             // the connection went before the reply
    states_.erase(it);
    return;
  }
  if (conversation.side == smtp::Conversation::Side::outgoing) return outgoing(state, what, text);
  if (what == smtp::Heard::client) command(state, text);
  else if (what == smtp::Heard::server) reply(state, text);
  else if (what == smtp::Heard::content) state.exchange.received += parse_number(text.substr(1, text.find(' ') - 1)).value_or(0);
  else if (what == smtp::Heard::note) note(state, text);
}

void W3cRecorder::command(State& state, std::string_view text) {
  log::Exchange& exchange = state.exchange;
  if (state.waiting && text == "***") {          // a response within AUTH
    exchange.received += text.size() + 2;
    return;
  }
  split_line(text, exchange.method, exchange.query);
  exchange.received = text.size() + 2;
  exchange.sent = 0;
  state.began = std::chrono::steady_clock::now();
  state.waiting = true;
  if (exchange.method == "EHLO" || exchange.method == "HELO" || exchange.method == "LHLO") state.helo = exchange.query;
}

void W3cRecorder::reply(State& state, std::string_view text) {
  if (!state.waiting) return;                    // the greeting, or 421 out of itself
  state.exchange.sent += text.size() + 2;
  std::uint16_t code = code_of(text);
  bool more = text.size() > 3 && text[3] == '-';
  if (more || code == 334 || code == 354) return;
  state.exchange.status = code;
  write(state);
}

// "logged in with PLAIN as bob".
void W3cRecorder::note(State& state, std::string_view text) {
  constexpr std::string_view words = "logged in with ";
  auto as = text.find(" as ");
  if (!text.starts_with(words) || as == std::string_view::npos) return;
  state.exchange.user = text.substr(as + 4);
  state.logged_in = true;
}

void W3cRecorder::write(State& state) {
  log::Exchange line = state.exchange;
  line.time = std::chrono::system_clock::now();
  line.taken = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - state.began);
  if (!state.logged_in) line.user = state.helo;
  log_.write(std::move(line));
  state.waiting = false;
  state.exchange.status = 0;
}

void W3cRecorder::outgoing(State& state, smtp::Heard what, std::string_view text) {
  if (what != smtp::Heard::client && what != smtp::Heard::server) return;
  log::Exchange line = state.exchange;
  line.time = std::chrono::system_clock::now();
  if (what == smtp::Heard::client) {
    line.user = "OutboundConnectionCommand";
    split_line(text, line.method, line.query);
    line.sent = text.size() + 2;
  } else {
    line.user = "OutboundConnectionResponse";
    line.query = text;
    line.received = text.size() + 2;
  }
  log_.write(std::move(line));
}

}  // namespace mansio::receive
