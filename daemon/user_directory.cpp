#include "user_directory.hpp"

namespace mansio::daemon {
namespace {
constexpr auto remembered = std::chrono::seconds(2);
constexpr std::size_t most_remembered = 20000;
}  // namespace

event::Task<Result<std::optional<route::User>>> AgentDirectory::find(std::string name, bool with_forward) {
  std::string key = (with_forward ? "f" : "n") + name;
  auto now = std::chrono::steady_clock::now();
  if (auto it = known_.find(key); it != known_.end() && it->second.until > now) co_return it->second.user;
  deliver::Job job;
  job.kind = deliver::JobKind::user_lookup;
  job.user = name;
  job.want_forward = with_forward;
  spool::Content nothing;
  auto answer = co_await agents_.run(std::move(job), std::move(nothing));
  if (!answer.status.ok()) co_return fail(Fault::busy, answer.status.text(), answer.sys);
  std::optional<route::User> user;
  if (answer.found) {
    user.emplace();
    user->name = answer.user;
    user->uid = answer.uid;
    user->gid = answer.gid;
    user->home = answer.home;
    user->gecos = answer.gecos;
    if (!answer.forward.empty()) user->forward = answer.forward;
  }
  if (known_.size() >= most_remembered) known_.clear();
  Known known;
  known.user = user;
  known.until = now + remembered;
  known_[key] = std::move(known);
  co_return user;
}

}  // namespace mansio::daemon
