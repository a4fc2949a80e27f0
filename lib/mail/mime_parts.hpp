// The structure of a MIME message (RFC 2045, RFC 2046) as it streams by: headers, parts and boundaries are told to a
// handler, in order, with bounded memory whatever comes. Nothing is decoded. What can't be read for certain (two
// Content-Types, a multipart without boundary, nesting past 50) becomes a sealed part: its content is not to be changed.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::mail {

// RFC 2045 §6; `encoded`: quoted-printable, base64, or a word we don't know.
enum class TransferEncoding : std::uint8_t { none, seven_bit, eight_bit, binary, encoded };

enum class PartKind : std::uint8_t {
  leaf,         // may be encoded anew
  multipart,    // its text is the preamble or epilogue
  message,      // message/rfc822: another part follows at once, with `message_header`
  sealed,       // signed or encrypted (RFC 1847), encoded already, or beyond us
};

enum class PartField : std::uint8_t { content_type, transfer_encoding, mime_version, other };

struct Part {
  std::size_t index = 0, depth = 0;      // index: by the order of headers, 0 is the message itself
  PartKind kind = PartKind::leaf;
  TransferEncoding encoding = TransferEncoding::none;
  bool textual = true;                   // text/*, or a report in UTF-8: quoted-printable leaves it readable
  bool message_header = false;           // the header of a message, not only of a part
  bool has_type = false, has_encoding = false, has_mime_version = false;
  bool digest = false;                   // multipart/digest: its parts are messages unless they say (RFC 2046 §5.1.5)
  std::string boundary;
};

// Calls come in the order of the content. Text has no CRLF; only a CRLF ends a line, a lone CR or LF is in the text.
struct PartHandler {
  // A whole field with its line ends, or for `other` a piece of one.
  virtual void field(const Part& part, PartField kind, std::string_view raw) = 0;
  // `separator`: an empty line follows in the content.
  virtual void header_end(const Part& part, bool separator) = 0;
  virtual void text(const Part& part, std::string_view text, bool begins_line, bool ends_line) = 0;
  // A line "--boundary" or "--boundary--" of `multipart`.
  virtual void delimiter(const Part& multipart, bool closing) = 0;
  virtual void end() = 0;

 protected:
  ~PartHandler() = default;
};

class PartWalker {
 public:
  explicit PartWalker(PartHandler& handler) : handler_(handler) { begin_part(0, true, false); }
  void add(std::string_view piece);
  void finish();                         // no more comes: the last line may lack its end

 private:
  void cut_carry();
  void line(std::string_view text, bool ends, bool complete);
  bool take_delimiter(std::string_view text);
  void header_line(std::string_view text, bool begins, bool ends);
  void end_field();
  void end_header(bool separator);
  void classify();
  void begin_part(std::size_t depth, bool message_header, bool in_digest);

  PartHandler& handler_;
  std::string carry_;                    // the start of a line whose end has not come
  std::vector<Part> levels_;             // the multiparts we are in
  Part part_;
  std::optional<PartField> field_kind_;  // of the field that a continuation line belongs to
  std::string field_;                    // that field, unless `other`
  std::string type_, encoding_;          // values of part_'s fields
  std::size_t parts_ = 0;
  bool in_header_ = true, begins_ = true, in_digest_ = false, doubtful_ = false;
};

// A Content-Type value: type and subtype in lower case, and the boundary ("" for none). nullopt: not readable.
struct MediaType {
  std::string type, subtype, boundary;
};
std::optional<MediaType> parse_media_type(std::string_view value);

}  // namespace mansio::mail
