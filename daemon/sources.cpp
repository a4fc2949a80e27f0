#include "sources.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::daemon {
namespace {

constexpr std::size_t size_limit = 64 << 20;

void put(std::string& out, const std::string& text) { out += std::to_string(text.size()) + "\n" + text; }

std::optional<std::string> take(std::string_view& in) {
  auto end = in.find('\n');
  auto length = parse_number(in.substr(0, end));
  if (end == std::string_view::npos || !length || *length > in.size() - end - 1) return std::nullopt;
  std::string text(in.substr(end + 1, static_cast<std::size_t>(*length)));
  in.remove_prefix(end + 1 + text.size());
  return text;
}

}  // namespace

Result<UniqueFd> to_memory_file(const Sources& sources) {
  UniqueFd fd(::memfd_create("mansio-config", MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create");
  std::string bytes;
  put(bytes, sources.facts.host_name);
  put(bytes, sources.facts.mail_name);
  put(bytes, sources.facts.aliases);
  for (const auto& file : sources.files) {
    put(bytes, file.file);
    put(bytes, file.text);
  }
  auto written = pwrite_all(fd.get(), bytes, 0);
  if (!written) return std::unexpected(written.error());
  return fd;
}

Result<Sources> from_memory_file(int fd) {
  if (::lseek(fd, 0, SEEK_SET) != 0) return fail_errno("configuration from the parent");
  auto bytes = read_fd(fd, size_limit);
  if (!bytes) return std::unexpected(bytes.error());
  std::string_view rest = *bytes;
  auto broken = [] { return fail(Fault::invalid, "configuration from the parent: broken"); };
  auto host = take(rest), mail = take(rest), aliases = take(rest);
  if (!host || !mail || !aliases) return broken();
  Sources out;
  out.facts.host_name = *host;
  out.facts.mail_name = *mail;
  out.facts.aliases = *aliases;
  while (!rest.empty()) {
    auto file = take(rest), text = take(rest);
    if (!file || !text) return broken();
    out.files.push_back(config::Source{*file, *text});
  }
  return out;
}

}  // namespace mansio::daemon
