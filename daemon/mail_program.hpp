// The mail process as an object; private to daemon/mail_*.cpp. mail_process.cpp: start, sockets, the end; mail_reload.cpp:
// a new configuration, new certificates, changed tables; mail_sharing.cpp: what several mail processes have in common.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/shared_counts.hpp"
#include "control/server.hpp"
#include "event/packet_socket.hpp"
#include "event/signals.hpp"
#include "ldap/directories.hpp"
#include "fetch.hpp"
#include "listening.hpp"
#include "logins.hpp"
#include "metering.hpp"
#include "mail_process.hpp"
#include "outbound.hpp"
#include "policy/client_name.hpp"
#include "queue/queue.hpp"
#include "receive/pickup.hpp"
#include "receive/pickup_directory.hpp"
#include "receive/receiver.hpp"
#include "receive/w3c_recorder.hpp"
#include "secrets.hpp"
#include "user_directory.hpp"

namespace mansio::daemon {

log::LoggerOptions log_options(const config::Config& config, bool foreground);

class MailProcess {
 public:
  MailProcess(UniqueFd channel, const MailOptions& options);
  int run();

 private:
  void received(event::PacketSocket::Packet packet);
  bool start(config::ConfigPtr config);
  void raise_descriptor_limit(const config::Config& config);
  bool open_local_sockets();
  bool open_submission();
  event::Task<> watch_tables();
  event::Task<> watch_pickup();
  event::Task<> watch_drain();
  event::Task<> watch_memory();
  bool open_pickups(const config::Config& config);
  void remove_sockets();
  event::Task<> recover();
  event::Task<> stop();
  void tell_parent(char tag, const std::string& text);
  bool cannot_start(const std::string& why);
  route::TableOptions table_options() const;
  route::RouterOptions router_options() const;

  // mail_sharing.cpp
  void tell_others(const std::string& word);
  void join_others();
  void heard(std::string_view word);
  void take_counts(UniqueFd file);
  void take_ticket(std::string_view text);

  // mail_reload.cpp
  void take_secrets(UniqueFd file);
  void take_configuration(UniqueFd file, std::string number);
  std::uint64_t demand();
  event::Task<> apply_changes();
  event::Task<> reconfigure(config::ConfigPtr config, std::map<std::string, UniqueFd> handed, std::string number);
  event::Task<> renew();
  event::Task<> read_tables(config::ConfigPtr config);
  void take_directories(const config::Config& config);
  void use_router();
  event::Task<control::ReloadResult> reload_tables();
  event::Task<control::ReloadResult> reload();
  void answered(const std::string& refusals);
  event::Task<> answer_after(std::vector<std::string> refusals, std::uint64_t change);
  control::ReloadResult what_is_in_use() const;

  MailOptions options_;
  event::Loop loop_;
  event::Scope scope_;
  std::optional<event::PacketSocket> parent_;
  UniqueFd channel_;
  config::ConfigPtr config_;
  Secrets secrets_;
  route::TablesPtr tables_;
  std::shared_ptr<SharedCounts> counts_;                    // null: there are no other mail processes
  std::shared_ptr<net::TlsTickets> tickets_ = net::make_tls_tickets();
  std::optional<log::Logger> log_;
  std::optional<Metering> metering_;
  std::optional<deliver::AgentPool> agents_;
  std::optional<AgentDirectory> users_;
  std::shared_ptr<ldap::Directories> directories_;
  std::unique_ptr<spool::Spool> spool_;
  std::optional<Outbound> outbound_;
  std::optional<policy::ClientNames> client_names_;
  std::optional<queue::Queue> queue_;
  std::optional<receive::Receiver> receiver_;
  std::optional<QueueFetch> fetch_;
  std::optional<receive::PickupReader> pickup_;
  std::optional<receive::PickupDirectories> pickups_;
  std::optional<control::Server> control_;
  std::optional<receive::W3cRecorder> w3c_;
  std::optional<event::Threads> reading_;
  std::optional<event::Timer> table_timer_, pickup_timer_, memory_timer_, grace_timer_;
  std::map<std::string, UniqueFd> handed_;                  // by the parent, for the configuration that follows
  std::optional<Listening> listening_;
  std::optional<Logins> logins_;
  std::optional<event::Listener> submit_;
  std::optional<event::Signals> signals_;
  // What is to be taken into use. One thing after the other: of two at once the older one could end last. What comes
  // meanwhile is done as one, with the newest of all.
  struct Change {
    Change() = default;
    config::ConfigPtr config;
    std::string number;                                     // the parent's, of the configuration
    std::map<std::string, UniqueFd> handed;
    bool secrets = false, tables = false;
    bool any() const { return config || secrets || tables; }
  };
  Change pending_;
  std::uint64_t demanded_ = 0, applied_ = 0;                // demands made, and those that are done
  bool applying_ = false;
  event::Trigger done_;
  std::vector<std::string> problems_;                       // of the configuration in use

  // `mansioctl reload` asks the parent, which alone may read the files: one question at a time, and all who asked before
  // it was put share the answer.
  struct Asking {
    Asking() = default;
    std::uint64_t asked = 0, put = 0, answered = 0;
    std::vector<std::string> refusals;
  };
  Asking asking_;
  bool stopping_ = false;
  int exit_status_ = 0;
};

}  // namespace mansio::daemon
