// Where lines go besides the files: journald, syslog, stderr. None of them is ever waited for; what they can't take
// at once is lost to them (journald's native protocol is spoken here because sd_journal_send blocks when journald
// is stuck, S-145).
#pragma once
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "log/event.hpp"

namespace mansio::log {

// A datagram socket of a service on this machine, connected when first used and again after an error.
class DatagramSink {
 public:
  explicit DatagramSink(std::string path) : path_(std::move(path)) {}
  bool send(std::string_view datagram);

 private:
  std::string path_;
  UniqueFd fd_;
};

// One entry in journald's native protocol: "KEY=value" lines. `line` is the text line without time stamp.
std::string journal_entry(const Event& event, std::string_view line, std::string_view program = "mansiod");
// One datagram of RFC 3164's local form for /dev/log, facility mail: "<22>mansiod[123]: line".
std::string syslog_entry(std::string_view line, bool urgent, std::string_view program = "mansiod");

// Is stderr connected to the journal (systemd's JOURNAL_STREAM, "device:inode")?
bool stderr_is_journal();
// Writes what stderr takes without blocking; false when some was dropped.
bool write_stderr(std::string_view lines);

}  // namespace mansio::log
