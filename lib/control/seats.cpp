#include "control/seats.hpp"

namespace mansio::control {

bool Seats::has_room(unsigned uid, bool privileged) const {
  if (privileged) return privileged_ < privileged_most;
  auto known = of_user_.find(uid);
  return others() < ordinary_most + unknown_most && (known == of_user_.end() || known->second < user_most);
}

Seats::Seat::Seat(Seats& all, unsigned uid, bool privileged) : all_(all), uid_(uid), privileged_(privileged) {
  ++all_.all_;
  ++all_.of_user_[uid_];
  if (privileged_) ++all_.privileged_;
}

Seats::Seat::~Seat() {
  --all_.all_;
  if (privileged_) --all_.privileged_;
  if (--all_.of_user_[uid_] == 0) all_.of_user_.erase(uid_);
}

bool Seats::Seat::settle(bool privileged) {
  if (privileged_) return true;
  if (!privileged) return all_.others() <= ordinary_most;
  if (all_.privileged_ >= privileged_most) return false;
  privileged_ = true;
  ++all_.privileged_;
  return true;
}

}  // namespace mansio::control
