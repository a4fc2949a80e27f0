// The system's users, as the delivery agents look them up, for routers of programs: answers at once, and remembers. No
// ~/.forward is read.
#pragma once
#include <string>
#include <unordered_map>

#include "route/destination.hpp"

namespace mansio::ctl {

class SystemUsers final : public route::UserDirectory {
 public:
  event::Task<Result<std::optional<route::User>>> find(std::string name, bool with_forward) override;

 private:
  std::unordered_map<std::string, Result<std::optional<route::User>>> known_;
};

}  // namespace mansio::ctl
