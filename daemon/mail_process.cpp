#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "base/file.hpp"
#include "channel.hpp"
#include "facts.hpp"
#include "mail_program.hpp"
#include "memory_return.hpp"

namespace mansio::daemon {

constexpr static Duration pickup_check{30'000};
constexpr static Duration drain_check{500};
constexpr static std::size_t relay_content = 64 << 10;        // messages up to this size leave from memory

MailProcess::MailProcess(UniqueFd channel, const MailOptions& options)
    : options_(options), scope_([this](std::exception_ptr e) {
        try {
          std::rethrow_exception(e);
        } catch (const std::bad_alloc&) {
          // It may have been one that everything waits for: the next process has its memory anew.
          if (log_) log_->panic("out of memory: this process ends, to be started again");
          std::abort();
        } catch (const std::exception& bug) {
          if (log_) log_->panic(fmt::format("a task ended with an exception: {}", bug.what()));
        }
      }), channel_(std::move(channel)) {}

int MailProcess::run() {
  auto parent = event::PacketSocket::adopt(
      loop_, std::move(channel_), [this](event::PacketSocket::Packet packet) { received(std::move(packet)); },
      [this] {
        // The parent died: nobody would restart agents or pass signals. Finish and end.
        if (!stopping_) scope_.spawn(stop());
      });
  if (!parent) return 75;
  parent_.emplace(std::move(*parent));
  agents_.emplace(loop_);
  // The parent forwards what an admin sends; a signal straight to this process means the same.
  signals_.emplace(loop_, std::initializer_list<int>{SIGTERM, SIGINT, SIGHUP, SIGUSR1}, [this](int number) {
    if (number == SIGTERM && !stopping_) scope_.spawn(stop());
    if ((number == SIGUSR1 || number == SIGHUP) && log_) log_->reopen();
  });
  loop_.run();
  return exit_status_;
}

void MailProcess::tell_parent(char tag, const std::string& text) {
  if (parent_) (void)parent_->send(tag + text, -1);
}

bool MailProcess::cannot_start(const std::string& why) {
  tell_parent(tag_failed, why);
  if (log_) log_->panic("cannot start: " + why);
  exit_status_ = 75;
  loop_.stop();
  return false;
}

void MailProcess::received(event::PacketSocket::Packet packet) {
  if (packet.bytes.empty()) return;
  std::string text = packet.bytes.substr(1);
  switch (packet.bytes[0]) {
    case tag_agent: (void)agents_->add(std::move(packet.fd), agent_kind(text)); break;
    case tag_listener: handed_[text] = std::move(packet.fd); break;
    case tag_secrets: take_secrets(std::move(packet.fd)); break;
    case tag_counts: take_counts(std::move(packet.fd)); break;
    case tag_ticket: take_ticket(text); break;
    case tag_share: heard(text); break;
    case tag_renew:
      pending_.secrets = true;
      demand();
      break;
    case tag_answer: answered(text); break;
    case tag_config: take_configuration(std::move(packet.fd), std::move(text)); break;
    case tag_notice: if (log_) log_->panic(text); break;
    case tag_reopen: if (log_) log_->reopen(); break;
    case tag_stop: if (!stopping_) scope_.spawn(stop()); break;
    default: break;
  }
}

route::TableOptions MailProcess::table_options() const {
  route::TableOptions options;
  options.trusted_owner = options_.service.switches ? 0 : ::getuid();
  return options;
}

route::RouterOptions MailProcess::router_options() const {
  route::RouterOptions options;
  options.own_addresses = interface_addresses();
  options.directories = directories_;
  options.service_uid = options_.service.uid;
  options.service_gid = options_.service.gid;
  options.service_user = options_.service.name;
  if (!options_.service.switches) {      // everything is this one user's: there is nobody else to be
    options.alias_uid = options_.service.uid;
    options.alias_gid = options_.service.gid;
  }
  return options;
}

bool MailProcess::start(config::ConfigPtr config) {
  if (::access(config->log_directory.c_str(), W_OK | X_OK) != 0) {
    return cannot_start("log_directory: " + Error::from_errno(errno, "write in " + config->log_directory).text());
  }
  log_.emplace(log_options(*config, options_.foreground));
  for (const Error& each : options_.lacking) {
    if (each.fault() == Fault::denied) log_->notice(each.text());
    else log_->panic(each.text());
  }
  metering_.emplace(loop_, scope_, *log_);
  std::string shard = fmt::format("{}/{}", config->spool_directory, options_.number);
  if (options_.number == 0) log_->notice(fmt::format("mansio {} daemon started: pid={}, spool {}", MANSIO_VERSION, ::getppid(), config->spool_directory));
  else log_->notice(fmt::format("mail process {} started: pid={}, spool {}", options_.number, ::getpid(), shard));
  spool::Spool::Options options;
  options.directory = shard;
  options.shard = static_cast<std::uint8_t>(options_.number);
  options.segment_size = config->spool_segment_size.bytes();
  options.reserve = config->spool_reserve.bytes();
  options.keep_content = relay_content;
  options.synced = metering_->sync_observer();
  auto spool = spool::Spool::open(loop_, scope_, options, [this](const std::string& text) { log_->panic(text); });
  if (!spool) return cannot_start("spool_directory: " + spool.error().text());
  spool_ = std::move(*spool);
  users_.emplace(*agents_);
  reading_.emplace(loop_, "tables", 1);
  table_timer_.emplace(loop_);
  pickup_timer_.emplace(loop_);
  memory_timer_.emplace(loop_);
  grace_timer_.emplace(loop_);
  auto tables = route::load_tables(config, table_options());
  for (const auto& problem : tables->problems) log_->panic(problem);
  take_directories(*config);
  auto router = std::make_shared<route::Router>(tables, *users_, router_options());
  config_ = config;
  tables_ = tables;
  Machine machine = Machine::look();
  outbound_.emplace(loop_, scope_, *config, machine, std::vector<event::Endpoint>(), secrets_, *log_);
  if (!outbound_->problem().empty()) log_->notice(outbound_->problem());
  queue_.emplace(loop_, scope_, *spool_, *log_, *agents_, outbound_->finder(), outbound_->remote(), config, router);
  deliver::CommandUser as_service;
  as_service.uid = options_.service.uid;
  as_service.gid = options_.service.gid;
  as_service.name = options_.service.name;
  outbound_->remote().run_token_commands_in(*agents_, as_service);
  queue_->remember_sites(options_.own(config->spool_directory + "/state/destinations"));
  if (options_.number == 0) queue_->remember_pauses(config->spool_directory + "/state/pauses");
  else queue_->read_pauses(config->spool_directory + "/state/pauses");
  auto accepted = [this](std::shared_ptr<spool::Message> message) { queue_->accept(std::move(message)); };
  receiver_.emplace(loop_, scope_, *spool_, *log_, config, router, accepted);
  pickup_.emplace(*receiver_, config->spool_directory + "/pickup");
  pickups_.emplace(*receiver_, scope_, config->spool_directory + "/state", [this] { return queue_->pauses().of_local_programs() != nullptr; });
  if (options_.number == 0 && !open_pickups(*config)) return false;
  if (options_.count > 1) smtp::Conversation::share_numbers(static_cast<unsigned>(options_.number));
  control_.emplace(loop_, scope_, *queue_, *log_);
  control_->use_receiver(*receiver_);
  w3c_.emplace(control_->tracing(), *log_);
  w3c_->configure(*config);
  auto facts = [this, now = std::chrono::system_clock::now()] { return make_facts(*config_, *listening_, now); };
  control_->use_facts(facts);
  metering_->watch(*receiver_);
  metering_->watch(outbound_->resolver());
  metering_->know(*queue_, *receiver_, facts);
  control_->use_metrics(metering_->metrics(), [this] { return metering_->page(); });
  receiver_->turn_away = [this](const receive::Service& service, const event::Endpoint& local) {
    return queue_->turned_away(service.local, local, service.address);
  };
  control_->on_reload([this] { return reload(); }, [this] { return reload_tables(); });
  if (!open_local_sockets()) return false;
  raise_descriptor_limit(*config);
  fetch_.emplace(*queue_, outbound_->remote());
  receiver_->fetch = &*fetch_;
  client_names_.emplace(loop_, scope_, outbound_->resolver());
  receiver_->name_of_client = [this](std::string address) { return client_names_->look_up(std::move(address), config_->dns.timeout); };
  receiver_->sendable = outbound_->sendable([this] { return receiver_->router(); });
  logins_.emplace(loop_, scope_, *agents_, *log_);
  receiver_->use_login(logins_->use(*config, logins_->load(*config, secrets_, {})));
  join_others();
  listening_.emplace(loop_, *log_, *receiver_, tickets_, options_.count > 1);
  auto services = make_services(*config, secrets_, listening_->tickets(), {});
  if (!services.problems.empty()) return cannot_start(services.problems.front());
  listening_->use(std::move(services));
  listening_->open(*config, std::exchange(handed_, {}));
  outbound_->configure(*config, machine, listening_->endpoints());
  if (options_.number == 0) {
    if (std::string problem = metering_->configure(*config); !problem.empty()) log_->panic(problem);
  }
  scope_.spawn(recover());
  scope_.spawn(watch_tables());
  scope_.spawn(watch_memory());
  if (options_.number == 0) scope_.spawn(watch_pickup());
  if (options_.drains) scope_.spawn(watch_drain());
  tell_parent(tag_ready, listening_->addresses());
  return true;
}

// ---- listeners

// Each connection is a descriptor; the spool, the agents and deliveries need some besides (S-119).
void MailProcess::raise_descriptor_limit(const config::Config& config) {
  constexpr rlim_t others = 512;
  rlim_t wanted = config.limits.connections + others;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, std::max(limit.rlim_cur, wanted));
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    log_->panic(fmt::format("limits.connections = {} needs {} open files, but only {} are allowed: raise the limit (LimitNOFILE= in the systemd unit) or lower the setting",
                            config.limits.connections, wanted, limit.rlim_cur));
  }
}

bool MailProcess::open_pickups(const config::Config& config) {
  std::string directory = config.spool_directory + "/pickup";
  auto made = make_directory(directory, 01733);
  if (!made) return cannot_start("spool_directory: " + made.error().text());
  ::chmod(directory.c_str(), 01733);
  pickups_->open(config);
  return true;
}

// The first process is the one that programs and admins of this machine talk to; it asks the others.
bool MailProcess::open_local_sockets() {
  auto number = static_cast<unsigned>(options_.number);
  if (number == 0 && !open_submission()) return false;
  auto opened = number == 0 ? control_->listen(config_->run_directory + "/control.sock") : control_->listen_to_first(config_->run_directory, number);
  if (!opened) return cannot_start("run_directory: " + opened.error().text());
  if (number != 0) return true;
  if (options_.count > 1) {
    control_->answer_for_all(static_cast<unsigned>(config_->mail_processes), static_cast<unsigned>(options_.count), config_->run_directory);
    metering_->scrape([this] { return control_->metrics_page(); });
  }
  (void)replace_file(config_->run_directory + "/mansiod.pid", fmt::format("{}\n", ::getppid()), 0644);
  return true;
}

bool MailProcess::open_submission() {
  auto submit = event::listen_unix(config_->run_directory + "/submit.sock", 0666);
  if (!submit) return cannot_start("run_directory: " + submit.error().text());
  auto service = std::make_shared<receive::Service>(smtp::Protocol::smtp);
  service->local = service->submission = true;
  auto serve = [this, service](event::Stream stream) { receiver_->serve(std::move(stream), service); };
  auto listener = event::Listener::adopt(loop_, std::move(*submit), true, serve);
  if (!listener) return cannot_start("run_directory: " + listener.error().text());
  submit_.emplace(std::move(*listener));
  return true;
}

// A message whose file in a pickup directory is still there has to wait until it is gone.
event::Task<> MailProcess::recover() {
  spool::Spool::Recovered found = [this](spool::QueueId id, Time next) {
    if (!pickups_->keeps(id, next)) queue_->found(id, next);
  };
  co_await spool_->recover(std::move(found));
  if (options_.number != 0) co_return;
  receive::PickupDirectories::Tell tell = [this](spool::QueueId id, Time next) { queue_->found(id, next); };
  co_await pickups_->begin(std::move(tell));
}

event::Task<> MailProcess::watch_pickup() {
  while (!stopping_) {
    if (queue_->pauses().of_local_programs() == nullptr) co_await pickup_->scan();
    if (stopping_) co_return;
    co_await pickup_timer_->sleep(pickup_check);
  }
}

event::Task<> MailProcess::watch_memory() {
  while (!stopping_) co_await memory_timer_->sleep(return_memory());
}

// A shard of a time with more mail processes: once it is empty nobody needs to look at it any more.
event::Task<> MailProcess::watch_drain() {
  while (!stopping_ && (spool_->recovering() || spool_->messages() > 0 || queue_->under_way() > 0)) co_await pickup_timer_->sleep(drain_check);
  if (!stopping_) scope_.spawn(stop());
}

// ---- the end

event::Task<> MailProcess::stop() {
  stopping_ = true;
  done_.fire();
  if (!config_) {
    loop_.stop();
    co_return;
  }
  log_->notice("stopping: no new connections, open work is finished");
  listening_->close();
  submit_.reset();
  control_->close();
  metering_->close();
  logins_->close();
  table_timer_->wake();
  pickup_timer_->wake();
  memory_timer_->wake();
  pickups_->close();
  receiver_->stop_when_idle();
  auto end = event::Deadline::in(config_->shutdown_grace);
  while (receiver_->connections() > 0 && !end.passed()) co_await grace_timer_->sleep(Duration(50));
  receiver_->stop_now();
  for (int i = 0; receiver_->connections() > 0 && i < 40; ++i) co_await grace_timer_->sleep(Duration(50));
  // Deliveries under way may end; one that takes longer (a program) is found again at the next start.
  scope_.spawn(queue_->stop());
  scope_.spawn(outbound_->remote().stop());
  do {
    co_await grace_timer_->sleep(Duration(20));
  } while (queue_->under_way() > 0 && !end.passed());
  bool empty = !spool_->recovering() && spool_->messages() == 0 && queue_->under_way() == 0;
  co_await spool_->close();
  if (empty && options_.number != 0) (void)spool::Shard::mark_empty(fmt::format("{}/{}", config_->spool_directory, options_.number));
  log_->notice("stopped");
  log_->flush();
  remove_sockets();
  // Everything durable is on disk; what remains is memory. Ending here needs no order among the rest.
  ::_exit(0);
}

void MailProcess::remove_sockets() {
  std::vector<std::string> names{MailOptions::control_socket(options_.number)};
  if (options_.number == 0) names.insert(names.end(), {"submit.sock", "mansiod.pid"});
  for (const std::string& name : names) ::unlink((config_->run_directory + "/" + name).c_str());
}

int mail_main(UniqueFd channel, const MailOptions& options) {
  share_heaps();
  ldap::prepare_library();
  MailProcess process(std::move(channel), options);
  int status = process.run();
  ::_exit(status);
}

}  // namespace mansio::daemon
