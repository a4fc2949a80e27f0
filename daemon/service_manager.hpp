// What the parent tells systemd, or whatever else started it: sd_notify(3)'s protocol, which is kept stable. Not by libsystemd,
// which would bring compressors and ciphers into the one process that is root.
#pragma once
#include <string_view>

namespace mansio::daemon {

// Sends assignments, one a line ("READY=1\nSTATUS=…"), to the socket that $NOTIFY_SOCKET names: a path, or with a first "@"
// a name in Linux's abstract space. Without that variable, or when nobody listens, nothing happens.
void notify_service_manager(std::string_view state);

}  // namespace mansio::daemon
