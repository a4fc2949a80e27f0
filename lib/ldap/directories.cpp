#include "ldap/directories.hpp"

#include "base/text.hpp"

namespace mansio::ldap {

std::shared_ptr<Directories> Directories::make(event::Loop& loop, event::Scope& scope, const config::Config& config, const AccessOf& access_of,
                                               Report report, const std::shared_ptr<Directories>& before) {
  auto out = std::make_shared<Directories>();
  std::size_t kept = 0;
  for (const config::Ldap& settings : config.ldap) {
    Access access = access_of(settings);
    std::shared_ptr<Directory>& directory = out->directories_[settings.name];
    auto known = before ? before->directories_.find(settings.name) : out->directories_.end();
    if (before && known != before->directories_.end() && known->second->is_made_of(settings, access)) {
      directory = known->second;
      ++kept;
      continue;
    }
    if (!access.problem.empty()) report("directory " + settings.name + ": " + access.problem, true);
    auto pool = std::make_shared<Pool>(loop, scope, settings, access, report);
    directory = std::make_shared<Directory>(settings, std::move(access), std::move(pool), report, [] { return std::chrono::steady_clock::now(); });
  }
  bool same = before && kept == out->directories_.size() && kept == before->directories_.size();
  return same ? before : out;
}

event::Task<Result<std::optional<route::DirectoryEntry>>> Directories::find(std::string directory, std::string local, std::string domain, bool with_members) {
  auto known = directories_.find(directory);
  if (known == directories_.end()) co_return fail(Fault::not_found, "there is no directory " + escape(directory, 60));
  std::shared_ptr<Directory> asked = known->second;
  auto entry = co_await asked->find(std::move(local), std::move(domain), with_members);
  co_return entry;
}

}  // namespace mansio::ldap
