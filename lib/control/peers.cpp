#include "control/peers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mansio::control {
namespace {

constexpr std::size_t longest_line = 64u << 20;      // a message with very many recipients

nlohmann::json parse_line(const std::string& line) { return nlohmann::json::parse(line, nullptr, false); }

}  // namespace

std::string Peers::path(const std::string& directory, unsigned number) { return fmt::format("{}/control-{}.sock", directory, number); }

event::Task<Result<event::Stream>> Peers::open(unsigned number) {
  if (number == own_) co_return open_own_();
  std::string at = path(directory_, number);
  auto deadline = event::Deadline::in(patience);
  auto stream = co_await event::Stream::connect_unix(loop, std::move(at), deadline);
  co_return stream;
}

// What answers this has a loop that runs.
event::Task<bool> Peers::is_there(unsigned number) {
  if (number == own_) co_return true;
  auto stream = co_await open(number);
  if (!stream) co_return false;
  auto deadline = event::Deadline::in(patience);
  std::string question = "{\"command\":\"ping\"}\n";
  auto sent = co_await stream->write(question, deadline);
  if (!sent) co_return false;
  auto got = co_await stream->read_some(deadline);
  co_return got.has_value();
}

event::Task<std::vector<nlohmann::json>> Peers::ask_all(Json question, const Each* each) {
  std::vector<Json> lasts(count_);
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  for (unsigned number = 0; number < count_; ++number) {
    Json own_copy = question;
    scope.spawn(ask(number, std::move(own_copy), each, &lasts[number]));
  }
  co_await scope.join();
  co_return lasts;
}

event::Task<> Peers::ask(unsigned number, Json question, const Each* each, Json* last) {
  PeerAnswer answer(*this, number, question);
  for (;;) {
    bool more = co_await answer.next();
    if (!more) break;
    if (each != nullptr) (*each)(number, answer.line());
  }
  *last = answer.last();
}

// ---- one answer

PeerAnswer::PeerAnswer(Peers& peers, unsigned number, const Json& question)
    : peers_(peers), number_(number), question_(question.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n') {}

event::Task<bool> PeerAnswer::begin() {
  begun_ = true;
  auto stream = co_await peers_.open(number_);
  // A process removes its socket when it ends, not when it is killed.
  if (!stream && number_ >= peers_.lasting && stream.error().fault() == Fault::not_found) last_ = Json::object();
  if (!stream || stopped_) co_return false;
  stream_.emplace(std::move(*stream));
  auto deadline = event::Deadline::in(peers_.patience);
  auto sent = co_await stream_->write(question_, deadline);
  co_return sent.has_value();
}

event::Task<bool> PeerAnswer::more() {
  buffer_.erase(0, at_);
  scanned_ -= std::min(at_, scanned_);
  at_ = 0;
  while (!stopped_ && stream_ && buffer_.size() <= longest_line) {
    auto deadline = event::Deadline::in(peers_.patience);
    auto got = co_await stream_->read_some(deadline);
    if (got) {
      buffer_ += *got;
      co_return true;
    }
    if (got.error().fault() != Fault::timed_out) co_return false;
    bool there = co_await peers_.is_there(number_);
    if (!there) co_return false;
  }
  co_return false;
}

event::Task<bool> PeerAnswer::next() {
  if (over_) co_return false;
  if (!begun_) {
    bool asked = co_await begin();
    if (!asked) over_ = true;
  }
  while (!over_) {
    auto end = buffer_.find('\n', std::max(at_, scanned_));
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      bool got = co_await more();
      if (!got) over_ = true;
      continue;
    }
    line_.assign(buffer_, at_, end - at_);
    at_ = end + 1;
    if (!is_last_line(line_)) co_return true;
    last_ = parse_line(line_);
    if (!last_.is_object()) last_ = Json();
    over_ = true;
  }
  stream_.reset();
  co_return false;
}

event::Task<std::string> PeerAnswer::octets(std::uint64_t most) {
  if (at_ == buffer_.size()) {
    bool got = co_await more();
    if (!got) co_return std::string();
  }
  std::string out = buffer_.substr(at_, static_cast<std::size_t>(std::min<std::uint64_t>(most, buffer_.size() - at_)));
  at_ += out.size();
  co_return out;
}

void PeerAnswer::stop() {
  stopped_ = true;
  if (stream_) stream_->interrupt();
}

// ---- several answers as one

void LastLines::add(unsigned number, const Json& last) {
  if (!last.is_object()) return add_missing(number);
  for (const auto& [key, value] : last.items()) {
    if (key == "end") continue;
    auto known = sum_.find(key);
    if (known == sum_.end()) sum_[key] = value;
    else if (value.is_number_unsigned() && known->is_number_unsigned()) *known = known->get<std::uint64_t>() + value.get<std::uint64_t>();
    else if (value.is_boolean() && known->is_boolean()) *known = known->get<bool>() && value.get<bool>();
  }
}

void LastLines::add_missing(unsigned number) { missing_.push_back(number); }

nlohmann::json LastLines::object() const {
  Json out = sum_;
  if (missing_.empty()) return out;
  out["missing"] = missing_;
  out["complete"] = false;
  return out;
}

}  // namespace mansio::control
