#include "mail/convert.hpp"

#include <utility>

#include "base/text.hpp"
#include "mail/convert_encoders.hpp"
#include "mail/mime_parts.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t line_octets = 998, parts_limit = 20'000;

bool has_odd_octet(std::string_view text) noexcept {      // CR and LF: text has no line ends
  return text.find('\0') != text.npos || text.find('\r') != text.npos || text.find('\n') != text.npos;
}

bool labelled_8bit(TransferEncoding encoding) noexcept {
  return encoding == TransferEncoding::eight_bit || encoding == TransferEncoding::binary;
}

// ---- the scan

struct Facts {
  PartKind kind = PartKind::leaf;
  TransferEncoding encoding = TransferEncoding::none;
  bool textual = true, needs = false, utf8 = true;
};

class PlanMaker final : public PartHandler {
 public:
  void field(const Part&, PartField kind, std::string_view raw) override {
    if (!is_ascii(raw)) refuse(Status(554, 6, 9, "the header holds 8-bit text, and the host lacks SMTPUTF8"));
    bool odd = raw.find('\0') != raw.npos;
    if (kind == PartField::other && raw != "\r\n") odd = odd || has_odd_octet(raw);
    else if (raw != "\r\n") odd = odd || bare_line_end(raw);
    if (odd) refuse(Status(554, 6, 3, "the header holds binary data"));
  }
  void header_end(const Part& part, bool) override {
    if (part.index >= parts_limit) return;
    if (facts_.size() <= part.index) facts_.resize(part.index + 1);
    Facts& facts = facts_[part.index];
    facts.kind = part.kind;
    facts.encoding = part.encoding;
    facts.textual = part.textual;
  }
  void text(const Part& part, std::string_view text, bool begins, bool) override {
    column_ = begins ? text.size() : column_ + text.size();
    bool ascii = is_ascii(text);
    bool needs = !ascii || column_ > line_octets || has_odd_octet(text);
    if (!needs) return;
    if (part.index >= parts_limit) return refuse(Status(554, 6, 3, "too many parts to be converted to 7 bits"));
    Facts& facts = facts_[part.index];
    facts.needs = true;
    if (!ascii && facts.utf8 && !is_utf8(text)) facts.utf8 = false;
    if (part.kind != PartKind::sealed) return;
    refuse(Status(554, 6, 3, "a signed, encrypted or encoded part holds 8-bit data: it can't be converted to 7 bits"));
  }
  void delimiter(const Part&, bool) override {}
  void end() override {}

  ConversionPlan plan() const {
    ConversionPlan out;
    out.refusal = refusal_;
    for (const Facts& facts : facts_) {
      ConversionPlan::PartPlan part;
      part.utf8 = facts.utf8;
      if (facts.kind == PartKind::leaf && facts.needs) {
        part.change = facts.textual ? PartChange::quoted_printable : PartChange::base64;
      } else if (facts.kind != PartKind::sealed && labelled_8bit(facts.encoding)) {
        part.change = PartChange::label_7bit;
      }
      out.parts.push_back(part);
    }
    return out;
  }

 private:
  static bool bare_line_end(std::string_view raw) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '\r' && (i + 1 == raw.size() || raw[i + 1] != '\n')) return true;
      if (raw[i] == '\n' && (i == 0 || raw[i - 1] != '\r')) return true;
    }
    return false;
  }
  void refuse(Status status) {
    if (!refusal_) refusal_ = std::move(status);
  }

  std::vector<Facts> facts_;
  std::optional<Status> refusal_;
  std::size_t column_ = 0;          // octets of the line so far
};

// ---- the writing

constexpr std::string_view label(PartChange change) noexcept {
  switch (change) {
    case PartChange::quoted_printable: return "Content-Transfer-Encoding: quoted-printable\r\n";
    case PartChange::base64: return "Content-Transfer-Encoding: base64\r\n";
    default: return "Content-Transfer-Encoding: 7bit\r\n";
  }
}

class ContentWriter final : public PartHandler {
 public:
  explicit ContentWriter(ConversionPlan plan) : plan_(std::move(plan)) {}
  std::string out;

  void field(const Part& part, PartField kind, std::string_view raw) override {
    if (kind != PartField::transfer_encoding || change(part) == PartChange::none) return header_text(raw);
    if (labelled_ != part.index + 1) out += label(change(part));
    labelled_ = part.index + 1;
  }
  void header_end(const Part& part, bool separator) override {
    bool encodes = change(part) == PartChange::quoted_printable || change(part) == PartChange::base64;
    if (encodes) {
      if (unseparated_message_) out += "\r\n";
      if (part.message_header && !part.has_mime_version) out += "MIME-Version: 1.0\r\n";
      if (!part.has_type) {   // RFC 1428 §3: what it is was never said
        out += "Content-Type: text/plain; charset=";
        out += plan_.parts[part.index].utf8 ? "utf-8\r\n" : "unknown-8bit\r\n";
      }
      if (labelled_ != part.index + 1) out += label(change(part));
    }
    if (separator || encodes) out += "\r\n";
    unseparated_message_ = !separator && part.kind == PartKind::message;
    unseparated_filler_ = !separator && part.kind == PartKind::multipart;
    column_ = 0;
    held_line_end_ = false;
  }
  void text(const Part& part, std::string_view text, bool begins, bool ends) override {
    PartChange how = change(part);
    if (begins && held_line_end_) line_end(how);
    if (how == PartChange::quoted_printable) quoted_.add(text, false, out);
    else if (how == PartChange::base64) base64_.add(text, out);
    else if (part.kind == PartKind::multipart) filler_text(text);
    else out += text;
    held_line_end_ = ends;
    held_change_ = how;
  }
  // The CRLF before a boundary is the boundary's (RFC 2046 §5.1.1).
  void delimiter(const Part& multipart, bool closing) override {
    if (held_line_end_ && held_change_ != PartChange::base64) line_end(held_change_);
    close();
    out.append("--").append(multipart.boundary).append(closing ? "--\r\n" : "\r\n");
  }
  void end() override {
    if (held_line_end_) line_end(held_change_);
    close();
  }

 private:
  PartChange change(const Part& part) const {
    return part.index < plan_.parts.size() ? plan_.parts[part.index].change : PartChange::none;
  }
  void line_end(PartChange how) {
    if (how == PartChange::quoted_printable) quoted_.add({}, true, out);
    else if (how == PartChange::base64) base64_.add("\r\n", out);
    else out += "\r\n";
    held_line_end_ = false;
    column_ = 0;
  }
  void close() {
    if (held_change_ == PartChange::quoted_printable) quoted_.finish(out);
    if (held_change_ == PartChange::base64) base64_.finish(out);
    held_line_end_ = false;
    held_change_ = PartChange::none;
    column_ = 0;
  }
  // A line of the header that is too long is folded where it must be (RFC 5321 §4.5.3.1.6).
  void header_text(std::string_view raw) {
    for (char c : raw) {
      if (++column_ > line_octets - 8 && c != '\r' && c != '\n') {
        out += "\r\n ";
        column_ = 2;
      }
      out += c;
      if (c == '\n') column_ = 0;
    }
  }
  void filler_text(std::string_view text) {
    // Changed, it might become a field of the header that it ended.
    if (std::exchange(unseparated_filler_, false) && (!is_ascii(text) || has_odd_octet(text))) out += "\r\n";
    for (char c : text) {
      if (++column_ > line_octets) {
        out += "\r\n";
        column_ = 1;
      }
      out += is_8bit(c) || c == '\0' || c == '\r' || c == '\n' ? '?' : c;
    }
  }

  ConversionPlan plan_;
  QuotedPrintable quoted_;
  Base64Lines base64_;
  std::size_t labelled_ = 0;        // 1 + index of the part whose encoding has been written
  std::size_t column_ = 0;          // in header and filler lines
  bool unseparated_message_ = false;   // the header of a message/rfc822 part ended without an empty line
  bool unseparated_filler_ = false;    // the same of a multipart
  bool held_line_end_ = false;      // a line's CRLF that may turn out to be a boundary's
  PartChange held_change_ = PartChange::none;
};

}  // namespace

struct ConversionScan::State {
  PlanMaker maker;
  PartWalker walker{maker};
};

ConversionScan::ConversionScan() : state_(std::make_unique<State>()) {}
ConversionScan::~ConversionScan() = default;
ConversionScan::ConversionScan(ConversionScan&&) noexcept = default;
ConversionScan& ConversionScan::operator=(ConversionScan&&) noexcept = default;

void ConversionScan::add(std::string_view piece) { state_->walker.add(piece); }

ConversionPlan ConversionScan::finish() {
  state_->walker.finish();
  return state_->maker.plan();
}

struct SevenBitConverter::State {
  explicit State(ConversionPlan plan) : writer(std::move(plan)) {}
  ContentWriter writer;
  PartWalker walker{writer};
};

SevenBitConverter::SevenBitConverter(ConversionPlan plan) : state_(std::make_unique<State>(std::move(plan))) {}
SevenBitConverter::~SevenBitConverter() = default;
SevenBitConverter::SevenBitConverter(SevenBitConverter&&) noexcept = default;
SevenBitConverter& SevenBitConverter::operator=(SevenBitConverter&&) noexcept = default;

void SevenBitConverter::add(std::string_view piece, std::string& out) {
  std::swap(state_->writer.out, out);
  state_->walker.add(piece);
  std::swap(state_->writer.out, out);
}

void SevenBitConverter::finish(std::string& out) {
  std::swap(state_->writer.out, out);
  state_->walker.finish();
  std::swap(state_->writer.out, out);
}

}  // namespace mansio::mail
