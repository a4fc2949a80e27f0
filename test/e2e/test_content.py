"""What arrives is what was sent, octet for octet: each message of the corpus once by DATA and once by BDAT that is cut
at random places. The sender's address tells the messages apart.
"""
import hashlib
import pathlib
import random
import re

import pytest

import corpus
from harness import MANSIOD, Mansio, body_of, memory_of, wait_for

MESSAGES = corpus.all_messages()
MIB = 1 << 20
CROWD = [f"u{number}" for number in range(2000)]
LIMITS = 'limits = { message_size = "64M"; session_size = "4G"; recipients = 5000; messages_per_connection = 5000; };'


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    users = "[ " + ", ".join(f'"{user}"' for user in ["bob", "alice", "carol", *CROWD]) + " ]"
    with Mansio(tmp_path_factory.mktemp("content") / "mansio", users=users, extra=LIMITS) as mansio:
        yield mansio


def sha256(octets):
    return hashlib.sha256(octets).hexdigest()


def cut(content, source):
    """(chunk, last?) at random places, also inside CRLF, inside a word, and with nothing in the last one."""
    places = sorted(source.randrange(len(content) + 1) for _ in range(source.choice([0, 1, 2, 7, 30])))
    if source.random() < 0.3:
        places += [len(content)]
    if b"\r\n" in content and source.random() < 0.7:
        places = sorted([*places, content.index(b"\r\n") + 1])
    edges = [0, *places, len(content)]
    return [(content[a:b], i == len(edges) - 2) for i, (a, b) in enumerate(zip(edges, edges[1:]))]


def bdat(client, chunks):
    """Sends the chunks without waiting in between; the code of each reply."""
    client.send(b"".join(b"BDAT %d%b\r\n%b" % (len(chunk), b" LAST" if last else b"", chunk) for chunk, last in chunks))
    return [client.reply()[0] for _ in chunks]


def by_sender(house, user):
    """{envelope sender: the stored messages}."""
    found = {}
    for raw in house.maildir(user):
        found.setdefault(re.match(rb"Return-Path: <([^>]*)@", raw)[1].decode(), []).append(raw)
    return found


def octets_of(raw, binary):
    """The content in a Maildir file: as it stands when it was binary, else with its CRLF again."""
    if not binary:
        return body_of(raw)
    end = re.match(rb"Return-Path:.*\nDelivered-To:.*\nReceived:.*\n(?:[ \t].*\n)*", raw).end()
    return raw[end:]


def compare(house, user, sent):
    wait_for(lambda: len(house.maildir(user)) >= len(sent), 60, f"{len(sent)} messages; " + house.log()[-1000:])
    found = by_sender(house, user)
    assert set(found) == set(sent)
    wrong = []
    for sender, message in sent.items():
        binary = " BODY=BINARYMIME" in message.parameters
        [raw] = found[sender]
        if sha256(octets_of(raw, binary)) != sha256(message.stored):
            wrong.append((message.name, raw[:400], message.stored[:200]))
    assert not wrong, wrong[:3]


def test_the_corpus_is_the_same_in_every_run_and_large_enough():
    again = corpus.all_messages()
    assert [sha256(message.content) for message in again] == [sha256(message.content) for message in MESSAGES]
    assert sum(not message.chunks_only for message in MESSAGES) >= 100


def test_every_message_arrives_unchanged_by_data(house):
    sent = {f"d{number}": message for number, message in enumerate(MESSAGES) if not message.chunks_only}
    with house.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        for sender, message in sent.items():
            code, lines = client.transaction(f"{sender}@b.test", ["bob@ex.test"], message.content, ehlo=None, mail_parameters=message.parameters) \
                if message.content else nothing(client, sender)
            assert code == 250, (message.name, lines)
    compare(house, "bob", sent)


def nothing(client, sender):
    """A message of no octets: the end of data is the first line."""
    client.send(f"MAIL FROM:<{sender}@b.test>\r\nRCPT TO:<bob@ex.test>\r\nDATA\r\n".encode())
    assert [client.reply()[0] for _ in range(3)] == [250, 250, 354]
    return client.command(".")


def test_every_message_arrives_unchanged_by_bdat_cut_anywhere(house):
    source = random.Random(4711)
    sent = {f"c{number}": message for number, message in enumerate(MESSAGES)}
    with house.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        for sender, message in sent.items():
            client.send(f"MAIL FROM:<{sender}@b.test>{message.parameters}\r\nRCPT TO:<alice@ex.test>\r\n".encode())
            assert [client.reply()[0] for _ in range(2)] == [250, 250]
            codes = bdat(client, cut(message.content, source))
            assert set(codes) == {250}, (message.name, codes)
    compare(house, "alice", sent)


def test_text_without_a_last_line_end_stays_so_by_bdat(house):
    content = b"Subject: x\r\n\r\nno end of line"
    with house.connect() as client:
        client.send(b"EHLO c\r\nMAIL FROM:<z@b.test>\r\nRCPT TO:<u0@ex.test>\r\n")
        assert [client.reply()[0] for _ in range(3)] == [250, 250, 250]
        assert bdat(client, [(content, True)]) == [250]
    [raw] = house.wait_mail(1, "u0")
    assert body_of(raw) in (content, content + b"\r\n")


@pytest.mark.parametrize("chunk, parameters", [(b"a\nb\r\n", ""), (b"a\rb\r\n", " BODY=8BITMIME"), (b"a\r\n\r", ""), (b"\n.\r\n", "")])
def test_a_bare_newline_in_bdat_is_refused_without_binarymime(house, chunk, parameters):
    with house.connect() as client:
        client.send(f"EHLO c\r\nMAIL FROM:<bare@b.test>{parameters}\r\nRCPT TO:<bob@ex.test>\r\n".encode())
        assert [client.reply()[0] for _ in range(3)] == [250, 250, 250]
        client.send(b"BDAT %d LAST\r\n%b" % (len(chunk), chunk))
        code, lines = client.reply()
        assert code == 550 and lines[0].startswith("550 5.6.0"), lines
        assert client.command("NOOP")[0] == 250
    assert "bare" not in by_sender(house, "bob")


def reset_peak(pid):
    try:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")   # proc(5): the peak begins anew
    except PermissionError:
        pass                                                      # then the peak so far counts as well


@pytest.mark.parametrize("way", ["DATA", "BDAT"])
def test_fifty_megabytes_arrive_and_never_stand_in_memory(house, way):
    source = random.Random(way)
    block = source.randbytes(MIB).replace(b"\r", b"x").replace(b"\n", b".\r\n.")[:MIB - 2] + b"\r\n"
    content = b"Subject: large\r\n\r\n" + block * 50
    pid, agents = house.mail_pid(), house.children()
    reset_peak(pid)
    before = memory_of(pid, "VmHWM")
    with house.connect(timeout=60) as client:
        if way == "DATA":
            code, lines = client.transaction("big-data@b.test", ["u1@ex.test"], content)
        else:
            client.send(b"EHLO c\r\nMAIL FROM:<big-bdat@b.test>\r\nRCPT TO:<u1@ex.test>\r\n")
            assert [client.reply()[0] for _ in range(3)] == [250, 250, 250]
            for chunk, last in cut(content, source):
                client.send(b"BDAT %d%b\r\n" % (len(chunk), b" LAST" if last else b""))
                client.send(chunk)
                code, lines = client.reply()
        assert code == 250, lines
    sender = "big-" + way.lower()
    wait_for(lambda: sender in by_sender(house, "u1"), 60, "the message; " + house.log()[-1000:])
    [raw] = by_sender(house, "u1")[sender]
    assert sha256(body_of(raw)) == sha256(content)
    assert house.mail_pid() == pid
    if b"__asan_init" not in MANSIOD.read_bytes():                # its shadow and its quarantine are memory too
        assert memory_of(pid, "VmHWM") - before < 16 * MIB
        assert all(memory_of(agent, "VmHWM") < 64 * MIB for agent in agents.values())


def test_two_thousand_recipients_get_it_once_each(house):
    content = b"Subject: to all\r\n\r\n.\r\n"
    with house.connect(timeout=60) as client:
        client.send(b"EHLO c\r\nMAIL FROM:<crowd@b.test>\r\n" + b"".join(b"RCPT TO:<%b@ex.test>\r\n" % user.encode() for user in CROWD) + b"DATA\r\n")
        codes = [client.reply()[0] for _ in range(len(CROWD) + 3)]
        assert codes == [250] * (len(CROWD) + 2) + [354]
        client.send(b"Subject: to all\r\n\r\n..\r\n.\r\n")
        assert client.reply()[0] == 250
    house.wait_log(r"Completed(?s:.*)\Z", timeout=60)
    wait_for(lambda: all((house.mail / user / "new").is_dir() and list((house.mail / user / "new").iterdir()) for user in CROWD), 60, "all copies")
    for user in CROWD:
        [raw] = by_sender(house, user)["crowd"]
        assert body_of(raw) == content and b"\nDelivered-To: %b@ex.test\n" % user.encode() in raw


def test_nothing_went_wrong_meanwhile(house):
    wait_for(lambda: not house.queue(), what="an empty queue")
    assert house.log("paniclog") == ""
