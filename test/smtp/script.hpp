// Dialogue scripts: what a client says and what it must hear. One case a file, the name says it; lines:
//
//   # limits: recipients=3 errors=5      session options, times in ms    # protocol: lmtp    # local: yes
//   # greeting: 554 no                   what the handler says first     # bare_newline: normalize
//   # tls: offered                       or required, implicit           # certificate: none       the server has none; client: the client has one
//   # auth: PLAIN LOGIN                  mechanisms                      # auth_required: yes      # auth_in_clear: yes
//   # etrn: yes    # odmr: yes           what is offered
//   # cut: whole                         not run one octet a write       # anything else is a comment
//   B: raw        sent before the session begins
//   C: line       sent with CRLF            C< raw        sent as it is        C*N raw   sent N times
//   C|            what was said so far goes out, then the server has its turn (lines in a row go out together)
//   greet         220 is heard, EHLO client.test said, and its answer heard (LHLO where the protocol is lmtp)
//   tls           the client begins TLS; what was said before goes out in clear
//   login PLAIN alice opensesame         AUTH by lib/sasl's client, up to the last response; the reply is not heard yet
//   transaction   greet, then MAIL FROM:<a@evil.test> and RCPT TO:<alice@ex.test>, each with its 250
//   S: prefix     the next line from the server begins so     S~ regex    …is matched whole
//   S*N prefix    so do the next N lines                      S= 250      a whole reply, this code on each line
//   S-            nothing is there to read within 30 ms       EOF         the server closes
//   GONE          the server closes, and said nothing more but a TLS alert
//   close         the client ends its side     wait 50    ms  finish, interrupt    as the connection's owner
//   M: 2          messages taken so far        M~ regex       found in the last one's envelope, as test/smtp/mail_box.hpp writes it
//   M= content    of the last one              T: kind        of trouble that the handler heard of     T- none
//   H~ regex      in a line of what else the handler heard: "secured TLS1.3", "authenticated PLAIN alice",
//                 "failed PLAIN alice: text", "trouble kind: command: text"           H- regex       in none of them
//
// Escapes: \r \n \t \0 \xHH \\ , and \b(text) for the base64 of text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "smtp/session.hpp"

namespace mansio::smtp {

struct Step {
  enum class Kind { before, say, turn, line, matches, reply, silence, end, close, wait, finish, interrupt, count, envelope, content, trouble,
                    no_trouble, tls, login, gone, event, no_event };
  Kind kind;
  std::string text;
  std::size_t times = 1;
  std::size_t line = 0;      // in the file
};

struct Script {
  std::string name;
  SessionOptions options;
  Status greeting{220, "ready"};
  bool only_whole = false;
  bool certificate = true, client_certificate = false;
  std::vector<Step> steps;
};

// Throws std::runtime_error naming file and line when it can't be read.
Script read_script(const std::string& path);

std::string unescape(std::string_view text);

}  // namespace mansio::smtp
