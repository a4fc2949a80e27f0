#include "deliver/pipe.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include "deliver/content.hpp"
#include "deliver/program.hpp"

namespace mansio::deliver {
namespace {

Result<> feed_message(Program& program, const Job& job, int message, Program::Clock::time_point end) {
  Content content(job, message);
  while (program.accepts_input()) {
    auto block = content.next();
    if (!block) return std::unexpected(block.error());
    if (block->empty()) break;
    if (auto fed = program.feed(*block, end); !fed) return fed;
  }
  program.close_input();
  return {};
}

Result<Status> run_program(const Job& job, int message, std::uint64_t& bytes) {
  Program program;
  Program::Options options;
  options.words = job.command;
  options.environment = make_environment(job);
  auto end = Program::Clock::now() + job.timeout;
  if (auto started = program.start(std::move(options)); !started) return std::unexpected(started.error());
  if (auto fed = feed_message(program, job, message, end); !fed) return std::unexpected(fed.error());
  auto status = program.wait(end);
  if (!status) return std::unexpected(status.error());
  bytes = program.bytes();
  if (WIFSIGNALED(*status)) return Status(451, 3, 0, fmt::format("the program was ended by signal {}", WTERMSIG(*status)));
  return status_of_exit(WEXITSTATUS(*status), program.output());
}

}  // namespace

Answer deliver_pipe(const Job& job, int message) {
  Answer answer;
  answer.serial = job.serial;
  auto status = run_program(job, message, answer.bytes);
  if (status) {
    answer.status = Status(status->code(), status->enhanced().subject, status->enhanced().detail, job.command[0] + ": " + status->text());
  } else {
    answer.status = local_trouble(status.error(), job.command[0]);
    answer.sys = status.error().sys();
  }
  return answer;
}

}  // namespace mansio::deliver
