// What to log in to other hosts with: the entries of transports' credentials files, by host and sender, and what became of
// them. The files come from the parent (Secrets); config/credentials.hpp reads them.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.hpp"
#include "config/credentials.hpp"
#include "deliver/secrets.hpp"
#include "deliver/site.hpp"
#include "deliver/tokens.hpp"
#include "sasl/client.hpp"

namespace mansio::deliver {

// One entry of a file. Connections that were logged in with it serve whoever has the same entry.
struct Login {
  Login() = default;
  std::string user;
  crypto::Secret password;
  TokenSource token;
  bool certificate = false;            // TLS shows ours, so that EXTERNAL may do

  // A host refused it for good: for a while it is not asked again, lest the account be locked. Other hosts are.
  static constexpr Duration refused_time{std::chrono::minutes(5)};
  void set_refused(const std::string& host, Status with);
  const Status* refused_by(const std::string& host) const;      // with what; null when it may be asked

 private:
  struct Refusal {
    Refusal() = default;
    MonotonicTime until{};
    Status with;
  };
  std::unordered_map<std::string, Refusal> refusals_;           // by host_key()
};
using LoginPtr = std::shared_ptr<Login>;

class Logins {
 public:
  // `secrets` may be null: then no file is found.
  Logins(const Secrets* secrets, Tokens& tokens) : secrets_(secrets), tokens_(tokens) {}

  // The first entry of the transport's file that fits; null when none does, or there is no file: nobody logs in. The error
  // names the file and what is wrong with it. `host`: as host_key() gives it. `sender`: of the envelope, nullopt for <>.
  Result<LoginPtr> find(const config::Transport& transport, std::string_view host, const std::optional<mail::Address>& sender);
  static std::string host_key(const SiteHost& host);         // its name, or "[address]"
  static std::string host_key(const config::Transport& transport, const SiteHost& host);     // "": nobody logs in at that host

  // With a token, when the entry has one to get.
  event::Task<Result<std::shared_ptr<const sasl::Credentials>>> credentials(LoginPtr login);
  // Others, after a server has refused those; null when there are no others.
  event::Task<std::shared_ptr<const sasl::Credentials>> other_credentials(LoginPtr login, std::shared_ptr<const sasl::Credentials> refused);

 private:
  struct File {
    File() = default;
    std::uint64_t generation = 0;
    Result<> good;
    config::Credentials parsed;
    std::vector<LoginPtr> logins;      // of each entry
  };
  void read(const config::Transport& transport, File& file) const;

  const Secrets* secrets_;
  Tokens& tokens_;
  std::unordered_map<std::string, File> files_;       // by path, and whether there is a certificate
};

}  // namespace mansio::deliver
