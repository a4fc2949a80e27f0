#include "table/list.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::table {
namespace {

constexpr std::size_t entry_limit = 1024;

FileStamp stamp_from(const std::string& path, const struct stat& st) {
  FileStamp stamp;
  stamp.path = path;
  stamp.exists = true;
  stamp.device = st.st_dev;
  stamp.inode = st.st_ino;
  stamp.size = st.st_size;
  stamp.modified = st.st_mtim;
  stamp.owner = st.st_uid;
  stamp.mode = st.st_mode;
  return stamp;
}

}  // namespace

bool FileStamp::operator==(const FileStamp& other) const noexcept {
  return path == other.path && exists == other.exists && device == other.device && inode == other.inode && size == other.size &&
         modified.tv_sec == other.modified.tv_sec && modified.tv_nsec == other.modified.tv_nsec && owner == other.owner && mode == other.mode;
}

Result<std::vector<std::string>> parse_list(std::string_view text) {
  std::vector<std::string> out;
  std::size_t number = 0;
  for (auto line : split(text, '\n')) {
    ++number;
    line = trim(line);
    if (line.empty() || line[0] == '#') continue;
    if (line.size() > entry_limit || has_control(line)) {
      return fail(Fault::invalid, fmt::format("line {}: {}", number, line.size() > entry_limit ? "longer than 1024 bytes" : "holds a control character"));
    }
    out.emplace_back(line);
  }
  return out;
}

Result<TableFile> read_table_file(const std::string& path) {
  auto fd = open_file(path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
  if (!fd) return std::unexpected(fd.error());
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return fail_errno("stat " + path);
  if (!S_ISREG(st.st_mode)) return fail(Fault::denied, path + ": not a regular file");
  auto text = read_fd(fd->get(), max_table_size);
  if (!text) return fail(text.error().fault(), path + ": " + text.error().text(), text.error().sys());
  return TableFile{stamp_from(path, st), std::move(*text)};
}

FileStamp stamp_of(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0) return stamp_from(path, st);
  FileStamp none;
  none.path = path;
  return none;
}

bool has_changed(const FileStamp& stamp) { return stamp_of(stamp.path) != stamp; }

std::string path_of_look_up(std::string_view name) {
  constexpr std::string_view prefix = "file:";
  return name.starts_with(prefix) ? std::string(name.substr(prefix.size())) : std::string();
}

}  // namespace mansio::table
