#include "ctl/daemon_link.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/text.hpp"
#include "config/instance.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"
#include "sendmail_socket.hpp"

namespace mansio::ctl {
namespace {

constexpr std::size_t answer_line_limit = 64u << 20;      // a message with very many recipients

// The string that run_directory is given, in a file that may be no configuration at the moment. Comments are left out.
std::string spelled_out(std::string_view text) {
  constexpr std::string_view name = "run_directory";
  for (std::string_view line : split(text, '\n')) {
    line = line.substr(0, std::min(line.find('#'), line.find("//")));
    auto at = line.find(name);
    if (at == std::string_view::npos) continue;
    line = trim(line.substr(at + name.size()));
    if (!line.starts_with('=') && !line.starts_with(':')) continue;
    auto begin = line.find('"');
    auto end = begin == std::string_view::npos ? begin : line.find('"', begin + 1);
    if (end != std::string_view::npos) return std::string(line.substr(begin + 1, end - begin - 1));
  }
  return {};
}

// A configuration with mistakes still tells where the daemon is that runs with the one before: whoever reloads has to be told
// of the mistakes by it.
std::string run_directory(const std::string& config_file) {
  auto loaded = config::load(config_file);
  if (loaded) return (*loaded)->run_directory;
  std::string found;
  if (auto sources = config::read_sources(config_file)) {
    for (const config::Source& source : *sources) {
      if (found.empty()) found = spelled_out(source.text);
    }
  }
  if (found.empty()) return config::used_instance().empty() ? "/run/mansio" : "/run/mansio-" + config::used_instance();
  return config::resolve_path(found, config_file.substr(0, config_file.rfind('/')));
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int complain_of(const Invocation& invocation, const std::string& socket, const Error& error) {
  if (error.fault() == Fault::denied || error.sys() == EACCES) {
    return complain(invocation, denied, "you may not use the daemon's control socket " + socket);
  }
  return complain(invocation, unavailable, "the daemon doesn't run, or it runs with another configuration (" + error.text() + ")");
}

}  // namespace

DaemonLink::DaemonLink(const Invocation& invocation)
    : content(print), invocation_(invocation), socket_(run_directory(invocation.config_file) + "/control.sock") {}

int DaemonLink::ask(const Json& question, const std::function<bool(const Json&)>& each,
                    const std::function<int(const Json&)>& last) const {
  auto fd = sendmail::connect_unix(socket_);
  if (!fd) return complain_of(invocation_, socket_, fd.error());
  timeval patience{patience_.value_or(0), 0};
  ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sendmail::LineSocket daemon(std::move(*fd));
  auto sent = daemon.send(question.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n');
  while (sent) {
    auto line = daemon.read_line(answer_line_limit);
    if (!line) return complain(invocation_, busy, line.error().text());
    Json object = Json::parse(*line, nullptr, false);
    if (!object.is_object()) return complain(invocation_, software, "the daemon's answer is no JSON object");
    if (object.contains("error")) {
      // The daemon is older or newer than this program, or it says no.
      return complain(invocation_, flag_of(object, "denied") ? denied : failed, text_of(object, "error"));
    }
    if (flag_of(object, "end")) {
      for (const Json& number : list_of(object, "missing")) fmt::print(stderr, "mansioctl: mail process {} does not answer\n", number.dump());
      return last(object);
    }
    if (std::int64_t bytes = number_of(object, "bytes"); bytes > 0 && object.size() == 1) {
      sent = daemon.read_bytes(static_cast<std::uint64_t>(bytes), content);
    } else if (!each(object)) {
      return done;
    }
  }
  return complain(invocation_, busy, sent.error().text());
}

int DaemonLink::ask(const Json& question, const std::function<int(const Json&)>& last) const {
  return ask(question, [](const Json&) { return true; }, last);
}

bool is_still_read(const Json& end) { return !flag_of(end, "complete") && !end.contains("missing"); }

std::string text_of(const Json& object, std::string_view key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_of(const Json& object, std::string_view key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

bool flag_of(const Json& object, std::string_view key) {
  auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const Json& list_of(const Json& object, std::string_view key) {
  static const Json none = Json::array();
  auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : none;
}

}  // namespace mansio::ctl
