// A name server on the loopback for tests, on a thread of its own: UDP and TCP on one port. The test's function says what
// is sent for each question; every question is written down.
#pragma once
#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "event/stream.hpp"
#include "packet.hpp"

namespace mansio::dns {

struct Asked {
  std::string name;  // as it stood in the question
  unsigned type = 0, id = 0, flags = 0;
  bool edns = false, tcp = false;
  std::size_t count = 0;  // questions before this one
  sockaddr_in from{};     // of UDP

  // The beginning of an answer to it.
  PacketBuilder begin(unsigned code = 0, unsigned flags = flag::answer) const;
};

class NameServer {
 public:
  using Answers = std::vector<std::string>;              // messages to send, in this order
  using Handler = std::function<Answers(const Asked&)>;  // on the server's thread
  explicit NameServer(Handler handler);
  ~NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  event::Endpoint endpoint() const;
  std::vector<Asked> asked() const;
  std::size_t count() const { return asked().size(); }
  void send(std::string_view octets, const sockaddr_in& to) const;                  // from the port of the server
  static void send_from_elsewhere(std::string_view octets, const sockaddr_in& to);  // from another one

 private:
  void serve();
  void serve_udp();
  void serve_tcp();
  Answers answer(std::string_view question, bool tcp, const sockaddr_in& from);

  Handler handler_;
  UniqueFd udp_, tcp_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  std::thread thread_;
};

}  // namespace mansio::dns
