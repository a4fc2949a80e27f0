// Files, synchronously: for disk threads, agents and start-up, never for the event loop.
// Durable means: data and name survive a power cut when the call has returned (docs/durability.md).
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio {

// open(2) with O_CLOEXEC added; EINTR is tried again.
Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0600);
Result<UniqueFd> open_file_at(int directory, const std::string& name, int flags, mode_t mode = 0600);

// Writes all of it or fails; short writes and EINTR are continued.
Result<> write_all(int fd, std::string_view bytes);
Result<> pwrite_all(int fd, std::string_view bytes, std::uint64_t offset);
// Reads exactly `size` bytes at `offset` into `buffer`; a shorter file is Fault::invalid ("ends early").
Result<> pread_all(int fd, char* buffer, std::size_t size, std::uint64_t offset);
// Whole file; longer than `limit` bytes is Fault::too_long.
Result<std::string> read_file(const std::string& path, std::size_t limit);
Result<std::string> read_fd(int fd, std::size_t limit);

Result<> sync_data(int fd);                        // fdatasync; never tried again after an error (D-003)
Result<> sync_file(int fd);                        // fsync
Result<> sync_directory(const std::string& path);  // fsync of the directory

// Replaces `path` durably: temporary beside it, write, fsync, rename, fsync of the directory.
Result<> replace_file(const std::string& path, std::string_view content, mode_t mode);
// The same with just this mode, whatever the umask, and an owner; uid or gid -1: as a new file gets it.
Result<> replace_file(const std::string& path, std::string_view content, mode_t mode, uid_t owner, gid_t group);

// mkdir when missing (the parent must exist), parent synced. An existing directory is left as it is.
Result<> make_directory(const std::string& path, mode_t mode);

}  // namespace mansio
