// A connection that came in and was turned round by ATRN (RFC 2645 §5.2): now we are the client, and whoever fetches his mail
// is the server. It carries what it is given and is never kept for others.
#pragma once
#include "deliver/remote.hpp"

namespace mansio::deliver {

class Turned {
 public:
  ~Turned();
  bool usable() const noexcept;      // may carry another message

 private:
  friend class Remote;
  explicit Turned(std::unique_ptr<Remote::Session> session);
  std::unique_ptr<Remote::Session> session_;
};

}  // namespace mansio::deliver
