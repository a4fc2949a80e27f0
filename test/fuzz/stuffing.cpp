#include "smtp/stuffing.hpp"

#include "fuzz/targets.hpp"
#include "smtp/data.hpp"

void fuzz::stuffing(std::string_view input) {
  using namespace mansio::smtp;
  Stuffing whole, cut, check;
  std::string wire, same;
  bool clean = whole.stuff(input, wire) && whole.whole(), clean_cut = true;
  for (char c : input) clean_cut = clean_cut && cut.stuff(std::string_view(&c, 1), same);
  require(clean == (clean_cut && cut.whole()), "cuts change nothing");
  require(clean == (check.check(input) && check.whole()), "DATA and BDAT refuse the same");
  if (!clean) return;
  require(wire == same, "cuts change no octet");
  whole.finish(wire);
  DataDecoder decoder(Framing::dots);
  std::vector<std::string_view> spans;
  std::size_t used = decoder.feed(wire, spans);
  std::string content;
  for (auto span : spans) content += span;
  require(used == wire.size() && decoder.ended() && !decoder.bare_newline(), "the end is at the end, and nothing bare");
  require(content.substr(0, input.size()) == input && content.size() - input.size() <= 2, "a server reads what was sent");
}
