#include "log/log_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/file.hpp"
#include "log/json.hpp"
#include "log/text.hpp"

namespace mansio::log {

bool LogFile::open() {
  if (fd_) return true;
  auto fd = open_file(path_, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0640);
  if (!fd) {
    errno = fd.error().sys();
    return false;
  }
  fd_ = std::move(*fd);
  torn_ = false;
  return true;
}

std::size_t LogFile::append(std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::write(fd_.get(), bytes.data() + done, bytes.size() - done);
    if (n > 0) done += static_cast<std::size_t>(n);
    else if (n == 0 || errno != EINTR) break;
  }
  if (done > 0) torn_ = bytes[done - 1] != '\n';
  return done;
}

void LogFile::begin_outage(std::string doing, int sys, Time now) {
  if (outage_) return;
  outage_ = true;
  since_ = now;
  missed_ = 0;
  cause_ = Error::from_errno(sys, std::move(doing)).text();
}

bool LogFile::end_outage(Time now) {
  Stamp stamp;
  std::string text = fmt::format("log file {} could not be written from {}: {}; {} lines went elsewhere", path_,
                                 stamp.text(since_), cause_, missed_);
  Event event = Notice{"", text, true};
  std::string line = (torn_ ? "\n" : "") + (json_ ? format_json(event, now) : remark_ + format_text(event, now)) + '\n';
  if (append(line) != line.size()) return false;
  outage_ = false;
  report_ = text;
  return true;
}

std::string_view LogFile::write(std::string_view lines, Time now) {
  if (lines.empty()) return lines;
  std::size_t done = 0;
  if (!open()) {
    begin_outage("open", errno, now);
  } else if (!outage_ || end_outage(now)) {
    done = append(lines);
    if (done < lines.size()) {
      begin_outage("write", errno, now);
      if (errno == EPIPE) fd_.reset();   // a FIFO whose reader went away
      done = done == 0 ? 0 : lines.rfind('\n', done - 1) + 1;
    }
  }
  lines.remove_prefix(done);
  if (outage_) {
    missed_ += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
    tried_ = now;
  }
  return lines;
}

void LogFile::retry(Time now, Duration interval) {
  if (!outage_ || now - tried_ < interval) return;
  tried_ = now;
  if (open()) end_outage(now);
}

void LogFile::reopen() noexcept {
  fd_.reset();
  torn_ = false;
}

}  // namespace mansio::log
