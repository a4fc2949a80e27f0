// Access tokens for AUTH XOAUTH2 and OAUTHBEARER: read from a file that somebody else keeps fresh, or printed by a command,
// which an agent runs as the user of the mail process, without a shell. A command's token is kept for its lifetime, and everybody
// who waits for one shares one run. Errors name the file or command, never what it said.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "crypto/secret.hpp"
#include "deliver/agent_pool.hpp"
#include "event/task.hpp"
#include "event/threads.hpp"
#include "event/trigger.hpp"

namespace mansio::deliver {

struct TokenSource {
  TokenSource() = default;
  std::string file;                      // "": the command
  std::vector<std::string> command;      // the program's path, and its arguments
  Duration lifetime{std::chrono::minutes(50)};
  bool given() const noexcept { return !file.empty() || !command.empty(); }
};

// Whom commands run as. `name` "": without supplementary groups.
struct CommandUser {
  CommandUser() = default;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
};

class Tokens {
 public:
  static constexpr std::size_t token_limit = max_output;                      // octets
  static constexpr Duration command_time{std::chrono::seconds(30)};
  static constexpr Duration pause{std::chrono::seconds(60)};                  // between runs of a command that does not help

  explicit Tokens(event::Threads& reading, Duration command_limit = command_time)
      : reading_(reading), command_limit_(command_limit) {}

  // Until then there are no commands. `agents` outlives this.
  void run_commands_in(AgentPool& agents, CommandUser user) {
    agents_ = &agents;
    user_ = std::move(user);
  }

  event::Task<Result<crypto::Secret>> get(TokenSource source);

  // A server refused this token. True: the next get() looks for another one; false: this one is as new as can be.
  bool discard(const TokenSource& source, const crypto::Secret& refused);

  void stop();                           // nobody waits for commands any more

 private:
  struct Kept {                          // of one command
    Kept() : token(fail(Fault::not_found, "")) {}
    Result<crypto::Secret> token;
    MonotonicTime made{}, until{};       // when it was got; how long it counts
    bool refreshing = false;
    event::Trigger done;
  };
  event::Task<Result<crypto::Secret>> read(std::string path);
  event::Task<Result<crypto::Secret>> from_command(TokenSource source);
  event::Task<Result<crypto::Secret>> run(const TokenSource* source);
  Kept& kept_of(const TokenSource& source);

  event::Threads& reading_;
  Duration command_limit_;
  AgentPool* agents_ = nullptr;
  CommandUser user_;
  std::unordered_map<std::string, std::unique_ptr<Kept>> kept_;               // by their words
  bool stopping_ = false;
};

}  // namespace mansio::deliver
