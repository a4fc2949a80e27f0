#include "memory_file.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "crypto/secret.hpp"

namespace mansio::daemon {
namespace {

constexpr std::size_t size_limit = 64 << 20;

}  // namespace

Result<UniqueFd> write_memory_file(const char* name, const std::vector<std::string_view>& texts) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create");
  std::uint64_t at = 0;
  for (std::string_view text : texts) {
    std::string length = std::to_string(text.size()) + "\n";
    auto written = pwrite_all(fd.get(), length, at);
    if (written) written = pwrite_all(fd.get(), text, at + length.size());
    if (!written) return std::unexpected(written.error());
    at += length.size() + text.size();
  }
  return fd;
}

Result<std::vector<std::string>> read_memory_file(int fd, const char* what) {
  if (::lseek(fd, 0, SEEK_SET) != 0) return fail_errno(what);
  auto bytes = read_fd(fd, size_limit);
  if (!bytes) return std::unexpected(bytes.error());
  std::vector<std::string> out;
  bool whole = true;
  for (std::string_view rest = *bytes; !rest.empty() && whole;) {
    auto end = rest.find('\n');
    auto length = parse_number(rest.substr(0, end));
    whole = end != std::string_view::npos && length && *length <= rest.size() - end - 1;
    if (!whole) break;
    out.emplace_back(rest.substr(end + 1, static_cast<std::size_t>(*length)));
    rest.remove_prefix(end + 1 + out.back().size());
  }
  crypto::wipe(*bytes);
  if (!whole) return fail(Fault::invalid, fmt::format("{}: broken", what));
  return out;
}

}  // namespace mansio::daemon
