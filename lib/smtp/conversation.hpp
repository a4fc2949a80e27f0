// Conversation: what can be seen of an SMTP session, of either side, while it goes on: its number, how much went by, and
// when. An admin's list is made of it. When somebody follows it (tracing.hpp), its words go there too, without secrets:
// what stands behind AUTH, and challenges, are left out here, in one place; what a client answers to a challenge its
// session has to leave out. Nobody follows: the price is a look at a pointer for each line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/quantity.hpp"
#include "smtp/command.hpp"

namespace mansio::net {
struct TlsInfo;
}

namespace mansio::smtp {

class Tracing;

enum class Heard : std::uint8_t {
  opened, closed,      // the conversation
  client, server,      // a line that was said
  content,             // of a message: only how much
  note,                // TLS, log-ins, trouble
};

struct Conversation {
  enum class Side : std::uint8_t { incoming, outgoing };

  explicit Conversation(Side s = Side::incoming, std::uint64_t n = 0) noexcept : number(n), side(s) {}
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation() {
    if (followed != nullptr) end();
  }

  // "i27", "o5": stands for this conversation as long as it lives, and for no other of this server.
  std::string id() const { return (side == Side::incoming ? 'i' : 'o') + std::to_string(number * processes_ + process_); }
  // Of several mail processes (16 at most) each has every 16th number: the remainder tells which. Before there is one.
  static void share_numbers(unsigned process) noexcept {
    process_ = process;
    processes_ = 16;
  }
  static unsigned process_of(std::uint64_t shown) noexcept { return static_cast<unsigned>(shown % processes_); }

  // One line without its end, or several with theirs.
  void hear(Heard what, std::string_view text) {
    if (followed != nullptr) tell(what, text);
  }
  // What may be a secret.
  void hear_secret(Heard what) { hear(what, "***"); }
  void hear_content(std::uint64_t octets);
  void hear_tls(const net::TlsInfo& info);
  // The other side has done something just now.
  void stir() noexcept { active = std::chrono::steady_clock::now(); }

  Tracing* followed = nullptr;         // Tracing's
  std::uint64_t number;
  MonotonicTime opened = std::chrono::steady_clock::now(), active = opened;
  std::uint64_t octets = 0, content = 0;         // of all contents; of the one under way
  std::uint32_t messages = 0, recipients = 0;    // taken, accepted
  Side side;
  Verb verb = Verb::noop;              // the last command, when `spoke`
  bool spoke = false, in_data = false;
  bool ended_by_admin = false;

 private:
  inline static std::uint64_t process_ = 0, processes_ = 1;
  void tell(Heard what, std::string_view text);
  void end() noexcept;
};

// A conversation as a list shows it.
struct ConversationFacts {
  ConversationFacts() = default;
  explicit ConversationFacts(const Conversation& of)
      : id(of.id()), incoming(of.side == Conversation::Side::incoming), opened(of.opened), active(of.active), octets(of.octets + of.content),
        content(of.content), messages(of.messages), recipients(of.recipients), in_data(of.in_data) {}
  std::string id;
  bool incoming = true;
  MonotonicTime opened, active;
  std::uint64_t octets = 0, content = 0;
  std::uint32_t messages = 0, recipients = 0;
  bool in_data = false;
  std::string state;                   // the last command, or the stage of ours; "connected", "idle"
  std::string address, name;           // of the other side; its HELO, or the host we meant
  std::uint16_t port = 0;
  std::string local_address;           // "" for a unix socket
  std::uint16_t local_port = 0;
  std::string service;                 // "relay", "submission", "lmtp", "local", or the transport
  std::string site;                    // outgoing
  std::string user;                    // logged in, or of this machine
  std::string tls;                     // "TLS1.3 AES_256_GCM_SHA384"; "": in clear
};

}  // namespace mansio::smtp
