#include "crypto/saslprep.hpp"

#include <catch2/catch.hpp>

namespace mansio::crypto {

using namespace std::string_view_literals;

TEST_CASE("SASLprep: the examples of RFC 4013 §3 and others") {
  struct Row {
    std::string_view input, output;   // output "" : refused
  };
  for (auto [input, output] : {
           Row{"user", "user"},
           Row{"USER", "USER"},
           Row{"a b~!", "a b~!"},
           Row{"I\xc2\xadX", "IX"},                        // soft hyphen is mapped to nothing
           Row{"\xc2\xaa", "a"},                           // NFKC
           Row{"\xe2\x85\xa8", "IX"},
           Row{"a\xc2\xa0" "b", "a b"},                    // non-ASCII space
           Row{"j\xc3\xb6rg", "j\xc3\xb6rg"},
           Row{"jo\xcc\x88rg", "j\xc3\xb6rg"},             // combining marks are composed
           Row{"\xf0\x9f\x94\x92", "\xf0\x9f\x94\x92"},    // younger than Unicode 3.2
           Row{"\x07", ""},
           Row{"\xd8\xa7" "1", ""},                        // mixed directions
           Row{"", ""},
           Row{"\xc2\xad", ""},                            // nothing is left
           Row{"a\0b"sv, ""},
           Row{"a\x7f", ""},
           Row{"a\r\nb", ""},
           Row{"a\xc2\x85", ""},                           // a control character past ASCII
           Row{"\xef\xbf\xbd", ""},
           Row{"\xee\x80\x80", ""},                        // private use
           Row{"\xff", ""},
           Row{"\xc0\x80", ""},
           Row{"\xed\xa0\x80", ""},
       }) {
    CAPTURE(input);
    CHECK(saslprep(input).value_or("") == output);
  }
}

}  // namespace mansio::crypto
