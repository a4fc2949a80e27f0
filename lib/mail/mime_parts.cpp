#include "mail/mime_parts.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "mail/header.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t fragment_limit = 4096;      // a longer line is told in pieces
constexpr std::size_t field_limit = 64 << 10;
constexpr std::size_t depth_limit = 50;
constexpr std::size_t boundary_limit = 200;       // RFC 2046 §5.1.1 says 70

// RFC 2045 §5.1 token
constexpr bool is_token_char(char c) noexcept {
  return c > ' ' && c < 0x7f && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

// Past blanks and comments (RFC 5322 §3.2.2).
void skip_space(std::string_view& text) {
  int depth = 0;
  while (!text.empty() && (depth > 0 || is_blank(text[0]) || text[0] == '(')) {
    if (text[0] == '(') ++depth;
    else if (text[0] == ')') --depth;
    else if (text[0] == '\\' && depth > 0 && text.size() > 1) text.remove_prefix(1);
    text.remove_prefix(1);
  }
}

std::string take_token(std::string_view& text) {
  skip_space(text);
  std::size_t size = 0;
  while (size < text.size() && is_token_char(text[size])) ++size;
  std::string out(text.substr(0, size));
  text.remove_prefix(size);
  skip_space(text);
  return out;
}

// A parameter's value: a token or a quoted string.
std::optional<std::string> take_value(std::string_view& text) {
  skip_space(text);
  if (!text.starts_with('"')) {
    std::string token = take_token(text);
    return token.empty() ? std::nullopt : std::optional(token);
  }
  std::string out;
  for (text.remove_prefix(1); !text.empty() && text[0] != '"'; text.remove_prefix(1)) {
    if (text[0] == '\\' && text.size() > 1) text.remove_prefix(1);
    out += text[0];
  }
  if (text.empty()) return std::nullopt;
  text.remove_prefix(1);
  skip_space(text);
  return out;
}

TransferEncoding encoding_of(std::string_view value) {
  std::string word = take_token(value);
  if (iequals(word, "7bit")) return TransferEncoding::seven_bit;
  if (iequals(word, "8bit")) return TransferEncoding::eight_bit;
  if (iequals(word, "binary")) return TransferEncoding::binary;
  return word.empty() ? TransferEncoding::none : TransferEncoding::encoded;
}

std::string_view field_value(std::string_view raw) {
  auto colon = raw.find(':');
  return colon == raw.npos ? std::string_view() : raw.substr(colon + 1);
}

PartField part_field(std::string_view line) {
  std::string_view name = trim(line.substr(0, line.find(':')));
  if (iequals(name, "content-type")) return PartField::content_type;
  if (iequals(name, "content-transfer-encoding")) return PartField::transfer_encoding;
  return iequals(name, "mime-version") ? PartField::mime_version : PartField::other;
}

// Content that a signature or a key covers: "the signed part must not be altered" (RFC 1847 §2.1), RFC 8551 §3.
bool is_sealed(const MediaType& media) {
  if (media.type == "multipart") return media.subtype == "signed" || media.subtype == "encrypted";
  return media.type == "application" && (media.subtype == "pkcs7-mime" || media.subtype == "x-pkcs7-mime");
}

}  // namespace

std::optional<MediaType> parse_media_type(std::string_view value) {
  std::string line = unfold(value);
  std::string_view text = line;
  MediaType out;
  out.type = to_lower(take_token(text));
  if (out.type.empty() || !text.starts_with('/')) return std::nullopt;
  text.remove_prefix(1);
  out.subtype = to_lower(take_token(text));
  if (out.subtype.empty()) return std::nullopt;
  while (text.starts_with(';')) {
    text.remove_prefix(1);
    std::string name = take_token(text);
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    auto parameter = take_value(text);
    if (!parameter) break;
    if (iequals(name, "boundary") && out.boundary.empty()) out.boundary = *parameter;
  }
  return out;
}

void PartWalker::add(std::string_view piece) {
  while (!piece.empty()) {
    if (carry_.empty()) {
      auto end = piece.substr(0, fragment_limit).find("\r\n");
      if (end != piece.npos) {
        line(piece.substr(0, end), true, true);
        piece.remove_prefix(end + 2);
        continue;
      }
    }
    auto newline = piece.substr(0, fragment_limit).find('\n');
    std::string_view part = piece.substr(0, newline == piece.npos ? fragment_limit : newline + 1);
    carry_ += part;
    piece.remove_prefix(part.size());
    if (carry_.ends_with("\r\n")) {
      std::string whole = std::move(carry_);
      carry_.clear();
      line(std::string_view(whole).substr(0, whole.size() - 2), true, true);
    } else if (carry_.size() >= fragment_limit) {
      cut_carry();
    }
  }
}

// Tells the start of a line that is too long to be kept; not a CR that an LF may follow, nor half a UTF-8 character.
void PartWalker::cut_carry() {
  std::size_t cut = carry_.size() - (carry_.ends_with('\r') ? 1 : 0);
  if (cut == carry_.size()) {
    std::size_t lead = cut - 1;
    while (lead + 4 > cut && (static_cast<unsigned char>(carry_[lead]) & 0xc0) == 0x80) --lead;
    if (static_cast<unsigned char>(carry_[lead]) >= 0xc0) cut = lead;
  }
  std::string rest = carry_.substr(cut);
  carry_.resize(cut);
  line(carry_, false, false);
  carry_ = std::move(rest);
}

void PartWalker::finish() {
  if (!carry_.empty()) line(carry_, false, true);
  carry_.clear();
  while (in_header_) end_header(false);
  handler_.end();
}

void PartWalker::line(std::string_view text, bool ends, bool complete) {
  bool begins = std::exchange(begins_, ends);
  if (begins && complete && take_delimiter(text)) return;
  if (in_header_) header_line(text, begins, ends);
  else handler_.text(part_, text, begins, ends);
}

// RFC 2046 §5.1.1: "--", the boundary, for the last one "--", then blanks. An outer boundary ends inner parts, too.
bool PartWalker::take_delimiter(std::string_view text) {
  if (levels_.empty() || !text.starts_with("--")) return false;
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  text.remove_prefix(2);
  for (std::size_t i = levels_.size(); i-- > 0;) {
    const std::string& boundary = levels_[i].boundary;
    bool closing = text.size() == boundary.size() + 2 && text.ends_with("--");
    if (!text.starts_with(boundary) || (text.size() != boundary.size() && !closing)) continue;
    while (in_header_) end_header(false);
    // end_header may have added levels: they are within level i, and over now.
    levels_.resize(i + 1);
    handler_.delimiter(levels_[i], closing);
    if (closing) {
      part_ = std::move(levels_[i]);
      levels_.pop_back();
    } else {
      begin_part(levels_[i].depth + 1, false, levels_[i].digest);
    }
    return true;
  }
  return false;
}

void PartWalker::begin_part(std::size_t depth, bool message_header, bool in_digest) {
  part_ = Part();
  part_.index = parts_++;
  part_.depth = depth;
  part_.message_header = message_header;
  in_digest_ = in_digest;
  in_header_ = true;
  doubtful_ = false;
  type_.clear();
  encoding_.clear();
}

void PartWalker::header_line(std::string_view text, bool begins, bool ends) {
  if (begins) {
    if (text.empty() && ends) return end_header(true);
    bool continues = field_kind_ && !text.empty() && is_blank(text[0]);
    bool starts = !continues && begins_like_header(text, true) == true;
    if (!continues && !starts) {
      end_header(false);
      if (in_header_) header_line(text, begins, ends);   // a message within: its header is empty as well
      else handler_.text(part_, text, begins, ends);
      return;
    }
    if (starts) {
      end_field();
      field_kind_ = part_field(text);
    }
  }
  std::string_view line_end = ends ? "\r\n" : "";
  if (field_kind_ != PartField::other && field_.size() + text.size() > field_limit) {
    handler_.field(part_, PartField::other, field_);
    field_.clear();
    field_kind_ = PartField::other;
    doubtful_ = true;
  }
  if (field_kind_ != PartField::other) {
    field_.append(text).append(line_end);
    return;
  }
  handler_.field(part_, PartField::other, text);
  if (ends) handler_.field(part_, PartField::other, line_end);
}

void PartWalker::end_field() {
  if (!field_kind_) return;
  std::string value = unfold(field_value(field_));
  if (field_kind_ == PartField::content_type) {
    if (part_.has_type) doubtful_ = true;
    part_.has_type = true;
    type_ = value;
  } else if (field_kind_ == PartField::transfer_encoding) {
    if (part_.has_encoding && encoding_of(value) != encoding_of(encoding_)) doubtful_ = true;
    part_.has_encoding = true;
    encoding_ = value;
  } else if (field_kind_ == PartField::mime_version) {
    part_.has_mime_version = true;
  }
  if (field_kind_ != PartField::other) handler_.field(part_, *field_kind_, field_);
  field_.clear();
  field_kind_.reset();
}

void PartWalker::end_header(bool separator) {
  end_field();
  classify();
  in_header_ = false;
  handler_.header_end(part_, separator);
  if (part_.kind == PartKind::multipart) levels_.push_back(part_);
  if (part_.kind == PartKind::message) begin_part(part_.depth + 1, true, false);
}

void PartWalker::classify() {
  part_.encoding = encoding_of(encoding_);
  MediaType media{"text", "plain", ""};             // RFC 2045 §5.2
  if (in_digest_ && !part_.has_type) media = {"message", "rfc822", ""};
  bool readable = true;
  if (part_.has_type) {
    auto parsed = parse_media_type(type_);
    readable = parsed.has_value() || !istarts_with(trim(type_), "multipart");
    if (parsed) media = std::move(*parsed);
  }
  // RFC 6532 §3.7, RFC 6533: of the message types these may be encoded.
  bool global = media.type == "message" && media.subtype.starts_with("global");
  part_.textual = media.type == "text" || global;
  part_.digest = media.subtype == "digest";
  part_.boundary = std::move(media.boundary);
  part_.kind = PartKind::leaf;
  if (media.type == "multipart") part_.kind = PartKind::multipart;
  if (media.type == "message" && !global) part_.kind = media.subtype == "rfc822" ? PartKind::message : PartKind::sealed;
  bool container = part_.kind == PartKind::multipart || part_.kind == PartKind::message;
  bool bounded = part_.kind != PartKind::multipart || (!part_.boundary.empty() && part_.boundary.size() <= boundary_limit);
  if (doubtful_ || !readable || is_sealed(media) || !bounded || part_.encoding == TransferEncoding::encoded ||
      (container && part_.depth >= depth_limit)) {
    part_.kind = PartKind::sealed;
  }
}

}  // namespace mansio::mail
