"""Disks without room or files, quotas, and a spool that can only be read (durability cases D-063 to D-073). Nothing crashes here,
so nothing may come twice."""
import os
import re
import shutil
import subprocess
import time

import pytest

from harness import wait_for
from test_faults import Faults

from letters import Letter
from power import mostly_small
from small_disks import MEGABYTE, SmallHouse, missing

WHOLE = bool(os.environ.get("MANSIO_PROVE"))
pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
SPOOL, MAIL, BOTH = ("spool",), ("mail",), ("spool", "mail")


@pytest.fixture
def make_small_house(tmp_path, world):
    made = []

    def make(**options):
        try:
            made.append(SmallHouse(tmp_path / f"house{len(made)}", world, seed="small", **options))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"file systems can't be mounted here: {error}")
        return made[-1]
    yield make
    for each in made:
        each.close()


def lines_of(house):
    """An attempt that finds all delivered, and can't write it down, tells so in the panic log alone."""
    return house.mansio.log().count("\n") + house.mansio.log("paniclog").count("\n")


def again(house, times, sure=True):
    """Every message is tried so many times, as it would be over the hours. Not `sure`: attempts whose outcome finds no room in the
    journal wait for it, and others for them."""
    for number in range(times):
        tried = {m["id"]: m["attempts"] for m in house.mansio.queue()}
        lines = lines_of(house)
        house.mansio.ctl("queue", "retry", "--all", "--yes")
        if tried and sure:
            wait_for(lambda: lines_of(house) > lines, 20, f"another attempt of {house.mansio.queue()}, {house.mansio.log('paniclog')[-2000:]}")
        time.sleep(0.3)


def accepted(house, letter):
    assert house.send(letter).startswith("250"), house.mansio.log("paniclog")


CASES = [(small, how, kind) for kind in ("tmpfs", "ext4") for small in (SPOOL, MAIL, BOTH) for how in ("octets", "files")]
IN_CI = [(SPOOL, "octets", "ext4"), (MAIL, "octets", "tmpfs"), (BOTH, "files", "tmpfs")]


@pytest.mark.parametrize("small, how, kind", CASES if WHOLE else IN_CI, ids=lambda value: "+".join(value) if isinstance(value, tuple) else value)
def test_disks_that_run_full_again_and_again_under_load_cost_no_letter(make_small_house, small, how, kind):
    # Room for what the load itself brings to mailboxes.
    size, inodes = (384 * MEGABYTE, 12_000) if "mail" in small else (64 * MEGABYTE, 400)
    house = make_small_house(small=small, kind=kind, size=size, inodes=inodes).start()
    for number in range(6 if WHOLE else 2):
        load = house.load(sizes=mostly_small)
        seen = load.acknowledged
        wait_for(lambda: load.acknowledged > seen + 10, what="load")
        house.fill(how, leave=[0, 100_000, 9 * MEGABYTE][number % 3])
        time.sleep(1)                # to meet it; nothing depends on how long
        house.end(load)
        again(house, 2, sure="spool" not in small)
        house.free()
        wait_for(lambda: house.send(Letter(f"free{number}-{time.monotonic_ns()}", "u01@ex.test")).startswith("250"), 30, "mail to be accepted again")
    verdicts = house.account()
    assert verdicts.answers["ACK"] > 20


def test_a_message_that_has_no_room_to_wait_in_comes_to_nobody_twice_and_is_reported_once(make_small_house, world):
    """D-067, D-073: a spool without a free file, where what is deferred can't get one."""
    world.sinks["moody.test"].script = {"RCPT": "450 4.2.0 not now"}
    house = make_small_house(small=SPOOL).start()
    accepted(house, Letter("room", "u01@ex.test"))
    house.mansio.wait_log("Completed")
    house.fill("files")
    accepted(house, Letter("stuck", "box@box.test", "u02@ex.test", "ada@good.test", "ada@moody.test", "ada@fail.test"))
    house.mansio.wait_log("could not be moved to deferred/", "paniclog")
    again(house, 4)
    house.free()
    house.account()


def threads_named(house, *names):
    pid = house.mansio.mail_pid()
    return [int(task) for task in os.listdir(f"/proc/{pid}/task") if open(f"/proc/{pid}/task/{task}/comm").read().strip() in names]


@pytest.mark.parametrize("injections", [["pwrite64:error=ENOSPC", "rename:error=ENOSPC"], ["fdatasync:error=EIO", "fsync:error=EIO"]], ids=["no room", "no sync"])
def test_what_was_delivered_of_a_message_that_waits_is_known_though_it_can_not_be_written_down(make_small_house, world, injections):
    """D-067: neither does its file take a further state, nor can it be written anew. The recipients that get it meanwhile get it once.
    (Not an error of write(): the threads wake the loop by one, and libuv ends the process when it can't.)"""
    world.sinks["moody.test"].script = {"RCPT": "450 4.2.0 not now"}
    house = make_small_house(small=(), agents=1).start()
    at = house.mansio.mail / "box.mbox"
    at.mkdir()                     # in the way
    accepted(house, Letter("waits", "box@box.test", "ada@moody.test"))
    wait_for(lambda: list((house.mansio.directory / "spool").glob("0/deferred/*/" + house.mansio.queue()[0]["id"])), what="its file")
    with Faults(threads_named(house, "spool"), *injections, threads=False) as faults:
        at.rmdir()
        house.mansio.ctl("queue", "retry", "--all", "--yes")
        faults.wait()
        again(house, 3)
    house.account()


@pytest.mark.parametrize("size", [100_000, 400_000])
def test_a_user_whose_file_may_not_grow_waits_alone_and_the_mbox_is_cut_back_to_the_octet(make_small_house, size):
    """D-071: EFBIG, and the signal that comes with it."""
    house = make_small_house(small=(), agents=2).start()
    accepted(house, Letter("before", "box@box.test"))
    house.mansio.wait_log("Completed")
    box = house.mansio.mail / "box.mbox"
    before = box.read_bytes()
    pids = house.mansio.children()
    for title, pid in pids.items():
        if "deliver" in title:
            subprocess.run(["prlimit", "--pid", str(pid), f"--fsize={size - 50_000}:"], check=True)
    accepted(house, Letter("long", "box@box.test", "u03@ex.test", size=size))
    wait_for(lambda: re.search("== (box|u03)[^ ]*@", house.mansio.log()), what="a deferral")
    accepted(house, Letter("short", "u04@ex.test"))
    house.mansio.wait_mail(1, "u04")
    assert box.read_bytes() == before
    assert house.mansio.children() == pids, "nobody was restarted"
    for pid in pids.values():
        subprocess.run(["prlimit", "--pid", str(pid), "--fsize=unlimited:"], check=True)
    house.account()


def test_a_spool_whose_files_may_not_grow_refuses_and_lives(make_small_house):
    house = make_small_house(small=()).start()
    accepted(house, Letter("before", "u01@ex.test"))
    pid = house.mansio.mail_pid()
    subprocess.run(["prlimit", "--pid", str(pid), "--fsize=1000:"], check=True)
    for number in range(3):
        assert not house.send(Letter(f"refused{number}", "u01@ex.test", size=300_000)).startswith("250")
        house.send(Letter(f"maybe{number}", "u01@ex.test"))
    assert house.mansio.mail_pid() == pid
    subprocess.run(["prlimit", "--pid", str(pid), "--fsize=unlimited:"], check=True)
    wait_for(lambda: house.send(Letter(f"after{time.monotonic_ns()}", "u01@ex.test", size=300_000)).startswith("250"), 30, "mail to be accepted again")
    house.account()


EROFS = ["openat:error=EROFS", "pwrite64:error=EROFS", "fdatasync:error=EROFS", "fsync:error=EROFS", "rename:error=EROFS", "unlink:error=EROFS",
         "mkdir:error=EROFS", "ftruncate:error=EROFS"]


def test_a_spool_that_can_only_be_read_for_a_while_refuses_and_recovers_without_a_restart(make_small_house):
    """D-063, as the calls say it: a file system with files that are open for writing is made read-only by its own troubles alone."""
    house = make_small_house(small=()).start()
    pids = house.mansio.children()
    load = house.load(sizes=mostly_small)
    wait_for(lambda: load.acknowledged > 20, what="load")
    with Faults(threads_named(house, "spool", "journal"), *EROFS, threads=False):
        wait_for(lambda: load.refused > 20 or load.last_words, what="refusals")
        time.sleep(0.5)
    wait_for(lambda: load.acknowledged > 40, 60, "mail to be accepted again")
    house.end(load)
    assert house.mansio.children() == pids, "nobody was restarted"
    house.account()


def test_a_spool_that_its_file_system_gave_up_for_good_refuses_and_what_it_acknowledged_is_there_after_a_repair(make_small_house):
    """D-063: ext4 with errors=remount-ro after an error of its own. fsck, mount, start."""
    if not shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
        pytest.skip("mkfs.ext4 is missing")
    house = make_small_house(small=SPOOL, kind="ext4", size=64 * MEGABYTE).start()
    disk = house.disks["spool"]
    device = next(line.split()[0] for line in open(f"/proc/{house.mounts.holder.pid}/mounts") if line.split()[1] == str(disk.at))
    trigger = f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error"
    if not os.path.exists(trigger):
        pytest.skip("this kernel's ext4 has no trigger_fs_error")
    load = house.load(sizes=mostly_small)
    wait_for(lambda: load.acknowledged > 30, what="load")
    with open(trigger, "w") as file:
        file.write("D-063")
    wait_for(lambda: load.refused > 10 or load.last_words, what="refusals")
    house.end(load)
    house.mansio.kill()
    house.crashed()
    disk.unmount()
    subprocess.run(["fsck.ext4", "-p", str(disk.image)], env=dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin"), stdout=subprocess.DEVNULL)
    disk.mount()
    house.start().account()
