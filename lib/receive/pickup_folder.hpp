// The files of one pickup directory: which may be taken, and the steps of taking one, each atomic. Nothing in the directory
// is believed: names are bytes, owners come from fstat. All of it blocks: for a thread.
//
// `.mansio` in it is ours alone (0700): `lock`, which one daemon at a time holds, and the files that are being taken, each
// as ID.NAME, where ID is the message it becomes. Taking a file:
//   1. rename to .mansio/ID.NAME, durable       2. the message ID is committed to the spool
//   3. .mansio/ID.NAME is unlinked, durable     4. only then the message may be delivered
// A crash leaves .mansio/ID.NAME in 2 or 3. As nothing is delivered before 4, the next start finds the message in the spool
// if it was ever committed: then the file is unlinked, else it goes back to its name. Nothing is lost or sent twice.
#pragma once
#include <dirent.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "base/quantity.hpp"
#include "base/unique_fd.hpp"
#include "receive/letter_file.hpp"
#include "spool/queue_id.hpp"

namespace mansio::receive {

// Is it a name of a message? Not of a hidden file, nor of one that an editor or a program is still writing (the manual
// has the list).
bool is_letter_name(std::string_view name);

// ID.NAME: what put_back() calls a file whose own name is too long or in use again.
bool is_returned_name(std::string_view name);

// For a file of this owner, looked up in the user database ("uid1000" for a uid that it doesn't know).
struct FileOwner {
  FileOwner() = default;
  std::string name;
  bool allowed = true;         // by `users`: names, and "@group" for a group's members; root and we ourselves always are
};
FileOwner owner_of_file(uid_t uid, const std::vector<std::string>& users);

class PickupFolder {
 public:
  // Opens, checks and locks. Fault::denied: it is not safe to use, or cannot be; the text says what to do. Fault::busy:
  // another daemon, or another pickup of ours, uses it.
  static Result<std::shared_ptr<PickupFolder>> open(const std::string& path);
  const std::string& path() const noexcept { return path_; }
  int fd() const noexcept { return directory_.get(); }
  bool still_there() const;                   // is it what stands at its path?

  struct Listing {
    explicit Listing(int directory);
    ~Listing();
    Listing(const Listing&) = delete;
    Listing& operator=(const Listing&) = delete;
    std::vector<std::string> next(std::size_t most);      // letter names, none at the end
    DIR* directory_ = nullptr;
  };

  struct Rules {
    Rules(mail::Domain name) : mail_name(std::move(name)) {}
    mail::Domain mail_name;
    std::vector<std::string> users;
    std::uint64_t size_limit = 0;
    std::size_t recipients = 0;
  };
  enum class What : std::uint8_t {
    ready,        // a letter that may be taken
    rejected,     // to be kept as badmail
    left,         // no file of a kind that is taken, or one that can't be read: it stays
    trouble,      // ours, not the file's: later
    gone,
  };
  struct Found {
    Found() = default;
    What what = What::gone;
    std::string name, why;                    // why: not ready
    struct stat status {};
    FileOwner owner;
    std::unique_ptr<LetterFile> letter;       // ready
  };
  Found look(const std::string& name, const Rules& rules) const;

  // 1. Fault::busy: it is not the file any more that was looked at. Durable only after sync().
  Result<> take(const Found& found, const spool::QueueId& id) const;
  Result<> sync() const;                      // both directories
  // 3. Durable after sync_taken().
  Result<> discard(const spool::QueueId& id, const std::string& name) const;
  Result<> sync_taken() const;
  Result<> put_back(const spool::QueueId& id, const std::string& name) const;
  // After 1: ID.eml and ID.reason in the directory of badmail, durable; also over file systems.
  Result<> keep_as_badmail(const std::string& badmail, const spool::QueueId& id, const std::string& name, const std::string& why,
                           const std::string& owner, std::uint64_t copy_limit) const;

  struct Leftover {
    spool::QueueId id;
    std::string name;
  };
  std::vector<Leftover> leftovers() const;

 private:
  PickupFolder() = default;
  std::string path_;
  UniqueFd directory_, taken_, lock_;
};

}  // namespace mansio::receive
