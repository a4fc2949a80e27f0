#include "file_access.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"

namespace mansio::daemon {
namespace {

namespace fs = std::filesystem;

constexpr int least_version = 2;                                // before it no file could change its directory (Linux 5.19)
constexpr std::uint64_t truncate_right = 1u << 14;              // since version 3, which this header may be older than
constexpr std::uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
constexpr std::uint64_t of_directories = LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                         LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                         LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;

class Rules {
 public:
  Rules() = default;

  Result<> open() {
    auto version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) return fail_errno("Landlock");
    if (version < least_version) return fail(Fault::not_found, "Landlock: this kernel's is too old");
    if (version > least_version) more_ = truncate_right;
    landlock_ruleset_attr about{};
    about.handled_access_fs = of_files | of_directories | never | more_;
    rules_.reset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &about, sizeof about, 0)));
    if (!rules_) return fail_errno("Landlock");
    return {};
  }

  // Everything but what is never done, in and below `path`. What isn't there, or is a link, needs no rule.
  Result<> allow(const std::string& path) {
    UniqueFd at(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat st {};
    if (!at || ::fstat(at.get(), &st) != 0 || S_ISLNK(st.st_mode)) return {};
    landlock_path_beneath_attr rule{};
    rule.allowed_access = of_files | more_ | (S_ISDIR(st.st_mode) ? of_directories : 0);
    rule.parent_fd = at.get();
    if (::syscall(SYS_landlock_add_rule, rules_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) return fail_errno("Landlock: " + path);
    return {};
  }

  Result<> apply() {
    if (::syscall(SYS_landlock_restrict_self, rules_.get(), 0) != 0) return fail_errno("Landlock");
    return {};
  }

 private:
  UniqueFd rules_;
  std::uint64_t more_ = 0;
};

// "0" to "255" are shards.
bool is_shard(const std::string& name) { return parse_number(name).has_value(); }

// All that is in `directory`, but `way` and, in the spool, the other shards.
Result<> allow_beside(Rules& rules, const fs::path& directory, const std::string& way, bool spool) {
  std::error_code wrong;
  for (fs::directory_iterator at(directory, wrong), end; !wrong && at != end; at.increment(wrong)) {
    std::string name = at->path().filename();
    if (name == way || (spool && is_shard(name))) continue;
    std::error_code gone;
    // A file that is replaced by rename is another one for Landlock: it would be out of reach from then on.
    if (!spool && directory != "/" && at->is_regular_file(gone) && !at->is_symlink(gone)) {
      return fail(Fault::denied, fmt::format("the mail processes' shards are not kept from each other, since spool_directory has files beside it or above it "
                                             "({}): give it a directory of its own", at->path().native()));
    }
    if (auto allowed = rules.allow(at->path()); !allowed) return allowed;
  }
  return {};
}

Result<> allow_all_but_other_shards(Rules& rules, const std::string& spool_directory, int number) {
  std::error_code wrong;
  fs::path spool = fs::canonical(spool_directory, wrong);
  if (wrong) return fail(Fault::not_found, "Landlock: " + spool_directory + ": " + wrong.message());
  fs::path at = spool.root_path();
  for (const fs::path& part : spool.relative_path()) {
    if (auto allowed = allow_beside(rules, at, part, false); !allowed) return allowed;
    at /= part;
  }
  std::string own = fmt::format("{}", number);
  if (auto allowed = allow_beside(rules, spool, own, true); !allowed) return allowed;
  // What needs the spool's own directory is done before that is out of reach.
  auto made = make_directory(spool / own, 0750);
  if (made) made = sync_directory(spool);
  if (!made) return made;
  return rules.allow(spool / own);
}

}  // namespace

Result<> restrict_files(const std::string& spool_directory, int number, int count) {
  Rules rules;
  if (auto opened = rules.open(); !opened) return fail(opened.error().fault(), opened.error().text() + ": mail processes are not kept from executing programs or from each other's shards");
  Result<> apart;
  if (count > 1) apart = allow_all_but_other_shards(rules, spool_directory, number);
  if (count == 1 || !apart) {
    if (auto allowed = rules.allow("/"); !allowed) return allowed;
  }
  if (auto applied = rules.apply(); !applied) return applied;
  return apart;
}

}  // namespace mansio::daemon
