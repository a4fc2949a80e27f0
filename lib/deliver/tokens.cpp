#include "deliver/tokens.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "base/file.hpp"
#include "base/text.hpp"
#include "event/scope.hpp"
#include "event/stream.hpp"

namespace mansio::deliver {
namespace {

// What a file or a command gave: one line. `what` stands in error texts.
Result<crypto::Secret> token_of(std::string& text, const std::string& what) {
  std::string_view token = trim(text);
  Result<crypto::Secret> out = fail(Fault::invalid, what + ": no token");
  if (!token.empty()) out = crypto::Secret(token);
  if (!is_ascii(token) || has_control(token) || token.find(' ') != std::string_view::npos) out = fail(Fault::invalid, what + ": that is no token");
  crypto::wipe(text);
  return out;
}

// Blocks. Held to what secret files are held to: nobody else may read it.
Result<crypto::Secret> read_token(const std::string& path) {
  auto file = open_file(path, O_RDONLY | O_NONBLOCK);
  if (!file) return std::unexpected(file.error());
  struct stat about {};
  if (::fstat(file->get(), &about) != 0) return fail_errno("stat " + path);
  if (!S_ISREG(about.st_mode)) return fail(Fault::denied, path + ": not a file");
  if ((about.st_mode & 07) != 0) return fail(Fault::denied, path + ": everybody may read or change it: chmod o-rwx");
  auto text = read_fd(file->get(), Tokens::token_limit);
  if (!text) return fail(text.error().fault(), path + ": " + text.error().text());
  return token_of(*text, path);
}

event::Task<> kill_late(event::Timer* timer, event::Process* process, Duration limit, bool* late) {
  bool passed = co_await timer->sleep(limit);
  *late = passed;
  if (passed) process->kill(SIGKILL);
}

std::string ending(const event::Process::Exit& exit) {
  if (exit.signal != 0) return fmt::format("ended by signal {}", exit.signal);
  return fmt::format("exit status {}", exit.status);
}

}  // namespace

event::Task<Result<crypto::Secret>> Tokens::get(TokenSource source) {
  if (!source.file.empty()) {
    auto token = co_await read(std::move(source.file));
    co_return token;
  }
  auto token = co_await from_command(std::move(source));
  co_return token;
}

event::Task<Result<crypto::Secret>> Tokens::read(std::string path) {
  auto work = [&path] { return read_token(path); };
  auto token = co_await reading_.run(work);
  co_return token;
}

Tokens::Kept& Tokens::kept_of(const TokenSource& source) {
  std::string key;
  for (const std::string& word : source.command) key += word + '\0';
  auto& kept = kept_[key];
  if (kept == nullptr) kept = std::make_unique<Kept>();
  return *kept;
}

event::Task<Result<crypto::Secret>> Tokens::from_command(TokenSource source) {
  Kept& kept = kept_of(source);
  if (kept.refreshing) {
    while (kept.refreshing) co_await kept.done.wait();
    co_return kept.token;
  }
  if (std::chrono::steady_clock::now() < kept.until) co_return kept.token;
  if (stopping_) co_return fail(Fault::cancelled, "stopping");
  kept.refreshing = true;
  auto got = co_await run(&source, &kept);
  kept.token = std::move(got);
  kept.refreshing = false;
  kept.made = std::chrono::steady_clock::now();
  kept.until = kept.made + (kept.token ? source.lifetime : pause);
  Result<crypto::Secret> token = kept.token;
  kept.done.fire();
  co_return token;
}

// Its standard output is a socket of ours; what it says besides is not for us, and may be secret.
event::Task<Result<crypto::Secret>> Tokens::run(const TokenSource* source, Kept* kept) {
  const std::string what = "token_command " + source->command.front();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) co_return fail_errno("socketpair");
  UniqueFd ours(ends[0]), theirs(ends[1]);
  std::vector<std::string> environment;
  environment.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  auto process = event::Process::start(loop_, source->command, environment, -1, theirs.get(), -1);
  theirs.reset();
  if (!process) co_return std::unexpected(process.error());
  auto output = event::Stream::adopt(loop_, std::move(ours), true);
  if (!output) process->kill(SIGKILL);
  event::Timer timer(loop_);
  event::Scope watch([](std::exception_ptr e) { std::rethrow_exception(e); });
  bool late = false, much = false;
  kept->running = &*process;
  watch.spawn(kill_late(&timer, &*process, command_limit_, &late));
  std::string text;
  text.reserve(token_limit + 1);
  auto deadline = event::Deadline::in(command_limit_);
  while (output && !much) {
    auto more = co_await output->read_some(deadline);
    if (!more) break;
    much = text.size() + more->size() > token_limit;
    if (!much) text += *more;
  }
  if (much) process->kill(SIGKILL);
  auto exit = co_await process->wait();
  kept->running = nullptr;
  timer.wake();
  co_await watch.join();
  Result<crypto::Secret> token = token_of(text, what);
  if (much) co_return fail(Fault::too_long, what + ": its output is too long for a token");
  if (late) co_return fail(Fault::timed_out, fmt::format("{}: not done after {} s", what, command_limit_.count() / 1000));
  if (exit.status != 0 || exit.signal != 0) co_return fail(Fault::denied, what + ": " + ending(exit));
  co_return token;
}

bool Tokens::discard(const TokenSource& source, const crypto::Secret& refused) {
  if (!source.file.empty()) return true;
  Kept& kept = kept_of(source);
  bool same = kept.token && kept.token->view() == refused.view();
  auto now = std::chrono::steady_clock::now();
  if (same && now - kept.made < pause) return false;
  if (same) kept.until = now;
  return true;
}

void Tokens::stop() {
  stopping_ = true;
  for (auto& [words, kept] : kept_) {
    if (kept->running != nullptr) kept->running->kill(SIGKILL);
  }
}

}  // namespace mansio::deliver
