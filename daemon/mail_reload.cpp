#include <fmt/format.h>

#include <utility>

#include "base/text.hpp"
#include "channel.hpp"
#include "config/reader.hpp"
#include "directory_access.hpp"
#include "mail_program.hpp"
#include "sources.hpp"

namespace mansio::daemon {

constexpr static Duration table_check{2000};       // aliases, users, lists: a changed file counts this soon

log::LoggerOptions log_options(const config::Config& config, bool foreground) {
  log::LoggerOptions options;
  options.directory = config.log_directory;
  options.format = config.log_format == config::LogFormat::json ? log::Format::json
                   : config.log_format == config::LogFormat::both ? log::Format::both : log::Format::text;
  options.copy_to_stderr = foreground;
  options.journal = config.log_journal;
  if (!config.instance.empty()) options.program += "@" + config.instance;
  options.w3c = receive::wants_w3c(config);
  options.w3c_fields = config.w3c_fields;
  return options;
}


// Kept for the configuration, or the renewal, that follows.
void MailProcess::take_secrets(UniqueFd file) {
  auto secrets = secrets_from_memory_file(file.get());
  if (secrets) secrets_.replace(*secrets);
  else if (log_) log_->panic(secrets.error().text());
}

void MailProcess::take_configuration(UniqueFd file, std::string number) {
  auto sources = from_memory_file(file.get());
  if (!sources) return (void)cannot_start(sources.error().text());
  auto parsed = config::parse(sources->files, sources->facts);
  if (!parsed) return (void)cannot_start(parsed.error().front().message());   // the parent parsed it before: can't be
  if (!config_) return (void)start(*parsed);
  pending_.config = *parsed;
  pending_.number = std::move(number);
  for (auto& [key, socket] : std::exchange(handed_, {})) pending_.handed[key] = std::move(socket);
  demand();
}

// ---- changes, one after the other

// Something was added to pending_: gives the number that applied_ reaches when it is in use.
std::uint64_t MailProcess::demand() {
  std::uint64_t number = ++demanded_;
  if (!applying_ && config_ && !stopping_) {
    applying_ = true;
    scope_.spawn(apply_changes());
  }
  return number;
}

event::Task<> MailProcess::apply_changes() {
  while (pending_.any() && !stopping_) {
    Change change = std::exchange(pending_, Change());
    std::uint64_t reached = demanded_;
    if (change.config) {
      co_await reconfigure(change.config, std::move(change.handed), std::move(change.number));
    } else {
      if (change.tables) co_await read_tables(config_);
      if (change.secrets) co_await renew();
    }
    applied_ = reached;
    done_.fire();
  }
  applying_ = false;
}

event::Task<> MailProcess::read_tables(config::ConfigPtr config) {
  auto work = [&] { return route::load_tables(config, table_options()); };
  auto tables = co_await reading_->run(work);
  config_ = std::move(config);
  tables_ = std::move(tables);
  take_directories(*config_);
  use_router();
}

void MailProcess::use_router() {
  auto router = std::make_shared<route::Router>(tables_, *users_, router_options());
  queue_->configure(config_, router);
  receiver_->configure(config_, router);
}

// Those of the configuration, with the passwords of the moment.
void MailProcess::take_directories(const config::Config& config) {
  auto access_of = [this](const config::Ldap& settings) { return directory_access(settings, secrets_); };
  auto report = [this](const std::string& text, bool trouble) {
    if (trouble) log_->panic(text);
    else log_->notice(text);
  };
  directories_ = ldap::Directories::make(loop_, scope_, config, access_of, report, directories_);
}

// Certificates and password files as they are now.
event::Task<> MailProcess::renew() {
  config::ConfigPtr config = config_;
  Secrets secrets(secrets_);
  ServiceMap before = listening_->services();
  auto work = [&] { return make_services(*config, secrets, listening_->tickets(), before); };
  auto services = co_await reading_->run(work);
  problems_ = services.problems;
  listening_->use(std::move(services));
  Logins::Loaded known = logins_->loaded();
  auto load = [&] { return logins_->load(*config, secrets, known); };
  auto loaded = co_await reading_->run(load);
  problems_.insert(problems_.end(), loaded.problems.begin(), loaded.problems.end());
  receiver_->use_login(logins_->use(*config, std::move(loaded)));
  auto directories = directories_;
  take_directories(*config_);
  if (directories_ != directories) use_router();
}

event::Task<> MailProcess::reconfigure(config::ConfigPtr config, std::map<std::string, UniqueFd> handed, std::string number) {
  co_await read_tables(std::move(config));
  for (const auto& problem : tables_->problems) log_->panic(problem);
  log_->reconfigure(log_options(*config_, options_.foreground));
  w3c_->configure(*config_);
  co_await renew();
  listening_->open(*config_, std::move(handed));
  auto look = [] { return Machine::look(); };
  Machine machine = co_await reading_->run(look);
  outbound_->configure(*config_, machine, listening_->endpoints());
  if (!outbound_->problem().empty()) {
    log_->notice(outbound_->problem());
    problems_.push_back(outbound_->problem());
  }
  if (options_.number == 0) {
    if (std::string problem = metering_->configure(*config_); !problem.empty()) {
      log_->panic(problem);
      problems_.push_back(problem);
    }
    auto unusable = co_await pickups_->configure();
    problems_.insert(problems_.end(), unusable.begin(), unusable.end());
    log_->notice("configuration reloaded from " + config_->file);
  }
  tell_parent(tag_reloaded, number);
}

// ---- who asks for it

control::ReloadResult MailProcess::what_is_in_use() const {
  control::ReloadResult result;
  result.aliases = tables_->aliases.size();
  result.problems = tables_->problems;
  return result;
}

event::Task<control::ReloadResult> MailProcess::reload_tables() {
  pending_.tables = true;
  std::uint64_t number = demand();
  while (applied_ < number && !stopping_) co_await done_.wait();
  co_return what_is_in_use();
}

event::Task<control::ReloadResult> MailProcess::reload() {
  std::uint64_t mine = ++asking_.asked;
  if (asking_.put == asking_.answered) {
    asking_.put = mine;
    tell_parent(tag_reload, "");
  }
  while (asking_.answered < mine && !stopping_) co_await done_.wait();
  control::ReloadResult result = what_is_in_use();
  result.refusals = asking_.refusals;
  if (asking_.answered < mine) result.refusals.assign(1, "the daemon is stopping");
  result.problems.insert(result.problems.end(), problems_.begin(), problems_.end());
  co_return result;
}

// Refusals a line each; none: the configuration came before, and counts once it is in use. The next question covers all
// who asked meanwhile.
void MailProcess::answered(const std::string& refusals) {
  std::vector<std::string> lines;
  for (std::string_view line : split(refusals, '\n')) {
    if (!line.empty()) lines.emplace_back(line);
  }
  scope_.spawn(answer_after(std::move(lines), demanded_));
}

event::Task<> MailProcess::answer_after(std::vector<std::string> refusals, std::uint64_t change) {
  while (applied_ < change && !stopping_) co_await done_.wait();
  asking_.refusals = std::move(refusals);
  asking_.answered = asking_.put;
  if (asking_.asked > asking_.put) {
    asking_.put = asking_.asked;
    tell_parent(tag_reload, "");
  }
  done_.fire();
}

event::Task<> MailProcess::watch_tables() {
  while (!stopping_) {
    co_await table_timer_->sleep(table_check);
    if (stopping_) co_return;
    auto look = [] { return Machine::look(); };
    Machine machine = co_await reading_->run(look);
    if (stopping_) co_return;
    outbound_->refresh(*config_, machine);
    listening_->watch_expiry(std::chrono::system_clock::now());
    route::TablesPtr tables = tables_;
    auto work = [&] { return route::tables_changed(*tables); };
    bool changed = co_await reading_->run(work);
    if (!changed || stopping_ || tables != tables_) continue;
    auto result = co_await reload_tables();
    log_->notice(fmt::format("tables reloaded: {} aliases", result.aliases));
    for (const auto& problem : result.problems) log_->panic(problem);
  }
}

}  // namespace mansio::daemon
