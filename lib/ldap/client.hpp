// One connection to a directory, over libldap (RFC 4511). open() waits: for names, TCP, TLS (RFC 4513 §3) and the bind, each no
// longer than the time-out; it is for a thread. Nothing after it waits. The only file that includes ldap.h is client.cpp.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "ldap/search.hpp"

struct ldap;
struct ldapmsg;

namespace mansio::ldap {

// Before the first thread: libldap is to read no file and no variable of its own, nothing but what our configuration names.
void prepare_library();

// The socket of a connection while it is being made: libldap puts no end to a TLS handshake that the other side doesn't go on
// with, so whoever waits for open() cuts it off, from another thread.
class Lifeline {
 public:
  Lifeline();
  ~Lifeline();
  void cut_if_older(Duration age);           // than its TCP connection

 private:
  friend class Client;
  struct Callback;                           // how libldap tells that it has connected
  void attach(int fd);
  void release();
  bool attached();
  bool was_cut();

  std::unique_ptr<Callback> callback_;
  std::mutex mutex_;
  UniqueFd fd_;
  MonotonicTime since_{};
  bool cut_ = false;
};

class Client {
 public:
  // `uri` is one of settings.servers. Blocks.
  static Result<Client> open(const config::Ldap& settings, const Access& access, const std::string& uri, std::shared_ptr<Lifeline> lifeline);

  int descriptor() const;                    // libldap may close it in any of the calls below

  // The number of the answer that will come. Fault::busy: what was sent before has not gone out yet; invalid: this question
  // can't be asked; closed: the connection is lost.
  Result<int> send(const Search& search);

  struct Answer {
    Answer(int n, Result<Found> f) : number(n), found(std::move(f)) {}
    int number;
    Result<Found> found;
  };
  // Answers that are complete; call it when the descriptor is readable or, after Fault::busy, writable. An Error: the
  // connection is lost, `out` holds what came before.
  Result<> receive(std::vector<Answer>& out);

 private:
  struct Unbind {
    void operator()(struct ldap* handle) const noexcept;
  };
  Client(struct ldap* handle, Duration timeout, std::shared_ptr<Lifeline> lifeline)
      : lifeline_(std::move(lifeline)), handle_(handle), timeout_(timeout) {}
  Result<> set_up(const config::Ldap& settings, const Access& access);
  Result<> set_tls(const Access& access);
  Result<> bind(const config::Ldap& settings, const Access& access, bool encrypted);
  Error error(int code, std::string_view doing) const;
  Error tls_error(int code, std::string_view doing) const;
  void take_entry(int number, struct ldapmsg* message);
  Result<Found> conclude(int number, struct ldapmsg* message);
  bool data_ready() const;

  std::shared_ptr<Lifeline> lifeline_;       // the handle refers to it
  std::unique_ptr<struct ldap, Unbind> handle_;
  Duration timeout_;
  std::map<int, Found> partial_;             // of searches whose end has not come
};

}  // namespace mansio::ldap
