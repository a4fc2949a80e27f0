// Reading the header of a message (RFC 5322 §2.2, §3.6) as far as a mail transfer agent needs it, whatever came in.
// A header is the longest run of fields from the first byte: it ends at an empty line, or right before the first line
// that is neither a field nor the continuation of one (then the message lacks its separator). Lines end with LF or
// CRLF. Names compare without case, and blanks before the colon are allowed (§4.5), so "RECEIVED :" counts.
// Everything is linear, and HeaderScanner keeps bounded memory whatever comes (S-029).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::mail {

struct HeaderField {
  std::string_view name;    // as written, without blanks or colon
  std::string_view value;   // all after the colon, folding included, without the last line end
  std::string_view raw;     // the whole field with its last line end
  std::size_t offset = 0;   // of `raw` in the text
};

class HeaderReader {
 public:
  explicit HeaderReader(std::string_view message) : text_(message) {}
  std::optional<HeaderField> next();
  // After next() gave nullopt: where the body begins, past the empty line if there is one.
  std::size_t body_offset() const noexcept { return body_; }
  bool has_separator() const noexcept { return separator_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0, body_ = 0;
  bool separator_ = false;
};

// The value on one line: folding and runs of blanks at it become one space, ends trimmed.
std::string unfold(std::string_view value);

// Can a field be put right before this content? True when it begins with a field or an empty line, or is empty: else
// the one who prepends a field must write an empty line after it (S-031). `prefix` is the first bytes; nullopt: more
// of them are needed (never asks for more than header_prefix). `complete`: there are no more.
inline constexpr std::size_t header_prefix = 1000;
std::optional<bool> begins_like_header(std::string_view prefix, bool complete);

// Length of a leading mbox line "From …\n" (also ">From "), 0 when there is none: no field, not for the wire.
std::size_t mbox_line_length(std::string_view message);

enum class KnownField : std::uint8_t {
  received, delivered_to, message_id, date, from, to, cc, bcc, sender, reply_to, return_path, subject, mime_version, other,
};
KnownField known_field(std::string_view name);

// Watches content in pieces cut anywhere, as it streams by. feed() after done() costs nothing.
class HeaderScanner {
 public:
  explicit HeaderScanner(std::size_t copy_limit = 64 * 1024) : copy_limit_(copy_limit) {}
  void feed(std::string_view chunk);
  void finish();                                              // no more comes: the last line may lack its end
  bool done() const noexcept { return done_; }
  std::uint64_t count(KnownField field) const noexcept { return counts_[static_cast<std::size_t>(field)]; }
  std::uint64_t received_count() const noexcept { return count(KnownField::received); }
  // Of the first Message-ID, unfolded, as it stands there ("<…>"); at most 998 octets. Not escaped.
  const std::string& message_id() const noexcept { return message_id_; }
  // Values of Delivered-To, at most 1000 of at most 998 octets each.
  const std::vector<std::string>& delivered_to() const noexcept { return delivered_to_; }
  // The header's first `copy_limit` bytes, for the reject log.
  const std::string& copy() const noexcept { return copy_; }
  std::uint64_t header_size() const noexcept { return size_; }   // octets up to the body, separator included

 private:
  void end_line();
  void end_field();
  std::size_t copy_limit_;
  std::string line_, value_, copy_, message_id_;   // line_ and value_ hold at most line_limit bytes
  std::vector<std::string> delivered_to_;
  std::array<std::uint64_t, static_cast<std::size_t>(KnownField::other) + 1> counts_{};
  std::uint64_t size_ = 0, line_size_ = 0;
  std::optional<KnownField> field_;                // the field that a continuation line would belong to
  bool done_ = false;
};

}  // namespace mansio::mail
