#include "mail/envelope.hpp"

#include <algorithm>

#include "fuzz/targets.hpp"

void fuzz::envelope(std::string_view input) {
  using namespace mansio::mail;
  auto parsed = parse_envelope(input);
  if (parsed) require(format_envelope(*parsed) == input, "parse takes exactly what format gives");
  Envelope hostile;
  hostile.helo = hostile.envid = hostile.user = input;
  hostile.recipients.emplace_back(*Address::parse("a@b.test"));
  hostile.recipients.back().orcpt = input;
  std::string text = format_envelope(hostile);
  require(std::ranges::count(text, '\n') <= 9, "no value starts a line");
  auto back = parse_envelope(text);
  require(back && back->helo == input && back->envid == input && back->recipients.size() == 1, "values survive");
  require(back->recipients[0].orcpt == input, "values of recipients survive");
}
