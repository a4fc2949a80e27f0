// Where one recipient's mail goes: the answer of the router. Decided anew at each attempt (design: the spool stores the
// envelope alone), so nothing here outlives a delivery.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "config/config.hpp"
#include "event/task.hpp"
#include "mail/address.hpp"

namespace mansio::route {

// A user of the system, as its database has it.
struct User {
  User() = default;
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home, gecos;
  std::optional<std::string> forward;      // text of ~/.forward, when asked for and there
};

// Implemented over the delivery agents; owned by the router's side. An Error defers: the answer isn't known.
struct UserDirectory {
  virtual event::Task<Result<std::optional<User>>> find(std::string name, bool with_forward) = 0;

 protected:
  ~UserDirectory() = default;
};

enum class DestinationKind : std::uint8_t {
  mailbox,     // the transport's maildir or mbox, in `path`
  program,     // `command`, of a pipe transport or of an alias
  file,        // an alias's "/file": an mbox in `path`
  drop,        // the transport's drop directory
  remote,      // smtp or lmtp, by the transport
  discard,     // :blackhole:
};

struct Destination {
  Destination(DestinationKind k, mail::Address final_address, mail::Address original_address)
      : kind(k), address(std::move(final_address)), original(std::move(original_address)) {}

  DestinationKind kind;
  mail::Address address;         // after aliases: Delivered-To, or the RCPT of the next hop
  mail::Address original;        // as the envelope has it
  std::string route;             // name of the route; "aliases" for what an alias holds itself
  std::shared_ptr<const config::Transport> transport;    // null for program and file of an alias, and discard
  uid_t uid = 0;
  gid_t gid = 0;
  std::string user;              // system user whose groups are taken, or "" for `gid` alone
  std::string home, path;
  std::vector<std::string> command, environment;

  // The same for the same place: one message goes there once. Also the stable part of a Maildir file name.
  std::string key() const;
};

// One branch of the aliases that can't be delivered to, and why.
struct Refusal {
  Refusal(mail::Address a, Status s) : address(std::move(a)), status(std::move(s)) {}
  mail::Address address;
  Status status;
};

struct Resolution {
  Resolution() = default;
  std::vector<Destination> destinations;
  std::vector<Refusal> refusals;

  // For a caller that keeps one state a recipient: ok, or the first temporary refusal, or the first permanent one.
  Status status() const;
};

}  // namespace mansio::route
