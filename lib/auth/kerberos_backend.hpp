// Tickets as a back end. What knows Kerberos is a room that this one does not know (kerberos/acceptor.hpp): whoever wires it
// gives a function, which is called on threads of their own.
#pragma once
#include <functional>
#include <string>

#include "auth/backend.hpp"
#include "event/threads.hpp"

namespace mansio::auth {

class KerberosBackend final : public Backend {
 public:
  // Blocks. `why` is for the log, when the answer is not "accepted".
  using Accept = std::function<sasl::Answer(const sasl::Question& question, std::string& why)>;
  // Why a ticket was refused, for whoever looks after the machine: the client is told nothing.
  using Tell = std::function<void(const std::string& text)>;

  KerberosBackend(event::Loop& loop, Accept accept, Tell tell, std::size_t waiting = 200)
      : accept_(std::move(accept)), tell_(std::move(tell)), threads_(loop, "kerberos", 2), waiting_(waiting) {}
  // From now on: with other keys.
  void use(Accept accept) { accept_ = std::move(accept); }

  event::Task<sasl::Answer> ask(sasl::Question question, Facts facts) override;
  std::vector<std::string_view> mechanisms() const override { return {"GSSAPI"}; }

 private:
  Accept accept_;
  Tell tell_;
  event::Threads threads_;
  std::size_t waiting_, under_way_ = 0;   // more at once are `unavailable`
};

}  // namespace mansio::auth
