#include "smtp/tracing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "net/tls.hpp"
#include "smtp/masking.hpp"

namespace mansio::smtp {
namespace {

// RFC 4954 §4: a challenge may be half of a secret.
bool is_challenge(std::string_view line) { return line.starts_with("334 ") && line.size() > 4; }

}  // namespace

void Conversation::tell(Heard what, std::string_view text) {
  while (!text.empty()) {
    auto end = text.find("\r\n");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    if (followed == nullptr) return;
    if (what == Heard::client) followed->tell(*this, what, masked_command(line));
    else if (what == Heard::server && is_challenge(line)) followed->tell(*this, what, "334 ***");
    else followed->tell(*this, what, line);
  }
}

void Conversation::hear_content(std::uint64_t size) {
  if (followed != nullptr) tell(Heard::content, fmt::format("({} octets)", size));
}

void Conversation::hear_tls(const net::TlsInfo& info) {
  if (followed == nullptr) return;
  std::string text = fmt::format("{} with {}, {} bits", info.version, info.cipher, info.bits);
  if (info.resumed) text += ", resumed";
  if (!info.server_name.empty()) text += ", server name " + info.server_name;
  if (info.peer_certificate) text += ", certificate " + info.subject + (info.verified ? " (verified)" : " (not verified: " + info.problem + ")");
  tell(Heard::note, text);
}

void Conversation::end() noexcept { followed->end(*this); }

void Tracing::join(Follower* follower) { places_.push_back(Place{follower, {}}); }

// Conversations that nobody follows any more find that out at their next line.
void Tracing::leave(Follower* follower) {
  std::erase_if(places_, [&](const Place& place) { return place.follower == follower; });
}

void Tracing::consider(Conversation& conversation, const About& about, std::string_view opened) {
  for (Place& place : places_) {
    if (place.conversations.contains(&conversation) || !place.follower->wants(conversation, about)) continue;
    place.conversations.insert(&conversation);
    conversation.followed = this;
    place.follower->hear(conversation, Heard::opened, opened);
  }
}

void Tracing::tell(Conversation& conversation, Heard what, std::string_view text) {
  bool followed = false;
  for (Place& place : places_) {
    if (!place.conversations.contains(&conversation)) continue;
    followed = true;
    place.follower->hear(conversation, what, text);
  }
  if (!followed) conversation.followed = nullptr;
}

void Tracing::end(Conversation& conversation) {
  for (Place& place : places_) {
    if (place.conversations.erase(&conversation) > 0) place.follower->hear(conversation, Heard::closed, "");
  }
}

}  // namespace mansio::smtp
