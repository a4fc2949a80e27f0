#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "ctl/setup.hpp"

namespace mansio::ctl {
namespace {

// The mode and owner that a file has, or gets.
struct Standing {
  bool there = false;
  mode_t mode = 0644;
  uid_t owner = static_cast<uid_t>(-1);
  gid_t group = static_cast<gid_t>(-1);
};

Standing standing_of(const setup::FileChange& change) {
  Standing out;
  struct stat st {};
  if (::stat(change.path.c_str(), &st) == 0) {
    out = {true, st.st_mode & 07777, st.st_uid, st.st_gid};
  }
  if (change.secret) out.mode = 0600;
  return out;
}

Result<> write_one(const setup::FileChange& change, const Standing& standing) {
  auto slash = change.path.rfind('/');
  std::string directory = change.path.substr(0, slash);
  // conf.d, and of an instance the directory that holds it.
  for (const std::string& wanted : {directory.substr(0, directory.rfind('/')), directory}) {
    if (::access(wanted.c_str(), F_OK) == 0) continue;
    auto made = make_directory(wanted, 0755);
    if (!made) return made;
  }
  return replace_file(change.path, change.after, standing.mode, standing.owner, standing.group);
}

void put_back(const setup::FileChange& change, const Standing& standing) {
  if (standing.there) (void)replace_file(change.path, change.before, standing.mode, standing.owner, standing.group);
  else ::unlink(change.path.c_str());
}

}  // namespace

Result<> write_changes(const std::vector<setup::FileChange>& changes) {
  std::vector<Standing> standings;
  for (const setup::FileChange& change : changes) {
    standings.push_back(standing_of(change));
    auto written = write_one(change, standings.back());
    if (written) continue;
    for (std::size_t i = standings.size() - 1; i-- > 0;) put_back(changes[i], standings[i]);
    return written;
  }
  return {};
}

}  // namespace mansio::ctl
