#include "mail/received.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "mail/date.hpp"

namespace mansio::mail {
namespace {

// Puts words together with folding before a word that would pass column 78 (RFC 5322 §2.1.1).
class FoldedField {
 public:
  explicit FoldedField(std::string start) : out_(std::move(start)), column_(out_.size()) {}
  void word(const std::string& text) {
    if (column_ + 1 + text.size() > 78) fold();
    else put(" ");
    put(text);
  }
  void fold() {
    out_ += "\r\n\t";
    column_ = 8;
    fresh_ = true;
  }
  std::string finish() { return std::move(out_) + "\r\n"; }

 private:
  void put(const std::string& text) {
    if (fresh_ && text == " ") return;
    out_ += text;
    column_ += text.size();
    fresh_ = false;
  }
  std::string out_;
  std::size_t column_;
  bool fresh_ = false;
};

// An atom for places where a token of ours or a user name goes.
std::string safe_atom(const std::string& text) {
  std::string out;
  for (char c : text.substr(0, 64)) out += is_alnum(c) || c == '-' || c == '_' || c == '.' ? c : '?';
  std::ranges::replace(out, '?', '_');
  return out.empty() ? "unknown" : out;
}

// A-labels, since the field must stay ASCII for a next hop without SMTPUTF8; "" for what is no domain.
std::string safe_domain(const std::string& text) {
  auto domain = Domain::parse(text);
  if (!domain) return {};
  return is_ascii(text) ? text : domain->key();
}

std::string address_literal(const std::string& address) {
  std::string literal = address.find(':') == std::string::npos ? "[" + address + "]" : "[IPv6:" + address + "]";
  auto domain = Domain::parse(literal);
  return domain ? domain->key() : std::string("[0.0.0.0]");
}

}  // namespace

std::string format_received(const Envelope& envelope, const std::string& host, const std::string& id,
                            std::optional<std::uint32_t> uid, ReceivedFrom from) {
  FoldedField field("Received:");
  field.word("from");
  if (from == ReceivedFrom::hidden) {
    field.word("localhost");             // RFC 5321 §4.4 wants a name here
  } else if (envelope.client_address.empty()) {
    field.word(safe_atom(envelope.user));
    if (uid) field.word("(uid " + std::to_string(*uid) + ")");
  } else {
    std::string literal = address_literal(envelope.client_address);
    std::string helo = safe_domain(envelope.helo), name = safe_domain(envelope.client_name);
    field.word(helo.empty() ? literal : helo);
    field.word(name.empty() || name.starts_with('[') ? "(" + literal + ")" : "(" + name + " " + literal + ")");
  }
  field.fold();
  field.word("by " + host);
  field.word("with " + safe_atom(envelope.protocol));
  field.word("id " + safe_atom(id));
  std::string date = format_date(envelope.received);
  // A "for" in UTF-8 would make the header one that hosts without SMTPUTF8 can't take (RFC 6532 §3.6), whatever the
  // message itself has; with many recipients it would tell one of another (RFC 5321 §4.4).
  if (envelope.recipients.size() == 1 && !envelope.recipients[0].address.needs_smtputf8()) {
    field.fold();
    field.word("for <" + envelope.recipients[0].address.text() + ">;");
    field.word(date);
    return field.finish();
  }
  std::string line = field.finish();
  line.insert(line.size() - 2, ";\r\n\t" + date);
  return line;
}

}  // namespace mansio::mail
