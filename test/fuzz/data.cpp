#include "smtp/data.hpp"

#include <string>

#include "fuzz/targets.hpp"

namespace {

using namespace mansio::smtp;

std::string run_decoder(std::string_view input, DataDecoder& decoder, std::size_t piece, std::size_t& consumed) {
  std::string content;
  std::vector<std::string_view> spans;
  for (consumed = 0; consumed < input.size() && !decoder.ended();) {
    spans.clear();
    consumed += decoder.feed(input.substr(consumed, piece), spans);
    for (auto span : spans) content += span;
  }
  spans.clear();
  if (!decoder.ended()) decoder.finish(spans);
  for (auto span : spans) content += span;
  return content;
}

}  // namespace

void fuzz::data(std::string_view input) {
  std::string wire = "\r\n" + std::string(input);
  auto end = wire.find("\r\n.\r\n");
  for (Framing framing : {Framing::dots, Framing::chunks}) {
    for (BareNewline mode : {BareNewline::reject, BareNewline::normalize}) {
      DataDecoder whole(framing, mode), cut(framing, mode);
      std::size_t consumed = 0, consumed_cut = 0;
      std::string content = run_decoder(input, whole, input.size() + 1, consumed);
      std::string content_cut = run_decoder(input, cut, 1 + input.size() % 7, consumed_cut);
      require(content == content_cut && consumed == consumed_cut && whole.octets() == cut.octets(), "cuts change nothing");
      require(whole.ended() == cut.ended() && whole.bare_newline() == cut.bare_newline(), "cuts change no flag");
      bool ends = framing == Framing::dots && end != std::string::npos;
      require(whole.ended() == ends, "data ends at the first CRLF.CRLF and nowhere else");
      require(consumed == (ends ? end + 3 : input.size()), "all is consumed up to the end of data");
      if (mode == BareNewline::normalize) {
        for (std::size_t i = 0; i < content.size(); ++i) {
          require(content[i] != '\n' || (i > 0 && content[i - 1] == '\r'), "no bare LF comes out");
          bool open = content[i] == '\r' && i + 1 == content.size() && !whole.ended();
          require(content[i] != '\r' || open || (i + 1 < content.size() && content[i + 1] == '\n'), "no bare CR comes out");
        }
      }
    }
  }
}
