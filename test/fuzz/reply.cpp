#include "smtp/reply.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"

void fuzz::reply(std::string_view input) {
  using namespace mansio;
  std::string text = smtp::format_reply(Status(550, 1, 1, std::string(input)));
  require(text.ends_with("\r\n"), "a reply ends with CRLF");
  auto lines = split(std::string_view(text).substr(0, text.size() - 2), '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    bool last = i + 1 == lines.size();
    require(last || lines[i].ends_with('\r'), "each line ends with CRLF");
    std::string_view line = last ? lines[i] : lines[i].substr(0, lines[i].size() - 1);
    require(line.size() <= 510 && !has_control(line) && is_ascii(line), "a line is 512 octets of printable ASCII");
    require(line.starts_with(last ? "550 5.1.1 " : "550-5.1.1 "), "codes stand on each line");
  }
}
