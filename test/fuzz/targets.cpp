#include "fuzz/targets.hpp"

#include <cstdio>
#include <cstdlib>

namespace fuzz {

using namespace std::string_view_literals;

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
      {"convert", convert,
       {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\n\r\n\xc3\xa4 \r\n--b\r\n"
        "Content-Type: image/x\r\n\r\n\xff\r\n--b\r\nContent-Type: multipart/digest; boundary=\"c\"\r\n\r\n--c\r\n\r\nA: b\r\n\r\n\xe4\r\n--c--\r\n--b--\r\n",
        "Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain\r\n\r\n\xe4\r\n", "A: b\r\n\r\n\xe4"}},
      {"data", data, {"a\r\n..b\r\n.\r\nQUIT\r\n", "a\n.\r\nb\r.\r\n.\r\r\n\n.\n\r\n.\r\n"}},
      {"dns", dns,
       {"AB\201\200\000\001\000\002\000\000\000\001\001a\001t\000\000\017\000\001\001a\001t\000\000\017\000\001"
        "\000\000\000<\000\012\000\012\002mx\001a\001t\000\001a\001t\000\000\017\000\001\000\000\000<\000\003\000"
        "\000\000\000\000)\004\320\000\000\000\000\000\000"sv,
        "AB\201\200\000\001\000\002\000\000\000\000\001a\001t\000\000\001\000\001\001a\001t\000\000\005\000\001"
        "\000\000\000\011\000\005\001b\001t\000\001b\001t\000\000\001\000\001\000\000\000\011\000\004\300\000\002"
        "\001"sv,
        "AB\201\200\000\001\000\001\000\000\000\000\001a\001t\000\000\034\000\001\001a\001t\000\000\034\000\001"
        "\000\000\000\011\000\020 \001\015\270\000\000\000\000\000\000\000\000\000\000\000\001"sv,
        "AB\201\200\000\001\000\001\000\000\000\000\001a\001t\000\000\020\000\001\001a\001t\000\000\020\000\001"
        "\000\000\000\011\000\011\005hello\000\001x"sv,
        "AB\201\200\000\001\000\001\000\000\000\000\003_25\004_tcp\001a\001t\000\0004\000\001\003_25\004_tcp\001a"
        "\001t\000\0004\000\001\000\000\000\011\000\005\003\001\001\253\315"sv,
        "AB\201\203\000\001\000\000\000\001\000\000\001a\001t\000\000\014\000\001\001t\000\000\006\000\001\000"
        "\000\000\011\000\037\002ns\001t\000\001h\001t\000\000\000\000\001\000\000\000\002\000\000\000\003\000"
        "\000\000\004\000\000\000\005"sv,
        "AB\201\200\000\001\000\001\000\000\000\000\001a\001t\000\000\001\000\001\001a\001t\000\000\005\000\001"
        "\000\000\000\011\000\005\001a\001t\000"sv}},
      {"dsn", dsn, {"550-5.1.1 no\r\n550 5.1.1 such user\x1b[0m", "Subject: a\r\n b\r\n\r\nbody\r\n--=_1_0_=\r\n"}},
      {"envelope", envelope,
       {"mansio-envelope 1\nreceived: 1700000000.000000001\nsender: \"a\\x5c\\x5cb\"@c.test\nbody: 8bitmime\nret: full\nsmtputf8: yes\n"
        "envid: x\nhelo: h\\x0a\nclient-port: 25\nrecipient: a@b.test\norcpt: rfc822;a\nnotify: success,delay\nrecipient: c@d.test\n\n"}},
      {"header", header, {"Received: a\r\n b\r\nMessage-ID : <a@b>\r\nDelivered-To: x\n\r\nbody: c\r\n", "From x\r\n\r\n"}},
      {"history", history,
       {"2026-11-20 14:03:20 1tBx6K-000001-AA <= a@b.test R=1tBx6K-000002-AA H=mx.test (x) [192.0.2.1]:2 I=[192.0.2.7]:25 U=u P=esmtps "
        "X=TLS1.3:C:256 CV=yes DN=\"CN=a\" SNI=s A=PLAIN:u S=5 M8S=8 DKIM=d id=m@b for c@d.test \"e\\x20f\"@g.test ...(3 more)",
        "2026-11-20 14:03:20 1tBx6K-000001-AA => c@d.test <o@d.test> F=<a@b.test> R=r T=t S=5 H=mx [2001:db8::1]:25* X=TLS1.2:C:128 CV=no A=PLAIN:u L K "
        "C=\"250 ok\" QT=1w2d3h4m5s DT=0.123s",
        "2026-11-20 14:03:20 1tBx6K-000001-AA == c@d.test <o> R=r T=t defer (-44): 451 later H=mx [192.0.2.1]",
        "2026-11-20 14:03:20 1tBx6K-000001-AA ** c@d.test R=r T=t H=mx [192.0.2.1]: 550 no", "2026-11-20 14:03:20 1tBx6K-000001-AA Completed QT=1s",
        "2026-11-20 14:03:20 H=(x) [192.0.2.1] F=<> temporarily rejected RCPT <a@b>: no", "SMTP call from H=[192.0.2.1]:4 dropped: too many nonmail commands (last was \"RSET\")",
        "no MAIL in SMTP connection from H=(x) [192.0.2.1] D=1s C=EHLO,QUIT", "PLAIN authenticator failed for (x) [192.0.2.1]: 535 Incorrect (set_id=u)",
        "{\"time\":\"2026-11-20T14:03:20.123Z\",\"event\":\"delivery\",\"host\":{\"address\":\"a\",\"port\":1},\"tls\":{\"bits\":1},\"queue_time\":1.5}"}},
      {"list", list, {"\"Doe, J\" <@r.test:j@b.test>, g: a@b.test (c (d)), x;, r . s @ t", "undisclosed:;", "a@[192.0.2.1],,b"}},
      {"reply", reply, {"no such user\nsecond line\r\n", "\x1b\xff"}},
      {"sasl_external", sasl_external, {"user", "-\nuser", ""}},
      {"sasl_login", sasl_login, {"user\npencil", "-\nuser\npencil"}},
      {"sasl_oauthbearer", sasl_oauthbearer,
       {"n,a=user,\1host=a.test\1port=587\1auth=Bearer pencil\1\1", "n,,\1auth=Bearer t==\1\1\n\1", "-\ny,a=a=2Cb=3D,\1auth=bearer t\1\1"}},
      {"sasl_plain", sasl_plain, {"\0user\0pencil"sv, "user\0user\0pencil"sv, "-\n\0j\xc3\xb6rg\0p\xc3\xa4"sv}},
      {"sasl_scram", sasl_scram,
       {"n,,n=user,r=C\nc=biws,r=CS,p=sqZaKlZVJG4pCKSK2ujNqwUUUBbOiHUy+oKpPOLgmjU=\n",
        "-\ny,a=a=2Cb,n=a=2Cb,r=C,x=y\nc=eSws,r=CS,x=y,p=AAAA"}},
      {"sasl_scram_plus", sasl_scram_plus,
       {"p=tls-exporter,,n=user,r=C\nc=cD10bHMtZXhwb3J0ZXIsLGV4cG9ydGVy,r=CS,p=qXiOfUq9d8RUXyLlKJs8IZ2c1MWk9FVrF6+EmPdgBhA=\n",
        "p=tls-server-end-point,,n=user,r=C\nc=biws,r=CS,p=AAAA"}},
      {"sasl_xoauth2", sasl_xoauth2, {"user=user\1auth=Bearer pencil\1\1", "-\nuser=a\1auth=Bearer t.t\1\1\nx"}},
      {"server_reply", server_reply,
       {"550-5.1.1 no such\r\n550 5.1.1 user\r\n250 next\r\n", "x\nPIPELINING\nSIZE 100\nLIMITS RCPTMAX=9\nAUTH PLAIN\n"}},
      {"spf", spf,
       {"v=spf1 a/24//64 -mx:b.test ~include:%{d2}.%{ir}.test ?exists:%{l1r-}._x ip4:192.0.2.0/24 ip6:2001:db8::/32 ptr x=y redirect=c.test", "v=spf1 +all"}},
      {"stuffing", stuffing, {".\r\n..\r\na.b\r\n.\r\n", "a\r\n.b"}},
      {"submission", submission,
       {"From: \"B, b\" <bob>\r\nTo : a@h.example.org,\r\n g: c (x) , d . e@ f.test;\r\nSender: eve\r\nReturn-Path: <>\r\nDKIM-Signature: h=to:from; b=x\r\n\r\nbody",
        "Date:\r\nMessage-ID: <x@y>\r\nfrom: =?utf-8?Q?a,?= <a@b.test>, c@d.test\r\nX-Authenticated-User: x\r\n\r\n", "To: a,b,c\r\nbody"}},
  };
  return all;
}

}  // namespace fuzz
