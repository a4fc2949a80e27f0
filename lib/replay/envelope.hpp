// Envelopes out of our logs: what came, from whom, for whom. An arrival is one with all its recipients; a refused RCPT one
// with that recipient alone. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "history/line.hpp"

namespace mansio::replay {

struct Envelope {
  Envelope() = default;
  Time time{};
  std::string client;            // an address; "": a program of this machine
  std::string client_name;       // confirmed; "": none that is known
  std::string login;             // who had logged in; "": nobody
  std::string sender;            // "": <>
  std::vector<std::string> recipients;
  bool refused = false;          // it was; told for the examples, what counts is what both configurations say
};

// nullopt: the record tells of no envelope.
std::optional<Envelope> envelope_of(const history::Record& record);

}  // namespace mansio::replay
