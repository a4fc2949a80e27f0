// One directory of the configuration: what it says of an address, its groups with their members. Everything that is not a
// clear answer is an Error, told to the log: the directory down, several entries, a referral, a value that is no address.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "event/scope.hpp"
#include "ldap/pool.hpp"
#include "ldap/questions.hpp"
#include "ldap/values.hpp"

namespace mansio::ldap {

class Directory : public std::enable_shared_from_this<Directory> {
 public:
  // `searcher` is the directory's own; `clock` as in Questions.
  Directory(config::Ldap settings, Access access, std::shared_ptr<Searcher> searcher, Report report, Questions::Clock clock);

  // As route::Directories::find().
  event::Task<Result<std::optional<route::DirectoryEntry>>> find(std::string local, std::string domain, bool with_members);
  // Would one made of these be another?
  bool is_made_of(const config::Ldap& settings, const Access& access) const;

 private:
  struct Gathering;
  event::Task<Result<std::optional<route::DirectoryEntry>>> look_up(const std::string& local, const std::string& domain, bool with_members);
  event::Task<Result<Members>> all_members(const Entry& entry);
  event::Task<Result<std::vector<mail::Address>>> gather(Members members);
  event::Task<> gather_some(Gathering* state);
  event::Task<Result<>> gather_one(Gathering* state, std::string name);
  void tell(const std::string& text);

  config::Ldap settings_;
  Access access_;
  std::shared_ptr<Searcher> searcher_;
  Report report_;
  Questions::Clock clock_;
  Questions questions_;
  MonotonicTime quiet_until_{};
  std::size_t untold_ = 0;
};

}  // namespace mansio::ldap
