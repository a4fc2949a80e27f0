// W3cRecorder: makes w3clog's lines (log/w3c.hpp) of what conversations say, as one who follows them (smtp/tracing.hpp), so
// nothing secret gets here and nothing is paid where nobody asks for it. Of a client: one line for each command with its
// reply. Of a connection of ours to another host: one for each command and one for each reply, as IIS wrote them.
#pragma once
#include <string>
#include <unordered_map>

#include "config/config.hpp"
#include "log/logger.hpp"
#include "smtp/tracing.hpp"

namespace mansio::receive {

class W3cRecorder final : public smtp::Tracing::Follower {
 public:
  // Both outlive it.
  W3cRecorder(smtp::Tracing& tracing, log::Logger& log) : tracing_(tracing), log_(log) {}
  ~W3cRecorder();
  W3cRecorder(const W3cRecorder&) = delete;
  W3cRecorder& operator=(const W3cRecorder&) = delete;

  // Follows conversations that begin from now on, where the configuration wants that.
  void configure(const config::Config& config);

  bool wants(const smtp::Conversation& conversation, const smtp::Tracing::About& about) override;
  void hear(const smtp::Conversation& conversation, smtp::Heard what, std::string_view text) override;

 private:
  struct State {
    log::Exchange exchange;          // what stays the same, and the command that waits for its reply
    MonotonicTime began{};
    std::string helo;
    bool waiting = false, logged_in = false;
  };
  void command(State& state, std::string_view text);
  void reply(State& state, std::string_view text);
  void note(State& state, std::string_view text);
  void write(State& state);
  void outgoing(State& state, smtp::Heard what, std::string_view text);

  smtp::Tracing& tracing_;
  log::Logger& log_;
  std::string site_, computer_;
  bool outgoing_ = false, joined_ = false;
  std::unordered_map<const smtp::Conversation*, State> states_;
};

// Does a configuration write w3clog at all?
bool wants_w3c(const config::Config& config);

}  // namespace mansio::receive
