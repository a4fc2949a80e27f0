#include "history/log_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/file.hpp"
#include "base/text.hpp"
#include "history/line_source.hpp"

namespace mansio::history {
namespace {

constexpr std::size_t most_files = 400;      // of one log; the youngest by name

struct Name {
  std::string name;
  std::int64_t rank = 0;
  bool compressed = false;
};

// What logrotate makes of `log`: log.1, log.2.gz, log-20261120, log-20261120-1763636400.gz.
std::optional<Name> recognize(std::string_view file, std::string_view log) {
  Name out{std::string(file), INT64_MAX, false};
  if (file.ends_with(".gz")) {
    out.compressed = true;
    file.remove_suffix(3);
  }
  if (!file.starts_with(log)) return std::nullopt;
  std::string_view rest = file.substr(log.size());
  if (rest.empty()) return out.compressed ? std::nullopt : std::optional(out);
  std::string number;
  for (char c : rest.substr(1)) {
    if (is_digit(c)) number += c;
    else if (c != '-' && c != '_') return std::nullopt;
  }
  auto value = parse_number(number.substr(0, 18));
  if (!value || (rest[0] != '.' && rest[0] != '-')) return std::nullopt;
  out.rank = rest[0] == '.' ? -static_cast<std::int64_t>(*value) : static_cast<std::int64_t>(*value);
  return out;
}

Result<std::vector<Name>> list(const std::string& directory, const std::string& log) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), ::closedir);
  if (!dir) return fail_errno("read " + directory);
  std::vector<Name> out;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (auto name = recognize(entry->d_name, log)) out.push_back(std::move(*name));
  }
  // While logrotate compresses a file, both are there, and the plain one is whole.
  auto has_plain = [&](const Name& packed) {
    return std::ranges::any_of(out, [&](const Name& other) { return !other.compressed && other.name + ".gz" == packed.name; });
  };
  std::vector<Name> kept;
  for (const Name& name : out) {
    if (!name.compressed || !has_plain(name)) kept.push_back(name);
  }
  std::ranges::sort(kept, std::ranges::greater(), &Name::rank);
  if (kept.size() > most_files) kept.resize(most_files);
  return kept;
}

// The time of the first line that has one; nullopt: no log at all.
std::optional<Time> first_time(const LogFile& file) {
  LineParser parser;
  auto lines = forward_lines(file, 0, "");
  std::string_view line;
  for (int left = 1000; left > 0 && lines->next(line); --left) {
    if (auto time = parser.time_of(line)) return time;
  }
  return std::nullopt;
}

void open_one(const std::string& path, std::int64_t rank, LogFiles& out) {
  auto fd = open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat st {};
  if (!fd) {
    if (fd.error().fault() != Fault::not_found) out.problems.push_back(fd.error().text());
    return;
  }
  if (::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) {
    out.problems.push_back(path + " is no file");
    return;
  }
  LogFile file{path, std::move(*fd), path.ends_with(".gz"), static_cast<std::uint64_t>(st.st_size), st.st_dev, st.st_ino, {}, rank};
  for (const LogFile& other : out.files) {
    if (other.device == file.device && other.inode == file.inode) return;
  }
  out.files.push_back(std::move(file));
}

bool still_there(const LogFile& file) {
  struct stat st {};
  return ::stat(file.path.c_str(), &st) == 0 && st.st_dev == file.device && st.st_ino == file.inode;
}

void put_in_order(LogFiles& out) {
  for (LogFile& file : out.files) file.first = first_time(file).value_or(Time::max());
  std::erase_if(out.files, [](const LogFile& file) { return file.first == Time::max(); });
  std::ranges::sort(out.files, {}, [](const LogFile& file) { return std::pair(file.first, file.rank); });
}

}  // namespace

Result<LogFiles> open_logs(const std::string& directory, const std::string& log) {
  LogFiles out;
  // A rotation between listing and opening shows: the names mean other files now. Then all is done again.
  for (int left = 5; left > 0; --left) {
    auto names = list(directory, log);
    if (names && names->empty()) names = list(directory, log + ".json");
    if (!names) return std::unexpected(names.error());
    out = LogFiles{};
    for (const Name& name : *names) open_one(directory + "/" + name.name, name.rank, out);
    if (out.files.size() + out.problems.size() == names->size() && std::ranges::all_of(out.files, still_there)) break;
  }
  if (out.files.empty() && out.problems.empty()) return fail(Fault::not_found, "there is no " + log + " in " + directory);
  put_in_order(out);
  return out;
}

LogFiles open_logs(const std::vector<std::string>& paths) {
  LogFiles out;
  for (const std::string& path : paths) {
    std::size_t before = out.files.size() + out.problems.size();
    open_one(path, static_cast<std::int64_t>(before), out);
    if (out.files.size() + out.problems.size() == before && ::access(path.c_str(), F_OK) != 0) {
      out.problems.push_back(path + ": no such file");
    }
  }
  put_in_order(out);
  return out;
}

}  // namespace mansio::history
