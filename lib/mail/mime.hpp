// What a message's content asks of the next hop: 8BITMIME (RFC 6152), BINARYMIME (RFC 3030 §3), SMTPUTF8 (RFC 6531).
// The scanner takes content in pieces cut anywhere and keeps a few hundred octets of it, however long it is. It runs at
// memory speed over ASCII: it may look at every message.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "mail/header.hpp"

namespace mansio::mail {

struct ContentNeeds {
  bool eight_bit_header = false;   // an octet over 127 in the message's header: SMTPUTF8, if it is to be right
  bool eight_bit_body = false;
  bool binary = false;             // NUL, CR or LF alone, or a line over 998 octets: only BINARYMIME carries it unchanged
  bool mime = false;               // has a MIME-Version field: without it 8BITMIME is not for it (RFC 6152 §2)
  bool operator==(const ContentNeeds&) const = default;
  bool plain() const noexcept { return !eight_bit_header && !eight_bit_body && !binary; }   // any SMTP server will do
};

class ContentScanner {
 public:
  void add(std::string_view piece);
  ContentNeeds needs();            // call after the last piece; the last line may lack its end

 private:
  void header_part(std::string_view piece);
  void special(unsigned char octet, std::uint64_t at) noexcept;
  void scan(std::string_view piece) noexcept;

  HeaderScanner header_{0};
  std::uint64_t size_ = 0, line_start_ = 0;
  std::optional<std::uint64_t> cr_at_;                       // a CR that no octet has followed yet
  std::optional<std::uint64_t> first_eight_bit_, last_eight_bit_;   // while the header's end is not known
  bool binary_ = false, eight_bit_ = false;                  // eight_bit_: in the body, once the header is over
};

}  // namespace mansio::mail
