// What the mail process knows of files that root alone may read: credentials, authorities, our certificates and keys, by
// their paths as the configuration has them. The parent reads them, and again when they change (daemon/secrets.hpp).
#pragma once
#include <cstdint>
#include <string>

namespace mansio::deliver {

class Secrets {
 public:
  virtual ~Secrets() = default;
  // The bytes of a file, valid until the loop's next turn; null: it could not be read, or nobody asked for it. Never logged.
  virtual const std::string* find(const std::string& path) const = 0;
  // Why find() gave null, in words that name the file: "/etc/mansio/credentials: Permission denied".
  virtual std::string problem(const std::string& path) const = 0;
  // Another number when anything changed: what was made of the files has to be made anew.
  virtual std::uint64_t generation() const noexcept = 0;

 protected:
  Secrets() = default;
  Secrets(const Secrets&) = default;
  Secrets& operator=(const Secrets&) = default;
};

}  // namespace mansio::deliver
