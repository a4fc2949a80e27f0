// Files that only root may read: certificates' keys, credentials, password files. The parent reads them, at the start, at a
// reload and when one has changed, and hands them to the mail process in a memory file; nothing of them stays in the parent,
// whose memory every delivery agent begins with. One that everybody could read, or change, is not used at all.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "config/config.hpp"
#include "deliver/secrets.hpp"
#include "identity.hpp"
#include "table/list.hpp"

namespace mansio::daemon {

struct SecretFile {
  std::string path;
  std::string setting;       // "tls.key", for error texts
  bool confidential = true;  // its mode matters, not only who may change it
};

// Every such file that the configuration names, each once.
std::vector<SecretFile> secret_files(const config::Config& config);

// What the mail process knows of them, by path.
class Secrets final : public deliver::Secrets {
 public:
  struct Entry {
    Entry() = default;
    std::string bytes;
    std::string problem;     // "" when `bytes` count
  };
  Secrets() = default;
  Secrets(const Secrets&) = default;   // for work on a thread
  Secrets& operator=(const Secrets&) = delete;
  ~Secrets() override;       // wipes

  const std::string* find(const std::string& path) const override;
  std::string problem(const std::string& path) const override;
  std::uint64_t generation() const noexcept override { return generation_; }

  void put(std::string path, Entry entry);
  void replace(const Secrets& other);  // a new generation
  const std::map<std::string, Entry>& entries() const noexcept { return entries_; }

 private:
  void wipe() noexcept;
  std::map<std::string, Entry> entries_;
  std::uint64_t generation_ = 1;
};

// Blocks. Reads them all; what is wrong with one stands in its entry: "tls.key: /etc/x.pem: everybody may read it: chmod 600".
Secrets read_secrets(const std::vector<SecretFile>& files, const ServiceUser& user);

// Over the parent's channel. Both wipe what they copied.
Result<UniqueFd> to_memory_file(const Secrets& secrets);
Result<Secrets> secrets_from_memory_file(int fd);

// Has a file changed since the last take()? A change counts once it has settled, so that a certificate and its key which
// are renewed one after the other are taken together.
class SecretWatch {
 public:
  void watch(const std::vector<SecretFile>& files);
  bool changed();            // blocks for a stat a file; call it now and then
  bool idle() const noexcept { return paths_.empty(); }

 private:
  std::vector<table::FileStamp> look() const;
  std::vector<std::string> paths_;
  std::vector<table::FileStamp> taken_, seen_;
};

}  // namespace mansio::daemon
