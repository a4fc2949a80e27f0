// Lists of names in files, "file:/path" of the configuration: one entry a line, "#" begins a comment line. Files are
// read whole, on a disk thread, into an immutable snapshot; a stamp of each file tells when it must be read again.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace mansio::table {

inline constexpr std::size_t max_table_size = 256u << 20;    // bytes of one file

// Entries in order, blanks around them gone, empty lines and comments left out. Fault::invalid names the line
// that holds a control byte or is longer than 1024 bytes.
Result<std::vector<std::string>> parse_list(std::string_view text);

// What a file was when it was read. One that isn't there has a stamp too: it may come.
struct FileStamp {
  std::string path;
  bool exists = false;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec modified{};
  uid_t owner = 0;
  mode_t mode = 0;
  bool operator==(const FileStamp& other) const noexcept;
};

struct TableFile {
  FileStamp stamp;
  std::string text;
};

// Blocks. A file that doesn't exist is Fault::not_found. Stamp and text belong together: both come from one open file.
Result<TableFile> read_table_file(const std::string& path);
FileStamp stamp_of(const std::string& path);
bool has_changed(const FileStamp& stamp);       // blocks for a stat

// "file:/path" → "/path"; anything else is "".
std::string path_of_look_up(std::string_view name);

}  // namespace mansio::table
