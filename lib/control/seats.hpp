// How many may talk at the control socket at once. Everybody may (S-149), so what the ordinary take is bounded, in all and for
// one user, and never what admins and readers need. Who is one of these is known only after a look at the user database,
// but for root and the daemon's own user. Pure.
#pragma once
#include <cstddef>
#include <map>

namespace mansio::control {

class Seats {
 public:
  static constexpr std::size_t ordinary_most = 100, user_most = 50;
  static constexpr std::size_t unknown_most = 50;        // besides: until it is known who they are
  static constexpr std::size_t privileged_most = 150;

  // Is there one for a connection of `uid`? `privileged`: that is certain already.
  bool has_room(unsigned uid, bool privileged) const;

  // Taken as long as it lives.
  class Seat {
   public:
    Seat(Seats& all, unsigned uid, bool privileged);
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    // Once it is known who sits there: may it stay?
    bool settle(bool privileged);

   private:
    Seats& all_;
    unsigned uid_;
    bool privileged_;
  };

 private:
  std::size_t others() const noexcept { return all_ - privileged_; }

  std::size_t all_ = 0, privileged_ = 0;
  std::map<unsigned, std::size_t> of_user_;
};

}  // namespace mansio::control
