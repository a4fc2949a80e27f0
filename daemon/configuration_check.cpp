#include "configuration_check.hpp"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "config/credentials.hpp"
#include "logins.hpp"
#include "services.hpp"

namespace mansio::daemon {
namespace {

// What is wrong with certificates, keys and other files for root's eyes. One that only this caller can't read is no mistake.
std::vector<std::string> check_secrets(const config::Config& config, std::vector<SecretFile>& hidden) {
  std::vector<std::string> problems;
  auto files = secret_files(config);
  auto is_hidden = [](const SecretFile& file) { return ::access(file.path.c_str(), R_OK) != 0 && errno == EACCES; };
  std::ranges::copy_if(files, std::back_inserter(hidden), is_hidden);
  if (!hidden.empty()) return problems;
  auto user = find_service_user(config);
  Secrets secrets = read_secrets(files, user ? *user : ServiceUser());
  for (const SecretFile& file : files) {
    if (auto problem = secrets.problem(file.path); !problem.empty()) problems.push_back(problem);
  }
  if (problems.empty()) problems = make_services(config, secrets, nullptr, {}).problems;
  std::ranges::copy(check_logins(config, secrets), std::back_inserter(problems));
  auto check_credentials = [&](const std::string& path) {
    const std::string* text = path.empty() ? nullptr : secrets.find(path);
    if (text == nullptr) return;
    auto parsed = config::Credentials::parse(config::Source{path, *text});
    if (parsed) return;
    for (const auto& problem : parsed.error()) problems.push_back(problem.message());
  };
  for (const config::Transport& transport : config.transports) check_credentials(transport.credentials);
  for (const config::DomainSettings& group : config.domain_settings) check_credentials(group.credentials.value_or(""));
  return problems;
}

}  // namespace

std::expected<LoadedConfiguration, config::Problems> load_configuration(const std::string& path) {
  LoadedConfiguration out;
  auto files = config::read_sources(path);
  if (!files) return std::unexpected(std::move(files.error()));
  out.sources.files = std::move(*files);
  out.sources.facts = config::machine_facts(out.sources.files);
  auto parsed = config::parse(out.sources.files, out.sources.facts);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  out.config = std::move(*parsed);
  return out;
}

CheckedFiles check_files(const config::ConfigPtr& config) {
  CheckedFiles out;
  route::TableOptions options;
  options.trusted_owner = ::getuid();
  out.tables = route::load_tables(config, options);
  out.problems = out.tables->problems;
  for (std::string& problem : check_secrets(*config, out.hidden)) {
    if (std::ranges::find(out.problems, problem) == out.problems.end()) out.problems.push_back(std::move(problem));
  }
  return out;
}

}  // namespace mansio::daemon
