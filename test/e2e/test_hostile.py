"""Hostile clients against one daemon. After each test it must still greet, be the same process and have grown little; the
names tell the security cases S-NNN they stand for.

127.0.0.1 is an ordinary client; 127.0.0.9 is in relay_from; the other 127.0.0.x are strangers too.
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import threading
import time

import pytest

from harness import MANSIOD, Mansio, Raw, body_of, memory_of, wait_for

TRUSTED = "127.0.0.9"
MIB = 1 << 20
LIMITS = """
limits = { message_size = "1M"; session_size = "200M"; errors = 20; hops = 30; connections = 60; connections_per_client = 20; };
aliases = "aliases";
"""
ALIASES = """
first: second
second: first
self: self, bob
away: bob@far.test
round: alice@ex.test
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    mansio = Mansio(tmp_path_factory.mktemp("hostile") / "mansio", relay_from=f'[ "{TRUSTED}" ]', extra=LIMITS)
    (mansio.directory / "aliases").write_text(ALIASES)
    os.chmod(mansio.directory / "aliases", 0o644)
    with mansio:
        yield mansio


@pytest.fixture(autouse=True)
def alive_after_it(house):
    pid, before, panic = house.mail_pid(), memory_of(house.mail_pid()), house.log("paniclog")
    yield
    def greets():
        with Raw(house.port, source="127.0.0.77", timeout=5) as client:
            return client.greeting[0] == 220
    wait_for(greets, 5, "a greeting")
    assert house.mail_pid() == pid
    assert memory_of(pid) - before < 50 * MIB or b"__asan_init" in MANSIOD.read_bytes()
    assert house.log("paniclog") == panic
    assert "Sanitizer" not in house.errors() and "runtime error" not in house.errors()


def open_transaction(client, sender="a@b.test", recipient="alice@ex.test"):
    client.send(f"EHLO client.test\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\n".encode())
    assert [client.reply()[0] for _ in range(3)] == [250, 250, 250]


def all_replies(client):
    codes = []
    while True:
        code, _ = client.reply()
        if not code:
            return codes
        codes.append(code)


def everything(house):
    return [raw for user in ("bob", "alice", "carol") for raw in house.maildir(user)]


def settle(house):
    """A message of our own has come through: what was accepted before it has been dealt with."""
    mark = f"mark{random.getrandbits(48):x}"
    with house.connect(source="127.0.0.50") as client:
        assert client.transaction(f"{mark}@b.test", ["carol@ex.test"], b"Subject: mark\r\n\r\n")[0] == 250
    wait_for(lambda: any(raw.startswith(f"Return-Path: <{mark}@".encode()) for raw in house.maildir("carol")), what="the mark")


# ---- A6: smuggling

ONE_MESSAGE = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r.\r", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n\n.\r\n",
               b"\n\r.\r\n", b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n..\r\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n.\v\r\n", b"\r\n.\x85\r\n",
               b"\r\n\xef\xbc\x8e\r\n", b"\r\n\xc0\xae\r\n", b"\r\n\xae\r\n", b"\r\n .\r\n"]
SMUGGLED = b"MAIL FROM:<smug@evil.test>\r\nRCPT TO:<alice@ex.test>\r\nDATA\r\nSubject: S\r\n\r\nx"


@pytest.mark.parametrize("source", ["127.0.0.1", TRUSTED], ids=["stranger", "relay_from"])
@pytest.mark.parametrize("variant", ONE_MESSAGE, ids=repr)
def test_s059_to_s071_only_crlf_dot_crlf_ends_a_message(house, variant, source):
    house.wait_idle()
    before = len(everything(house))
    with house.connect(source=source) as client:
        open_transaction(client)
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: first\r\n\r\nbody" + variant + SMUGGLED + b"\r\n.\r\nQUIT\r\n")
        codes = all_replies(client)
    assert codes in ([250, 221], [550, 221]), codes
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", b"body" + variant + b"M")
    assert (codes[0] == 550) == bool(bare)
    if codes[0] == 250:
        wait_for(lambda: len(everything(house)) > before, what="the one message")
    house.wait_idle()
    assert len(everything(house)) == before + (codes[0] == 250)
    assert not any(raw.startswith(b"Return-Path: <smug@") for raw in everything(house))


@pytest.mark.parametrize("variant", [b"\0\r\n.\r\n", b"\r\n.\r\n\0"], ids=repr)
def test_s067_a_nul_neither_makes_nor_unmakes_an_end_of_data(house, variant):
    with house.connect() as client:
        open_transaction(client, "nul@b.test")
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: first\r\n\r\nbody" + variant + b"MAIL FROM:<second@b.test>\r\nRSET\r\nQUIT\r\n")
        codes = all_replies(client)
    # A strict parser: the message, then MAIL; a NUL before MAIL spoils that command alone.
    assert codes == ([250, 250, 250, 221] if variant.startswith(b"\0") else [250, 500, 250, 221])


def test_s073_a_client_that_ends_lines_with_lf_alone_never_ends_its_message(house):
    with house.connect(timeout=1) as client:
        open_transaction(client)
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: a\n\nb\n.\n")
        with pytest.raises(TimeoutError):
            client.reply()


@pytest.mark.parametrize("source", ["127.0.0.1", TRUSTED], ids=["stranger", "relay_from"])
def test_s075_a_body_that_follows_a_refused_data_is_no_session(house, source):
    with house.connect(source=source) as client:
        client.send(b"EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@ex.test>\r\nDATA\r\n"
                    b"Subject: first\r\n\r\nbody\r\n" + SMUGGLED + b"\r\n.\r\nQUIT\r\n")
        codes = all_replies(client)
    assert codes[:3] == [250, 250, 550] and codes[3] // 100 == 5 and codes[4:] == [421], codes
    settle(house)
    assert not any(raw.startswith(b"Return-Path: <smug@") for raw in everything(house))


# ---- A1, A2: injection


SHELL = ["`touch PWN`", "$(touch PWN)", ";touch PWN", "|touch PWN", "&touch PWN", "<PWN", ">PWN", "'touch PWN'", "\\\"touch PWN", "*", "?", "~root", "#", "!",
         "${run{/usr/bin/touch PWN}}", "() { :;};touch PWN", "|/bin/sh", ":include:/etc/passwd", "/etc/passwd", "-oQ/tmp", "x'/**/UNION/**/SELECT/**/1--", "%n%s%n"]


@pytest.mark.parametrize("text", SHELL)
def test_s001_to_s009_addresses_are_only_names(house, text, tmp_path):
    pwn = tmp_path / "pwn"
    local = text.replace("PWN", str(pwn))
    with house.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        code, _ = client.command(f'MAIL FROM:<"{local}"@evil.test>')
        assert code == 250
        code, lines = client.command(f'RCPT TO:<"{local}"@ex.test>')
        assert code == 550, lines
        assert client.command("RCPT TO:<alice@ex.test>")[0] == 250
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: x\r\n\r\n.\r\n")
        assert client.reply()[0] == 250
        assert client.command("NOOP")[0] == 250
    expected = f'"{local}"@evil.test'.encode()
    wait_for(lambda: any(raw.split(b"\n", 1)[0] in (b"Return-Path: <%b>" % expected, b"Return-Path: <%b>" % expected.replace(b'"', b""))
                         for raw in house.maildir("alice")), what=f"{expected} in alice's mailbox")
    assert not pwn.exists()


@pytest.mark.parametrize("greeting", ["() { :;}; touch /tmp/x", "a)b", "(x) [198.51.100.1]", 'a"b', "a;b", "a\\b", "\x7f", "\tx", "x" * 255, "x" * 1000])
def test_s005_s017_a_hostile_ehlo_leaves_one_valid_received_field(house, greeting):
    with house.connect() as client:
        code, _ = client.command("EHLO " + greeting)
        assert code in (250, 500, 501)
        if code != 250:
            assert client.command("MAIL FROM:<a@b.test>")[0] == 503      # a refused EHLO is none
            assert client.command("EHLO client.test")[0] == 250
        mark = f"h{random.getrandbits(48):x}"
        assert client.transaction(f"{mark}@b.test", ["bob@ex.test"], b"Subject: x\r\n\r\n", ehlo=None)[0] == 250
    [raw] = wait_for(lambda: [raw for raw in house.maildir("bob") if raw.startswith(f"Return-Path: <{mark}@".encode())], what="the message")
    assert body_of(raw) == b"Subject: x\r\n\r\n"
    received = raw.split(b"\nReceived: ")[1].split(b"\nSubject")[0]
    assert re.fullmatch(rb"from [\w.\[\]:-]+ \([^()]*\[127\.0\.0\.1\]\)\n\tby mx\.ex\.test with ESMTP id [\w-]+\n\tfor <bob@ex\.test>; [\w ,:+-]+", received), received


@pytest.mark.parametrize("line", [b"RCPT TO:<alice\0@ex.test>", b"MAIL FROM:<a\0b@evil.test>", b"EHLO a\0b", b"DATA\0", b"\0NOOP", b"NOOP\r\0", b"NOOP\0\r",
                                  b"RCPT TO:<alice\n@ex.test>", b"MAIL FROM:<x>\rRSET", b"EHLO " + b"x" * 12000, b"MAIL FROM:<a@b.test> AUTH=x+0AX",
                                  b"MAIL FROM:<x>\"=", b"MAIL FROM:<x> =", b"MAIL FROM:<x> A=\"", b"RCPT TO:x\"", b"RCPT TO:(\")a@ex.test(" + b"A" * 3000,
                                  b"\xff\xfe\xfd", b"MAIL FROM:<\xc0\xae@b.test>"], ids=lambda line: repr(line[:40]))
def test_s011_to_s017_s025_bytes_that_belong_nowhere_are_one_refusal(house, line):
    before = house.log().count("\n")
    with house.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        code, lines = client.command(line)
        assert code in (500, 501, 503, 553), lines
        assert client.command("NOOP")[0] == 250
        assert client.command("QUIT")[0] == 221
        assert client.reply()[0] == 0
    new = house.log().split("\n")[before:]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", row) and row.isprintable() for row in new if row), new


def test_s013_orcpt_brings_no_line_break_into_a_report(house):
    with house.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        assert client.command("MAIL FROM:<a@b.test>")[0] == 250
        assert client.command("RCPT TO:<alice@ex.test> ORCPT=rfc822;a+0D+0AX-Evil:+20y")[0] == 501
        assert client.command("RCPT TO:<alice@ex.test> ORCPT=rfc822;a+00b")[0] == 501


# ---- A3: addresses and headers


@pytest.mark.parametrize("form", ['"alice@ex.test x"@evil.test', "alice@ex.test@evil.test", "alice@ex.test(@evil.test)", "alice@ex.test\\@evil.test", "alice%evil.test@ex.test",
                                  "evil.test!alice@ex.test", "@ex.test:x@evil.test", "@ex.test,@b.test:x@evil.test", '"alice@evil.test"@ex.test', "alice@[127.0.0.1]@evil.test",
                                  "alice@ex.test.evil.test", "x@EVIL.test", "alice@evil.test\t", "<alice@evil.test>", '"x@evil.test"', "x@[192.0.2.1]", "alice@ex.test,x@evil.test"])
def test_s027_no_form_of_address_relays(house, form):
    with house.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        assert client.command("MAIL FROM:<a@b.test>")[0] == 250
        code, lines = client.command(f"RCPT TO:<{form}>")
        assert code in (501, 550, 553), lines
        assert client.command("NOOP")[0] == 250


def test_s027_relay_is_for_relay_from_and_no_one_else(house):
    for source, expected in (("127.0.0.1", 550), ("127.0.0.10", 550), (TRUSTED, 250)):
        with house.connect(source=source) as client:
            client.send(b"EHLO c\r\nMAIL FROM:<a@ex.test>\r\nRCPT TO:<x@evil.test>\r\n")
            replies = [client.reply() for _ in range(3)]
            assert replies[2][0] == expected
            assert expected == 250 or replies[2][1][0].startswith("550 5.7.1")


def test_s023_nested_comments_and_brackets_cost_nothing(house):
    content = b"From: " + b"<>" * 20000 + b"()" * 20000 + b"alice@ex.test\r\nTo: " + b"(" * 40000 + b"\r\nSubject: x\r\n\r\n"
    began = time.monotonic()
    with house.connect() as client:
        assert client.transaction("deep@b.test", ["alice@ex.test"], content)[0] == 250
    assert time.monotonic() - began < 5
    wait_for(lambda: any(raw.startswith(b"Return-Path: <deep@") for raw in house.maildir("alice")), what="the message")


def test_s029_s123_a_header_without_end_is_refused_once_and_leaves_nothing(house):
    files = lambda: sorted(p.name for p in (house.directory / "spool").rglob("*") if p.is_file() and "large" in str(p))
    before = files()
    with house.connect(timeout=60) as client:
        open_transaction(client)
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: x\r\n")
        for _ in range(60):
            client.send(b" a\r\n" * (MIB // 4))
        client.send(b".\r\n")
        code, lines = client.reply()
        assert code == 552 and lines[0].startswith("552 5.3.4"), lines
        assert client.command("RCPT TO:<alice@ex.test>")[0] == 503           # S-081
        assert client.command("DATA")[0] == 503
        assert client.command("NOOP")[0] == 250
    assert files() == before


def test_s033_fields_given_a_thousand_times_are_passed_on_with_one_return_path_of_ours(house):
    content = b"Return-Path: <forged@b.test>\r\nDate: x\r\nMessage-ID: <a@b>\r\nBcc: c@d\r\n" * 1000 + b"\r\nbody\r\n"
    with house.connect() as client:
        assert client.transaction("many@b.test", ["alice@ex.test"], content)[0] == 250
    [raw] = wait_for(lambda: [raw for raw in house.maildir("alice") if raw.startswith(b"Return-Path: <many@")], what="the message")
    assert raw.count(b"Return-Path: <many@b.test>") == 1
    assert raw.endswith(b"\n\nbody\n")


# ---- A4: BDAT


def test_s035_data_after_bdat_is_503_and_rset_mends_it(house):
    with house.connect() as client:
        open_transaction(client)
        client.send(b"BDAT 10\r\n0123456789DATA\r\nRSET\r\n")
        assert [client.reply()[0] for _ in range(3)] == [250, 503, 250]
        assert client.transaction("after@b.test", ["alice@ex.test"], b"Subject: x\r\n\r\n", ehlo=None)[0] == 250


@pytest.mark.parametrize("before", [b"", b"MAIL FROM:<a@b.test>\r\n", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@ex.test>\r\n"], ids=["no MAIL", "no RCPT", "RCPT refused"])
def test_s037_a_refused_chunk_is_read_away_to_its_last_octet(house, before):
    chunk = (b"x" * 1000 + b"\r\nQUIT\r\nMAIL FROM:<smug@evil.test>\r\n") * 1000
    with house.connect() as client:
        client.send(b"EHLO c\r\n" + before)
        for _ in range(1 + before.count(b"\r\n")):
            client.reply()
        client.send(b"BDAT %d\r\n%bNOOP\r\nNOOP\r\n" % (len(chunk), chunk))
        assert [client.reply()[0] // 100 for _ in range(3)] == [5, 2, 2]
        assert client.command("QUIT")[0] == 221


def test_s039_a_chunk_over_the_limit_is_refused_once_and_the_next_transaction_is_clean(house):
    with house.connect(timeout=60) as client:
        open_transaction(client)
        client.send(b"BDAT 1100000 LAST\r\n" + b"x" * 1100000)
        assert client.reply()[0] == 552
        client.send(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<alice@ex.test>\r\nBDAT 8388608\r\n" + b"y" * 8388608)
        assert [client.reply()[0] for _ in range(3)] == [250, 250, 552]
        assert client.transaction("after@b.test", ["alice@ex.test"], b"Subject: x\r\n\r\n", ehlo=None)[0] == 250


@pytest.mark.parametrize("end", [b"RSET\r\n", b"EHLO c\r\n", b"QUIT\r\n", b"", b"BDAT 100\r\nhalf"], ids=["RSET", "EHLO", "QUIT", "gone", "gone inside"])
def test_s043_an_unfinished_message_never_was(house, end):
    with house.connect() as client:
        open_transaction(client, "unfinished@b.test")
        chunk = b"Subject: half\r\n\r\n" + b"x" * 300000 + b"\r\n"
        client.send(b"BDAT %d\r\n%b%b" % (len(chunk), chunk, end))
        assert client.reply()[0] == 250
    settle(house)
    assert not any(raw.startswith(b"Return-Path: <unfinished@") for raw in everything(house))
    wait_for(lambda: not [p for p in (house.directory / "spool").rglob("*") if "large" in str(p) and p.is_file()], what="no file left in large/")


def test_s045_binarymime_is_for_bdat_alone(house):
    with house.connect() as client:
        client.send(b"EHLO c\r\nMAIL FROM:<bin@b.test> BODY=BINARYMIME\r\nRCPT TO:<alice@ex.test>\r\n")
        assert [client.reply()[0] for _ in range(3)] == [250, 250, 250]
        assert client.command("DATA")[0] == 503


# ---- A5, A8: state


def test_s055_a_browser_is_sent_away_at_its_first_line(house):
    with house.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<alice@ex.test>\r\n")
        assert all_replies(client) == [421]


def test_s083_the_same_refusal_however_many_commands_came_before(house):
    texts = set()
    for count in range(1, 19):
        with house.connect() as client:
            client.send(b"EHLO c\r\n" + b"RCPT TO:nope\r\n" * count + b"DATA\r\n")
            replies = [client.reply() for _ in range(count + 2)]
            texts.add((replies[-1][0], *replies[-1][1]))
    assert len(texts) == 1 and texts.pop()[0] == 503


def test_s085_commands_out_of_order(house):
    with house.connect() as client:
        open_transaction(client)
        assert client.command("MAIL FROM:<b@b.test>")[0] == 503
        assert client.command("RCPT TO:<bob@ex.test>")[0] == 250              # the first transaction goes on
        assert client.command("EHLO again")[0] == 250
        assert client.command("RCPT TO:<bob@ex.test>")[0] == 503              # and EHLO ended it
        assert client.command("HELO old")[0] == 250
        assert client.command("MAIL FROM:<b@b.test> SIZE=10")[0] == 555
        assert client.command("RSET")[0] == 250
        client.send(b"QUIT\r\nQUIT\r\nMAIL FROM:<late@evil.test>\r\n")
        assert all_replies(client) == [221]


@pytest.mark.parametrize("line", [b"PROXY TCP4 198.51.100.1 192.0.2.1 1000 25", b"XCLIENT ADDR=127.0.0.9", b"XFORWARD ADDR=127.0.0.9", b"\r\n\r\n\0\r\nQUIT\n"])
def test_s089_nobody_changes_the_address_of_a_client(house, line):
    with house.connect() as client:
        assert client.command(line)[0] in (500, 502, 503, 550)
        client.send(b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@evil.test>\r\n")
        codes = [client.reply()[0] for _ in range(3 + line.count(b"\r\n"))]
        assert 250 in codes and codes[-1] == 550


# ---- A11: exhaustion


def test_s117_a_client_that_never_reads_is_not_read_any_more(house):
    pid, before = house.mail_pid(), memory_of(house.mail_pid())
    with Raw(house.port, timeout=3) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sent = 0
        client.send(b"EHLO c\r\nMAIL FROM:<a@b.test>\r\n")
        # Commands without a bound of their own: 452 to each when the recipients are too many.
        with pytest.raises(TimeoutError):
            while sent < 200 * MIB:                                          # the socket is full long before
                client.send(b"RCPT TO:<alice@ex.test>\r\n" * 4096)
                sent += 25 * 4096
        assert sent < 100 * MIB
        with house.connect(source="127.0.0.60") as other:                     # and nobody waits for it
            assert other.command("NOOP")[0] == 250
        assert memory_of(pid) - before < 20 * MIB or b"__asan_init" in MANSIOD.read_bytes()


def test_s119_connections_are_bounded_for_a_client_and_in_all(house):
    wait_for(lambda: connections(house) == 0, what="no connection")
    held = []
    try:
        held += [Raw(house.port, source="127.0.0.61") for _ in range(20)]
        assert all(client.greeting[0] == 220 for client in held)
        with Raw(house.port, source="127.0.0.61") as one_more:
            assert one_more.greeting[0] == 421 and one_more.greeting[1][0].startswith("421 4.7.0")
        held += [Raw(house.port, source=f"127.0.0.{62 + i % 8}") for i in range(40)]
        with Raw(house.port, source="127.0.0.80") as one_more:
            assert one_more.greeting[0] == 421
        assert held[0].command("NOOP")[0] == 250
    finally:
        for client in held:
            client.close()
    for _ in range(300):                                                      # a storm of connections that say nothing
        socket.create_connection(("127.0.0.1", house.port), 20, source_address=("127.0.0.61", 0)).close()
    def served():
        with Raw(house.port, source="127.0.0.61") as client:
            return client.greeting[0] == 220
    wait_for(served, what="a greeting after the storm")


def connections(house):
    """Established connections at the daemon's side."""
    port = f":{house.port:04X}"
    rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] == "01" for row in rows)


@pytest.mark.parametrize("line", [b"MAIL FROM:<a@b.test>\r\nRSET\r\n", b"FOO\r\n", b"VRFY a\r\n", b"EXPN a\r\n", b"ETRN a\r\n", b"NOOP\r\n", b"HELP\r\n", b"EHLO c\r\n"], ids=lambda line: line[:4].decode())
def test_s121_endless_idle_talk_ends_with_421(house, line):
    with house.connect(timeout=30) as client:
        client.send(b"EHLO c\r\n")
        assert client.reply()[0] == 250
        try:
            client.send(line * 5000)
        except OSError:
            pass                                                              # it hung up before we were through
        last, count = 0, 0
        try:
            while True:
                code, _ = client.reply()
                if not code:
                    break
                last, count = code, count + 1
        except ConnectionResetError:
            pass
        assert last == 421 and count < 2500


# ---- A12: loops


def test_s137_aliases_in_a_circle_are_refused_and_one_that_names_itself_is_no_circle(house):
    with house.connect() as client:
        client.send(b"EHLO c\r\nMAIL FROM:<loop@b.test>\r\n")
        assert [client.reply()[0] for _ in range(2)] == [250, 250]
        code, lines = client.command("RCPT TO:<first@ex.test>")
        assert code == 550 and lines[0].startswith("550 5.4.6"), lines
        assert client.command("RCPT TO:<self@ex.test>")[0] in (250, 550)


@pytest.mark.parametrize("name", [b"Received", b"RECEIVED", b"received"])
def test_s137_s139_too_many_received_fields_are_a_loop(house, name):
    field = name + b": from a\r\n\tby b;\r\n Thu, 1 Jan 1970 00:00:00 +0000\r\n"
    with house.connect() as client:
        code, lines = client.transaction("hops@b.test", ["alice@ex.test"], field * 31 + b"Subject: x\r\n\r\n")
        assert code == 554 and "5.4.6" in lines[0], lines
        assert client.transaction("hops@b.test", ["alice@ex.test"], field * 30 + b"Subject: x\r\n\r\n" + field * 100, ehlo=None)[0] == 250


def test_s141_a_message_that_was_delivered_to_her_already_comes_back_as_a_failure_not_as_a_circle(house):
    content = b"Delivered-To: alice@ex.test\r\nSubject: x\r\n\r\n"
    house.wait_idle()
    before = len(house.maildir("alice"))
    with house.connect() as client:
        assert client.transaction("bob@ex.test", ["round@ex.test"], content)[0] == 250
    [report] = wait_for(lambda: [raw for raw in house.maildir("bob") if b"5.4.6" in raw and raw.startswith(b"Return-Path: <>")], what="the report")
    assert b"\nContent-Type: multipart/report;" in report
    assert len(house.maildir("alice")) == before


# ---- A14: the control socket


def test_s149_abuse_of_the_control_socket_harms_its_own_connection_alone(house):
    path = str(house.directory / "run" / "control.sock")
    def dial():
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(path)
        return client
    source = random.Random(1)
    for junk in (b"", b"x", source.randbytes(65536), b"\n" * 1000, b"{" * 100000, b'{"command":' * 20000, b'{"command": 7}\n', b"[]\n", b"\xff\n",
                 b'{"command": "route", "address": "' + b"a" * 50000 + b'"}\n', b"x" * 200000):
        with dial() as client:
            try:
                client.sendall(junk)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except (ConnectionError, BrokenPipeError):
                pass
    held = [dial() for _ in range(50)]                                       # that say nothing
    deaf = dial()
    for _ in range(20):                                                      # and one that reads nothing
        deaf.sendall(b'{"command": "queue_list"}\n')
    descriptors = [os.open("/dev/null", os.O_RDONLY) for _ in range(250)]
    with dial() as client:
        socket.send_fds(client, [b"x"], descriptors)
    for fd in descriptors:
        os.close(fd)
    before = len(os.listdir(f"/proc/{house.mail_pid()}/fd"))
    assert before < 250
    assert isinstance(house.queue(), list)
    for client in [*held, deaf]:
        client.close()
    with dial() as client:
        client.sendall(b'{"command": "nonsense"}\n')
        assert json.loads(client.makefile().readline())["error"] == "unknown command"


# ---- A13: the logs


@pytest.mark.parametrize("trouble", ["a full disk", "a FIFO without reader", "no directory"])
def test_s145_mail_flows_while_the_log_cannot_be_written(make_mansio, trouble, alive_after_it):
    mansio = make_mansio().start()
    log = mansio.directory / "log"

    def deliver(number):
        with mansio.connect() as client:
            assert client.transaction(f"n{number}@b.test", ["bob@ex.test"], b"Subject: x\r\n\r\n")[0] == 250
        wait_for(lambda: len(mansio.maildir()) >= number, what=f"message {number}")   # which never reads the log
    deliver(1)
    mansio.wait_log("Completed")
    shutil.rmtree(log)
    if trouble != "no directory":
        log.mkdir(mode=0o750)
        os.symlink("/dev/full", log / "mainlog") if trouble == "a full disk" else os.mkfifo(log / "mainlog")
    mansio.signal(signal.SIGUSR1)
    for number in range(2, 12):
        deliver(number)
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir(mode=0o750)
    mansio.signal(signal.SIGUSR1)
    deliver(12)
    wait_for(lambda: "Completed" in mansio.log(), what="the log again")
    assert mansio.stop() == 0
