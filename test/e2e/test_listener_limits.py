"""Limits of a listener, each instead of the one for all, and the lines of log.connections."""
import contextlib
import re

from harness import NO_NAMES, Raw, wait_for

CONFIG = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
domains = { local = [ "ex.test" ]; };
relay_from = [ ];
""" + NO_NAMES + """
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; }; };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob", "alice", "carol" ]; transport = "mailbox"; } );
limits = { recipients = 2; message_size = "10K"; messages_per_connection = 2; session_size = "50K"; connections_per_client = 3; };
listeners = (
  { address = "127.0.0.1"; port = 0; },
  { address = "127.0.0.1"; port = 0; log_connections = true;
    limits = { connections = 4; connections_per_client = 2; messages_per_connection = 1; recipients = 1; message_size = "20K"; session_size = "30K";
               command_timeout = "1s"; data_timeout = "1s"; }; },
  { address = "127.0.0.1"; port = 0; limits = { connections_per_client = 5; }; }
);
"""
CONTENT = b"Subject: x\r\nFrom: <a@b.test>\r\n\r\nx\r\n"


def test_each_listener_keeps_its_own_limits(make_mansio):
    mansio = make_mansio(config=CONFIG).start()
    first, second, _ = mansio.ports
    for port, size, recipients, messages in ((first, 10 << 10, 2, 2), (second, 20 << 10, 1, 1)):
        with Raw(port) as client:
            offered = client.command("EHLO a.test")[1]
            assert f"250-SIZE {size}" in offered and f"250-LIMITS MAILMAX={messages} RCPTMAX={recipients}" in offered
            assert client.command(f"MAIL FROM:<a@b.test> SIZE={size + 1}")[0] == 552
            assert client.command("MAIL FROM:<a@b.test>")[0] == 250
            codes = [client.command(f"RCPT TO:<{user}@ex.test>")[0] for user in ("bob", "alice", "carol")]
            assert codes == [250] * recipients + [452] * (3 - recipients)
            client.command("RSET")
            for _ in range(messages - 1):
                assert client.transaction("a@b.test", ["bob@ex.test"], CONTENT, ehlo=None)[0] == 250
            assert client.command("MAIL FROM:<a@b.test>")[0] == 421


def test_connections_of_a_client_and_of_a_listener_are_counted_apart(make_mansio):
    mansio = make_mansio(config=CONFIG).start()
    first, second, third = mansio.ports
    with contextlib.ExitStack() as stack:
        def code(port, source):
            return stack.enter_context(Raw(port, source=source)).greeting[0]
        assert [code(second, "127.0.0.2") for _ in range(3)] == [220, 220, 421]      # of one client
        assert [code(second, "127.0.0.3") for _ in range(2)] == [220, 220]
        assert code(second, "127.0.0.4") == 421                                      # of the listener
        assert [code(first, "127.0.0.2") for _ in range(2)] == [220, 421]            # 3 of one client at all listeners
        assert [code(third, "127.0.0.9") for _ in range(6)] == [220] * 5 + [421]     # a listener that lets more in


def test_the_time_outs_of_a_listener_are_its_own(make_mansio):
    mansio = make_mansio(config=CONFIG).start()
    first, second, _ = mansio.ports
    with Raw(first) as patient, Raw(second) as client, Raw(second) as writer:
        writer.command("EHLO a.test")
        writer.command("MAIL FROM:<a@b.test>")
        writer.command("RCPT TO:<bob@ex.test>")
        assert writer.command("DATA")[0] == 354
        assert client.reply()[0] == 421
        assert writer.reply()[0] == 421
        assert patient.command("NOOP")[0] == 250


def test_a_listener_logs_its_connections_in_exims_words(make_mansio):
    mansio = make_mansio(config=CONFIG).start()
    first, second, _ = mansio.ports
    with Raw(second) as client:
        client.command("EHLO a.test")
        client.command("QUIT")
    with Raw(second) as client:
        client.command("EHLO gone.test")
    with Raw(second) as client:
        assert client.reply()[0] == 421                                              # its time is over
    with Raw(first) as client:
        client.command("QUIT")

    def lines():
        return [line.split(" ", 2)[2] for line in mansio.log().splitlines() if "SMTP connection from" in line and "no MAIL" not in line]
    wait_for(lambda: len(lines()) == 6, what="six lines")
    here = rf" I=\[127\.0\.0\.1\]:{second}"
    starts = [line for line in lines() if re.fullmatch(rf"SMTP connection from \[127\.0\.0\.1\]:\d+{here} \(TCP/IP connection count = \d+\)", line)]
    assert len(starts) == 3, lines()
    for pattern in (rf"SMTP connection from \(a\.test\) \[127\.0\.0\.1\]:\d+{here} D=\S+ closed by QUIT",
                    rf"SMTP connection from \(gone\.test\) \[127\.0\.0\.1\]:\d+{here} lost D=\S+",
                    rf"SMTP connection from \[127\.0\.0\.1\]:\d+{here} D=\S+ ended by this server"):
        assert sum(1 for line in lines() if re.fullmatch(pattern, line)) == 1, (pattern, lines())
    assert mansio.ctl("report").returncode == 0
