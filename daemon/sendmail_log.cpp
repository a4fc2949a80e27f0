#include "sendmail_log.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::sendmail {
namespace {

constexpr std::size_t line_limit = 10'000;

struct Search {
  const std::vector<std::string>& ids;
  std::size_t found = 0;
};

void search_file(std::FILE* file, Search& search) {
  char* line = nullptr;
  std::size_t size = 0;
  while (search.found < line_limit) {
    ssize_t length = ::getline(&line, &size, file);
    if (length < 0) break;
    std::string_view text(line, static_cast<std::size_t>(length));
    for (const std::string& id : search.ids) {
      if (!names_id(text, id)) continue;
      ++search.found;
      std::fwrite(text.data(), 1, text.size(), stdout);
      break;
    }
  }
  std::free(line);
}

}  // namespace

bool names_id(std::string_view line, std::string_view id) {
  auto in_id = [](char c) { return is_alnum(c) || c == '-'; };
  for (auto at = line.find(id); at != std::string_view::npos; at = line.find(id, at + 1)) {
    bool begins = at == 0 || !in_id(line[at - 1]);
    bool ends = at + id.size() == line.size() || !in_id(line[at + id.size()]);
    if (begins && ends) return true;
  }
  return false;
}

Exit show_log(const std::string& log_directory, const Options& options) {
  Search search{options.arguments};
  for (const char* name : {"/mainlog.1", "/mainlog"}) {
    auto fd = open_file(log_directory + name, O_RDONLY | O_NONBLOCK);
    if (!fd && fd.error().fault() == Fault::not_found) continue;
    if (!fd) {
      fmt::print(stderr, "sendmail: {}\n", fd.error().text());
      return fd.error().fault() == Fault::denied || fd.error().sys() == EACCES ? Exit::no_permission : Exit::io;
    }
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(::fdopen(fd->get(), "r"), std::fclose);
    if (!file) return Exit::os;
    fd->release();
    search_file(file.get(), search);
  }
  if (search.found == line_limit) fmt::print(stderr, "sendmail: only the first {} lines are shown\n", line_limit);
  if (search.found > 0) return Exit::ok;
  fmt::print(stderr, "sendmail: {}/mainlog says nothing of it\n", log_directory);
  return Exit::failure;
}

}  // namespace mansio::sendmail
