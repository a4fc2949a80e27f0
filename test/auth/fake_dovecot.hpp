// An auth server on a unix socket, on threads of its own: each connection runs a script, which may misbehave.
#pragma once
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"

namespace mansio::auth {

class FakeDovecot {
 public:
  class Conversation {
   public:
    Conversation(int fd, int which, FakeDovecot& server) : number(which), fd_(fd), server_(server) {}
    // Also to a peer that is gone.
    void say(const std::string& text) {
      for (std::size_t at = 0; at < text.size();) {
        ssize_t n = ::send(fd_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
        if (n <= 0) return;
        at += static_cast<std::size_t>(n);
      }
    }
    // The next line, or "" at the end.
    std::string hear() {
      for (;;) {
        auto end = ahead_.find('\n');
        if (end != std::string::npos) {
          auto line = ahead_.substr(0, end);
          ahead_.erase(0, end + 1);
          server_.note(line);
          return line;
        }
        char buffer[4096];
        pollfd watched{fd_, POLLIN, 0};
        if (::poll(&watched, 1, 20'000) <= 0) return {};
        ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
        if (n <= 0) return {};
        ahead_.append(buffer, static_cast<std::size_t>(n));
      }
    }
    void shake_hands(const std::string& mechanisms = "MECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tXOAUTH2\nMECH\tOAUTHBEARER\n") {
      say("VERSION\t1\t2\n" + mechanisms + "SPID\t1\nCUID\t1\nCOOKIE\tabc\nDONE\n");
      hear();
      hear();
    }
    // The number of an AUTH line.
    static std::string id_of(const std::string& line) {
      auto from = line.find('\t') + 1;
      return line.substr(from, line.find('\t', from) - from);
    }
    void until_end() { while (!hear().empty()) continue; }
    const int number;   // of the connection, from 1

   private:
    int fd_;
    FakeDovecot& server_;
    std::string ahead_;
  };
  using Script = std::function<void(Conversation&)>;

  FakeDovecot() {
    std::signal(SIGPIPE, SIG_IGN);   // as the daemon has it
    if (::mkdtemp(directory_.data()) == nullptr) std::abort();
  }
  ~FakeDovecot() {
    stop();
    ::unlink(path().c_str());
    ::rmdir(directory_.c_str());
  }
  FakeDovecot(const FakeDovecot&) = delete;
  FakeDovecot& operator=(const FakeDovecot&) = delete;

  std::string path() const { return directory_ + "/auth"; }
  void start(Script script) {
    listening_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    if (::bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listening_.get(), 16) != 0) std::abort();
    accepting_ = std::thread([this, script] { accept_all(script); });
  }
  void stop() {
    if (!accepting_.joinable()) return;
    ::shutdown(listening_.get(), SHUT_RDWR);
    accepting_.join();
    for (auto& thread : serving_) thread.join();
    serving_.clear();
    ::unlink(path().c_str());
  }
  std::vector<std::string> heard() {
    std::lock_guard lock(mutex_);
    return heard_;
  }
  int connections() const { return connections_; }

 private:
  void accept_all(const Script& script) {
    for (;;) {
      int fd = ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      int number = ++connections_;
      serving_.emplace_back([this, fd, number, script] {
        UniqueFd owner(fd);
        Conversation conversation(fd, number, *this);
        script(conversation);
      });
    }
  }
  void note(const std::string& line) {
    std::lock_guard lock(mutex_);
    heard_.push_back(line);
  }

  std::string directory_ = "/tmp/mansio-dovecot-XXXXXX";
  UniqueFd listening_;
  std::thread accepting_;
  std::vector<std::thread> serving_;
  std::mutex mutex_;
  std::vector<std::string> heard_;
  std::atomic<int> connections_ = 0;
};

}  // namespace mansio::auth
