// The keys of this server in its realm, as bytes of a keytab file that somebody else has read. The library wants a name of a
// file: it is given that of one in memory, which only this process can open and which is gone with this object.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio::kerberos {

class Keytab {
 public:
  // Fault::invalid: it is no keytab, or it has no key.
  static Result<Keytab> make(std::string_view bytes);

  std::string name() const { return "FILE:/proc/self/fd/" + std::to_string(file_.get()); }
  // Whose keys it has, each once, in the order of the file; never empty.
  const std::vector<std::string>& principals() const noexcept { return principals_; }

 private:
  explicit Keytab(UniqueFd file) : file_(std::move(file)) {}
  Result<> list();

  UniqueFd file_;
  std::vector<std::string> principals_;
};

}  // namespace mansio::kerberos
