"""How many instructions the mail process spends on a message, counted by callgrind: the one measure of speed that is the
same on a slow machine and a busy one. What it is today stands in counts.json; a change of more than a tenth, up or down,
fails, and is written down with `./dev instructions --write` when it is meant.

Two runs of different length are compared, so that start and stop don't count. One client sends one message after the other,
so each has a sync of its own: how many share one depends on time, and would make the count one of chance."""
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "e2e"))
from harness import BUILD, CONFIG, Mansio, processes_of, tool, wait_for  # noqa: E402
from sink import Sink  # noqa: E402

COUNTS = pathlib.Path(__file__).with_name("counts.json")
SHORT, LONG = 50, 250
BODY = b"".join(b"line %03d of a message of two kilobytes, as people send them\r\n" % n for n in range(32))


def send(mansio, recipient, count, first):
    with mansio.connect(timeout=120) as client:
        client.command("EHLO client.test")
        for number in range(count):
            code, lines = client.transaction("a@b.test", [recipient], b"Subject: %d\r\n\r\n" % (first + number) + BODY, ehlo=None)
            assert code == 250, lines


def mail_pid(mansio):
    """Under valgrind processes have no titles of their own; the mail process holds the spool's lock."""
    return wait_for(lambda: processes_of(mansio.config), 20, "who holds the spool's lock")[0]


def wrapper(directory):
    return [tool("valgrind"), "--tool=callgrind", "--trace-children=yes", "--quiet", f"--callgrind-out-file={directory}/callgrind.%p"]


def instructions(directory, pid):
    """Of the process and all of its threads."""
    file = directory / f"callgrind.{pid}"
    wait_for(file.exists, 60, "callgrind's counts")
    text = wait_for(lambda: (t := file.read_text()) and re.search(r"^totals: (\d+)", t, re.M) and t, 60, "callgrind's totals")
    return int(re.search(r"^totals: (\d+)", text, re.M).group(1))


def run(directory, count, recipient, finished, **options):
    """Instructions of the mail process in a life with `count` messages."""
    return life(directory, lambda mansio: (send(mansio, recipient, count, 0), finished(mansio, count)), **options)


def life(directory, work, **options):
    """Instructions of a mail process that does this work."""
    mansio = Mansio(directory / "mansio", wrapper=wrapper(directory), **options)
    try:
        mansio.start(timeout=120)
        pid = mail_pid(mansio)
        work(mansio)
        assert mansio.stop(timeout=120) == 0
    finally:
        mansio.kill()
    return instructions(directory, pid)


def judge(name, count):
    counts = json.loads(COUNTS.read_text())
    if os.environ.get("MANSIO_WRITE_COUNTS"):
        counts[name] = count
        COUNTS.write_text(json.dumps(counts, indent=2, sort_keys=True) + "\n")
        return
    before = counts[name]
    print(f"{name}: {count} instructions a message, {before} in counts.json ({count / before - 1:+.1%})")
    assert 0.9 * before <= count <= 1.1 * before, (
        f"{name}: {count} instructions a message, {before} are written down ({count / before - 1:+.1%}). "
        "If that is meant: ./dev instructions --write")


def test_a_message_for_a_mailbox_costs_as_many_instructions_as_before(tmp_path):
    def finished(mansio, count):
        mansio.wait_mail(count, timeout=120)

    counts = []
    for count in (SHORT, LONG):
        directory = tmp_path / str(count)
        directory.mkdir()
        counts.append(run(directory, count, "bob@ex.test", finished))
    judge("inbound", (counts[1] - counts[0]) // (LONG - SHORT))


def test_a_message_passed_on_to_another_host_costs_as_many_instructions_as_before(tmp_path):
    counts = []
    for count in (SHORT, LONG):
        directory = tmp_path / str(count)
        directory.mkdir()
        with Sink() as sink:
            config = CONFIG % dict(users='[ "bob" ]', kind="maildir", path="mail/{local}", relay_from='[ "127.0.0.0/8" ]', run_as="",
                                   extra='system_calls = "off";')       # valgrind makes calls of its own
            config = config.replace('internet = { kind = "smtp"; };', 'internet = { kind = "smtp"; hosts = [ "[127.0.0.1]:%d" ]; };' % sink.port)

            def finished(mansio, count):
                wait_for(lambda: len(sink.messages) == count, 120, "all messages to arrive")
            counts.append(run(directory, count, "far@away.test", finished, config=config))
    judge("relay", (counts[1] - counts[0]) // (LONG - SHORT))


# ---- TLS: beside a server that does nothing else

TLS_BAR = 1.15      # design: within 15 percent of a bare prototype
FEW, MANY = 20, 70


@pytest.fixture
def pair(tmp_path):
    """A certificate with an RSA-2048 key, and the key."""
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=mx.test",
                    "-keyout", str(paths[1]), "-out", str(paths[0])], check=True, capture_output=True)
    paths[1].chmod(0o600)
    return paths


def shake_hands(port, count):
    """Connections with a full handshake and one command inside."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), 60) as plain:
            for words in (b"", b"EHLO client.test\r\n", b"STARTTLS\r\n"):
                plain.sendall(words)
                reply = plain.recv(4096)
                assert reply[:3] in (b"220", b"250"), reply
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as inside:
                inside.sendall(b"NOOP\r\n")
                assert inside.recv(4096).startswith(b"250") and inside.version() == "TLSv1.3" and not inside.session_reused


def bare(directory, pair, count):
    directory.mkdir()
    command = [*wrapper(directory), str(BUILD / "test/instructions/bare_tls"), *map(str, pair)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        shake_hands(int(process.stdout.readline()), count)
        process.stdin.close()
        assert process.wait(60) == 0
    return instructions(directory, process.pid)


def whole(directory, pair, count):
    directory.mkdir()
    config = CONFIG % dict(users='[ "bob" ]', kind="maildir", path="mail/{local}", relay_from='[ "127.0.0.0/8" ]', run_as="",
                           extra=f'system_calls = "off"; tls = {{ certificate = "{pair[0]}"; key = "{pair[1]}"; }};')
    return life(directory, lambda mansio: shake_hands(mansio.port, count), config=config)


def test_a_tls_connection_costs_hardly_more_instructions_than_its_handshake(tmp_path, pair):
    least, ours = ((kind(tmp_path / f"{kind.__name__}-many", pair, MANY) - kind(tmp_path / f"{kind.__name__}-few", pair, FEW)) // (MANY - FEW)
                   for kind in (bare, whole))
    print(f"tls: {ours} instructions a connection, {least} in a server that does nothing else ({ours / least - 1:+.1%})")
    assert least > 1_000_000, "the handshake was not counted"
    assert ours <= TLS_BAR * least, f"tls: {ours} instructions a connection, {least} in a server that does nothing else ({ours / least - 1:+.1%})"
