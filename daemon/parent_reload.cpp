// What the parent tells its mail processes: configurations, sockets and secrets, at their start and at a reload.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "channel.hpp"
#include "deliver/packet_channel.hpp"
#include "parent.hpp"
#include "service_manager.hpp"

namespace mansio::daemon {

void Parent::send(MailChild& child, char tag, const std::string& text, int fd) {
  if (!child.channel) return;
  // A mail process that died is told of by SIGCHLD.
  (void)deliver::send_packet(child.channel.get(), tag + text, fd);
}

void Parent::send_all(char tag, const std::string& text) {
  for (MailChild& child : children_) send(child, tag, text);
}

void Parent::send_shared(MailChild& child) {
  if (!counts_) return;
  send(child, tag_counts, "", counts_file_.get());
  ticket_keys_.each(std::chrono::steady_clock::now(), false, [&](std::string& key) { send(child, tag_ticket, key); });
}

// A new key an hour, to all. One that could not be made is tried again a minute later.
void Parent::turn_ticket_keys() {
  auto now = std::chrono::steady_clock::now();
  if (!counts_ || (ticket_turn_ && now < *ticket_turn_)) return;
  bool made = ticket_keys_.turn(now);
  ticket_turn_ = made ? *ticket_keys_.next() : now + std::chrono::minutes(1);
  if (!made) return;
  ticket_keys_.each(now, true, [&](std::string& key) { send_all(tag_ticket, key); });
}

// Who is too busy to read misses it: it is about counts, and nobody waits.
void Parent::pass_on(const MailChild& from, const std::string& word) {
  std::string packet = tag_share + word;
  for (MailChild& child : children_) {
    if (&child != &from && child.channel) (void)::send(child.channel.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

void Parent::send_listeners(MailChild& child, const std::vector<ListenerSocket>& wanted) {
  for (const ListenerSocket& socket : wanted) {
    auto it = sockets_.find(socket.key);
    if (it != sockets_.end()) send(child, tag_listener, socket.key, it->second.get());
  }
}

// A memory file each: they share no place in it.
void Parent::send_configuration(MailChild& child) {
  auto file = to_memory_file(sources_);
  if (file) send(child, tag_config, std::to_string(generation_), file->get());
}

// Stamps first: what changes while they are read is seen next time.
Secrets Parent::take_secrets() {
  auto files = secret_files(*config_);
  secret_watch_.watch(files);
  return read_secrets(files, user_);
}

// Before the configuration that needs them.
void Parent::send_secrets(MailChild& child, const Secrets& secrets) {
  auto file = to_memory_file(secrets);
  if (file) send(child, tag_secrets, "", file->get());
}

void Parent::look_at_secrets() {
  if (stopping_ || !secret_watch_.changed()) return;
  Secrets secrets = take_secrets();
  for (MailChild& child : children_) {
    send_secrets(child, secrets);
    send(child, tag_renew, "");
  }
}

// ---- a reload

// A configuration that doesn't hold leaves everything as it was, and says so where an admin looks: in the panic log, and to
// the one who asked.
std::vector<std::string> Parent::refuse(std::vector<std::string> reasons) {
  std::string all;
  for (const std::string& reason : reasons) all += (all.empty() ? "" : "; ") + reason;
  notice("reload: " + all + ": the old configuration stays in use");
  notify_service_manager("READY=1");
  return reasons;
}

std::string Parent::why_only_a_restart(const config::Config& wanted) const {
  if (wanted.spool_directory != config_->spool_directory || wanted.run_as != config_->run_as || wanted.run_directory != config_->run_directory) {
    return "spool_directory, run_directory and run_as change only with a restart";
  }
  if (wanted.mail_processes != config_->mail_processes) return "mail_processes changes only with a restart";
  return {};
}

// Gives what is wrong with it; nothing: it is on its way to the mail processes.
std::vector<std::string> Parent::reload() {
  notify_service_manager("RELOADING=1");
  auto files = config::read_sources(options_.config_file);
  if (!files) return refuse({files.error().front().message()});
  Sources sources;
  sources.files = std::move(*files);
  sources.facts = config::machine_facts(sources.files);
  auto parsed = config::parse(sources.files, sources.facts);
  if (!parsed) {
    std::vector<std::string> all;
    for (const auto& problem : parsed.error()) all.push_back(problem.message());
    return refuse(std::move(all));
  }
  if (std::string why = why_only_a_restart(**parsed); !why.empty()) return refuse({why});
  auto wanted = wanted_sockets(**parsed);
  auto opened = open_sockets(wanted, sockets_);
  if (!opened) return refuse({opened.error().text()});
  for (MailChild& child : children_) {
    if (!child.drains) send_listeners(child, wanted);
  }
  std::erase_if(sockets_, [&](const auto& entry) {
    return std::ranges::none_of(wanted, [&](const ListenerSocket& s) { return s.key == entry.first; });
  });
  use(std::move(sources), *parsed);
  return {};
}

void Parent::use(Sources sources, config::ConfigPtr config) {
  bool asked_pam = config_->auth.users == config::AuthUsers::pam;
  std::vector<int> agents;
  for (const MailChild& child : children_) agents.push_back(agents_of(child));
  sources_ = std::move(sources);
  config_ = std::move(config);
  ++generation_;
  reloading_ = true;
  prepare_pickups(*config_, user_);
  bool asks_pam = config_->auth.users == config::AuthUsers::pam;
  Secrets secrets = take_secrets();
  for (std::size_t i = 0; i < children_.size(); ++i) {
    MailChild& child = children_[i];
    if (!child.alive()) continue;
    for (int number = agents[i] + 1; number <= agents_of(child); ++number) start_agent(child, number, deliver::AgentKind::deliveries);
    if (asked_pam && !asks_pam) end_password_agents(child);
    if (!asked_pam) start_password_agents(child);
    send_secrets(child, secrets);
    send_configuration(child);
  }
}

// The one who asked answers its admin once all have the new configuration in use.
void Parent::reload_for(const MailChild& child) {
  int number = child.number;
  send_all(tag_reopen, "");
  std::string answer;
  for (const std::string& why : reload()) answer += why.substr(0, 500) + '\n';
  if (answer.empty()) {
    askers_.push_back(number);
    return look_if_reloaded();
  }
  for (MailChild& each : children_) {
    if (each.number == number) send(each, tag_answer, answer.substr(0, 60'000));
  }
}

// A process that isn't there begins with the new configuration.
void Parent::look_if_reloaded() {
  bool all = std::ranges::all_of(children_, [this](const MailChild& child) { return !child.alive() || child.configured >= generation_; });
  if (!all || !reloading_) return;
  reloading_ = false;
  notify_service_manager("READY=1");
  for (int number : std::exchange(askers_, {})) {
    for (MailChild& each : children_) {
      if (each.number == number) send(each, tag_answer, "");
    }
  }
}

}  // namespace mansio::daemon
