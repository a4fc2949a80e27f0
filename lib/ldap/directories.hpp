// The directories of one configuration, as the router asks them. Immutable: a reload makes a new set, which takes over those
// that have not changed, with their connections and what they remember; the others end with the last router that uses them.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "ldap/directory.hpp"

namespace mansio::ldap {

class Directories final : public route::Directories {
 public:
  using AccessOf = std::function<Access(const config::Ldap&)>;

  // `before`: null at the start. Gives `before` itself when nothing has changed. The loop and the scope outlive it.
  static std::shared_ptr<Directories> make(event::Loop& loop, event::Scope& scope, const config::Config& config, const AccessOf& access_of,
                                           Report report, const std::shared_ptr<Directories>& before);

  event::Task<Result<std::optional<route::DirectoryEntry>>> find(std::string directory, std::string local, std::string domain, bool with_members) override;

 private:
  std::map<std::string, std::shared_ptr<Directory>> directories_;
};

}  // namespace mansio::ldap
