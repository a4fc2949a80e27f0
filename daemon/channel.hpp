// What parent and mail process say to each other over their socketpair: a tag, then text, sometimes a descriptor.
#pragma once
#include <string_view>

#include "deliver/agent_pool.hpp"

namespace mansio::daemon {

// To the mail process.
constexpr char tag_agent = 'A';        // + a letter of agent_letters: an agent's channel (descriptor)
constexpr char tag_listener = 'L';     // + key (listeners.hpp): a listening socket (descriptor)
constexpr char tag_counts = 'M';       // counts of all processes (descriptor: base/shared_counts.hpp); to one of several
constexpr char tag_ticket = 'T';       // + age in seconds, a space, a key of session tickets; to one of several
constexpr char tag_config = 'C';       // + its number; configuration sources in a memory file (descriptor): take it into use
constexpr char tag_secrets = 'K';      // what the files named by the next configuration hold, in a memory file (descriptor)
constexpr char tag_renew = 'W';        // take the secrets into use: a certificate, say, was renewed
constexpr char tag_notice = 'N';       // text for the panic log
constexpr char tag_reopen = 'R';       // reopen the logs
constexpr char tag_answer = 'Q';       // to tag_reload, after the configuration; + why it was refused, a line each
constexpr char tag_stop = 'S';         // finish open work within shutdown_grace, then end

// To the parent.
constexpr char tag_ready = 'Y';        // + addresses: every listener answers
constexpr char tag_failed = 'F';       // + text: cannot start
constexpr char tag_refused = 'V';      // + number of the system call for which the process is being killed; from a signal handler
constexpr char tag_reload = 'H';       // an admin asks for what HUP does
constexpr char tag_share = 'B';        // to the other mail processes, from one of them: passed on as it is (mail_sharing.cpp)
constexpr char tag_reloaded = 'D';     // + its number: a new configuration is in use

// By AgentKind: look-ups, deliveries, passwords.
constexpr std::string_view agent_letters = "LDP";
inline deliver::AgentKind agent_kind(std::string_view letter) {
  auto at = letter.size() == 1 ? agent_letters.find(letter[0]) : std::string_view::npos;
  return at == std::string_view::npos ? deliver::AgentKind::deliveries : static_cast<deliver::AgentKind>(at);
}

}  // namespace mansio::daemon
