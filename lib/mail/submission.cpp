#include "mail/submission.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"
#include "mail/list.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t submission_line_max = 998;       // RFC 5322 §2.1.1, without CRLF
constexpr std::size_t submission_growth_max = 1 << 20;

constexpr std::string_view address_fields[] = {
  "From", "Sender", "Reply-To", "To", "Cc", "Bcc",
  "Resent-From", "Resent-Sender", "Resent-Reply-To", "Resent-To", "Resent-Cc", "Resent-Bcc",
};

// The field's name as the RFC spells it, when it holds addresses.
std::optional<std::string_view> address_field(std::string_view name) {
  auto it = std::ranges::find_if(address_fields, [&](std::string_view known) { return iequals(known, name); });
  return it == std::end(address_fields) ? std::nullopt : std::optional(*it);
}

bool is_forgery(std::string_view name) { return iequals(name, "Return-Path") || istarts_with(name, "X-Authenticated-"); }

// Index into `masquerade` of the domain that `domain` is below. A domain that is listed itself stays what it is.
std::optional<std::size_t> masquerade_of(const Domain& domain, const std::vector<std::string>& domains) {
  const std::string& key = domain.key();
  for (std::size_t i = 0; i < domains.size(); ++i) {
    if (!key.ends_with(domains[i])) continue;
    if (key.size() == domains[i].size()) return std::nullopt;
    if (key[key.size() - domains[i].size() - 1] == '.') return i;
  }
  // The short name of a machine ("app@server1") means nothing elsewhere.
  bool short_name = !domain.is_literal() && key.find('.') == std::string::npos;
  return short_name && !domains.empty() ? std::optional<std::size_t>(0) : std::nullopt;
}

// An encoded word with a comma in it, which is wrong but seen: not an address that lacks its domain (RFC 2047 §5).
bool is_encoded_word(const ListMember& member) { return member.address.local().value().starts_with("=?"); }

class Rewriter {
 public:
  explicit Rewriter(const SubmissionFacts& facts) : facts_(facts) {}
  Result<SubmissionHeader> run(std::string_view message);

 private:
  Result<> scan(std::string_view message);
  Result<> count(const HeaderField& field);
  void copy(const HeaderField& field);
  void addresses(const HeaderField& field, std::string_view name);
  void emit(const HeaderField& field, const std::vector<ListMember>& members, std::string_view name);
  Result<> add_missing();
  void add_sender();
  void add(std::string_view name, std::string_view value);
  void note(std::string_view name, std::string_view what);

  const SubmissionFacts& facts_;
  SubmissionHeader out_;
  std::vector<std::string> signed_names_;        // lower case, of all DKIM-Signature fields
  bool has_from_ = false, has_date_ = false, has_id_ = false, has_sender_ = false, too_large_ = false;
};

bool is_blank_value(const HeaderField& field) { return trim(field.value).empty(); }

// RFC 6376 §3.5 h=: the names that a signature covers, with colons between them.
void signed_names(std::string_view value, std::vector<std::string>& out) {
  for (std::string_view tag : split(value, ';')) {
    auto equals = tag.find('=');
    if (equals == std::string_view::npos || trim(tag.substr(0, equals)) != "h") continue;
    for (std::string_view name : split(tag.substr(equals + 1), ':')) out.push_back(to_lower(trim(name)));
  }
}

// RFC 5322 §3.6: at most one of each. Two of them would show the reader another sender than the one that was checked.
Result<> Rewriter::count(const HeaderField& field) {
  static constexpr std::pair<std::string_view, bool Rewriter::*> once[] = {
    {"From", &Rewriter::has_from_}, {"Sender", &Rewriter::has_sender_}, {"Date", &Rewriter::has_date_}, {"Message-ID", &Rewriter::has_id_}};
  for (const auto& [name, seen] : once) {
    if (!iequals(field.name, name) || is_blank_value(field)) continue;
    if (this->*seen) return fail(Fault::invalid, fmt::format("the message has more than one {} field", name));
    this->*seen = true;
  }
  if (iequals(field.name, "DKIM-Signature")) signed_names(field.value, signed_names_);
  return {};
}

// What has to be known before the first field is written.
Result<> Rewriter::scan(std::string_view message) {
  HeaderReader reader(message);
  while (auto field = reader.next()) {
    if (auto good = count(*field); !good) return good;
  }
  out_.replaces = reader.body_offset();
  auto from = header_senders(message, facts_.mail_name);
  if (!from) return std::unexpected(from.error());
  for (Address& address : *from) {
    auto shorter = masqueraded(address, facts_.masquerade);
    out_.from.push_back(shorter ? std::move(*shorter) : std::move(address));
  }
  std::ranges::sort(signed_names_);
  return {};
}

void Rewriter::note(std::string_view name, std::string_view what) {
  std::string line = fmt::format("{} {}", name, what);
  if (std::ranges::find(out_.done, line) == out_.done.end()) out_.done.push_back(std::move(line));
  if (std::ranges::binary_search(signed_names_, to_lower(name))) out_.signature_broken = true;
}

void Rewriter::copy(const HeaderField& field) {
  static constexpr std::string_view needed[] = {"From", "Sender", "Date", "Message-ID"};
  for (std::string_view name : needed) {
    if (iequals(field.name, name) && is_blank_value(field)) return note(name, "removed, for it was empty");
  }
  if (is_forgery(field.name)) return note(iequals(field.name, "Return-Path") ? "Return-Path" : "X-Authenticated-*", "removed");
  if (auto name = address_field(field.name)) return addresses(field, *name);
  out_.text += field.raw;
}

void Rewriter::addresses(const HeaderField& field, std::string_view name) {
  auto members = parse_list_members(field.value, facts_.mail_name);
  if (name == "Sender") {
    bool whole = members && members->size() == 1;
    if (whole) {
      auto shorter = masqueraded(members->front().address, facts_.masquerade);
      out_.sender = shorter ? *shorter : members->front().address;
    }
    if (facts_.add_sender && facts_.login && !(out_.sender && out_.sender->key() == facts_.login->key())) {
      out_.sender.reset();
      has_sender_ = false;
      return note(name, "removed, for it was not the login's");
    }
  }
  if (members) emit(field, *members, name);
  else out_.text += field.raw;
}

// Begins a new line at `at`, the end of the line before, when what stands there makes its line too long.
void fold(std::string& text, std::size_t at) {
  if (text[at] == '\r' || text[at] == '\n') return;
  std::size_t start = text.rfind('\n', at) + 1;                               // npos + 1 is 0: the first line
  if (std::min(text.find('\n', at), text.size()) - start <= submission_line_max) return;
  text.insert(at, is_blank(text[at]) ? "\r\n" : "\r\n ");
}

// The field with its addresses changed in their places. A line that grows too long is folded before a member.
void Rewriter::emit(const HeaderField& field, const std::vector<ListMember>& members, std::string_view name) {
  std::string_view raw = field.raw, value = field.value;
  std::size_t value_at = static_cast<std::size_t>(value.data() - raw.data()), done = 0;
  std::string field_text(raw.substr(0, value_at));
  auto copy_to = [&](std::size_t end) {
    field_text += value.substr(done, end - done);
    done = end;
  };
  bool changed = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const ListMember& member = members[i];
    copy_to(member.begin);
    std::size_t before = field_text.size();
    copy_to(member.domain_begin);
    if (!member.qualified && !is_encoded_word(member)) {
      field_text += "@" + facts_.mail_name.text();
      note(name, "qualified");
      changed = true;
    } else if (auto shorter = member.qualified ? masquerade_of(member.address.domain(), facts_.masquerade) : std::nullopt) {
      field_text += facts_.masquerade[*shorter];
      done = member.domain_end;
      note(name, "masqueraded");
      changed = true;
    }
    copy_to(i + 1 < members.size() ? members[i + 1].begin : value.size());
    if (i > 0) fold(field_text, before);
    if (field_text.size() > value.size() + submission_growth_max) too_large_ = true;
    if (too_large_) return;
  }
  if (changed) out_.text += field_text + std::string(raw.substr(value_at + value.size()));
  else out_.text += raw;
}

void Rewriter::add(std::string_view name, std::string_view value) {
  out_.text += fmt::format("{}: {}\r\n", name, value);
  note(name, "added");
}

// RFC 6409 §8.1. RFC 5322 §3.6.2: a message of several authors must have a Sender.
void Rewriter::add_sender() {
  if (out_.sender || has_sender_ || !facts_.login) return;
  bool author = std::ranges::any_of(out_.from, [&](const Address& address) { return address.key() == facts_.login->key(); });
  bool wanted = out_.from.size() > 1 || (facts_.add_sender && !author);
  if (!wanted || (facts_.login->needs_smtputf8() && !facts_.smtputf8)) return;
  out_.sender = facts_.login;
  add("Sender", facts_.login->text());
}

Result<> Rewriter::add_missing() {
  if (!has_date_) add("Date", format_date(facts_.now));                       // RFC 6409 §8.2
  if (!has_id_) add("Message-ID", "<" + facts_.message_id + ">");             // RFC 6409 §8.3
  if (!has_from_) {
    const std::optional<Address>& author = facts_.sender ? facts_.sender : facts_.login;
    if (!author || (author->needs_smtputf8() && !facts_.smtputf8)) return fail(Fault::invalid, "the message has no From field");
    out_.from.push_back(*author);
    add("From", author->text());
  }
  add_sender();
  return {};
}

Result<SubmissionHeader> Rewriter::run(std::string_view message) {
  if (auto scanned = scan(message); !scanned) return std::unexpected(scanned.error());
  HeaderReader reader(message);
  while (auto field = reader.next()) {
    copy(*field);
    if (!out_.text.empty() && !out_.text.ends_with('\n')) out_.text += "\r\n";          // the message ended in its header
    if (too_large_ || out_.text.size() > message.size() + submission_growth_max) return fail(Fault::invalid, "the message has too many addresses without a domain");
  }
  if (auto added = add_missing(); !added) return std::unexpected(added.error());
  out_.text += "\r\n";
  return std::move(out_);
}

}  // namespace

Result<SubmissionHeader> rewrite_submission(std::string_view message, const SubmissionFacts& facts) { return Rewriter(facts).run(message); }

Result<std::vector<Address>> header_senders(std::string_view message, const Domain& mail_name) {
  std::vector<Address> found;
  bool seen = false;
  HeaderReader reader(message);
  while (auto field = reader.next()) {
    if (!iequals(field->name, "From") || is_blank_value(*field)) continue;
    if (seen) return fail(Fault::invalid, "the message has more than one From field");
    seen = true;
    auto list = parse_list_members(field->value, mail_name);
    if (!list) return fail(Fault::invalid, "From: " + list.error().text());
    std::erase_if(*list, [](const ListMember& member) { return !member.qualified && is_encoded_word(member); });
    if (list->empty()) return fail(Fault::invalid, "the From field holds no address");
    for (ListMember& member : *list) found.push_back(std::move(member.address));
  }
  return found;
}

std::optional<Address> login_address(std::string_view login, const Domain& mail_name) {
  if (login.find('@') != std::string_view::npos) {
    auto address = Address::parse(login);
    return address ? std::optional(std::move(*address)) : std::nullopt;
  }
  auto local = LocalPart::from_unquoted(login);
  return local ? std::optional(Address(std::move(*local), mail_name)) : std::nullopt;
}

std::optional<Address> masqueraded(const Address& address, const std::vector<std::string>& domains) {
  auto found = masquerade_of(address.domain(), domains);
  if (!found) return std::nullopt;
  auto domain = Domain::parse(domains[*found]);
  return domain ? std::optional(Address(address.local(), std::move(*domain))) : std::nullopt;
}

}  // namespace mansio::mail
