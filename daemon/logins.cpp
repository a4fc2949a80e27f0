#include "logins.hpp"

#include <algorithm>

#include "auth/backends.hpp"
#include "auth/pam_backend.hpp"

namespace mansio::daemon {
namespace {

void note(std::vector<std::string>& problems, const std::string& path, const std::vector<std::string>& found) {
  for (const std::string& problem : found) problems.push_back(path + ": " + problem);
}

// `text` is null where the file can't be read, which was told.
std::shared_ptr<const kerberos::Acceptor> load_keytab(const config::Config& config, const std::string* text, const std::string& replays,
                                                      std::vector<std::string>& problems) {
  if (text == nullptr) return nullptr;
  kerberos::AcceptorOptions options;
  options.principal = config.auth.kerberos.principal;
  options.realms = config.auth.kerberos.realms;
  options.replays = replays;
  auto made = kerberos::Acceptor::make(*text, std::move(options));
  if (!made) problems.push_back(config.auth.kerberos.keytab + ": " + made.error().text());
  return made ? std::move(*made) : nullptr;
}

// `replays`: see kerberos::AcceptorOptions.
Logins::Loaded load_files(const config::Config& config, const Secrets& secrets, const Logins::Loaded& before, const sasl::Decoy& decoy,
                          const std::string& replays) {
  Logins::Loaded out;
  auto text_of = [&](const std::string& path) {
    const std::string* text = secrets.find(path);
    if (text == nullptr) out.problems.push_back(secrets.problem(path));
    return text;
  };
  if (config.auth.users == config::AuthUsers::passwd_file) {
    out.users = before.users;
    if (const std::string* text = text_of(config.auth.source)) {
      auto loaded = auth::UserFile::load(*text, config.mail_name, decoy);
      note(out.problems, config.auth.source, loaded.problems);
      // A file that was emptied by mistake locks nobody out until the next start; one in which nobody ever was is no mistake.
      bool emptied = loaded.users->usable() == 0 && before.users && before.users->usable() > 0;
      if (emptied) out.problems.push_back(config.auth.source + ": nobody could log in any more: what it held before stays in use");
      else out.users = loaded.users;
    }
  }
  if (!config.auth.certificates.empty()) {
    out.certificates = before.certificates;
    if (const std::string* text = text_of(config.auth.certificates)) {
      auto loaded = auth::CertificateFile::load(*text);
      note(out.problems, config.auth.certificates, loaded.problems);
      out.certificates = loaded.file;
    }
  }
  if (const std::string& keytab = config.auth.kerberos.keytab; !keytab.empty()) {
    out.kerberos = load_keytab(config, text_of(keytab), replays, out.problems);
    if (!out.kerberos) out.kerberos = before.kerberos;
  }
  if (config.submission.senders == config::Senders::table) {
    out.senders = before.senders;
    if (const std::string* text = text_of(config.submission.senders_file)) {
      auto parsed = config::SendersFile::parse(config::Source{config.submission.senders_file, *text});
      if (parsed) out.senders = std::make_shared<const config::SendersFile>(std::move(*parsed));
      else for (const auto& problem : parsed.error()) out.problems.push_back(problem.message());
    }
  }
  return out;
}

// Wherever they are asked for by name.
bool names_scram(const config::Config& config) {
  auto named = [](const std::vector<std::string>& names) { return std::ranges::any_of(names, [](const auto& name) { return name.starts_with("SCRAM-"); }); };
  return named(config.auth.mechanisms) || std::ranges::any_of(config.listeners, named, &config::Listener::auth_mechanisms);
}

}  // namespace

Logins::Loaded Logins::load(const config::Config& config, const Secrets& secrets, const Loaded& before) const {
  return load_files(config, secrets, before, decoy_, config.spool_directory + "/state/kerberos.replays");
}

std::shared_ptr<const receive::Login> Logins::use(const config::Config& config, Loaded loaded) {
  for (const std::string& problem : loaded.problems) log_.panic(problem);
  loaded_ = std::move(loaded);
  loaded_.problems.clear();
  auto known = passwords(config), by_certificate = certificates(), by_ticket = tickets();
  std::shared_ptr<auth::Backend> backend;
  if (known || by_certificate || by_ticket) backend = std::make_shared<auth::Backends>(known, by_certificate, by_ticket);
  auto login = std::make_shared<receive::Login>(backend);
  login->mechanisms = config.auth.mechanisms;
  login->decoy = &decoy_;
  login->senders = loaded_.senders;
  return login;
}

std::shared_ptr<auth::Backend> Logins::certificates() {
  if (!loaded_.certificates) return nullptr;
  if (!certificates_) certificates_ = std::make_shared<auth::CertificateBackend>(loaded_.certificates);
  certificates_->use(loaded_.certificates);
  return certificates_;
}

std::shared_ptr<auth::Backend> Logins::tickets() {
  if (!loaded_.kerberos) return nullptr;
  auto accept = [acceptor = loaded_.kerberos](const sasl::Question& question, std::string& why) {
    auto heard = acceptor->accept(question);
    why = std::move(heard.why);
    return std::move(heard.answer);
  };
  if (!tickets_) tickets_ = std::make_shared<auth::KerberosBackend>(loop_, accept, [this](const std::string& text) { log_.notice(text); });
  tickets_->use(accept);
  return tickets_;
}

std::shared_ptr<auth::Backend> Logins::passwords(const config::Config& config) {
  switch (config.auth.users) {
    case config::AuthUsers::none: break;
    case config::AuthUsers::passwd_file:
      if (!loaded_.users) break;
      if (loaded_.users->iterations() > 0) decoy_.shape(loaded_.users->iterations(), loaded_.users->salt_size());
      if (!file_) file_ = std::make_shared<auth::FileBackend>(loop_, decoy_, loaded_.users, auth::FileBackend::Options());
      file_->offer_scram_for_some(names_scram(config));
      file_->use(loaded_.users);
      return file_;
    case config::AuthUsers::pam: {
      if (!pam_check_) pam_check_.emplace(loop_, agents_, config.auth.source, [this](const std::string& text) { log_.panic(text); });
      pam_check_->use(config.auth.source);
      return std::make_shared<auth::PamBackend>(pam_check_->function(), config.mail_name);
    }
    case config::AuthUsers::dovecot: return dovecot(config.auth.source);
  }
  return nullptr;
}

std::shared_ptr<auth::Backend> Logins::dovecot(const std::string& path) {
  auto known = std::ranges::find(dovecots_, path, [](const auto& entry) { return entry.first; });
  if (known != dovecots_.end()) return known->second;
  auth::DovecotBackend::Options options;
  options.path = path;
  auto made = std::make_shared<auth::DovecotBackend>(loop_, scope_, std::move(options), [this](const std::string& text) { log_.panic(text); });
  made->start();
  dovecots_.emplace_back(path, made);
  return made;
}

void Logins::close() {
  for (auto& [path, backend] : dovecots_) backend->close();
}

std::vector<std::string> check_logins(const config::Config& config, const Secrets& secrets) {
  return load_files(config, secrets, {}, sasl::Decoy(), {}).problems;
}

}  // namespace mansio::daemon
