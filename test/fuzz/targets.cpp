#include "fuzz/targets.hpp"

#include <cstdio>
#include <cstdlib>

namespace fuzz {

void require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "broken invariant: %s\n", invariant);
  std::abort();
}

std::span<const Target> targets() {
  static const std::vector<Target> all{
      {"address", address, {"\"a b\\\"c\"@example.org", "a.b@[IPv6:2001:db8::1]", "j\xc3\xb6rg@b\xc3\xbc" "cher.example", "<>@x"}},
      {"command", command,
       {"EHLO [IPv6:::1]", "MAIL FROM:<@a.test,@b.test:u@d.test> SIZE=1 BODY=8BITMIME RET=FULL ENVID=a+2B SMTPUTF8 AUTH=<>",
        "RCPT TO:<\"a>b\"@c.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+40b", "BDAT 100 LAST", "AUTH PLAIN AGEAYg==", "VRFY a SMTPUTF8"}},
      {"data", data, {"a\r\n..b\r\n.\r\nQUIT\r\n", "a\n.\r\nb\r.\r\n.\r\r\n\n.\n\r\n.\r\n"}},
      {"dsn", dsn, {"550-5.1.1 no\r\n550 5.1.1 such user\x1b[0m", "Subject: a\r\n b\r\n\r\nbody\r\n--=_1_0_=\r\n"}},
      {"envelope", envelope,
       {"mansio-envelope 1\nreceived: 1700000000.000000001\nsender: \"a\\x5c\\x5cb\"@c.test\nbody: 8bitmime\nret: full\nsmtputf8: yes\n"
        "envid: x\nhelo: h\\x0a\nclient-port: 25\nrecipient: a@b.test\norcpt: rfc822;a\nnotify: success,delay\nrecipient: c@d.test\n\n"}},
      {"header", header, {"Received: a\r\n b\r\nMessage-ID : <a@b>\r\nDelivered-To: x\n\r\nbody: c\r\n", "From x\r\n\r\n"}},
      {"list", list, {"\"Doe, J\" <@r.test:j@b.test>, g: a@b.test (c (d)), x;, r . s @ t", "undisclosed:;", "a@[192.0.2.1],,b"}},
      {"reply", reply, {"no such user\nsecond line\r\n", "\x1b\xff"}},
  };
  return all;
}

}  // namespace fuzz
