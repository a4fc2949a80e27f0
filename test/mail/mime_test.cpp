#include "mail/mime.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace mansio::mail;

namespace {

ContentNeeds needs_of(std::string_view text, std::size_t piece) {
  ContentScanner scanner;
  for (std::size_t i = 0; i < text.size(); i += piece) scanner.add(text.substr(i, piece));
  return scanner.needs();
}

struct NeedsCase {
  const char* name;
  std::string content;
  ContentNeeds needs;
};

}  // namespace

TEST_CASE("what a message needs of the next hop is found however it is cut into pieces") {
  const std::string head = "MIME-Version: 1.0\r\nSubject: x\r\n\r\n";
  ContentNeeds mime, body8, header8, binary;
  mime.mime = body8.mime = binary.mime = true;
  body8.eight_bit_body = binary.binary = header8.eight_bit_header = true;
  ContentNeeds plain8 = body8;
  plain8.mime = false;
  const std::vector<NeedsCase> cases{
      {"nothing", "", ContentNeeds()},
      {"ASCII", head + "hello\r\n\tworld\x7f\r\n", mime},
      {"8-bit body", head + std::string(100, 'a') + "\r\nh\xc3\xa4llo\r\n", body8},
      {"8-bit as the first octet of the body", head + "\xff\r\n", body8},
      {"8-bit as the last octet", head + "a\xff", body8},
      {"8-bit in the header", "Subject: \xc3\xa4\r\n\r\nx\r\n", header8},
      {"8-bit in a folded header line", "Subject: a\r\n b\xc3\xa4\r\n\r\nx\r\n", header8},
      {"8-bit in a body without an empty line before it", "Subject: a\r\nno field \xc3\xa4\r\n", plain8},
      {"8-bit without a header", "\r\n\xc3\xa4\r\n", plain8},
      {"NUL", head + std::string("a\0b\r\n", 5), binary},
      {"LF alone", head + "a\nb\r\n", binary},
      {"CR alone", head + "a\rb\r\n", binary},
      {"CR CR LF", head + "a\r\r\n", binary},
      {"CR at the end", head + "a\r", binary},
      {"a line of 998", head + std::string(998, 'x') + "\r\n" + std::string(998, 'y'), mime},
      {"a line of 999", head + std::string(999, 'x') + "\r\n", binary},
      {"a last line of 999 without an end", head + "\r\n" + std::string(999, 'x'), binary},
      {"a header line of 999", "A: " + std::string(996, 'x') + "\r\nMIME-Version: 1.0\r\n\r\n", binary},
      {"MIME-Version in the body only", "A: b\r\n\r\nMIME-Version: 1.0\r\n", ContentNeeds()},
  };
  for (const NeedsCase& c : cases) {
    for (std::size_t piece : {1, 2, 7, 31, 32, 33, 64, 1000, 100000}) {
      INFO(c.name << " in pieces of " << piece);
      CHECK(needs_of(c.content, piece) == c.needs);
    }
  }
}

TEST_CASE("an octet of each kind is found at each place of a long piece") {
  const std::string head = "A: b\r\n\r\n";
  for (std::size_t at = 0; at < 70; ++at) {
    for (char octet : {'\0', '\n', '\r', '\x80', '\xff', '\x0b', '\x0e', '\x7f'}) {
      std::string body(70, 'x');
      body[at] = octet;
      ContentNeeds needs = needs_of(head + body + "\r\n", 100000);
      CHECK(needs.binary == (octet == '\0' || octet == '\n' || octet == '\r'));
      CHECK(needs.eight_bit_body == (static_cast<unsigned char>(octet) >= 0x80));
      CHECK_FALSE(needs.eight_bit_header);
    }
  }
}
