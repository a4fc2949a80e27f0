#include "name_server.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <stdexcept>

#include "dns/wire.hpp"

namespace mansio::dns {
namespace {

sockaddr* as_address(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

unsigned number_at(std::string_view octets, std::size_t at) {
  return static_cast<unsigned>(static_cast<unsigned char>(octets.at(at)) << 8 |
                               static_cast<unsigned char>(octets.at(at + 1)));
}

Asked read_question(std::string_view octets) {
  Asked out;
  out.id = number_at(octets, 0);
  out.flags = number_at(octets, 2);
  out.edns = number_at(octets, 10) == 1;
  std::size_t end = octets.find('\0', 12);
  out.name = to_text(octets.substr(12, end + 1 - 12)).value();
  out.type = number_at(octets, end + 1);
  return out;
}

}  // namespace

PacketBuilder Asked::begin(unsigned code, unsigned answer_flags) const {
  PacketBuilder out(id, answer_flags | code);
  out.question(name, type);
  return out;
}

NameServer::NameServer(Handler handler) : handler_(std::move(handler)) {
  for (int tries = 0; tries < 100; ++tries) {  // until the port of the one is free for the other
    udp_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    tcp_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(udp_.get(), as_address(address), size) != 0) continue;
    ::getsockname(udp_.get(), as_address(address), &size);
    port_ = ntohs(address.sin_port);
    if (::bind(tcp_.get(), as_address(address), size) != 0 || ::listen(tcp_.get(), 16) != 0) continue;
    thread_ = std::thread([this] { serve(); });
    return;
  }
  throw std::runtime_error("no port for a name server");
}

NameServer::~NameServer() {
  stopping_ = true;
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  self.sin_port = htons(port_);
  send_from_elsewhere("", self);  // wakes the poll
  thread_.join();
}

event::Endpoint NameServer::endpoint() const {
  event::Endpoint out;
  out.address = "127.0.0.1";
  out.port = port_;
  return out;
}

std::vector<Asked> NameServer::asked() const {
  std::lock_guard lock(mutex_);
  return asked_;
}

void NameServer::send(std::string_view octets, const sockaddr_in& to) const {
  ::sendto(udp_.get(), octets.data(), octets.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void NameServer::send_from_elsewhere(std::string_view octets, const sockaddr_in& to) {
  UniqueFd other(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::sendto(other.get(), octets.data(), octets.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void NameServer::serve() {
  while (!stopping_) {
    pollfd both[2] = {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    if (::poll(both, 2, -1) < 0) continue;
    if (both[0].revents != 0) serve_udp();
    if (both[1].revents != 0) serve_tcp();
  }
}

NameServer::Answers NameServer::answer(std::string_view question, bool tcp, const sockaddr_in& from) {
  Asked asked = read_question(question);
  asked.tcp = tcp;
  asked.from = from;
  {
    std::lock_guard lock(mutex_);
    asked.count = asked_.size();
    asked_.push_back(asked);
  }
  return handler_(asked);
}

void NameServer::serve_udp() {
  char buffer[1500];
  sockaddr_in from{};
  socklen_t size = sizeof from;
  ssize_t n = ::recvfrom(udp_.get(), buffer, sizeof buffer, 0, as_address(from), &size);
  if (n < 12) return;
  for (const auto& message : answer({buffer, static_cast<std::size_t>(n)}, false, from)) send(message, from);
}

// One question a connection. What is sent goes octet by octet, as unkindly as TCP may cut it.
void NameServer::serve_tcp() {
  UniqueFd peer(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  timeval limit{5, 0};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  int on = 1;
  ::setsockopt(peer.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string question;
  char byte;
  while (question.size() < 2 || question.size() < 2 + number_at(question, 0)) {
    if (::recv(peer.get(), &byte, 1, 0) != 1) return;
    question += byte;
  }
  for (const auto& message : answer(std::string_view(question).substr(2), true, {})) {
    std::string framed = record::number16(static_cast<unsigned>(message.size())) + message;
    for (std::size_t i = 0; i < framed.size(); ++i) {
      if (i < 200) ::usleep(100);
      if (::send(peer.get(), &framed[i], 1, MSG_NOSIGNAL) != 1) return;
    }
  }
}

}  // namespace mansio::dns
