#include "mail/x_lines.hpp"

#include <fmt/format.h>

#include <unordered_set>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/list.hpp"
#include "mail/recipient_fields.hpp"

namespace mansio::mail {
namespace {

constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

void add_x_line(std::string& out, std::string_view name, std::string_view address) {
  out += name;
  for (char c : address.empty() ? std::string_view("<>") : address) out += is_control(c) ? '?' : c;
  out += "\r\n";
}

bool is_x_sender(const HeaderField& field) { return iequals(field.name, "X-Sender"); }
bool is_x_receiver(const HeaderField& field) { return iequals(field.name, "X-Receiver"); }

Result<std::vector<Address>> x_addresses(const HeaderField& field, const Domain& qualify) {
  auto list = parse_address_list(field.value, qualify);
  if (!list) return fail(Fault::invalid, fmt::format("{}: {}", escape(field.name, 60), list.error().text()));
  if (list->empty()) return fail(Fault::invalid, fmt::format("{} without an address", escape(field.name, 60)));
  return list;
}

Result<> take_x_sender(Letter& letter, const HeaderField& field, const Domain& qualify) {
  if (letter.names_sender) return fail(Fault::invalid, "more than one X-Sender");
  letter.names_sender = true;
  if (std::string_view value = trim(field.value); value.empty() || value == "<>") return {};
  auto list = x_addresses(field, qualify);
  if (!list) return std::unexpected(list.error());
  if (list->size() != 1) return fail(Fault::invalid, "X-Sender has more than one address");
  letter.sender = std::move(list->front());
  return {};
}

// Domains compare without case, local parts as they stand.
Result<> each_once(std::vector<Address>& addresses, std::size_t most) {
  std::unordered_set<std::string> seen;
  std::erase_if(addresses, [&](const Address& address) { return !seen.insert(address.local().value() + '@' + address.domain().key()).second; });
  if (addresses.empty()) return fail(Fault::invalid, "no recipients: there is no X-Receiver, To, Cc or Bcc with an address");
  if (addresses.size() > most) return fail(Fault::invalid, fmt::format("{} recipients, which is more than limits.recipients ({})", addresses.size(), most));
  return {};
}

}  // namespace

std::string format_x_lines(std::string_view sender, const std::vector<std::string>& recipients) {
  std::string out;
  add_x_line(out, "X-Sender: ", sender);
  for (const std::string& recipient : recipients) add_x_line(out, "X-Receiver: ", recipient);
  return out;
}

Result<Letter> parse_letter(std::string_view text, const Domain& qualify, std::size_t most) {
  Letter letter;
  std::size_t before = text.starts_with(utf8_mark) ? utf8_mark.size() : 0;
  before += mbox_line_length(text.substr(before));
  text.remove_prefix(before);
  HeaderReader reader(text);
  bool any = false;
  while (auto field = reader.next()) {
    any = true;
    if (is_x_sender(*field)) {
      if (auto taken = take_x_sender(letter, *field, qualify); !taken) return std::unexpected(taken.error());
    } else if (is_x_receiver(*field)) {
      auto list = x_addresses(*field, qualify);
      if (!list) return std::unexpected(list.error());
      letter.recipients.insert(letter.recipients.end(), list->begin(), list->end());
    } else if (!is_bcc(field->name)) {
      letter.header += field->raw;
    }
  }
  if (!any) return fail(Fault::invalid, "no header: a message begins with lines such as From:, To: and Subject:");
  if (!letter.header.empty() && !letter.header.ends_with('\n')) letter.header += "\r\n";       // it ends with its header
  letter.header += "\r\n";
  letter.header_size = before + reader.body_offset();
  std::string_view header = text.substr(0, reader.body_offset());
  if (!letter.names_sender) {
    auto sender = header_sender(header, qualify);
    if (!sender) return std::unexpected(sender.error());
    letter.names_sender = sender->has_value();
    letter.sender = std::move(*sender);
  }
  if (letter.recipients.empty()) {
    auto found = header_recipients(header, qualify);
    if (!found) return std::unexpected(found.error());
    letter.recipients = std::move(*found);
  }
  auto bounded = each_once(letter.recipients, most);
  if (!bounded) return std::unexpected(bounded.error());
  return letter;
}

}  // namespace mansio::mail
