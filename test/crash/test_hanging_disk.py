"""TERM, and then KILL, while the disk hangs (durability case D-039)."""
import os
import shutil
import signal
import threading
import time

import pytest

from harness import alive, wait_for
from test_faults import Faults

from power import mostly_small

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("strace") is None, reason="needs strace, as root")


@pytest.mark.parametrize("patience", [0.2, 1.0])
def test_ended_while_every_sync_hangs_what_was_acknowledged_is_there(make_house, patience):
    house = make_house(seed=f"hanging-{patience}").start()
    pids = [pid for title, pid in house.mansio.children().items() if "mail" in title or "deliver" in title and "users" not in title]
    load = house.load(sizes=mostly_small)
    wait_for(lambda: load.acknowledged > 30, what="load")
    with Faults(pids, "fdatasync:delay_enter=5000000", "fsync:delay_enter=5000000"):
        wait_for(lambda: all(task_waits(pid) for pid in pids[:1]), what="a sync that hangs")
        house.mansio.signal(signal.SIGTERM)
        time.sleep(patience)           # the case is about the time between
        load.stopping.set()
        killer = threading.Thread(target=house.mansio.kill)
        killer.start()
        for pid in pids:
            wait_for(lambda: not alive(pid), 40, "the end of it")
    killer.join(40)
    house.crashed(load)
    house.start().account()


def task_waits(pid):
    """Is a thread of it held by strace?"""
    states = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            states.append(open(f"/proc/{pid}/task/{task}/stat").read().rsplit(")", 1)[1].split()[0])
        except OSError:
            pass
    return "t" in states
