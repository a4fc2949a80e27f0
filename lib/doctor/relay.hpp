// What a stranger tries to send mail through us to somebody else. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "event/stream.hpp"

namespace mansio::doctor {

struct RelayTry {
  RelayTry(std::string s, std::string r, bool f) : sender(std::move(s)), recipient(std::move(r)), foreign(f) {}
  std::string sender, recipient;     // as they stand between the brackets
  bool foreign;                      // no domain of ours is in it: to accept it is to relay. Else a catch-all may take it
};

// `foreign`: a domain that is not ours; `local`: one that is, or "".
std::vector<RelayTry> relay_tries(const std::string& foreign, const std::string& local, const std::string& own_address);

// Where to connect to a listener: any of its addresses, and one from which this machine is a stranger to itself (the
// source address is the same as the one that is connected to).
struct Viewpoint {
  Viewpoint() = default;
  event::Endpoint any, stranger;     // address "": there is none
};
Viewpoint viewpoint_of(const config::Config& config, const config::Listener& listener, const std::vector<std::string>& interfaces);

}  // namespace mansio::doctor
