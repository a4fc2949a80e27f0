#include "ticket_keys.hpp"

#include <fmt/format.h>
#include <string.h>
#include <sys/random.h>

#include <algorithm>

#include "crypto/secret.hpp"

namespace mansio::daemon {

bool TicketKeys::turn(MonotonicTime now) {
  if (auto when = next(); when && *when > now) return false;
  Key fresh;
  fresh.made = now;
  bool made = ::getrandom(fresh.bytes.data(), fresh.bytes.size(), 0) == static_cast<ssize_t>(fresh.bytes.size());
  if (made) {
    std::ranges::rotate(keys_, keys_.end() - 1);
    keys_.front() = fresh;
  }
  ::explicit_bzero(fresh.bytes.data(), fresh.bytes.size());
  return made;
}

std::optional<MonotonicTime> TicketKeys::next() const {
  if (!keys_.front().made) return std::nullopt;
  return *keys_.front().made + net::ticket_key_fresh;
}

void TicketKeys::each(MonotonicTime now, bool newest_only, const std::function<void(std::string&)>& use) const {
  for (std::size_t i = newest_only ? 1 : kept; i-- > 0;) {
    const Key& key = keys_[i];
    if (!key.made || now - *key.made > net::ticket_key_useful) continue;
    std::string text = fmt::format("{} ", std::chrono::duration_cast<std::chrono::seconds>(now - *key.made).count());
    text.reserve(text.size() + key.bytes.size());
    text.append(key.bytes.data(), key.bytes.size());
    use(text);
    crypto::wipe(text);
  }
}

void TicketKeys::wipe() noexcept {
  for (Key& key : keys_) {
    ::explicit_bzero(key.bytes.data(), key.bytes.size());
    key.made.reset();
  }
}

}  // namespace mansio::daemon
