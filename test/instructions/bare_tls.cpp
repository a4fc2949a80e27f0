// bare_tls CERTIFICATE KEY: the least that a server can do for a STARTTLS connection: greeting, EHLO, STARTTLS, a full handshake
// with a ticket, one reply inside. One connection after the other on blocking sockets. Prints its port; ends with its standard
// input. What mansiod spends on the same connection is held against it (test_instructions.py).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

void need(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

SSL_CTX* make_context(const char* certificate, const char* key) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  need(SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) == 1, certificate);
  need(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, key);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  return context;
}

void say(int fd, std::string_view words) { need(::write(fd, words.data(), words.size()) == static_cast<ssize_t>(words.size()), "write"); }

void serve(SSL_CTX* context, int fd) {
  char line[4096];
  say(fd, "220 bare ESMTP\r\n");
  if (::read(fd, line, sizeof line) <= 0) return;
  say(fd, "250-bare\r\n250 STARTTLS\r\n");
  if (::read(fd, line, sizeof line) <= 0) return;
  say(fd, "220 go\r\n");
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1 && SSL_read(ssl, line, sizeof line) > 0) {
    SSL_write(ssl, "250 ok\r\n", 8);
    SSL_read(ssl, line, sizeof line);
  }
  SSL_free(ssl);
}

}  // namespace

int main(int, char** arguments) {
  SSL_CTX* context = make_context(arguments[1], arguments[2]);
  int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  need(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener, 100) == 0, "listen");
  need(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  for (;;) {
    pollfd watched[] = {{listener, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    need(::poll(watched, 2, -1) > 0, "poll");
    if (watched[1].revents != 0) break;
    int fd = ::accept(listener, nullptr, nullptr);
    need(fd >= 0, "accept");
    serve(context, fd);
    ::close(fd);
  }
  SSL_CTX_free(context);
}
