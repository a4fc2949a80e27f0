// Who may log in: the back end that the configuration names, with what its files hold at the moment. One of each kind is
// made when it is first needed and then kept, since answers may be under way.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/certificate_file.hpp"
#include "auth/dovecot_backend.hpp"
#include "auth/file_backend.hpp"
#include "auth/kerberos_backend.hpp"
#include "config/config.hpp"
#include "event/scope.hpp"
#include "kerberos/acceptor.hpp"
#include "log/logger.hpp"
#include "pam_check.hpp"
#include "receive/receiver.hpp"
#include "secrets.hpp"

namespace mansio::daemon {

class Logins {
 public:
  Logins(event::Loop& loop, event::Scope& scope, deliver::AgentPool& agents, log::Logger& log)
      : loop_(loop), scope_(scope), agents_(agents), log_(log) {}

  // What the files hold; null where the configuration names none, or it can't be used.
  struct Loaded {
    std::shared_ptr<const auth::UserFile> users;
    std::shared_ptr<const auth::CertificateFile> certificates;
    std::shared_ptr<const config::SendersFile> senders;
    std::shared_ptr<const kerberos::Acceptor> kerberos;
    std::vector<std::string> problems;
  };
  // Derives keys, so it takes its time: for a thread. Where a file can't be used, what `before` had of it stays.
  Loaded load(const config::Config& config, const Secrets& secrets, const Loaded& before) const;
  const Loaded& loaded() const noexcept { return loaded_; }

  // From now on. Tells what is wrong in the panic log.
  std::shared_ptr<const receive::Login> use(const config::Config& config, Loaded loaded);
  void close();                    // at stop

 private:
  std::shared_ptr<auth::Backend> passwords(const config::Config& config);
  std::shared_ptr<auth::Backend> dovecot(const std::string& path);
  std::shared_ptr<auth::Backend> certificates();
  std::shared_ptr<auth::Backend> tickets();

  event::Loop& loop_;
  event::Scope& scope_;
  deliver::AgentPool& agents_;
  log::Logger& log_;
  sasl::Decoy decoy_;
  Loaded loaded_;
  std::shared_ptr<auth::FileBackend> file_;
  std::vector<std::pair<std::string, std::shared_ptr<auth::DovecotBackend>>> dovecots_;   // by path
  std::optional<PamCheck> pam_check_;
  std::shared_ptr<auth::CertificateBackend> certificates_;
  std::shared_ptr<auth::KerberosBackend> tickets_;
};

// What is wrong with the files for log-ins, for `mansiod check`.
std::vector<std::string> check_logins(const config::Config& config, const Secrets& secrets);

}  // namespace mansio::daemon
