#include "auth/dovecot_backend.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/encoding.hpp"
#include "sasl/simple_clients.hpp"

namespace mansio::auth {

using sasl::Answer;
using sasl::Question;

struct DovecotBackend::Request {
  Request(event::Loop& loop, const Message& what) : timer(loop), message(what) {}
  event::Timer timer;
  const Message& message;
  std::optional<Answer> answer;
  bool done = false, challenged = false;
};

DovecotBackend::DovecotBackend(event::Loop& loop, event::Scope& scope, Options options, Report report)
    : loop_(loop), scope_(scope), options_(std::move(options)), report_(std::move(report)), pause_(loop) {}

void DovecotBackend::start() { scope_.spawn(run()); }

void DovecotBackend::close() {
  closed_ = true;
  if (stream_) stream_->interrupt();
  pause_.wake();
}

void DovecotBackend::trouble(const std::string& text) {
  if (!std::exchange(told_, true)) report_(fmt::format("Dovecot's auth socket {}: {}", options_.path, text));
}

bool DovecotBackend::knows(std::string_view mechanism) const {
  return std::ranges::find(listed_, mechanism) != listed_.end();
}

std::vector<std::string_view> DovecotBackend::mechanisms() const {
  std::vector<std::string_view> out;
  for (std::string_view each : {"OAUTHBEARER", "XOAUTH2"}) {
    if (knows(each)) out.push_back(each);
  }
  if (listed_.empty() || knows("PLAIN")) out.insert(out.end(), {"PLAIN", "LOGIN"});
  return out;
}

// ---- the connection

event::Task<> DovecotBackend::run() {
  Duration pause = options_.retry_first;
  while (!closed_) {
    state_ = State::connecting;
    auto begun = std::chrono::steady_clock::now();
    auto task = serve_connection();
    bool worked = co_await task;
    bool at_once = worked && std::chrono::steady_clock::now() - begun >= options_.good_life && !closed_;
    state_ = at_once ? State::connecting : State::idle;
    last_try_ = std::chrono::steady_clock::now();
    lose_requests();
    if (at_once) {
      pause = options_.retry_first;
      continue;
    }
    changed_.fire();
    if (closed_) break;
    co_await pause_.sleep(pause);
    pause = std::min(pause * 2, options_.retry_most);
  }
  state_ = State::idle;
  changed_.fire();
}

// One connection from its beginning to its end; true when the handshake went well.
event::Task<bool> DovecotBackend::serve_connection() {
  auto handshake = event::Deadline::in(options_.handshake);
  auto path = options_.path;
  auto stream = co_await event::Stream::connect_unix(loop_, std::move(path), handshake);
  if (!stream) {
    trouble(stream.error().text());
    co_return false;
  }
  stream_.emplace(std::move(*stream));
  input_.clear();
  output_.clear();
  listing_.clear();
  ended_ = false;
  writing_ = true;
  scope_.spawn(write_out());
  send(crypto::Secret(fmt::format("VERSION\t1\t2\nCPID\t{}\n", ::getpid())));
  while (!ended_ && !closed_) {
    auto deadline = state_ == State::ready ? event::Deadline::never() : handshake;
    auto bytes = co_await stream_->read_some(deadline);
    if (!bytes) {
      // Dovecot may restart whenever it likes.
      if (!closed_ && state_ != State::ready) trouble("no handshake: " + bytes.error().text());
      break;
    }
    input_ += *bytes;
    if (!take_lines()) break;
  }
  ended_ = true;
  stream_->abort();
  to_write_.fire();
  while (writing_) co_await writer_ended_.wait();
  stream_.reset();
  co_return state_ == State::ready;
}

event::Task<> DovecotBackend::write_out() {
  while (!ended_) {
    if (output_.empty()) {
      co_await to_write_.wait();
      continue;
    }
    crypto::Secret line = std::move(output_.front());
    output_.pop_front();
    auto deadline = event::Deadline::in(options_.timeout);
    auto sent = co_await stream_->write(line.view(), deadline);
    if (sent || ended_) continue;
    ended_ = true;
    stream_->interrupt();
  }
  writing_ = false;
  writer_ended_.fire();
}

void DovecotBackend::send(crypto::Secret line) {
  output_.push_back(std::move(line));
  to_write_.fire();
}

// False: nothing more that comes from there can be trusted.
bool DovecotBackend::take_lines() {
  for (;;) {
    auto end = input_.find('\n');
    if (end == std::string::npos) break;
    auto line = parse_dovecot_line(std::string_view(input_).substr(0, end));
    input_.erase(0, end + 1);
    ++heard_;
    auto taken = line ? take_line(*line) : Result<>(std::unexpected(line.error()));
    if (taken) continue;
    trouble(taken.error().text());
    return false;
  }
  if (input_.size() <= dovecot_line_limit) return true;
  trouble("a line that is too long");
  return false;
}

Result<> DovecotBackend::take_line(const DovecotLine& line) {
  using Kind = DovecotLine::Kind;
  bool handshake = line.kind == Kind::version || line.kind == Kind::mechanism || line.kind == Kind::done;
  if (line.kind == Kind::other || (handshake && state_ == State::ready)) return {};
  if (line.kind == Kind::version && line.id != 1) return fail(Fault::invalid, fmt::format("speaks version {} of the protocol", line.id));
  if (line.kind == Kind::mechanism && listing_.size() < 100) listing_.push_back(line.name);
  if (line.kind == Kind::done) {
    listed_ = listing_;
    state_ = State::ready;
    if (std::exchange(told_, false)) report_(fmt::format("Dovecot's auth socket {}: answers again", options_.path));
    changed_.fire();
  }
  if (handshake) return {};
  auto it = requests_.find(line.id);
  if (it == requests_.end()) return {};   // it came too late, or was never asked
  Request& request = *it->second;
  switch (line.kind) {
    case Kind::accepted: finish(request, Answer(Answer::Verdict::accepted, line.name)); break;
    case Kind::denied: finish(request, Answer(line.temporary ? Answer::Verdict::unavailable : Answer::Verdict::denied)); break;
    default:
      // The report of a refusal, which the token mechanisms wrap in a challenge (RFC 7628 §3.2.3).
      if (!request.message.may_be_challenged || std::exchange(request.challenged, true)) {
        finish(request, Answer(Answer::Verdict::unavailable));
        return fail(Fault::invalid, "a challenge that the mechanism does not have");
      }
      send(crypto::Secret(fmt::format("CONT\t{}\t{}\n", line.id, base64_encode(request.message.last.view()))));
  }
  return {};
}

// ---- requests

void DovecotBackend::finish(Request& request, std::optional<Answer> answer) {
  if (std::exchange(request.done, true)) return;
  request.answer = std::move(answer);
  request.timer.wake();   // its coroutine goes on: `request` may be gone after this
}

void DovecotBackend::lose_requests() {
  while (!requests_.empty()) {
    auto first = requests_.begin();
    Request* request = first->second;
    requests_.erase(first);
    finish(*request, std::nullopt);
  }
}

std::optional<DovecotBackend::Message> DovecotBackend::make_message(const Question& question) const {
  sasl::Credentials credentials;
  credentials.user = question.user;
  std::unique_ptr<sasl::Client> client;
  Message out;
  if (question.kind == Question::Kind::password) {
    credentials.password = question.secret;
    out.mechanism = "PLAIN";
    client = sasl::make_plain_client(credentials);
  } else if (question.kind == Question::Kind::token) {
    credentials.token = question.secret;
    out.mechanism = knows("OAUTHBEARER") ? "OAUTHBEARER" : "XOAUTH2";
    out.may_be_challenged = true;
    client = out.mechanism == "OAUTHBEARER" ? sasl::make_oauthbearer_client(credentials) : sasl::make_xoauth2_client(credentials);
  }
  if (!client || !knows(out.mechanism)) return std::nullopt;
  auto first = client->begin();
  if (!first || !*first) return std::nullopt;
  out.first = std::move(**first);
  if (!out.may_be_challenged) return out;
  auto last = client->respond({});
  if (last) out.last = std::move(*last);
  return out;
}

// Until there is a connection, or the next try for one has failed. A log-in doesn't wait for the whole pause between
// tries, but doesn't hammer either.
event::Task<> DovecotBackend::wait_ready() {
  if (state_ == State::idle && pause_.sleeping() && std::chrono::steady_clock::now() - last_try_ >= options_.retry_on_demand) pause_.wake();
  while (state_ == State::connecting && !closed_) co_await changed_.wait();
}

event::Task<Answer> DovecotBackend::ask(Question question, Facts facts) {
  bool known = question.kind == Question::Kind::password || question.kind == Question::Kind::token;
  if (!known) co_return Answer(Answer::Verdict::denied);
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto ready = wait_ready();
    co_await ready;
    if (state_ != State::ready || closed_ || requests_.size() >= options_.waiting) break;
    auto message = make_message(question);
    if (!message) co_return Answer(Answer::Verdict::denied);
    auto task = exchange(*message, facts);
    auto answer = co_await task;
    if (answer) co_return std::move(*answer);
  }
  co_return Answer(Answer::Verdict::unavailable);
}

event::Task<std::optional<Answer>> DovecotBackend::exchange(const Message& message, const Facts& facts) {
  Request request(loop_, message);
  std::uint32_t id = next_id_++;
  if (next_id_ == 0) next_id_ = 1;
  requests_[id] = &request;
  auto heard_before = heard_;
  send(make_dovecot_request(id, message.mechanism, options_.service, facts, message.first.view()));
  if (!request.done) co_await request.timer.sleep(options_.timeout);
  requests_.erase(id);
  if (request.done) co_return std::move(request.answer);
  trouble(fmt::format("no answer within {}", format_duration(options_.timeout)));
  if (heard_ == heard_before && stream_) stream_->interrupt();   // it answers nobody
  std::optional<Answer> out(Answer::Verdict::unavailable);
  co_return out;
}

}  // namespace mansio::auth
