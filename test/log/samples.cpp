#include "log/samples.hpp"

namespace mansio::log::test {
namespace {

using std::chrono::milliseconds;

const char* remote = "1tBx6K-000001-AA";
const char* local = "1tBx6L-000002-BB";
const char* bounced = "1tBx6M-000003-CC";
const char* bounce = "1tBx6N-000004-DD";
const Host peer{"mx.peer.example", "mx.peer.example", "192.0.2.10", 41234};
const Host liar{"", "liar.example", "192.0.2.66", 0};

std::vector<Sample> messages() {
  return {
      {Arrival{.id = remote, .sender = "ann@peer.example", .host = peer, .local_address = "192.0.2.1", .local_port = 25,
               .protocol = "esmtps", .tls = Tls{"TLS1.3", "TLS_AES_256_GCM_SHA384", 256, true, "mail.example.org", "CN=a b,O=\"x\""},
               .size = 2048, .body = BodyType::eight_bit, .message_id = "m1@peer.example",
               .recipients = {"bob@example.org", "\"a b\"@example.org"}},
       "1tBx6K-000001-AA <= ann@peer.example H=mx.peer.example [192.0.2.10]:41234 I=[192.0.2.1]:25 P=esmtps "
       "X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes DN=\"CN=a\\x20b,O=\\x22x\\x22\" SNI=mail.example.org S=2048 M8S=8 id=m1@peer.example "
       "for bob@example.org \"a\\x20b\"@example.org"},
      {Delivery{.id = remote, .address = "bob@example.org", .original = "list@example.org", .sender = "ann@peer.example",
                .route = "local", .transport = "mailbox", .size = 2100, .queue_time = milliseconds(120),
                .delivery_time = milliseconds(4)},
       "1tBx6K-000001-AA => bob@example.org <list@example.org> F=<ann@peer.example> R=local T=mailbox S=2100 "
       "QT=0.120s DT=0.004s"},
      {Delivery{.id = remote, .mark = Delivery::Mark::further, .address = "\"a b\"@example.org", .route = "local",
                .transport = "mailbox"},
       "1tBx6K-000001-AA -> \"a\\x20b\"@example.org R=local T=mailbox"},
      {Completed{remote, milliseconds(125)}, "1tBx6K-000001-AA Completed QT=0.125s"},
      {Arrival{.id = local, .sender = "root@example.org", .user = "root", .protocol = "local", .size = 512,
               .recipients = {"carol@far.example"}},
       "1tBx6L-000002-BB <= root@example.org U=root P=local S=512 for carol@far.example"},
      {Deferral{local, "carol@far.example", "", "everywhere", "internet", Phase::rcpt, "451 4.7.1 greylisted",
                {"mx.far.example", "", "198.51.100.7", 0}},
       "1tBx6L-000002-BB == carol@far.example R=everywhere T=internet defer (-44): 451 4.7.1 greylisted "
       "H=mx.far.example [198.51.100.7]"},
      {Delivery{.id = local, .address = "carol@far.example", .route = "everywhere", .transport = "internet", .size = 530,
                .host = {"mx.far.example", "", "198.51.100.7", 25}, .dnssec = true,
                .tls = Tls{"TLS1.2", "ECDHE_RSA__AES_128_GCM", 128, false, ""}, .pipelining = true, .chunking = true,
                .reply = "250 2.0.0 \"queued\" as 7", .queue_time = std::chrono::minutes(16), .delivery_time = std::chrono::seconds(2)},
       "1tBx6L-000002-BB => carol@far.example R=everywhere T=internet S=530 H=mx.far.example [198.51.100.7]:25* "
       "X=TLS1.2:ECDHE_RSA__AES_128_GCM:128 CV=no L K C=\"250 2.0.0 \\x22queued\\x22 as 7\" QT=16m DT=2s"},
      {Completed{local, std::nullopt}, "1tBx6L-000002-BB Completed"},
      {Arrival{.id = bounced, .sender = "dan@peer.example", .host = liar, .protocol = "esmtpa", .auth = "PLAIN:dan", .size = 99},
       "1tBx6M-000003-CC <= dan@peer.example H=(liar.example) [192.0.2.66] P=esmtpa A=PLAIN:dan S=99 M8S=0"},
      {Failure{bounced, "gone@far.example", "", "everywhere", "internet", "550 5.1.1 no such user", {"mx.far.example", "", "198.51.100.7", 0}},
       "1tBx6M-000003-CC ** gone@far.example R=everywhere T=internet H=mx.far.example [198.51.100.7]: 550 5.1.1 no such user"},
      {Arrival{.id = bounce, .sender = "", .reply_to_id = bounced, .user = "mansio", .protocol = "local", .size = 900},
       "1tBx6N-000004-DD <= <> R=1tBx6M-000003-CC U=mansio P=local S=900"},
      {Notice{bounced, "frozen (delivery error message)", false}, "1tBx6M-000003-CC frozen (delivery error message)"},
      {Completed{bounced, std::chrono::seconds(3)}, "1tBx6M-000003-CC Completed QT=3s"},
  };
}

std::vector<Sample> refusals() {
  using Stage = Rejection::Stage;
  return {
      {Rejection{.host = liar, .sender = "x@spam.example", .stage = Stage::rcpt, .argument = "victim@far.example", .reason = reason::relay},
       "H=(liar.example) [192.0.2.66] F=<x@spam.example> rejected RCPT <victim@far.example>: relay not permitted"},
      {Rejection{.host = peer, .sender = "", .stage = Stage::rcpt, .argument = "nobody@example.org", .reason = reason::unknown_user},
       "H=mx.peer.example [192.0.2.10]:41234 F=<> rejected RCPT <nobody@example.org>: Unknown user"},
      {Rejection{.host = peer, .stage = Stage::mail, .argument = "a@b", .temporary = true, .reason = "no space"},
       "H=mx.peer.example [192.0.2.10]:41234 temporarily rejected MAIL <a@b>: no space"},
      {Rejection{.host = liar, .stage = Stage::helo, .argument = "bad name", .reason = "syntactically invalid"},
       "H=(liar.example) [192.0.2.66] rejected EHLO or HELO bad\\x20name: syntactically invalid"},
      {Rejection{.id = "1tBx6P-000005-EE", .host = peer, .sender = "a@b", .stage = Stage::data, .reason = "too many hops",
                 .recipients = {"bob@example.org"}, .headers = {"Received: from x", "Subject: y"}},
       "1tBx6P-000005-EE H=mx.peer.example [192.0.2.10]:41234 F=<a@b> rejected after DATA: too many hops"},
      {Rejection{.host = liar, .stage = Stage::connection, .reason = "policy"}, "H=(liar.example) [192.0.2.66] rejected connection in \"connect\" ACL: policy"},
      {Rejection{.host = liar, .stage = Stage::other, .argument = "VRFY", .reason = "closed"}, "H=(liar.example) [192.0.2.66] rejected VRFY: closed"},
      {AuthFailure{"CRAM-MD5", liar, "admin"},
       "CRAM_MD5 authenticator failed for (liar.example) [192.0.2.66]: 535 Incorrect authentication data (set_id=admin)"},
  };
}

std::vector<Sample> troubles() {
  using Kind = ConnectionTrouble::Kind;
  Host bare{"", "", "192.0.2.66", 4000};
  return {
      {ConnectionTrouble{.kind = Kind::early_talker, .host = bare, .input = "GET / HTTP/1.0\r\n"},
       "SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from "
       "H=[192.0.2.66]:4000 input=\"GET / HTTP/1.0\\r\\n\""},
      {ConnectionTrouble{.kind = Kind::early_pipelining, .host = liar, .command = "EHLO liar.example", .input = "MAIL"},
       "SMTP protocol synchronization error (next input sent too soon: pipelining was not allowed here): rejected "
       "\"EHLO\\x20liar.example\" H=(liar.example) [192.0.2.66] next input=\"MAIL\""},
      {ConnectionTrouble{.kind = Kind::too_many_errors, .host = liar, .command = "FOO \"bar\""},
       "SMTP call from H=(liar.example) [192.0.2.66] dropped: too many syntax or protocol errors (last command was \"FOO \\x22bar\\x22\")"},
      {ConnectionTrouble{.kind = Kind::too_many_nonmail, .host = bare, .command = "RSET"},
       "SMTP call from H=[192.0.2.66]:4000 dropped: too many nonmail commands (last was \"RSET\")"},
      {ConnectionTrouble{.kind = Kind::syntax_error, .host = liar, .command = "MAIL x", .text = "malformed address"},
       "SMTP syntax error in \"MAIL x\" H=(liar.example) [192.0.2.66] malformed address"},
      {ConnectionTrouble{.kind = Kind::protocol_error, .host = liar, .command = "AUTH LOGIN", .text = "AUTH command used when not advertised"},
       "SMTP protocol error in \"AUTH LOGIN\" H=(liar.example) [192.0.2.66] AUTH command used when not advertised"},
      {ConnectionTrouble{.kind = Kind::lost, .host = liar, .duration = std::chrono::seconds(4)},
       "unexpected disconnection while reading SMTP command from H=(liar.example) [192.0.2.66] D=4s"},
      {ConnectionTrouble{.kind = Kind::lost_in_data, .host = liar, .sender = "a@b"},
       "SMTP connection lost while reading message data H=(liar.example) [192.0.2.66] F=<a@b>"},
      {ConnectionTrouble{.kind = Kind::command_timeout, .host = bare}, "SMTP command timeout on connection from H=[192.0.2.66]:4000"},
      {ConnectionTrouble{.kind = Kind::data_timeout, .host = bare, .sender = ""},
       "SMTP data timeout (message abandoned) on connection from H=[192.0.2.66]:4000 F=<>"},
      {ConnectionTrouble{.kind = Kind::tls_error, .host = bare, .text = "no shared cipher"},
       "TLS error on connection from H=[192.0.2.66]:4000: no shared cipher"},
      {ConnectionTrouble{.kind = Kind::refused, .host = bare, .text = "too many connections"},
       "Connection from [192.0.2.66]:4000 refused: too many connections"},
      {Connection{.host = bare, .local_address = "192.0.2.1", .local_port = 25, .count = 3},
       "SMTP connection from [192.0.2.66]:4000 I=[192.0.2.1]:25 (TCP/IP connection count = 3)"},
      {Connection{.what = Connection::What::quit, .host = liar, .local_address = "192.0.2.1", .local_port = 25, .duration = std::chrono::seconds(65)},
       "SMTP connection from (liar.example) [192.0.2.66] I=[192.0.2.1]:25 D=1m5s closed by QUIT"},
      {Connection{.what = Connection::What::lost, .host = bare, .duration = std::chrono::seconds(2)}, "SMTP connection from [192.0.2.66]:4000 lost D=2s"},
      {Connection{.what = Connection::What::ended, .host = bare, .duration = milliseconds(12)}, "SMTP connection from [192.0.2.66]:4000 D=0.012s ended by this server"},
      {ConnectionTrouble{.kind = Kind::no_mail, .host = liar, .duration = milliseconds(1500), .commands = {"EHLO", "QUIT"}},
       "no MAIL in SMTP connection from H=(liar.example) [192.0.2.66] D=1s C=EHLO,QUIT"},
      {Notice{"", "mansiod 0.1.0 started", false}, "mansiod 0.1.0 started"},
  };
}

}  // namespace

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> rows = messages();
    for (auto& part : {refusals(), troubles()}) rows.insert(rows.end(), part.begin(), part.end());
    return rows;
  }();
  return all;
}

}  // namespace mansio::log::test
