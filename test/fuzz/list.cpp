#include "mail/list.hpp"

#include "fuzz/targets.hpp"

void fuzz::list(std::string_view input) {
  using namespace mansio::mail;
  static const Domain here = *Domain::parse("here.test");
  auto found = parse_address_list(input, here);
  if (!found) return;
  std::string text;
  for (const Address& address : *found) {
    auto again = Address::parse(address.text());
    require(again && again->text() == address.text(), "each is an address on the wire");
    text += "<" + address.text() + ">, ";
  }
  auto back = parse_address_list(text, here);
  require(back && back->size() == found->size(), "a list of what was found is read again");
}
