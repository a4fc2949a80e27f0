// How the daemon is: one object for people and for monitoring.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "control/session.hpp"
#include "control/status.hpp"
#include "receive/receiver.hpp"

namespace mansio::control {
namespace {

Disk look_at_disk(std::string what, const std::string& directory, std::uint64_t reserve) {
  Disk out;
  out.what = std::move(what);
  out.directory = directory;
  out.reserve = reserve;
  struct statvfs facts {};
  if (::statvfs(directory.c_str(), &facts) != 0) return out;
  out.known = true;
  out.free = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  out.total = std::uint64_t{facts.f_blocks} * facts.f_frsize;
  out.files_free = facts.f_favail;
  out.files = facts.f_files;
  return out;
}

// At most `size` octets of a file's end; "" when there is none.
std::string tail_of(const std::string& path, std::size_t size) {
  auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
  struct stat facts {};
  if (!fd || ::fstat(fd->get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return {};
  auto length = static_cast<std::uint64_t>(facts.st_size);
  std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(length, size)), '\0');
  auto read = pread_all(fd->get(), out.data(), out.size(), length - out.size());
  return read ? out : std::string();
}

}  // namespace

// Reads the disk: for a thread.
static Machine look_at_machine(const Facts& facts) {
  constexpr std::uint64_t log_reserve = 64u << 20, tail_size = 8192;
  Machine out;
  out.disks.push_back(look_at_disk("spool", facts.spool_directory, facts.reserve));
  out.disks.push_back(look_at_disk("log", facts.log_directory, log_reserve));
  out.panic = last_line(tail_of(facts.log_directory + "/paniclog", tail_size));
  return out;
}

void describe_queue(const queue::Queue& queue, StatusNumbers& numbers) {
  numbers.messages = queue.spool.messages();
  numbers.trying = queue.under_way();
  numbers.complete = !queue.spool.recovering();
  numbers.destinations = queue.lanes().sites(false);
  std::size_t in_lanes = 0;
  for (const auto& site : numbers.destinations) {
    in_lanes += site.ready;
    if (site.held) numbers.paused += site.ready;
    else if (site.closed_until != Time()) numbers.closed += site.ready;
    else numbers.due += site.ready;
  }
  numbers.waiting = queue.waiting() - std::min(queue.waiting(), in_lanes);
  // What is neither in a lane, nor waiting for its time, nor being tried was laid aside: it is frozen.
  std::size_t known = queue.waiting() + numbers.trying;
  numbers.frozen = numbers.complete && numbers.messages > known ? numbers.messages - known : 0;
}

event::Task<> Session::status() {
  Facts facts;
  if (services_.facts) facts = services_.facts();
  auto look = [&] { return look_at_machine(facts); };
  Machine machine = co_await services_.threads.run(look);
  StatusNumbers numbers;
  describe_queue(queue_, numbers);
  numbers.outgoing = queue_.remote.connections();
  if (services_.receiver != nullptr) {
    numbers.incoming = services_.receiver->connections();
    numbers.incoming_most = services_.receiver->config()->limits.connections;
    for (const auto& listener : facts.listeners) {
      event::Endpoint at;
      at.address = listener.unix_path().empty() ? listener.address : std::string();
      at.port = listener.port;
      numbers.at_listener.push_back(services_.receiver->sessions_at(at, listener.unix_path()));
    }
  }
  numbers.pauses = queue_.pauses().all();
  if (auto accepting = queue_.spool.accepting(); !accepting) numbers.spool_trouble = accepting.error().text();
  Json out = status_object(facts, machine, numbers, std::chrono::system_clock::now());
  out["fingerprint"] = queue_.config()->fingerprint;      // of the configuration in use: `mansioctl check` compares it
  if (from_peer_) out["mail_pid"] = ::getpid();
  if (services_.metrics != nullptr) out["rates"] = rates_object(*services_.metrics);
  end(std::move(out));
}

}  // namespace mansio::control
