// The load of `./dev bench`: SMTP clients and, for mail that is passed on, the host that takes it; one thread, one epoll.
//
//   load PORT --count N [--sessions N] [--size BYTES] [--to ADDRESS] [--one] [--tls] [--sink PORT] [--hold]
//
// Sends N messages of SIZE bytes over so many sessions at once, without pipelining; with --one each over a connection of its
// own, with --tls after STARTTLS and a full handshake. With --sink it listens there, and ends when N messages came back.
// With --hold it opens N connections, says EHLO, prints "held", and keeps them until its input ends.
// Prints a line of JSON: seconds to the last 250, seconds to the last message at the sink, how many failed.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

struct Options {
  int port = 0, sink = 0, count = 1000, sessions = 30;
  std::size_t size = 4096;
  std::string to = "bob@bench.invalid";
  bool one = false, tls = false, hold = false;
};

struct Run {
  Options options;
  std::string body;
  SSL_CTX* context = nullptr;
  int epoll = -1, left = 0, accepted = 0, failed = 0, arrived = 0, open = 0;
  std::chrono::steady_clock::time_point begun, last_accepted, last_arrived;
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Something that epoll watches.
class Watched {
 public:
  Watched(Run& run, int fd) : run_(run), fd_(fd) {}
  virtual ~Watched() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    ::close(fd_);
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  // False: it is at its end.
  virtual bool ready() = 0;

  void watch(bool for_writing, bool anew) {
    if (!anew && for_writing == writing_) return;
    writing_ = for_writing;
    epoll_event event{};
    event.events = EPOLLIN | (for_writing ? EPOLLOUT : 0u);
    event.data.ptr = this;
    if (::epoll_ctl(run_.epoll, anew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd_, &event) != 0) die("epoll_ctl");
  }

 protected:
  // What could not be written yet; true unless the connection is broken.
  bool flush() {
    while (!out_.empty()) {
      auto n = ssl_ != nullptr ? SSL_write(ssl_, out_.data(), static_cast<int>(out_.size())) : ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
      if (n > 0) {
        out_.remove_prefix(static_cast<std::size_t>(n));
        continue;
      }
      if (ssl_ == nullptr && errno != EAGAIN) return false;
      if (ssl_ != nullptr && SSL_get_error(ssl_, static_cast<int>(n)) != SSL_ERROR_WANT_WRITE) return false;
      break;
    }
    watch(!out_.empty(), false);
    return true;
  }
  bool send(std::string text) {
    kept_ = std::move(text);
    out_ = kept_;
    return flush();
  }
  // 0: nothing more at the moment; -1: the end.
  ssize_t receive(char* buffer, std::size_t size) {
    if (ssl_ == nullptr) {
      auto n = ::recv(fd_, buffer, size, 0);
      return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    int n = SSL_read(ssl_, buffer, static_cast<int>(size));
    if (n > 0) return n;
    int why = SSL_get_error(ssl_, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
  }

  Run& run_;
  int fd_;
  SSL* ssl_ = nullptr;
  std::string_view out_;

 private:
  std::string kept_;
  bool writing_ = false;
};

class Client final : public Watched {
 public:
  Client(Run& run, int fd) : Watched(run, fd) {}
  bool ready() override {
    if (!flush()) return broken();
    if (step_ == Step::handshake) return shake_hands();
    char buffer[8192];
    for (;;) {
      auto n = receive(buffer, sizeof buffer);
      if (n < 0) return broken();
      if (n == 0) return true;
      in_.append(buffer, static_cast<std::size_t>(n));
      for (std::size_t end; (end = in_.find('\n')) != std::string::npos;) {
        bool last = in_.size() > 3 && in_[3] != '-';
        char digit = in_[0];
        in_.erase(0, end + 1);
        if (!last) continue;
        if (!answered(digit)) return false;
        if (step_ == Step::handshake) return shake_hands();
      }
    }
  }

 private:
  enum class Step { greeting, ehlo, starttls, handshake, mail, rcpt, data, content, quit, held };

  bool broken() {
    if (step_ != Step::quit) ++run_.failed;
    return false;
  }
  bool command(Step next, std::string text) {
    step_ = next;
    return send(std::move(text)) || broken();
  }
  bool begin_message() { return command(Step::rcpt, "MAIL FROM:<source@load.invalid>\r\n"); }
  bool answered(char digit) {
    if (step_ == Step::quit) return false;
    if (digit != (step_ == Step::content ? '3' : '2') && !(step_ == Step::greeting && digit == '2')) return broken();
    switch (step_) {
      case Step::greeting: return command(Step::ehlo, "EHLO load.invalid\r\n");
      case Step::ehlo:
        if (run_.options.hold) {
          step_ = Step::held;
          ++run_.accepted;
          return true;
        }
        if (run_.options.tls && ssl_ == nullptr) return command(Step::starttls, "STARTTLS\r\n");
        return begin_message();
      case Step::starttls:
        ssl_ = SSL_new(run_.context);
        SSL_set_fd(ssl_, fd_);
        SSL_set_connect_state(ssl_);
        step_ = Step::handshake;
        return true;
      case Step::rcpt: return command(Step::data, "RCPT TO:<" + run_.options.to + ">\r\n");
      case Step::data: return command(Step::content, "DATA\r\n");
      case Step::content:
        step_ = Step::mail;
        out_ = run_.body;
        return flush() || broken();
      case Step::mail: return message_accepted();
      default: return true;
    }
  }
  bool message_accepted() {
    ++run_.accepted;
    run_.last_accepted = std::chrono::steady_clock::now();
    if (run_.options.one || run_.left == 0) return command(Step::quit, "QUIT\r\n");
    --run_.left;
    return begin_message();
  }
  bool shake_hands() {
    int n = SSL_do_handshake(ssl_);
    if (n == 1) return command(Step::ehlo, "EHLO load.invalid\r\n");
    int why = SSL_get_error(ssl_, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE || broken();
  }

  Step step_ = Step::greeting;
  std::string in_;
};

// Takes everything, one reply to each line; pipelined commands too.
class SinkSession final : public Watched {
 public:
  SinkSession(Run& run, int fd) : Watched(run, fd) {}
  bool greet() { return send("220 sink.bench.invalid ESMTP\r\n"); }
  bool ready() override {
    static char buffer[1 << 18];
    for (;;) {
      auto n = receive(buffer, sizeof buffer);
      if (n < 0) return false;
      if (n == 0) break;
      in_.append(buffer, static_cast<std::size_t>(n));
      if (!take()) return false;
    }
    if (replies_.empty()) return flush();
    return send(std::exchange(replies_, std::string()));
  }

 private:
  bool take() {
    for (;;) {
      if (in_data_) {
        auto end = in_.find("\r\n.\r\n");
        if (end == std::string::npos) {
          if (in_.size() > 4) in_.erase(0, in_.size() - 4);
          return true;
        }
        in_.erase(0, end + 5);
        in_data_ = false;
        message();
        continue;
      }
      auto end = in_.find('\n');
      if (end == std::string::npos) return true;
      std::string line = in_.substr(0, end);
      in_.erase(0, end + 1);
      if (!command(line)) return false;
    }
  }
  bool command(const std::string& line) {
    if (line.starts_with("EHLO")) replies_ += "250-sink.bench.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n";
    else if (line.starts_with("DATA")) {
      replies_ += "354 go on\r\n";
      in_data_ = true;
      in_.insert(0, "\r\n");      // so that an empty message ends, too
    } else if (line.starts_with("QUIT")) return send(replies_ + "221 bye\r\n"), false;
    else replies_ += "250 ok\r\n";
    return true;
  }
  void message() {
    replies_ += "250 taken\r\n";
    ++run_.arrived;
    run_.last_arrived = std::chrono::steady_clock::now();
  }

  std::string in_, replies_;
  bool in_data_ = false;
};

class Sink final : public Watched {
 public:
  Sink(Run& run, int fd) : Watched(run, fd) {}
  bool ready() override {
    for (;;) {
      int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return true;
      int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto* session = new SinkSession(run_, fd);
      session->watch(false, true);
      if (!session->greet()) delete session;
    }
  }
};

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void listen_for_sink(Run& run) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto address = loopback(run.options.sink);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 1000) != 0) die("sink");
  (new Sink(run, fd))->watch(false, true);
}

void connect_one(Run& run) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) die("socket");
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto address = loopback(run.options.port);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) die("connect");
  (new Client(run, fd))->watch(false, true);
  ++run.open;
}

// Until all is sent, and has arrived where that is waited for.
void loop(Run& run) {
  epoll_event events[256];
  for (;;) {
    bool sent = run.open == 0 && run.left == 0;
    if (run.options.hold && run.accepted + run.failed >= run.options.count) return;
    if (sent && (run.options.sink == 0 || run.arrived >= run.accepted)) return;
    int n = ::epoll_wait(run.epoll, events, 256, 30'000);
    if (n == 0) return;           // nothing has moved for so long: what is missing is told
    for (int i = 0; i < n; ++i) {
      auto* watched = static_cast<Watched*>(events[i].data.ptr);
      if (watched->ready()) continue;
      bool client = dynamic_cast<Client*>(watched) != nullptr;
      delete watched;
      if (!client) continue;
      --run.open;
      if (run.left == 0) continue;
      --run.left;
      connect_one(run);
    }
  }
}

void usage() {
  std::fputs("usage: load PORT --count N [--sessions N] [--size BYTES] [--to ADDRESS] [--one] [--tls] [--sink PORT] [--hold]\n", stderr);
  std::exit(64);
}

Options parse(int argc, char** argv) {
  Options options;
  if (argc < 2) usage();
  options.port = std::atoi(argv[1]);
  for (int i = 2; i < argc; ++i) {
    std::string_view word(argv[i]);
    if (word == "--one") options.one = true;
    else if (word == "--tls") options.tls = options.one = true;
    else if (word == "--hold") options.hold = true;
    else if (i + 1 == argc) usage();
    else if (word == "--count") options.count = std::atoi(argv[++i]);
    else if (word == "--sessions") options.sessions = std::atoi(argv[++i]);
    else if (word == "--size") options.size = static_cast<std::size_t>(std::atoll(argv[++i]));
    else if (word == "--to") options.to = argv[++i];
    else if (word == "--sink") options.sink = std::atoi(argv[++i]);
    else usage();
  }
  return options;
}

double seconds(const Run& run, std::chrono::steady_clock::time_point then) { return std::chrono::duration<double>(then - run.begun).count(); }

}  // namespace

int main(int argc, char** argv) {
  Run run;
  run.options = parse(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  run.epoll = ::epoll_create1(EPOLL_CLOEXEC);
  run.context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(run.context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(run.context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  run.body = "From: <source@load.invalid>\r\nTo: <" + run.options.to + ">\r\nSubject: load\r\n\r\n";
  while (run.body.size() < run.options.size) run.body += std::string(78, 'x') + "\r\n";
  run.body += ".\r\n";
  if (run.options.sink != 0) listen_for_sink(run);
  int at_once = run.options.hold ? run.options.count : std::min(run.options.sessions, run.options.count);
  run.left = run.options.count - at_once;
  run.begun = run.last_accepted = run.last_arrived = std::chrono::steady_clock::now();
  for (int i = 0; i < at_once; ++i) connect_one(run);
  loop(run);
  if (run.options.hold) {
    std::printf("held %d\n", run.accepted);
    std::fflush(stdout);
    for (char c; ::read(0, &c, 1) > 0;) continue;
    return 0;
  }
  std::printf("{\"accepted\": %d, \"failed\": %d, \"arrived\": %d, \"accept_seconds\": %.4f, \"arrive_seconds\": %.4f}\n", run.accepted, run.failed,
              run.arrived, seconds(run, run.last_accepted), seconds(run, run.last_arrived));
  return run.failed != 0 || run.accepted != run.options.count;
}
