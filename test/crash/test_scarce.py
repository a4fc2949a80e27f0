"""Descriptors, memory and processes at their limits (durability cases D-075 to D-079). What a limit ends is started again; nothing
that was acknowledged is lost, nothing is bounced because there was no memory."""
import os
import random
import shutil
import subprocess
import time

import pytest

from harness import wait_for
from test_faults import Faults

from house import House
from letters import Letter
from power import mostly_small
from shim import Shim
from verdicts import Bounds

WHOLE = bool(os.environ.get("MANSIO_PROVE"))
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("prlimit"), reason="needs prlimit, as root")


def limit(pid, *words):
    """Soft limits only: to raise a hard one again takes more rights than these tests may have."""
    subprocess.run(["prlimit", "--pid", str(pid), *(word + ":" for word in words)], check=True)


def mail_pids(house):
    return [pid for title, pid in house.mansio.children().items() if "mail" in title]


def agent_pids(house):
    return [pid for title, pid in house.mansio.children().items() if "deliver" in title and "users" not in title]


def accepts_again(house):
    wait_for(lambda: house.send(Letter(f"again{time.monotonic_ns()}", "u01@ex.test"), timeout=10).startswith("250"), 60, "mail to be accepted again")


@pytest.fixture
def house(make_house):
    return make_house(seed="scarce").start()


@pytest.mark.parametrize("free", [0, 1, 3, 8] if WHOLE else [1, 8])
def test_a_mail_process_without_descriptors_ends_nothing_and_goes_on_when_there_are_some(house, free):
    """D-075: for new connections, for files of large messages, for other hosts, for what is deferred."""
    accepts_again(house)
    [pid] = mail_pids(house)
    load = house.load(sizes=mostly_small, threads=6)
    wait_for(lambda: load.acknowledged > 20, what="load")
    limit(pid, f"--nofile={max(int(fd) for fd in os.listdir(f'/proc/{pid}/fd')) + 1 + free}")
    time.sleep(2)               # to meet it; nothing depends on how long
    limit(pid, "--nofile=4096")
    seen = load.acknowledged
    wait_for(lambda: load.acknowledged > seen + 20, 60, "mail to be accepted again")
    house.end(load)
    assert mail_pids(house) == [pid]
    house.account()


def test_agents_without_descriptors_defer_and_deliver_later(house):
    """D-077."""
    agents = agent_pids(house)
    for pid in agents:
        limit(pid, f"--nofile={max(int(fd) for fd in os.listdir(f'/proc/{pid}/fd')) + 1}")
    for number in range(4):
        assert house.send(Letter(f"few{number}", f"u0{number}@ex.test", "box@box.test")).startswith("250")
    wait_for(lambda: house.mansio.log().count(" == ") >= 4, what="deferrals")
    for pid in agent_pids(house):
        limit(pid, "--nofile=1024")
    house.account(bounds=Bounds(crashes=len(set(agents) - set(agent_pids(house))), mbox=1))


@pytest.mark.parametrize("room", [2 << 20, 16 << 20] if WHOLE else [2 << 20])
def test_a_mail_process_whose_memory_may_not_grow_loses_nothing(house, room):
    accepts_again(house)
    [pid] = mail_pids(house)
    load = house.load(sizes=lambda generator: generator.randrange(500, 2_000_000), threads=8)
    wait_for(lambda: load.acknowledged > 10, what="load")
    size = int(open(f"/proc/{pid}/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limit(pid, f"--as={size + room}")
    time.sleep(3)               # to meet it; nothing depends on how long
    if mail_pids(house) == [pid]:
        limit(pid, "--as=unlimited")
    seen = load.acknowledged
    wait_for(lambda: load.acknowledged > seen + 10, 60, "mail to be accepted again")
    load.stopping.set()
    house.crashed(load) if mail_pids(house) != [pid] else house.end(load)
    no_signal_but_abort(house)


def no_signal_but_abort(house):
    """D-079: that it ends itself is allowed, that it runs into something else is not. The word of it in the panic log is no finding."""
    verdicts = house.judge(Bounds(max(house.crashes, house.mansio.log("paniclog").count("killed by signal 6"))))
    verdicts.broken = [words for words in verdicts.broken if "signal 6" not in words and "bad_alloc" not in words]
    assert not verdicts.found(), house.keep(verdicts, "")


@pytest.mark.parametrize("rest", [False, True], ids=["one", "all"])
def test_an_allocation_that_fails_anywhere_loses_nothing_and_bounces_nothing(make_house, tmp_path, rest):
    """D-079: one allocation, or all from then on, of the mail process while it accepts, routes, delivers and reports. Few rounds: who
    dies again and again is started later each time."""
    shim = Shim(tmp_path)
    house = make_house(seed=f"malloc-{rest}", env=shim.environment).start()
    generator, struck = random.Random(f"malloc {rest}"), 0
    try:
        for number in range(12 if WHOLE else 2):
            accepts_again(house)
            [pid] = mail_pids(house)
            load = house.load(threads=3, sizes=mostly_small)
            shim.fail(pid, generator.randrange(0, 12_000), rest)
            wait_for(lambda: shim.failed or load.acknowledged + load.refused > 150, 40, "an allocation to fail")
            struck += bool(shim.failed)
            wait_for(lambda: not rest or mail_pids(house) not in ([pid], []) or not shim.failed, 40, "another mail process")
            time.sleep(0.05)
            shim.fail_no_more()
            load.stopping.set()
            died = mail_pids(house) != [pid]
            wait_for(lambda: mail_pids(house), 40, "another mail process")
            house.crashed(load) if died else house.end(load)
        assert struck
        no_signal_but_abort(house)
    finally:
        house.close()
        shim.close()


def test_agents_that_can_not_be_started_again_are_when_they_can(house):
    """No process to be had: fork says EAGAIN while agents die."""
    before = agent_pids(house)
    assert house.send(Letter("first", "u01@ex.test")).startswith("250")
    with Faults([house.mansio.parent_pid()], "clone:error=EAGAIN", "clone3:error=EAGAIN") as faults:
        for pid in before:
            os.kill(pid, 9)
        faults.wait()
        assert house.send(Letter("second", "u02@ex.test", "box@box.test")).startswith("250")
    wait_for(lambda: len(agent_pids(house)) == len(before), 60, "agents")
    house.account(bounds=Bounds(crashes=len(before), mbox=1))
