// Files of root's as a test has them.
#pragma once
#include <map>
#include <string>

#include "deliver/secrets.hpp"

namespace mansio::deliver {

class KnownSecrets final : public Secrets {
 public:
  const std::string* find(const std::string& path) const override {
    auto found = files.find(path);
    return found != files.end() ? &found->second : nullptr;
  }
  std::string problem(const std::string& path) const override { return path + ": No such file"; }
  std::uint64_t generation() const noexcept override { return now; }

  std::map<std::string, std::string> files;
  std::uint64_t now = 1;
};

}  // namespace mansio::deliver
