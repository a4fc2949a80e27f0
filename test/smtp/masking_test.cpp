#include <catch2/catch.hpp>

#include "smtp/masking.hpp"

namespace mansio::smtp {

TEST_CASE("what may be a password in a command line is left out of logs, and nothing else") {
  struct Row {
    const char *line, *shown;
  };
  const Row rows[] = {
      {"", ""},
      {"MAIL FROM:<auth@ex.test> AUTH=<>", "MAIL FROM:<auth@ex.test> AUTH=<>"},
      {"AUT PLAIN x", "AUT PLAIN x"},
      {"AUTH", "AUTH"},
      {"auth", "AUTH"},
      {"AUTH ", "AUTH"},
      {"AUTH PLAIN", "AUTH PLAIN"},
      {"AUTH login", "AUTH LOGIN"},
      {"AUTH scram-sha-256-plus ", "AUTH SCRAM-SHA-256-PLUS"},
      {"AUTH PLAIN AGEAYg==", "AUTH PLAIN ***"},
      {"auth  plain x y", "AUTH PLAIN ***"},
      {"AUTH\tPLAIN\tx", "AUTH PLAIN ***"},
      {" AUTH PLAIN x", "AUTH PLAIN ***"},
      {"AUTH AGEAYg==", "AUTH ***"},
      {"AUTH CRAM-MD5", "AUTH ***"},
      {"AUTH PLAINx y", "AUTH ***"},
      {"AUTH=PLAIN x", "AUTH***"},
      {"AUTHPLAIN x", "AUTH***"},
      {"AUTHENTICATE PLAIN x", "AUTH***"},
  };
  for (const Row& row : rows) {
    INFO(row.line);
    CHECK(masked_command(row.line) == row.shown);
  }
}

TEST_CASE("input of several lines is shown up to the first AUTH") {
  CHECK(masked_input("EHLO x\r\nMAIL FROM:<a@b>\r\n") == "EHLO x\r\nMAIL FROM:<a@b>\r\n");
  CHECK(masked_input("EHLO x\r\nauth plain secret\r\n") == "EHLO x\r\nAUTH***");
  CHECK(masked_input("AUTH") == "AUTH***");
  CHECK(masked_input("") == "");
}

}  // namespace mansio::smtp
