#include "mail/x_lines.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "mail/header.hpp"
#include "mail/recipient_fields.hpp"

void fuzz::letter(std::string_view input) {
  using namespace mansio::mail;
  auto first = parse_letter(input, *Domain::parse("example.org"), 100);
  if (!first) return;
  require(first->header_size <= input.size(), "no more is read than there is");
  require(!first->recipients.empty() && first->recipients.size() <= 100, "it is for somebody, and not for too many");
  HeaderReader reader(first->header);
  while (auto field = reader.next()) {
    require(!is_bcc(field->name) && !mansio::iequals(field->name, "X-Sender") && !mansio::iequals(field->name, "X-Receiver"), "the envelope is not sent");
  }
  require(reader.has_separator() && reader.body_offset() == first->header.size(), "the header ends where the body begins");
  std::vector<std::string> recipients;
  for (const Address& address : first->recipients) recipients.push_back(address.text());
  std::string lines = format_x_lines(first->sender ? first->sender->text() : "", recipients);
  auto second = parse_letter(lines + first->header, *Domain::parse("example.org"), 100);
  require(second.has_value(), "what was read can be written and read again");
  require(second->header == first->header && second->recipients.size() == recipients.size(), "what is read again is the same");
  for (std::size_t i = 0; i < recipients.size(); ++i) require(second->recipients[i].text() == recipients[i], "each recipient is who he was");
}
