#include "secrets.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "crypto/secret.hpp"
#include "memory_file.hpp"

namespace mansio::daemon {
namespace {

constexpr std::size_t file_limit = 16 << 20;       // a password file of 100,000 users

// Why a file must not be used, or "".
std::string objection(const SecretFile& file, const table::FileStamp& stamp, const ServiceUser& user) {
  if (!S_ISREG(stamp.mode)) return "it is no regular file";
  bool ours = stamp.owner == 0 || stamp.owner == ::getuid() || stamp.owner == user.uid;
  if (!ours) return fmt::format("it belongs to uid {}, who could change it: chown root", stamp.owner);
  if ((stamp.mode & (S_IWGRP | S_IWOTH)) != 0) return fmt::format("others may change it (mode {:04o}): chmod go-w", stamp.mode & 07777);
  if (file.confidential && (stamp.mode & S_IRWXO) != 0) return fmt::format("everybody may read it (mode {:04o}): chmod o-rwx", stamp.mode & 07777);
  return {};
}

Secrets::Entry read_one(const SecretFile& file, const ServiceUser& user) {
  Secrets::Entry out;
  struct stat status {};
  // A FIFO would hold the reader up for ever.
  bool odd = ::stat(file.path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  auto read = odd ? Result<table::TableFile>(fail(Fault::invalid, "it is no regular file")) : table::read_table_file(file.path);
  std::string why;
  if (!read) why = read.error().text();
  else if (read->text.size() > file_limit) why = "it is larger than 16 MiB";
  else why = objection(file, read->stamp, user);
  if (why.empty()) out.bytes = std::move(read->text);
  else if (read) crypto::wipe(read->text);
  if (!why.empty()) out.problem = fmt::format("{}: {}: {}", file.setting, file.path, why);
  return out;
}

}  // namespace

std::vector<SecretFile> secret_files(const config::Config& config) {
  std::vector<SecretFile> out;
  auto add = [&](const std::string& path, std::string setting, bool confidential) {
    if (path.empty()) return;
    auto known = std::ranges::find(out, path, &SecretFile::path);
    if (known == out.end()) out.push_back({path, std::move(setting), confidential});
    else if (confidential && !known->confidential) *known = {path, std::move(setting), true};
  };
  auto add_certificate = [&](const config::CertificateFiles& files, const std::string& group, const char* prefix) {
    add(files.certificate, fmt::format("{}.{}certificate", group, prefix), false);
    add(files.key, fmt::format("{}.{}key", group, prefix), true);
    add(files.staple, fmt::format("{}.{}ocsp", group, prefix), false);
  };
  for (const config::CertificateFiles& files : config.tls.certificates) add_certificate(files, "tls", "");
  add(config.tls.authorities, "tls.authorities", false);
  if (config.auth.users == config::AuthUsers::passwd_file) add(config.auth.source, "auth.users", true);
  add(config.auth.certificates, "auth.certificates", false);
  add(config.auth.kerberos.keytab, "auth.kerberos.keytab", true);
  add(config.submission.senders_file, "submission.senders", false);
  for (const config::Transport& transport : config.transports) {
    std::string group = "transports." + transport.name;
    add(transport.tls_authorities, group + ".tls_authorities", false);
    add_certificate(transport.tls_certificate, group, "tls_");
    add(transport.credentials, group + ".credentials", true);
  }
  for (std::size_t i = 0; i < config.domain_settings.size(); ++i) {
    add(config.domain_settings[i].credentials.value_or(""), fmt::format("domain_settings[{}].credentials", i), true);
  }
  for (const config::Ldap& directory : config.ldap) {
    add(directory.password_file, "ldap." + directory.name + ".password_file", true);
    add(directory.authorities, "ldap." + directory.name + ".authorities", false);
  }
  return out;
}

Secrets::~Secrets() { wipe(); }

void Secrets::wipe() noexcept {
  for (auto& [path, entry] : entries_) crypto::wipe(entry.bytes);
}

const std::string* Secrets::find(const std::string& path) const {
  auto found = entries_.find(path);
  return found != entries_.end() && found->second.problem.empty() ? &found->second.bytes : nullptr;
}

std::string Secrets::problem(const std::string& path) const {
  auto found = entries_.find(path);
  return found == entries_.end() ? path + ": not read yet" : found->second.problem;
}

void Secrets::put(std::string path, Entry entry) { entries_[std::move(path)] = std::move(entry); }

void Secrets::replace(const Secrets& other) {
  wipe();
  entries_ = other.entries_;
  ++generation_;
}

Secrets read_secrets(const std::vector<SecretFile>& files, const ServiceUser& user) {
  Secrets out;
  for (const SecretFile& file : files) out.put(file.path, read_one(file, user));
  return out;
}

Result<UniqueFd> to_memory_file(const Secrets& secrets) {
  std::vector<std::string_view> texts;
  for (const auto& [path, entry] : secrets.entries()) texts.insert(texts.end(), {path, entry.problem, entry.bytes});
  return write_memory_file("mansio-secrets", texts);
}

Result<Secrets> secrets_from_memory_file(int fd) {
  auto texts = read_memory_file(fd, "secret files from the parent");
  if (!texts) return std::unexpected(texts.error());
  if (texts->size() % 3 != 0) return fail(Fault::invalid, "secret files from the parent: broken");
  Secrets out;
  for (std::size_t i = 0; i < texts->size(); i += 3) {
    Secrets::Entry entry;
    entry.problem = std::move((*texts)[i + 1]);
    entry.bytes = std::move((*texts)[i + 2]);
    out.put(std::move((*texts)[i]), std::move(entry));
  }
  return out;
}

// ---- changes

void SecretWatch::watch(const std::vector<SecretFile>& files) {
  paths_.clear();
  for (const SecretFile& file : files) paths_.push_back(file.path);
  taken_ = seen_ = look();
}

std::vector<table::FileStamp> SecretWatch::look() const {
  std::vector<table::FileStamp> out;
  for (const std::string& path : paths_) out.push_back(table::stamp_of(path));
  return out;
}

bool SecretWatch::changed() {
  auto now = look();
  bool settled = now == seen_;
  seen_ = std::move(now);
  if (!settled || seen_ == taken_) return false;
  taken_ = seen_;
  return true;
}

}  // namespace mansio::daemon
