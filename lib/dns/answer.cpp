#include "dns/answer.hpp"

namespace mansio::dns {

std::string describe(Outcome outcome) {
  switch (outcome) {
    case Outcome::found: return "found";
    case Outcome::nxdomain: return "host not found (NXDOMAIN)";
    case Outcome::no_data: return "the name has no such record";
    case Outcome::failed: return "the name servers could not answer (SERVFAIL)";
    case Outcome::timed_out: return "the name servers did not answer in time";
    case Outcome::no_resources: return "out of descriptors or memory for a DNS question";
    case Outcome::bad_name: return "not a valid domain name";
  }
  return "unknown";
}

}  // namespace mansio::dns
