// What parent and mail process say to each other over their socketpair: a tag, then text, sometimes a descriptor.
#pragma once

namespace mansio::daemon {

// To the mail process.
constexpr char tag_agent = 'A';        // + 'L' or 'D': an agent's channel, for look-ups or deliveries (descriptor)
constexpr char tag_listener = 'L';     // + key (listeners.hpp): a listening socket (descriptor)
constexpr char tag_config = 'C';       // configuration sources in a memory file (descriptor): take it into use
constexpr char tag_secrets = 'K';      // what the files named by the next configuration hold, in a memory file (descriptor)
constexpr char tag_renew = 'W';        // take the secrets into use: a certificate, say, was renewed
constexpr char tag_notice = 'N';       // text for the panic log
constexpr char tag_reopen = 'R';       // reopen the logs
constexpr char tag_stop = 'S';         // finish open work within shutdown_grace, then end

// To the parent.
constexpr char tag_ready = 'Y';        // + addresses: every listener answers
constexpr char tag_failed = 'F';       // + text: cannot start
constexpr char tag_reloaded = 'D';     // a new configuration is in use

}  // namespace mansio::daemon
