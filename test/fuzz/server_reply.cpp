#include "smtp/server_reply.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "smtp/capabilities.hpp"

namespace {

struct ReadReply {
  std::size_t used = 0;
  bool done = false, malformed = false;
  mansio::smtp::ServerReply reply;
};

ReadReply read_reply(std::string_view input, std::size_t piece) {
  mansio::smtp::ReplyParser parser;
  ReadReply out;
  while (out.used < input.size() && !parser.done() && !parser.malformed()) out.used += parser.feed(input.substr(out.used, piece));
  out.done = parser.done();
  out.malformed = parser.malformed();
  if (out.done) out.reply = parser.take();
  return out;
}

}  // namespace

void fuzz::server_reply(std::string_view input) {
  using namespace mansio;
  ReadReply whole = read_reply(input, input.size() + 1), cut = read_reply(input, 1);
  require(whole.done == cut.done && whole.malformed == cut.malformed && whole.used == cut.used, "cuts change nothing");
  require(whole.reply.code == cut.reply.code && whole.reply.text == cut.reply.text, "cuts change no text");
  require(!(whole.done && whole.malformed), "a reply is one or the other");
  if (whole.done) {
    require(whole.reply.code >= 200 && whole.reply.code < 600, "codes are 200 to 599");
    require(whole.reply.text.size() <= smtp::ReplyParser::text_limit, "the text is bounded");
    require(is_utf8(whole.reply.text), "the text is UTF-8");
    require(std::ranges::none_of(whole.reply.text, [](char c) { return is_control(c) && c != '\n'; }), "no control characters");
    Status status = whole.reply.status();
    require(status.enhanced().klass == whole.reply.code / 100, "the classes agree");
  }
  smtp::Capabilities offered = smtp::parse_capabilities(input);
  require(offered.rcpt_max <= 999999 && offered.auth.size() <= 32, "what is offered is bounded");
}
