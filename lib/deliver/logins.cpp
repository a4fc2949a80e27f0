#include "deliver/logins.hpp"

#include <algorithm>

namespace mansio::deliver {
namespace {

constexpr std::size_t files_limit = 1000;
constexpr std::size_t refusals_limit = 1000;

bool may_be_external(const config::Transport& transport, const config::Credential& entry) {
  if (transport.tls_certificate.certificate.empty()) return false;
  bool other = !entry.password.empty() || !entry.token_file.empty() || !entry.token_command.empty();
  return !other || std::ranges::find(transport.auth_mechanisms, "EXTERNAL") != transport.auth_mechanisms.end();
}

std::shared_ptr<const sasl::Credentials> credentials_of(const Login& login, crypto::Secret token) {
  auto out = std::make_shared<sasl::Credentials>();
  out->user = login.user;
  out->password = login.password;
  out->token = std::move(token);
  out->certificate = login.certificate;
  return out;
}

}  // namespace

void Login::set_refused(const std::string& host, Status with) {
  if (refusals_.size() >= refusals_limit) refusals_.clear();
  Refusal& refusal = refusals_[host];
  refusal.until = std::chrono::steady_clock::now() + refused_time;
  refusal.with = std::move(with);
}

const Status* Login::refused_by(const std::string& host) const {
  auto found = refusals_.find(host);
  if (found == refusals_.end() || found->second.until <= std::chrono::steady_clock::now()) return nullptr;
  return &found->second.with;
}

std::string Logins::host_key(const SiteHost& host) {
  if (!host.literal) return host.name;
  auto literal = config::canonical_domain((host.name.find(':') != std::string::npos ? "[IPv6:" : "[") + host.name + "]");
  return literal ? *literal : host.name;
}

// With direct_first, the names and passwords are for the hosts that the configuration names.
std::string Logins::host_key(const config::Transport& transport, const SiteHost& host) {
  return transport.direct_first && !host.configured ? std::string() : host_key(host);
}

Result<LoginPtr> Logins::find(const config::Transport& transport, std::string_view host, const std::optional<mail::Address>& sender) {
  if (transport.credentials.empty() || host.empty()) return LoginPtr();
  if (files_.size() >= files_limit) files_.clear();
  File& file = files_[transport.credentials + "\n" + transport.tls_certificate.certificate];
  if (secrets_ == nullptr || file.generation != secrets_->generation()) read(transport, file);
  if (!file.good) return std::unexpected(file.good.error());
  std::string_view local, domain;
  if (sender) {
    local = sender->local().value();
    domain = sender->domain().key();
  }
  const config::Credential* found = file.parsed.find(host, local, domain);
  if (found == nullptr) return LoginPtr();
  return file.logins[static_cast<std::size_t>(found - file.parsed.all().data())];
}

void Logins::read(const config::Transport& transport, File& file) const {
  file = File();
  const std::string& path = transport.credentials;
  if (secrets_ != nullptr) file.generation = secrets_->generation();
  const std::string* bytes = secrets_ != nullptr ? secrets_->find(path) : nullptr;
  if (bytes == nullptr) {
    file.good = fail(Fault::not_found, secrets_ != nullptr ? secrets_->problem(path) : path + ": not read");
    return;
  }
  config::Source source{path, *bytes};
  auto parsed = config::Credentials::parse(source);
  crypto::wipe(source.text);
  if (!parsed) {
    file.good = fail(Fault::invalid, parsed.error().front().message());
    return;
  }
  file.parsed = std::move(*parsed);
  for (const config::Credential& entry : file.parsed.all()) {
    auto login = std::make_shared<Login>();
    login->user = entry.user;
    login->password = entry.password;
    login->token.file = entry.token_file;
    login->token.command = entry.token_command;
    login->token.lifetime = entry.token_lifetime;
    login->certificate = may_be_external(transport, entry);
    file.logins.push_back(std::move(login));
  }
}

event::Task<Result<std::shared_ptr<const sasl::Credentials>>> Logins::credentials(LoginPtr login) {
  crypto::Secret token;
  if (login->token.given()) {
    TokenSource source = login->token;
    auto got = co_await tokens_.get(std::move(source));
    if (!got) co_return std::unexpected(got.error());
    token = std::move(*got);
  }
  co_return credentials_of(*login, std::move(token));
}

event::Task<std::shared_ptr<const sasl::Credentials>> Logins::other_credentials(LoginPtr login, std::shared_ptr<const sasl::Credentials> refused) {
  std::shared_ptr<const sasl::Credentials> none;
  if (!login->token.given() || !tokens_.discard(login->token, refused->token)) co_return none;
  TokenSource source = login->token;
  auto got = co_await tokens_.get(std::move(source));
  if (!got || got->view() == refused->token.view()) co_return none;
  co_return credentials_of(*login, std::move(*got));
}

}  // namespace mansio::deliver
