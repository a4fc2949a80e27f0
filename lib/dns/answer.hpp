// What the name system says about one question. The ways in which a name can't be resolved are different values,
// because only proven non-existence may bounce mail (RFC 5321 §5.1); everything else defers it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/quantity.hpp"

namespace mansio::dns {

enum class Type : std::uint16_t { a = 1, cname = 5, ptr = 12, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };

enum class Outcome : std::uint8_t {
  found,
  nxdomain,        // proven: the name does not exist (RFC 8020: nor anything below it)
  no_data,         // proven: the name exists, but has no record of this type (RFC 2308 §2.2)
  failed,          // SERVFAIL, REFUSED, a broken answer: from every server that was asked
  timed_out,       // no server answered
  no_resources,    // out of descriptors or memory: our own trouble
  bad_name,        // not a name that can be asked for: empty label, over 63 or 255 octets
};

struct Mx {
  Mx(std::uint16_t p, std::string h) : preference(p), host(std::move(h)) {}
  std::uint16_t preference;
  std::string host;            // lower case, no trailing dot; "" is the root: "0 ." is a null MX (RFC 7505)
};

struct Tlsa {                  // RFC 6698 §2.1
  std::uint8_t usage = 0, selector = 0, matching = 0;
  std::string data;            // octets
};

struct Answer {
  Answer() = default;
  Outcome outcome = Outcome::failed;
  bool secure = false;                   // AD bit: the resolver validated it (RFC 4035 §3.2.3)
  std::string name;                      // the owner of the records, after CNAMEs; lower case, no trailing dot
  // In the order of the packet. A record that can't be used (a host that is no host name) is left out of this and the
  // following. `found` with nothing in them: there are records, and no other kind may stand in for them
  // (RFC 5321 §5.1).
  std::vector<Mx> mx;
  std::vector<std::string> addresses;    // A, AAAA: as inet_ntop writes them
  std::vector<std::string> names;        // PTR, CNAME targets: as Mx::host; a label with anything but letters, digits,
                                         // '-' and '_' makes the name unusable: it is left out
  std::vector<std::string> texts;        // TXT: the strings of one record joined, octets as they came
  std::vector<Tlsa> tlsa;
  Duration ttl{};                        // what is left of it when the answer is given

  bool found() const noexcept { return outcome == Outcome::found; }
  bool proven_absent() const noexcept { return outcome == Outcome::nxdomain || outcome == Outcome::no_data; }
};

// "host not found (NXDOMAIN)", "name servers did not answer in time", …: for a log line or a bounce.
std::string describe(Outcome outcome);

}  // namespace mansio::dns
