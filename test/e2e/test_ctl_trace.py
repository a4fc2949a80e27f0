"""mansioctl trace: both sides of conversations in their order, without secrets, and never at the price of the conversation."""
import contextlib
import json
import os
import signal
import socket
import subprocess

from certificates import Authority
from harness import BUILD, wait_for
from login_house import SUBMIT, b64, house_at, plain
from outbound import internet, send  # noqa: F401
from sink import Sink, server_context

CONTENT = b"Subject: secret plans\r\n\r\nthe body that nobody may see\r\n"


class Trace:
    def __init__(self, mansio, *words):
        self.process = subprocess.Popen([str(BUILD / "daemon" / "mansioctl"), "trace", *words, "--json", "--config", str(mansio.config)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "following" in json.loads(self.process.stdout.readline())

    def rest(self, timeout=20):
        """All lines to its end, which must come by itself."""
        out = self.process.stdout.read()          # not communicate(), which knows nothing of what readline() has read ahead
        assert self.process.wait(timeout) == 0, self.process.stderr.read()
        return out, [json.loads(line) for line in out.splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def said(lines):
    marks = dict(client="C", server="S", content="D", note="N", opened="O", closed="E")
    return [f"{marks[line['what']]} {line['text']}".strip() for line in lines if "what" in line]


def test_a_trace_shows_a_login_and_a_message_in_order_and_no_secret(tmp_path):
    with house_at(tmp_path / "house") as house, Trace(house, "127.0.0.1", "--count", "1") as trace:
        with house.secured(SUBMIT) as client:
            assert client.command("AUTH LOGIN")[0] == 334
            assert client.command(b64("bob"))[0] == 334
            assert client.command(b64("wrong-password"))[0] == 535
            assert client.command("AUTH PLAIN " + plain("bob", house.passwords["bob"]))[0] == 235
            assert client.transaction("bob@ex.test", ["alice@ex.test"], CONTENT, ehlo=None)[0] == 250
            assert client.command("QUIT")[0] == 221
        text, lines = trace.rest()
        words = said(lines)
        assert words[0].startswith("O [127.0.0.1]:") and words[-1] == "E"
        starts = ["S 220 mx.ex.test", "C EHLO client.test", "S 250-mx.ex.test", "C STARTTLS", "S 220 2.0.0", "N TLS1.", "C EHLO client.test", "S 250-mx.ex.test",
                  "C AUTH LOGIN", "S 334 ***", "C ***", "S 334 ***", "C ***", "S 535 5.7.8", "C AUTH PLAIN ***", "N logged in with PLAIN", "S 235",
                  "C MAIL FROM:<bob@ex.test>", "S 250", "C RCPT TO:<alice@ex.test>", "S 250", "C DATA", "S 354", f"D ({len(CONTENT)} octets)", "S 250 2.0.0",
                  "C QUIT", "S 221"]
        at = 0
        for start in starts:
            at = next((i for i in range(at, len(words)) if words[i].startswith(start)), None)
            assert at is not None, (start, words)
            at += 1
        assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
        for secret in (house.passwords["bob"], plain("bob", house.passwords["bob"]), b64("wrong-password"), "wrong-password", "nobody may see", "secret plans"):
            assert secret not in text, text


def test_one_session_that_goes_on_is_followed_to_its_end(mansio):
    with mansio.connect() as client, mansio.connect() as other:
        client.command("EHLO early.test")
        id = next(s["session"] for s in mansio.ctl_json("sessions") if s["name"] == "early.test")
        with Trace(mansio, id) as trace:
            other.command("EHLO other.test")
            client.command("NOOP")
            client.command("QUIT")
            _, lines = trace.rest()
            words = said(lines)
            assert words[1:] == ["C NOOP", "S 250 2.0.0 OK", "C QUIT", words[4], "E"] and words[4].startswith("S 221")
            assert {line["session"] for line in lines} == {id}
    gone = mansio.ctl("trace", "i999")
    assert gone.returncode == 1 and "no session i999" in gone.stderr


def test_only_the_network_that_was_named_is_followed_and_it_ends_in_time(mansio):
    from harness import Raw
    with Trace(mansio, "127.0.0.8/29", "--for", "2s") as trace:
        with Raw(mansio.port, source="127.0.0.9") as wanted, mansio.connect() as other:
            wanted.command("EHLO wanted.test")
            other.command("EHLO unwanted.test")
        text, lines = trace.rest()
        assert "wanted.test" in text and "unwanted.test" not in text
        assert len({line["session"] for line in lines}) == 1


def test_a_destination_is_followed_with_tls_and_login_of_ours(internet, tmp_path):  # noqa: F811
    authority = Authority(tmp_path / "tls")
    leaf = authority.leaf("mx", names=["mx.safe.test"], addresses=["127.0.0.4"])
    with contextlib.closing(Sink("127.0.0.4", tls=server_context(leaf), logins={"relay": "opensesame-9"}, auth=["PLAIN"])) as smart:
        (tmp_path / "secret").write_text('user = "relay"; password = "opensesame-9";\n')
        (tmp_path / "secret").chmod(0o600)
        mansio = internet.start(
            transports=f'smart = {{ kind = "smtp"; hosts = [ "127.0.0.4:{smart.port}" ]; credentials = "{tmp_path}/secret"; auth_unverified = true; }};',
            routes='{ name = "smart"; domains = [ "safe.test" ]; transport = "smart"; },')
        with Trace(mansio, "Safe.test", "--for", "4s") as trace:
            send(mansio, "x@good.test")
            id = send(mansio, "x@safe.test", content=CONTENT)
            mansio.wait_log(rf"{id} Completed")
            text, lines = trace.rest()
        words = said(lines)
        starts = ["O [127.0.0.4]:", "S 220", "C EHLO mx.ex.test", "S 250-", "C STARTTLS", "S 220", "N TLS1.", "C EHLO", "S 250-", "C AUTH PLAIN ***", "S 235",
                  "N logged in as relay with PLAIN", "C MAIL FROM:<bob@ex.test>", "C RCPT TO:<x@safe.test>", "S 250", "D (", "S 250"]
        at = 0
        for start in starts:
            at = next((i for i in range(at, len(words)) if words[i].startswith(start)), None)
            assert at is not None, (start, words)
        assert "opensesame" not in text and b64("\0relay\0opensesame-9") not in text and "good.test" not in text
        assert "nobody may see" not in text


def test_a_destination_that_cannot_be_reached_says_so_to_who_follows_it(internet):  # noqa: F811
    internet.names.site("dead.test", "127.0.0.77")
    mansio = internet.start()
    with Trace(mansio, "dead.test", "--count", "1") as trace:
        send(mansio, "x@dead.test")
        _, lines = trace.rest()
    words = said(lines)
    assert len(words) == 3 and words[0].startswith("O mx1.dead.test [127.0.0.77]:") and words[2] == "E", words
    assert words[1].startswith("N could not connect: ") and "refused" in words[1]


def test_a_slow_reader_loses_lines_with_a_count_and_holds_nobody_up(mansio):
    """It reads nothing while more is said than the sockets on its way hold."""
    reader = socket.socket(socket.AF_UNIX)
    reader.settimeout(20)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(str(mansio.directory / "run" / "control.sock"))
    with contextlib.closing(reader):
        reader.sendall(b'{"command":"trace","target":"127.0.0.1"}\n')
        lines = reader.makefile("rb")
        assert b"following" in lines.readline()
        for _ in range(4):
            with mansio.connect() as client:
                for _ in range(9):
                    client.send(b"NOOP %s\r\n" % (b"x" * 500) * 100)
                    assert [client.reply()[0] for _ in range(100)] == [250] * 100
        memory = int(open(f"/proc/{mansio.mail_pid()}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert memory < 200 << 20
        with mansio.connect() as last:
            assert last.command("NOOP")[0] == 250
        skipped = 0
        seen = 0
        while not skipped:
            line = json.loads(lines.readline())
            skipped = line.get("skipped", 0)
            seen += 1
        assert skipped > 0 and seen > 100


def test_ctrl_c_ends_a_trace_and_nothing_of_it_stays(mansio):
    with Trace(mansio, "127.0.0.1") as trace, mansio.connect() as client:
        trace.process.send_signal(signal.SIGINT)
        trace.process.wait(20)
        client.command("EHLO x.test")
        assert client.command("NOOP")[0] == 250
    text = mansio.ctl("trace", "127.0.0.1", "--for", "1s")
    assert text.returncode == 0 and "following 127.0.0.1, " in text.stderr


def test_a_trace_for_people_has_directions_and_escapes_what_comes_from_outside(mansio):
    work = subprocess.Popen([str(BUILD / "daemon" / "mansioctl"), "trace", "127.0.0.1", "--count", "1", "--config", str(mansio.config)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "following" in work.stderr.readline()
        with mansio.connect() as client:
            client.command(b"EHLO \x1b[31mx")
            client.command("QUIT")
        out, _ = work.communicate(timeout=20)
    finally:
        work.kill()
    assert work.returncode == 0
    assert "← 220 mx.ex.test" in out and "→ QUIT" in out and "\x1b" not in out
    wait_for(lambda: mansio.ctl_json("sessions") == [], what="its end")
