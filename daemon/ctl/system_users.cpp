#include "ctl/system_users.hpp"

#include "deliver/identity.hpp"

namespace mansio::ctl {

event::Task<Result<std::optional<route::User>>> SystemUsers::find(std::string name, bool) {
  auto known = known_.find(name);
  if (known != known_.end()) co_return known->second;
  deliver::Job job;
  job.kind = deliver::JobKind::user_lookup;
  job.user = name;
  auto answer = deliver::lookup_user(job);
  Result<std::optional<route::User>> result = std::optional<route::User>();
  if (!answer.status.ok()) result = fail(Fault::busy, answer.status.text(), answer.sys);
  if (answer.status.ok() && answer.found) {
    route::User user;
    user.name = answer.user;
    user.uid = answer.uid;
    user.gid = answer.gid;
    user.home = answer.home;
    result = std::optional<route::User>(std::move(user));
  }
  known_[name] = result;
  co_return result;
}

}  // namespace mansio::ctl
