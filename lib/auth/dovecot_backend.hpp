// Dovecot's auth socket as a back end: passwords by PLAIN, tokens by OAUTHBEARER or XOAUTH2, whose messages are made
// again from what the client's mechanism gave. One connection is kept for all sessions, requests run on it side by
// side. When it breaks, requests under way are asked once more on the next one; when there is no next one they are
// `unavailable`. Dovecot sees the client's address, so its own penalties and allow_nets work.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "auth/backend.hpp"
#include "auth/dovecot_wire.hpp"
#include "event/scope.hpp"
#include "event/stream.hpp"
#include "event/timer.hpp"

namespace mansio::auth {

class DovecotBackend final : public Backend {
 public:
  struct Options {
    std::string path;                          // of the socket
    std::string service = "smtp";              // as Dovecot's rules and log name us
    Duration timeout{30'000};                  // of a request
    Duration handshake{5000};                  // from connect to DONE
    Duration retry_first{250}, retry_most{30'000};   // between connections that fail; a log-in may ask sooner
    Duration retry_on_demand{1000};
    Duration good_life{1000};                  // after a connection that lived so long the next is made at once
    std::size_t waiting = 200;                 // requests at once
  };
  // Trouble, and its end, in words for the log; each once.
  using Report = std::function<void(const std::string& text)>;

  // The loop and the scope outlive it.
  DovecotBackend(event::Loop& loop, event::Scope& scope, Options options, Report report);
  void start();   // connects, so that mechanisms() knows them soon
  void close();   // requests end as `unavailable`; the scope can be joined

  event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) override;
  // What Dovecot lists and we can ask; before it was ever heard: PLAIN and LOGIN.
  std::vector<std::string_view> mechanisms() const override;

 private:
  enum class State : std::uint8_t { idle, connecting, ready };
  struct Message {                  // of a mechanism
    Message() = default;
    std::string mechanism;
    crypto::Secret first, last;     // last: the answer to a challenge of a refusal
    bool may_be_challenged = false;
  };
  struct Request;

  event::Task<> run();
  event::Task<bool> serve_connection();
  event::Task<> write_out();
  event::Task<> wait_ready();
  event::Task<std::optional<sasl::Answer>> exchange(const Message& message, const Facts& facts);   // nullopt: lost
  std::optional<Message> make_message(const sasl::Question& question) const;
  bool knows(std::string_view mechanism) const;
  bool take_lines();
  Result<> take_line(const DovecotLine& line);
  void send(crypto::Secret line);
  void finish(Request& request, std::optional<sasl::Answer> answer);
  void lose_requests();
  void trouble(const std::string& text);

  event::Loop& loop_;
  event::Scope& scope_;
  Options options_;
  Report report_;
  event::Timer pause_;
  event::Trigger changed_, to_write_, writer_ended_;
  std::optional<event::Stream> stream_;
  std::string input_;
  std::deque<crypto::Secret> output_;
  std::map<std::uint32_t, Request*> requests_;
  std::vector<std::string> listed_, listing_;   // mechanisms: of the last good handshake; of the one under way
  std::uint32_t next_id_ = 1;
  std::uint64_t heard_ = 0;                     // lines
  MonotonicTime last_try_{};
  State state_ = State::idle;
  bool writing_ = false, ended_ = true, closed_ = false, told_ = false;
};

}  // namespace mansio::auth
