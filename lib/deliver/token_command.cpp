#include "deliver/token_command.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver/program.hpp"

namespace mansio::deliver {
namespace {

std::string text_of(const Error& error, const Job& job) {
  if (error.fault() == Fault::timed_out) return fmt::format("not done after {} s", job.timeout.count() / 1000);
  if (error.fault() == Fault::too_long) return "its output is too long for a token";
  return error.text();
}

// The text says why there is none, or nothing.
std::string get_token(const Job& job, int channel, crypto::Secret& token) {
  if (::access(job.command.front().c_str(), X_OK) != 0) return Error::from_errno(errno, "run").text();
  Program program;
  Program::Options options;
  options.words = job.command;
  options.environment.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  options.output_limit = max_output;
  options.output_is_secret = true;
  options.peer = channel;
  auto end = Program::Clock::now() + job.timeout;
  if (auto started = program.start(std::move(options)); !started) return text_of(started.error(), job);
  program.close_input();
  auto status = program.wait(end);
  token = crypto::Secret(program.output());
  crypto::wipe(program.output());
  if (!status) return text_of(status.error(), job);
  if (WIFSIGNALED(*status)) return fmt::format("ended by signal {}", WTERMSIG(*status));
  return WEXITSTATUS(*status) == 0 ? "" : fmt::format("exit status {}", WEXITSTATUS(*status));
}

}  // namespace

Answer run_token_command(const Job& job, int channel) {
  Answer answer;
  answer.serial = job.serial;
  std::string why = get_token(job, channel, answer.output);
  if (!why.empty()) answer.output = crypto::Secret();
  answer.status = why.empty() ? Status(250, 2, 0, "the command has ended") : Status(451, 3, 0, std::move(why));
  return answer;
}

}  // namespace mansio::deliver
