// What must not be seen: a string that is wiped from memory when it goes, random bytes, and a comparison that takes
// the same time whatever differs. A Secret has no way into a log: whoever wants its text has to ask for view().
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace mansio::crypto {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  std::string_view view() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }

 private:
  std::string text_;
};

// Overwrites the bytes, also those of a string too short for the heap; the string is empty afterwards.
void wipe(std::string& text) noexcept;

// From libcrypto's generator, fit for keys. Throws when there is no randomness: nothing can go on without it.
std::string random_bytes(std::size_t count);

// False at once for different sizes: sizes are no secret.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace mansio::crypto
