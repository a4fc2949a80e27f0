// One log file that may fail: appended to in whole lines, reopened on request, never waited for (O_NONBLOCK: a FIFO
// without a reader fails instead of blocking). While it can't be written it is in an outage: lines are handed back
// to the caller, and the first write that works again is preceded by a line that tells of the outage.
#pragma once
#include <string>
#include <string_view>

#include "base/quantity.hpp"
#include "base/unique_fd.hpp"

namespace mansio::log {

class LogFile {
 public:
  // `json`: lines about the file itself are JSON objects.
  // `remark` stands before them where the file's format wants that.
  LogFile(std::string path, bool json, std::string remark = "") : path_(std::move(path)), remark_(std::move(remark)), json_(json) {}

  // Appends `lines` (each ended by '\n'). Returns what could not be written, in whole lines; "" when all is in.
  std::string_view write(std::string_view lines, Time now);
  // In an outage: tries again, at most once in `interval`.
  void retry(Time now, Duration interval);
  // Closes the file; it is opened anew by the next write.
  void reopen() noexcept;

  bool in_outage() const noexcept { return outage_; }
  // What to tell the panic log since the last call: "" or a text such as "log file … could not be written …".
  std::string take_report() { return std::exchange(report_, {}); }

 private:
  bool open();
  void begin_outage(std::string doing, int sys, Time now);
  bool end_outage(Time now);
  std::size_t append(std::string_view bytes);   // bytes written; errno tells why it is fewer

  std::string path_, remark_;
  bool json_;
  UniqueFd fd_;
  bool torn_ = false;            // the last write ended inside a line
  bool outage_ = false;
  Time since_{}, tried_{};
  std::uint64_t missed_ = 0;     // lines
  std::string cause_, report_;
};

}  // namespace mansio::log
