#include "receive/local_sender.hpp"

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/list.hpp"

namespace mansio::receive {

std::optional<mail::Address> address_of_user(const std::string& user, const std::string& mail_name) {
  auto local = mail::LocalPart::from_unquoted(user);
  auto domain = mail::Domain::parse(mail_name);
  if (!local || !domain) return std::nullopt;
  return mail::Address(std::move(*local), std::move(*domain));
}

std::string sender_field(std::string_view header, const mail::Address& own) {
  mail::HeaderReader reader(header);
  while (auto field = reader.next()) {
    if (!iequals(field->name, "From")) continue;
    auto list = mail::parse_address_list(field->value, own.domain());
    if (list && list->size() == 1 && list->front().key() == own.key()) return {};
  }
  return "Sender: " + own.text() + "\r\n";
}

}  // namespace mansio::receive
