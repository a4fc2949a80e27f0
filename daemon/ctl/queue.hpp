// mansioctl queue: what its commands share. Which messages are meant, and the pages shown of them.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ctl/command.hpp"
#include "ctl/daemon_link.hpp"

namespace mansio::ctl {

// As the command line says it; all conditions must hold.
struct QueueFilter {
  QueueFilter() = default;
  void add_to(CLI::App& command, const std::string& ids_help);
  // The daemon's filter; a value that makes no sense is complained of, and the exit status left in `wrong`.
  std::optional<Json> json(const Invocation& invocation) const;
  bool any_option() const;                 // besides ids
  bool empty() const { return ids.empty() && !any_option(); }
  // Just these messages, named in full.
  bool names_messages() const;

  std::vector<std::string> ids, senders, recipients, domains, destinations, transports;
  std::string older, newer, larger, smaller;
  bool frozen = false, not_frozen = false, tried = false, untried = false;
};

struct QueueVerb {
  const char* name;                        // of the command
  const char* verb;                        // of the protocol
  const char* help;
  const char* question;                    // "Freeze {}?": of "3 messages"
  const char* past;                        // "{} frozen": of "3 messages are"
};

struct QueueActOptions {
  QueueActOptions() = default;
  QueueFilter filter;
  bool yes = false, all = false;
  std::string transport;                   // reroute --to
};

struct QueueListOptions {
  QueueListOptions() = default;
  QueueFilter filter;
  std::size_t limit = 0;                   // 0: all
};

int list_queue(const Invocation& invocation, const QueueListOptions& options);
int show_messages(const Invocation& invocation, const std::vector<std::string>& ids);
int show_content(const Invocation& invocation, const std::vector<std::string>& ids, const char* part);
int show_message_log(const Invocation& invocation, const std::vector<std::string>& ids);
int act_on_queue(const Invocation& invocation, const QueueVerb& verb, const QueueActOptions& options);
int summarise_queue(const Invocation& invocation, const QueueFilter& filter, const std::string& by, std::size_t limit);

// ---- pages, of the daemon's objects; pure but for colours and the terminal's width

// "1 message", "12 messages".
std::string messages_text(std::int64_t count);
// "mx.example.org" of the lane's name "internet mx.example.org:25", "example.org" of "domain example.org".
std::string destination_text(std::string_view name);
std::string list_titles();
// A line of the listing, and below it, where there is one, why the message waits.
std::string list_lines(const Json& message, std::int64_t now);
std::string message_page(const Json& message, std::int64_t now);
std::string summary_page(const std::vector<Json>& rows, const Json& last, std::size_t limit, std::int64_t now);

// How far a long search is, on standard error, when that is a terminal and it takes more than a second.
class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  bool wanted() const noexcept { return terminal_; }
  void show(const std::string& text);
  void clear();

 private:
  bool terminal_, shown_ = false;
  std::int64_t began_, last_ = 0;          // milliseconds
};

}  // namespace mansio::ctl
