// Tracing: who follows which conversations of a mail process. Receiver and Remote ask it about each conversation that
// begins; followers choose by its number, its address or the names it is about, also those that begin later. Pure: what
// a follower does with a line is its own affair, but it may neither wait nor end a conversation.
#pragma once
#include <string_view>
#include <unordered_set>
#include <vector>

#include "smtp/conversation.hpp"

namespace mansio::smtp {

class Tracing {
 public:
  // What a conversation is about.
  struct About {
    About() = default;
    std::string_view address;                    // the peer's, numeric; "" for a unix socket
    std::uint16_t port = 0;
    std::string_view local_address;              // incoming
    std::uint16_t local_port = 0;
    bool recorded = false, lmtp = false;         // incoming: its listener wants it in w3clog
    std::vector<std::string_view> names;         // outgoing: host, site, transport, domains
  };

  struct Follower {
    virtual bool wants(const Conversation& conversation, const About& about) = 0;
    virtual void hear(const Conversation& conversation, Heard what, std::string_view text) = 0;

   protected:
    ~Follower() = default;
  };

  Tracing() = default;
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;

  bool wanted() const noexcept { return !places_.empty(); }
  void join(Follower* follower);
  void leave(Follower* follower);
  // The conversation begins, a follower has come, or it is about something else now. `opened`: told to who follows it from
  // here on.
  void consider(Conversation& conversation, const About& about, std::string_view opened);

 private:
  friend struct Conversation;
  struct Place {
    Follower* follower;
    std::unordered_set<const Conversation*> conversations;
  };
  void tell(Conversation& conversation, Heard what, std::string_view text);
  void end(Conversation& conversation);

  std::vector<Place> places_;
};

}  // namespace mansio::smtp
