// Questions to the running daemon over its control socket (man/mansio-control.7 has the protocol): one JSON object asks,
// objects on lines answer, the last with "end": true.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace mansio::ctl {

using Json = nlohmann::json;

class DaemonLink {
 public:
  // The socket is below the configuration's run_directory; with no usable configuration, of the default one.
  explicit DaemonLink(const Invocation& invocation);

  // Asks and reads the answer to its end. `each` gets every object but the last (false: no more is wanted, the connection
  // is closed), `last` the one with "end". `done`, or why not: then it was complained of already.
  int ask(const Json& question, const std::function<bool(const Json&)>& each, const std::function<int(const Json&)>& last) const;
  // For questions whose answer is one object.
  int ask(const Json& question, const std::function<int(const Json&)>& last) const;
  // Octets that follow an object with "bytes": N go here; by default to standard output.
  std::function<void(std::string_view)> content;
  // How long the daemon may take between two lines; 300 s at first. Nothing bounds a conversation that is followed.
  void patience(std::optional<int> seconds) { patience_ = seconds; }

  const std::string& socket() const noexcept { return socket_; }

 private:
  const Invocation& invocation_;
  std::string socket_;
  std::optional<int> patience_ = 300;
};

// Was the spool not read to its end when this answer was given? Of a mail process that did not answer ask() has told already.
bool is_still_read(const Json& end);

// Of an object from the daemon: "" or 0 or false when the key isn't there or is something else.
std::string text_of(const Json& object, std::string_view key);
std::int64_t number_of(const Json& object, std::string_view key);
bool flag_of(const Json& object, std::string_view key);
// An empty list when it isn't one.
const Json& list_of(const Json& object, std::string_view key);

}  // namespace mansio::ctl
