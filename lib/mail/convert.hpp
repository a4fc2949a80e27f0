// Conversion of 8-bit and binary MIME to 7 bits, for a next hop without 8BITMIME (RFC 6152 §3, RFC 3030 §3; R-123):
// text becomes quoted-printable, other leaves base64, and the labels of what contains them 7bit. The content is read
// twice, in pieces: a scan decides what becomes of each part, and whether it can be done at all, before anything is
// sent; the converter then writes. Memory is bounded whatever comes.
//
// Left as they are: parts that need nothing, and what is signed, encrypted or encoded already (RFC 1847, RFC 8551); when
// such a part holds 8 bits the answer is 554 5.6.3. 8-bit header fields have no 7-bit form here: 554 5.6.9. Text
// between the parts that no reader shows gets '?' for what isn't ASCII.
// A message that isn't MIME is made MIME as RFC 1428 §3 says, text/plain with charset utf-8 or unknown-8bit.
// Other mail servers send it raw and hope; a bounce would tell people of a thing they can't change, so we convert: the
// reader sees the text, and no octet is lost.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"

namespace mansio::mail {

enum class PartChange : std::uint8_t { none, label_7bit, quoted_printable, base64 };

struct ConversionPlan {
  struct PartPlan {
    PartChange change = PartChange::none;
    bool utf8 = false;                  // for a part that doesn't name its type
  };
  std::optional<Status> refusal;        // it can't be converted: the message can't go to this host
  std::vector<PartPlan> parts;          // in the order of their headers
};

class ConversionScan {
 public:
  ConversionScan();
  ~ConversionScan();
  ConversionScan(ConversionScan&&) noexcept;
  ConversionScan& operator=(ConversionScan&&) noexcept;
  void add(std::string_view piece);
  ConversionPlan finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For the same content, with a plan that has no refusal. What is appended to `out` has no octet over 127, no NUL, no CR
// or LF alone, and no line over 998 octets.
class SevenBitConverter {
 public:
  explicit SevenBitConverter(ConversionPlan plan);
  ~SevenBitConverter();
  SevenBitConverter(SevenBitConverter&&) noexcept;
  SevenBitConverter& operator=(SevenBitConverter&&) noexcept;
  void add(std::string_view piece, std::string& out);
  void finish(std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mansio::mail
