// The pickup directory: what `sendmail` left while the daemon didn't run (mail/pickup.hpp). Anybody may put files there
// (mode 1733), so nothing about one is believed but its owner's uid: links, other kinds of files and broken ones are
// set aside in corrupt/, told once, and the rest goes on.
#pragma once
#include <set>
#include <string>

#include "receive/receiver.hpp"

namespace mansio::receive {

class PickupReader {
 public:
  PickupReader(Receiver& receiver, std::string directory) : receiver_(receiver), directory_(std::move(directory)) {}

  // Takes in all that is there. A message is unlinked only when it is durable in the spool.
  event::Task<> scan();

 private:
  struct Found;
  event::Task<> take(std::string name);
  event::Task<Result<>> store(Found* found);
  static Result<> examine(const std::string& path, std::uint64_t size_limit, Found* found);
  event::Task<> set_aside(std::string name, std::string why);

  Receiver& receiver_;
  std::string directory_;
  std::set<std::string> left_;       // could not be set aside or removed: told once, not looked at again
};

}  // namespace mansio::receive
