"""Pickup directories under load: 10,000 files while the daemon is killed again and again, and a disk that is full. Nothing
is lost, nothing comes twice or in half: the ledger of what was put there has to be that of what arrived, exactly."""
import collections
import hashlib
import os
import pathlib
import re
import threading
import time

import pytest

from harness import wait_for
from ledger import seeded
from test_faults import can_mount
from test_pickup import badmail, drop, setting, waiting

FILES = 10_000
MAILBOXES = ("bob", "alice", "carol")


def letter(number, generator):
    body = b"".join(b"%0140x\n" % generator.getrandbits(560) for _ in range(generator.choice((1, 3, 10, 30))))
    if number % 500 == 7:
        body *= 400                              # larger than one read, and than the spool keeps in memory
    head = b"X-Sender: load@a.test\nX-Receiver: %s@ex.test\nX-Ledger: %d %s\nFrom: load@a.test\nSubject: load\n\n" % (
        MAILBOXES[number % 3].encode(), number, hashlib.sha256(body).hexdigest().encode())
    return head + body


class Writer:
    """Puts files there, in turn renamed in, written at once, and written in two halves."""

    def __init__(self, directory, numbers, seed):
        self.directory, self.numbers = pathlib.Path(directory), numbers
        self.generator = seeded(seed)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.problem = None
        self.thread.start()

    def run(self):
        try:
            for number in self.numbers:
                self.put(number, letter(number, self.generator))
        except Exception as bug:
            self.problem = bug
            raise

    def put(self, number, content):
        path = self.directory / f"{number}.eml"
        if number % 3 == 0:
            return drop(self.directory, path.name, content)
        with open(path, "wb") as file:
            half = len(content) // 2 if number % 3 == 1 else len(content)
            file.write(content[:half])
            file.flush()
            file.write(content[half:])

    def join(self):
        self.thread.join(120)
        assert not self.thread.is_alive() and not self.problem, self.problem


def arrived(daemon):
    """Number of each letter in the mailboxes: how often; each must be whole."""
    counts = collections.Counter()
    for user in MAILBOXES:
        for message in daemon.maildir(user):
            head, _, body = message.partition(b"\n\n")
            number, digest = re.search(rb"^X-Ledger: (\d+) (\w+)$", head, re.M).groups()
            assert hashlib.sha256(body).hexdigest().encode() == digest, f"letter {number} is not whole"
            assert MAILBOXES[int(number) % 3] == user
            counts[int(number)] += 1
    return counts


def settle(daemon, timeout=60):
    """Until all that was put in is taken (a file's last step is out of .mansio, once its message is in the spool) and delivered."""
    pickup = daemon.directory / "pickup"
    wait_for(lambda: not waiting(pickup) and [path.name for path in (pickup / ".mansio").iterdir()] == ["lock"], timeout, "an empty pickup directory")
    daemon.wait_idle(timeout)


def check(daemon, count):
    counts = arrived(daemon)
    twice = [number for number, times in counts.items() if times > 1]
    lost = [number for number in range(count) if number not in counts]
    assert not twice and not lost, (twice[:20], lost[:20], len(lost))
    assert badmail(daemon) == {}


def test_ten_thousand_files_while_the_daemon_is_killed_again_and_again(make_mansio):
    daemon = make_mansio(extra=setting("pickup")).start()
    pickup = daemon.directory / "pickup"
    generator = seeded("pickup kills")
    writers = [Writer(pickup, range(start, FILES, 4), f"pickup {start}") for start in range(4)]
    kills = 0
    while kills < 6:
        taken = len(re.findall(r" P=pickup ", daemon.log()))
        wait_for(lambda: len(re.findall(r" P=pickup ", daemon.log())) > taken + generator.randrange(50, 900) or not waiting(pickup), 30, "work")
        time.sleep(generator.random() * 0.1)
        daemon.kill()
        kills += 1
        daemon.start()
    for writer in writers:
        writer.join()
    settle(daemon)
    check(daemon, FILES)


def test_the_mail_process_alone_is_killed_and_goes_on(make_mansio):
    daemon = make_mansio(extra=setting("pickup")).start()
    pickup = daemon.directory / "pickup"
    writers = [Writer(pickup, range(start, 600, 2), f"pickup mail {start}") for start in range(2)]
    for _ in range(2):
        daemon.wait_log(" P=pickup ")
        pid = daemon.mail_pid()
        os.kill(pid, 9)
        wait_for(lambda: daemon.children().get("mansiod: mail 0", pid) != pid, what="another mail process")
    for writer in writers:
        writer.join()
    settle(daemon)
    check(daemon, 600)


def test_a_full_disk_leaves_the_files_where_they_are_until_there_is_room(make_mansio, tmp_path):
    if not can_mount():
        pytest.skip("mounting a tmpfs is not permitted here")
    spool = tmp_path / "mansio" / "spool"
    spool.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size=40m,mode=700 tmpfs "{spool}" && exec "$@"'
    daemon = make_mansio(extra=setting("pickup") + 'spool = { segment_size = "4M"; reserve = "8M"; };', wrapper=["unshare", "-m", "sh", "-c", mount, "sh"]).start()
    disk = pathlib.Path(f"/proc/{daemon.parent_pid()}/root{spool}")
    pickup = daemon.directory / "pickup"
    writer = Writer(pickup, range(100), "pickup full 1")
    writer.join()
    settle(daemon)
    space = os.statvfs(disk)
    with open(disk / "others", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - (2 << 20))
    writer = Writer(pickup, range(100, 400), "pickup full 2")
    writer.join()
    daemon.wait_log("no more mail|less than|full|No space", "paniclog")
    (disk / "others").unlink()
    settle(daemon)
    check(daemon, 400)
