// A directory of its own for a test, a message in a file, and what a mailbox holds afterwards.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

class Scratch {
 public:
  Scratch() {
    std::signal(SIGPIPE, SIG_IGN);   // as prepare_process has it in an agent
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base == nullptr ? "/tmp" : base) + "/mansio-deliver-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  // A segment as the spool has them: other bytes stand around the message.
  UniqueFd message(Job& job, const std::string& content) {
    auto name = path_ + "/segment";
    std::ofstream(name, std::ios::binary) << "before" << content << "after\r\n";
    job.message = {7, 6, content.size()};
    return UniqueFd(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  }

 private:
  std::string path_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(path, none)) out.push_back(entry.path().filename().string());
  return out;
}

inline Job job_for(JobKind kind, const std::string& path) {
  Job job;
  job.serial = 42;
  job.kind = kind;
  job.uid = ::geteuid();
  job.gid = ::getegid();
  job.path = path;
  job.name = "1700000000.A1b2C3_d4";
  job.prefix = "Return-Path: <a@x.test>\r\nDelivered-To: bob@y.test\r\n";
  job.sender = "a@x.test";
  return job;
}

}  // namespace mansio::deliver
