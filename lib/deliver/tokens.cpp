#include "deliver/tokens.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>

#include "base/file.hpp"
#include "base/text.hpp"

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
  auto got = co_await run(&source);
  kept.token = std::move(got);
  kept.refreshing = false;
  kept.made = std::chrono::steady_clock::now();
  kept.until = kept.made + (kept.token ? source.lifetime : pause);
  Result<crypto::Secret> token = kept.token;
  kept.done.fire();
  co_return token;
}

event::Task<Result<crypto::Secret>> Tokens::run(const TokenSource* source) {
  const std::string what = "token_command " + source->command.front();
  if (agents_ == nullptr) co_return fail(Fault::not_found, what + ": there is nobody to run it");
  Job job;
  job.uid = user_.uid;
  job.gid = user_.gid;
  job.user = user_.name;
  job.kind = JobKind::token_command;
  job.command = source->command;
  job.timeout = command_limit_;
  spool::Content nothing;
  auto answer = co_await agents_->run(std::move(job), std::move(nothing));
  if (!answer.status.ok()) co_return fail(Fault::denied, what + ": " + answer.status.text());
  std::string text(answer.output.view());
  auto token = token_of(text, what);
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
  if (agents_ != nullptr) agents_->give_up_token_commands();
}

}  // namespace mansio::deliver
