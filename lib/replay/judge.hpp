// What one configuration decides about one recipient: the verdict at RCPT and the ways the mail would go, by the daemon's own
// policy and router. No name server is asked: a way to other hosts ends with what the transport says of them.
#pragma once
#include <string>
#include <vector>

#include "policy/recipient.hpp"
#include "replay/envelope.hpp"
#include "route/router.hpp"

namespace mansio::replay {

// How the place of a way begins that ends in a refusal.
inline constexpr const char* refused_place = "refused: ";

// One end of the recipient's aliases.
struct Way {
  Way() = default;
  std::string address;           // the final one
  std::string route, transport;
  std::string place;             // path, command or directory; "nowhere"; or refused_place and the status
  std::string hosts;             // of a remote one: "MX", or the transport's, with its port
  std::string user;              // of a local one: "bob", "uid 1000"
  auto operator<=>(const Way&) const = default;
  std::string text() const;      // in a line, for people
};

struct Decision {
  Decision() = default;
  bool accepted = false;
  std::string answer;            // "550 5.1.1 no such user here"
  int code = 0;
  std::vector<Way> ways;         // sorted; none of a recipient that is refused
};

class Judge {
 public:
  // `users` outlives it, and answers at once: nothing here runs on a loop.
  Judge(route::TablesPtr tables, route::UserDirectory& users, route::RouterOptions options);

  Decision decide(const Envelope& envelope, const std::string& recipient);
  // Envelopes of which this is equal have equal decisions for the same recipient and sender.
  config::Match may_relay(const Envelope& envelope) const;

 private:
  std::vector<Way> ways(const mail::Address& address, const std::string& sender);
  Way way(const route::Destination& destination) const;

  route::TablesPtr tables_;
  route::Router router_;
};

}  // namespace mansio::replay
