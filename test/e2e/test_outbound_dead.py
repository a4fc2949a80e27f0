"""Destinations that are out of reach cost one probe at a time, not one for each message (D-091, R-093, R-095), over a restart too;
when they come back, everything goes, each once."""
import collections
import time

from harness import wait_for
from outbound import internet, send  # noqa: F401
from sink import DROP, in_turn

COUNT = 2000


def fill(mansio, domain, count):
    with mansio.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        for start in range(0, count, 50):
            ids = range(start, min(start + 50, count))
            client.send("".join(f"MAIL FROM:<bob@ex.test>\r\nRCPT TO:<x{n}@{domain}>\r\nDATA\r\n" for n in ids[:1]).encode())
            for n in ids:
                assert [client.reply()[0] for _ in range(3)] == [250, 250, 354]
                after = f"MAIL FROM:<bob@ex.test>\r\nRCPT TO:<x{n + 1}@{domain}>\r\nDATA\r\n" if n != ids[-1] else ""
                client.send(f"Subject: {n}\r\n\r\nhello\r\n.\r\n{after}".encode())
                assert client.reply()[0] == 250


def each_once(sink, domain, count):
    wait_for(lambda: len(sink.taken()) >= count, 60, "everything")
    assert collections.Counter(m.recipients[0][0] for m in sink.taken()) == {f"x{n}@{domain}": 1 for n in range(count)}


def test_a_dead_host_costs_probes_not_attempts_for_each_message_and_gets_all_when_it_lives(internet):
    [sink] = internet.site("dead.test", "127.0.0.3", script={"GREETING": DROP}, keep=False)
    mansio = internet.start(retry="1s for 1h", limits="messages_per_connection = 100000;")
    began = time.monotonic()
    fill(mansio, "dead.test", COUNT)
    wait_for(lambda: len(sink.sessions) >= 4, 30, "four probes")
    internet.keeps_flowing()
    probes, elapsed = len(sink.sessions), time.monotonic() - began
    assert probes <= elapsed + 2, "no more than one probe a second, which is the shortest pause"
    assert len(mansio.queue()) == COUNT and "**" not in mansio.log()
    sink.script = {}
    each_once(sink, "dead.test", COUNT)
    mansio.wait_idle()
    assert mansio.maildir() == [] and len(sink.sessions) < probes + COUNT / 10


def test_the_back_off_survives_a_restart(internet):
    [sink] = internet.site("dead.test", "127.0.0.3", script={"GREETING": DROP})
    mansio = internet.start(retry="1h for 4d", limits="messages_per_connection = 100000;")
    fill(mansio, "dead.test", 200)
    wait_for(lambda: (mansio.directory / "spool" / "state" / "destinations").exists(), what="the file of destinations")
    assert len(sink.sessions) == 1
    mansio.stop()
    mansio.start()
    wait_for(lambda: len(mansio.queue()) == 200, what="the queue to be read")
    fill(mansio, "dead.test", 1)
    internet.keeps_flowing()
    assert len(sink.sessions) == 1, "no probe before its time"
    # An admin's word brings one probe, and that lets all of it go.
    sink.script = {}
    assert mansio.sendmail("-q").returncode == 0
    wait_for(lambda: len(sink.taken()) == 201, 40, "everything")
    mansio.wait_idle()


def test_a_host_that_dies_between_messages_gets_the_rest_when_it_is_back_each_once(internet):
    [sink] = internet.site("weak.test", "127.0.0.3", script={"MAIL": in_turn(*[None] * 30, *["421 4.3.2 going down"] * 3, None)}, keep=False)
    mansio = internet.start(retry="1s for 1h", limits="messages_per_connection = 100000;")
    fill(mansio, "weak.test", 300)
    each_once(sink, "weak.test", 300)
    mansio.wait_idle()
    assert "**" not in mansio.log() and mansio.maildir() == []
