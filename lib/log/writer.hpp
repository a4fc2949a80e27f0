// What the log thread does with a batch of events: formats them, writes each log file with one call, copies to
// stderr and journald, and falls back to stderr and syslog for lines that a file doesn't take. Synchronous; one
// thread uses it.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log/log_file.hpp"
#include "log/sinks.hpp"
#include "log/text.hpp"
#include "log/w3c.hpp"

namespace mansio::log {

enum class Format : std::uint8_t { text, json, both };   // both: JSON beside the text, in mainlog.json and so on

struct LoggerOptions {
  std::string directory;                  // "": no files
  Format format = Format::text;
  bool copy_to_stderr = false;            // --foreground
  bool w3c = false;                       // w3clog
  std::vector<std::string> w3c_fields;    // none: all of w3c.hpp
  bool journal = false;                   // copy to journald, when stderr is its stream
  std::size_t queue_limit = 50'000;       // events
  Duration retry_interval{1000};          // between attempts to use a log file that failed
  std::string program = "mansiod";        // as the journal and syslog are told
  std::string journal_socket = "/run/systemd/journal/socket", syslog_socket = "/dev/log";
};

struct Entry {
  Time time;
  Event event;
};

class Writer {
 public:
  explicit Writer(const LoggerOptions& options);

  void add(const Entry& entry);           // into the batch
  void add(const Exchange& exchange);     // likewise; for w3clog alone
  void commit(Time now);                  // writes the batch
  void reopen();
  void retry(Time now);                   // files that failed
  bool in_outage() const;

 private:
  struct Output {                         // one file and its part of the batch
    LogFile file;
    std::string lines;
  };
  struct Channel {
    std::unique_ptr<Output> text, json;
  };

  Channel open_channel(const std::string& name) const;
  void write(Output& output, bool is_first_copy, Time now);
  void fall_back(std::string_view lines);
  void report(Time now);
  std::vector<Output*> outputs() const;

  LoggerOptions options_;
  bool journal_active_;
  Channel main_, reject_, panic_;
  std::unique_ptr<Output> w3c_;
  W3cFormat w3c_format_;
  bool header_due_ = true;                // w3clog was opened anew
  std::string copy_;                      // for stderr
  Stamp stamp_;
  DatagramSink journal_, syslog_;
};

}  // namespace mansio::log
