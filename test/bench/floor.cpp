// floor DIRECTORY COUNT PROCESSES BATCH: the least that delivering into a Maildir can cost on this file system: COUNT files of
// 4 KiB written to tmp/, synced, renamed into new/, and new/ synced once for BATCH of them, by PROCESSES side by side. No SMTP,
// no queue, nothing asked. Prints one line of JSON: rate, and CPU time a message.
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr std::size_t size = 4096 + 300;      // with the headers that a delivery puts before it

void need(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::_Exit(1);
}

struct Folders {
  int tmp, fresh;
};

void deliver_batch(const Folders& maildir, const std::string& content, int first, int end) {
  std::vector<int> files;
  auto name = [](int number) { return "1764000000.M" + std::to_string(number) + ".host.example"; };
  for (int number = first; number < end; ++number) {
    int file = ::openat(maildir.tmp, name(number).c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    need(file >= 0 && ::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()), "write");
    ::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
    files.push_back(file);
  }
  for (int file : files) need(::fsync(file) == 0, "fsync");
  for (int number = first; number < end; ++number) {
    need(::renameat2(maildir.tmp, name(number).c_str(), maildir.fresh, name(number).c_str(), RENAME_NOREPLACE) == 0, "rename");
    ::close(files[static_cast<std::size_t>(number - first)]);
  }
  need(::fsync(maildir.fresh) == 0, "fsync new");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 64;
  std::string place = arguments[1];
  int messages = std::atoi(arguments[2]), processes = std::atoi(arguments[3]), batch = std::atoi(arguments[4]);
  need(::mkdir((place + "/tmp").c_str(), 0700) == 0 && ::mkdir((place + "/new").c_str(), 0700) == 0, place.c_str());
  Folders maildir{::open((place + "/tmp").c_str(), O_RDONLY), ::open((place + "/new").c_str(), O_RDONLY)};
  std::string content(size, 'x');
  auto begin = std::chrono::steady_clock::now();
  for (int process = 0; process < processes; ++process) {
    if (::fork() != 0) continue;
    for (int first = process * batch; first < messages; first += processes * batch) {
      deliver_batch(maildir, content, first, std::min(first + batch, messages));
    }
    std::_Exit(0);
  }
  for (int status = 0; ::wait(&status) > 0;) need(status == 0, "a process failed");
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  rusage use{};
  ::getrusage(RUSAGE_CHILDREN, &use);
  double cpu = static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
  std::printf("{\"delivered/s\": %.1f, \"CPU ms/message\": %.4f}\n", messages / seconds, cpu * 1000 / messages);
}
