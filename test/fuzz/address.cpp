#include "mail/address.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"

void fuzz::address(std::string_view input) {
  auto parsed = mansio::mail::Address::parse(input);
  if (!parsed) return;
  std::string text = parsed->text();
  require(!mansio::has_control(text), "an address holds no control byte");
  require(mansio::is_utf8(text), "an address is UTF-8");
  require(mansio::is_ascii(parsed->domain().key()), "a domain's key is ASCII");
  auto again = mansio::mail::Address::parse(text);
  require(again && again->text() == text && again->key() == parsed->key(), "an address survives its text");
  auto by_key = mansio::mail::Domain::parse(parsed->domain().key());
  require(by_key && by_key->key() == parsed->domain().key(), "a key is its own key");
}
