// Whose certificate is it? The file behind SASL's EXTERNAL: lines of a SHA-256 fingerprint and a user, as
//   # Bob's notebook
//   8F:6A:…:21 bob
// Colons and the case of the fingerprint don't count. One certificate may stand for several users (it has to ask for one
// of them), one user may have several certificates. The fingerprint is of a certificate whose key the client has shown
// to have, so who signed it does not matter.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/backend.hpp"

namespace mansio::auth {

class CertificateFile {
 public:
  struct Loaded;
  static Loaded load(std::string_view text);

  // The user that the certificate is good for: `wanted`, or the only one when that is ""; "" for none.
  std::string find(std::string_view fingerprint, std::string_view wanted) const;
  std::size_t size() const noexcept { return users_.size(); }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> users_;   // by fingerprint, lower-case hex
};

struct CertificateFile::Loaded {
  std::shared_ptr<const CertificateFile> file;   // never null
  std::vector<std::string> problems;             // "line 3: …"
};

class CertificateBackend final : public Backend {
 public:
  explicit CertificateBackend(std::shared_ptr<const CertificateFile> file) : file_(std::move(file)) {}
  void use(std::shared_ptr<const CertificateFile> file) { file_ = std::move(file); }

  event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) override;
  std::vector<std::string_view> mechanisms() const override { return {"EXTERNAL"}; }

 private:
  std::shared_ptr<const CertificateFile> file_;
};

}  // namespace mansio::auth
