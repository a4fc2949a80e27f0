#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <memory>

#include "base/file.hpp"
#include "base/text.hpp"
#include "metrics/metrics.hpp"

namespace mansio::metrics {
namespace {

// Without the descriptor that reads the directory.
double open_descriptors() {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir("/proc/self/fd"), ::closedir);
  int count = -3;                              // ".", ".." and its own
  while (dir && ::readdir(dir.get()) != nullptr) ++count;
  return count > 0 ? count : 0;
}

double page_bytes(std::string_view word) { return static_cast<double>(parse_number(word).value_or(0)) * static_cast<double>(::sysconf(_SC_PAGESIZE)); }

// proc(5): field 22 of stat, in ticks since the machine started.
double start_time() {
  auto stat = read_file("/proc/self/stat", 4096);
  auto close = stat ? stat->rfind(')') : std::string::npos;
  if (close == std::string::npos) return 0;
  auto fields = split(std::string_view(*stat).substr(close + 1), ' ');
  if (fields.size() < 21) return 0;
  timespec boot{}, now{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  ::clock_gettime(CLOCK_REALTIME, &now);
  double began = static_cast<double>(parse_number(fields[20]).value_or(0)) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return static_cast<double>(now.tv_sec - boot.tv_sec) + began;
}

}  // namespace

void process_text(Page& page) {
  if (auto statm = read_file("/proc/self/statm", 4096)) {
    auto words = split(*statm, ' ');
    page.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", page_bytes(words[0]));
    if (words.size() > 1) page.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", page_bytes(words[1]));
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  page.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
  page.sample(seconds(usage.ru_utime) + seconds(usage.ru_stime));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  page.gauge("process_open_fds", "Number of open file descriptors.", open_descriptors());
  page.gauge("process_max_fds", "Maximum number of open file descriptors.", static_cast<double>(limit.rlim_cur));
  page.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", start_time());
}

}  // namespace mansio::metrics
