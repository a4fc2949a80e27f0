"""Clocks that jump (D-095, D-097), a daemon that is stopped for a while (D-037) or ended while its disk hangs (D-039)."""
import os
import signal
import subprocess
import time

import pytest

from daemons import all_listed, bodies, by_way_of, make_mansio, make_sink, numbered, offer, subjects  # noqa: F401
from harness import MANSIOD, wait_for
from shim import shim  # noqa: F401

WHOLE = bool(os.environ.get("MANSIO_PROVE"))
QUEUED = 1000 if WHOLE else 60
DAY = 86400
CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; role = "relay"; } );
domains = { local = [ "ex.test" ]; };
relay_from = [ "127.0.0.0/8" ];
dns = { servers = [ "127.0.0.1:9" ]; timeout = "300ms"; attempts = 1; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; %(transport)s };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; }, %(route)s
           { name = "none"; domains = [ "nowhere.test" ]; transport = "mailbox"; } );
retry = ( { domains = [ "*" ]; schedule = "%(retry)s"; } );
limits = { command_timeout = "2s"; data_timeout = "2s"; messages_per_connection = 5000; };
"""
LATER = "450 4.2.0 not now"


@pytest.fixture
def house(make_mansio, make_sink, shim):
    """A daemon whose clock can be set, and a host that does not want mail yet."""
    sink = make_sink(script={"MAIL": LATER})
    mansio = make_mansio(config=CONFIG % dict(by_way_of(sink), retry="15m for 4d"), env=shim.environment)
    mansio.sink, mansio.shim = sink, shim
    return mansio


def queue_some(house, count, first=0):
    with house.connect(timeout=60) as client:
        client.command("EHLO client.test")
        for number in range(first, first + count):
            assert client.transaction("bob@ex.test", ["x@later.test"], numbered(number), ehlo=None)[0] == 250


def all_tried(house, count):
    wait_for(lambda: all(m["attempts"] >= 1 for m in all_listed(house, count)), what="every message to be tried")


def no_reports(house):
    assert "**" not in house.log() and bodies(house) == [], house.log()[-2000:]


@pytest.mark.parametrize("restart", [True, False] if WHOLE else [True], ids=lambda value: "restarted" if value else "running")
def test_a_boot_in_1970_neither_expires_nor_forgets_what_is_queued(house, restart):
    house.start()
    queue_some(house, QUEUED)
    all_listed(house, QUEUED)
    assert house.stop() == 0
    house.shim.set_clock(-time.time() + 60)
    house.start()
    all_listed(house, QUEUED)
    offer(house, "bob@ex.test", number=9999)           # mail of 1970 is delivered
    house.wait_mail(1)
    time.sleep(0.5)
    all_listed(house, QUEUED)
    house.sink.script.clear()
    house.shim.set_clock(3600)                         # the network has told the time: an hour has passed
    if restart:
        assert house.stop() == 0
        house.start()
    wait_for(lambda: len(house.sink.messages) >= QUEUED, 100, "everything to be sent")      # it looks at the clock once a minute
    house.wait_idle()
    assert subjects(house.sink.messages) == list(range(QUEUED))
    assert bodies(house) == [numbered(9999)] and "**" not in house.log()


def test_mail_that_came_in_1970_is_sent_once_the_clock_is_right(house):
    house.shim.set_clock(-time.time() + 60)
    house.start()
    queue_some(house, 5)
    all_tried(house, 5)
    house.sink.script.clear()
    house.shim.set_clock(0)
    assert house.stop() == 0
    house.start()
    house.wait_idle()
    assert subjects(house.sink.messages) == list(range(5))
    no_reports(house)


def test_a_clock_that_jumps_ahead_expires_nothing_without_a_fresh_attempt(house):
    house.start()
    queue_some(house, 5)
    all_tried(house, 5)
    house.sink.script.clear()
    house.shim.set_clock(40 * DAY)
    assert house.stop() == 0
    house.start()
    house.wait_idle()
    assert subjects(house.sink.messages) == list(range(5))
    no_reports(house)


@pytest.mark.skipif(not WHOLE, reason="takes minutes: the clock is looked at once in one; ./dev prove does")
@pytest.mark.parametrize("restart", [True, False], ids=lambda value: "restarted" if value else "running")
def test_a_clock_that_was_years_ahead_and_is_set_back_leaves_nothing_waiting_for_years(house, restart):
    """What waits for a time of that clock is tried after a day at the latest."""
    house.shim.set_clock(20 * 365 * DAY)
    house.start()
    queue_some(house, 5)
    all_tried(house, 5)
    if restart:
        assert house.stop() == 0
    house.shim.set_clock(0)
    if restart:
        house.start()
        all_listed(house, 5)
    else:
        time.sleep(65)                                 # it looks at the clock once a minute
    house.sink.script.clear()
    house.shim.set_clock(DAY + 3600)
    house.wait_idle(100)
    assert subjects(house.sink.messages) == list(range(5))
    no_reports(house)


@pytest.mark.parametrize("ahead", [30 * DAY, -30 * DAY], ids=["ahead", "back"])
def test_a_jump_of_the_clock_neither_ends_a_session_early_nor_keeps_it(house, ahead):
    house.start()
    with house.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        house.shim.set_clock(ahead)
        for _ in range(3):
            assert client.command("NOOP")[0] == 250
        begin = time.monotonic()
        assert client.reply()[0] == 421                # after command_timeout, not at once and not never
        assert 1 < time.monotonic() - begin < 20
    assert offer(house, "bob@ex.test", number=1)
    house.wait_mail(1)


def test_stopped_for_a_while_sessions_time_out_and_nothing_is_done_twice(house):
    house.start()
    queue_some(house, 3)
    all_tried(house, 3)
    idle, busy = house.connect(), house.connect()
    for line in ("EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@ex.test>", "DATA"):
        assert busy.command(line)[0] in (250, 354)
    busy.send(b"Subject: 7\r\n\r\nhalf")
    pids = [house.parent_pid(), *house.children().values()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(4)                                      # longer than both timeouts
    # Somebody thinks that it is dead.
    again = subprocess.run([str(MANSIOD), "--config", str(house.config), "--foreground"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert again.returncode == 75 and "in use" in again.stderr, again.stderr
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert idle.reply()[0] == 421 and busy.reply()[0] == 421
    idle.close()
    busy.close()
    offer(house, "bob@ex.test", number=1)
    house.wait_mail(1)
    house.sink.script.clear()
    house.sendmail("-q")
    house.wait_idle()
    assert subjects(house.sink.messages) == [0, 1, 2] and bodies(house) == [numbered(1)]
    assert {*house.children().values(), house.parent_pid()} == set(pids), "nobody was restarted"
