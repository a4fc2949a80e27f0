// sendmail -bs: passes bytes between stdin, stdout and the daemon's submission socket; parser and limits are the
// daemon's own (S-169).
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/file.hpp"
#include "sendmail_compose.hpp"
#include "sendmail_socket.hpp"

namespace mansio::sendmail {
namespace {

// Moves what `from` has to `to`, waiting for `to`. False at the end of either.
bool pass_on(int from, int to) {
  char buffer[65536];
  ssize_t n = ::read(from, buffer, sizeof buffer);
  if (n < 0 && errno == EINTR) return true;
  return n > 0 && write_all(to, std::string_view(buffer, static_cast<std::size_t>(n)));
}

}  // namespace

Exit relay_session(const Setup& setup) {
  auto daemon = connect_unix(setup.submit_socket());
  if (!daemon) {
    (void)write_all(STDOUT_FILENO, "421 4.3.2 The mail system isn't running\r\n");
    return Exit::temporary;
  }
  pollfd watched[2] = {{STDIN_FILENO, POLLIN, 0}, {daemon->get(), POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return Exit::os;
    }
    if (watched[1].revents != 0 && !pass_on(daemon->get(), STDOUT_FILENO)) return Exit::ok;
    if (watched[0].revents != 0 && !pass_on(STDIN_FILENO, daemon->get())) {
      ::shutdown(daemon->get(), SHUT_WR);      // the answers to what was sent still come
      watched[0].fd = -1;
    }
  }
}

}  // namespace mansio::sendmail
