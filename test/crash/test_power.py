"""Power cuts (durability cases D-043 to D-053), on one disk and on two. MANSIO_POWER_ROUNDS says how many there are in all."""
import os
import pathlib
import subprocess

import pytest

from harness import wait_for
from ledger import read_mbox
from test_faults import agent_faults

from letters import Letter
from power import PowerHouse, batch, missing, ways

ROUNDS = int(os.environ.get("MANSIO_POWER_ROUNDS", "8"))
pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture
def make_power_house(tmp_path, world):
    made = []

    def make(layout="two", mode="ordered", **options):
        made.append(PowerHouse(tmp_path / f"house{len(made)}", world, layout, mode, seed=f"power-{layout}-{mode}", **options))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("layout, mode", [*ways()[:2], ("two", "xfs"), ("two", "btrfs")])
def test_what_was_acknowledged_survives_power_cuts_under_load(world, tmp_path, layout, mode):
    batch(world, tmp_path / "house", layout, mode, 0, max(ROUNDS // 2, 1))


@pytest.mark.parametrize("layout, mode", [("one", "ordered"), ("two", "ordered"), ("one", "xfs"), ("one", "btrfs")])
@pytest.mark.parametrize("recipient, size", [("u01@ex.test", 2_000), ("u01@ex.test", 500_000), ("box@box.test", 2_000), ("ada@moody.test", 2_000),
                                             ("ada@fail.test", 2_000)])
def test_the_first_letter_of_a_fresh_install_survives_a_power_cut_right_after_its_250(make_power_house, world, layout, mode, recipient, size):
    """D-045: every directory on the way has just been made."""
    house = make_power_house(layout, mode).start()
    house.send(Letter("first", recipient, size=size))
    house.cut()
    assert set(house.start().account().answers) == {"ACK"}


@pytest.mark.parametrize("mode", ["ordered", "xfs", "btrfs"])
@pytest.mark.parametrize("recipient, done", [("u01@ex.test", "Completed"), ("box@box.test", "Completed"), ("ada@later.test", "== ada"), ("ada@fail.test", "R=")])
def test_the_first_letter_that_is_delivered_deferred_or_reported_survives_a_power_cut_right_after_it(make_power_house, world, mode, recipient, done):
    """D-047: what has left the spool's disk is on the other one; D-045 for deferred/."""
    if "later" in recipient:
        world.sinks["moody.test"].script = {"RCPT": "450 4.2.0 not now"}
        recipient = "ada@moody.test"
    house = make_power_house("two", mode).start()
    house.send(Letter("first", recipient))
    house.mansio.wait_log(done)
    house.mansio.kill()             # nothing may sync anything later
    house.cut(["disk2", "disk1"])
    assert set(house.start().account().answers) == {"ACK"}


def lack_room(house, leave):
    """The mailboxes' disk has so many octets left."""
    at = house.inside(house.mansio.mail)
    space = os.statvfs(at)
    with open(at / "others", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - leave)
    os.sync()


@pytest.mark.parametrize("mode", ["ordered", "writeback"])
@pytest.mark.parametrize("moment", ["before the cutting back", "after the cutting back", "after its sync"])
def test_an_mbox_that_was_cut_back_for_want_of_room_shows_no_half_message_after_a_power_cut(make_power_house, mode, moment):
    """D-049. What was written is made durable from outside, as the disk's own journal does it every few seconds."""
    house = make_power_house("two", mode, sizes={"disk2": 16 << 20}, agents=1).start()
    house.send(Letter("before", "box@box.test"))
    house.mansio.wait_log("Completed")
    box = house.inside(house.mansio.mail) / "box.mbox"
    before = box.stat().st_size
    lack_room(house, 300_000)
    delay = "ftruncate:delay_enter=1500000:delay_exit=6000000" if moment == "after the cutting back" else "ftruncate:delay_enter=6000000"
    if moment == "after its sync":
        house.send(Letter("half", "box@box.test", size=900_000))
        house.mansio.wait_log("== box")
        assert box.stat().st_size == before
        house.cut(["disk2", "disk1"])
    else:
        with agent_faults(house.mansio, delay):
            house.send(Letter("half", "box@box.test", size=900_000))
            wait_for(lambda: box.stat().st_size > before, what="the beginning of the message")
            fd = os.open(box, os.O_RDONLY)
            os.fsync(fd)
            if moment == "after the cutting back":
                wait_for(lambda: box.stat().st_size == before, what="the cutting back")
            os.close(fd)
            house.cut(["disk2", "disk1"])
    (house.inside(house.mansio.mail) / "others").unlink()
    house.start().account()
    assert sorted(copy.id for copy in read_mbox(box)) [:2] == ["before", "half"]


def test_the_queue_is_the_same_whatever_became_of_the_log(make_power_house, world):
    """D-053."""
    world.sinks["moody.test"].script = {"RCPT": "450 4.2.0 not now"}
    house = make_power_house("one").start()
    for number in range(5):
        house.send(Letter(f"l{number}", "ada@moody.test", "u01@ex.test"))
    wait_for(lambda: len(house.mansio.queue()) == 5 and all(m["attempts"] for m in house.mansio.queue()), what="five that wait")
    house.cut()
    log = house.inside(house.mansio.directory) / "log"
    for file in log.iterdir():
        file.write_bytes(b"\0" * 100_000)
    house.start()
    wait_for(lambda: len(house.mansio.list_queue()[0]) == 5, what="five that wait")
    house.account()
