"""A spool's owner, its version, damage in it, the end of the daemon, and the end of the power (durability cases D-012,
D-043..D-047, D-099, D-101). lib/spool/STATES.md says what each state on disk means."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time

import pytest

from harness import MANSIOD, alive, body_of, wait_for
from ledger import SCENE, Scene, choose_recipients, make_message, read_maildir, seeded, whole_queue

ROUNDS = int(os.environ.get("MANSIO_POWER_ROUNDS", "10"))
LOCAL = '[ "127.0.0.0/8" ]'


def numbered(number):
    return b"Subject: %d\r\n\r\ntext %d\r\n" % (number, number)


def offer(client, number, recipients=("bob@ex.test",), ehlo=None):
    code, lines = client.transaction("a@b.test", recipients, numbered(number), ehlo=ehlo)
    assert code == 250, lines
    return lines[0].split()[-1]


def bodies(daemon, user="bob"):
    return sorted(body_of(message) for message in daemon.maildir(user))


def refused_start(daemon):
    """The exit status and the words of a daemon that does not start."""
    done = subprocess.run([*daemon.wrapper, str(MANSIOD), "--config", str(daemon.config), "--foreground"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


# ---- one owner

def test_a_second_daemon_on_the_same_spool_says_whose_it_is_and_ends(make_mansio):
    first = make_mansio("first").start()
    second = make_mansio("second")
    second.config.write_text(second.config.read_text().replace('spool_directory = "spool"', f'spool_directory = "{first.directory}/spool"'))
    status, words = refused_start(second)
    assert status == 75
    assert f"{first.directory}/spool/0 is in use by another mansiod (pid {first.mail_pid()})" in words
    assert "spool_directory" in words
    with first.connect() as client:
        offer(client, 1, ehlo="client.test")
    first.wait_mail(1)


def test_the_same_configuration_started_twice_leaves_the_first_as_it_was(make_mansio):
    daemon = make_mansio().start()
    again = subprocess.run([str(MANSIOD), "--config", str(daemon.config), "--foreground"], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=30)
    assert again.returncode == 75 and "in use by another mansiod" in again.stderr, again.stderr
    done = daemon.sendmail("bob@ex.test", input=b"Subject: x\n\ntext\n")
    assert done.returncode == 0, done.stderr
    daemon.wait_mail(1)
    assert daemon.queue() == [] and int((daemon.directory / "run" / "mansiod.pid").read_text()) == daemon.process.pid
    assert daemon.stop() == 0


# ---- one version

def tree(directory):
    return {str(p.relative_to(directory)): (p.read_bytes(), p.stat().st_mtime_ns) for p in directory.rglob("*") if p.is_file() and p.name != "lock"}


@pytest.mark.parametrize("text, words", [
    ("mansio-spool 2 generation 7 key 0011223344556677\n", "the spool has format 2, this mansiod knows 1"),
    ("mansio-spool 99 something else\n", "the spool has format 99"),
    ("exim-spool 1\n", "this is no spool of mansio's"),
    ("\0" * 48, "this is no spool of mansio's"),
    ("mansio-spool 1 generation x key y\n", "damaged"),
    ("", "this is no spool of mansio's")])
def test_a_spool_of_an_unknown_version_is_refused_and_not_touched(make_mansio, text, words):
    daemon = make_mansio(relay_from=LOCAL).start()
    with daemon.connect() as client:
        offer(client, 1, ["far@away.test"], ehlo="client.test")
    wait_for(lambda: list((daemon.directory / "spool" / "0" / "deferred").glob("*/*")), what="a deferred message")
    assert daemon.stop() == 0
    shard = daemon.directory / "spool" / "0"
    kept = (shard / "format").read_text()
    (shard / "format").write_text(text)
    before = tree(shard)
    status, said = refused_start(daemon)
    assert status == 75 and words in said and str(shard / "format") in said, said
    assert tree(shard) == before
    (shard / "format").write_text(kept)
    daemon.start()
    wait_for(lambda: len(whole_queue(daemon) or []) == 1, what="the message to be there still")


def test_a_segment_of_another_version_is_refused_and_not_touched(make_mansio):
    daemon = make_mansio().start()
    with daemon.connect() as client:
        offer(client, 1, ehlo="client.test")
    daemon.wait_log("Completed")
    assert daemon.stop() == 0
    segment = daemon.directory / "spool" / "0" / "journal" / "000001.seg"
    data = bytearray(segment.read_bytes())
    data[8:12] = struct.pack("<I", 2)
    segment.write_bytes(data)
    status, said = refused_start(daemon)
    assert status == 75 and "000001.seg: a journal of another version" in said, said
    assert segment.read_bytes() == data


# ---- damage

def stopped_agents(daemon):
    """Nothing is delivered from now on: what comes stays in the journal."""
    for title, pid in daemon.children().items():
        if "deliver" in title and "users" not in title:
            os.kill(pid, signal.SIGSTOP)


def place(path, content):
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(content)


def test_damaged_files_of_a_spool_are_set_aside_and_everything_else_is_delivered(make_mansio):
    daemon = make_mansio(relay_from=LOCAL, extra='retry = ( { domains = [ "*" ]; schedule = "1h for 4d"; } );').start()
    shard = daemon.directory / "spool" / "0"
    with daemon.connect() as client:
        client.command("EHLO client.test")
        waiting = [offer(client, n, [f"far@away{n}.test"]) for n in range(10, 18)]
        files = {id: shard / "deferred" / id[-2:] / id for id in waiting}
        wait_for(lambda: all(file.exists() for file in files.values()), what="the deferred files")
        stopped_agents(daemon)
        for number in range(1, 6):
            offer(client, number)
    daemon.kill()
    # D-099: empty, half, zeros, random, another id inside, another version, a state that is torn (the first must stand).
    good = {id: file.read_bytes() for id, file in files.items()}
    damaged = {}

    def damage(number, content):
        damaged[waiting[number]] = content
        files[waiting[number]].write_bytes(content)
    random = seeded("damage")
    damage(0, b"")
    damage(1, good[waiting[1]][:len(good[waiting[1]]) // 2])
    damage(2, b"\0" * len(good[waiting[2]]))
    damage(3, random.randbytes(5000))
    damage(4, good[waiting[5]])
    damage(5, good[waiting[5]].replace(b"mansio-message 1", b"mansio-message 9"))
    files[waiting[6]].write_bytes(good[waiting[6]] + b"\n== state 00000131 9a5bf3")
    # The journal's third message of bob's is damaged in its content.
    segment = shard / "journal" / "000001.seg"
    data = segment.read_bytes()
    assert data.count(b"text 3\r\n") == 1
    segment.write_bytes(data.replace(b"text 3\r\n", b"rust 3\r\n"))
    # D-101 and what is nobody's.
    leftovers = [shard / "deferred" / "ab" / (".new-0" + waiting[0][1:]), shard / "large" / (waiting[0][:-2] + "0z")]
    foreign = [shard / "deferred" / "ab" / "#1234", shard / "deferred" / "ab" / "README", shard / "journal" / "000777.seg", shard / "journal" / "lost"]
    for path in [*leftovers, *foreign]:
        place(path, b"what is this? " * 1000)
    (shard / "deferred" / "cd").mkdir(exist_ok=True)
    (shard / "deferred" / "cd" / ("0" + waiting[0][1:-2] + "cd")).mkdir()
    os.symlink("/etc/passwd", shard / "deferred" / "cd" / ("0" + waiting[1][1:-2] + "cd"))
    daemon.start()
    daemon.wait_mail(4)
    left = wait_for(lambda: (lambda q: q if q is not None and len(q) == 2 else None)(whole_queue(daemon)), what="the two whole deferred messages")
    assert sorted(message["id"] for message in left) == sorted(waiting[6:8])
    assert bodies(daemon) == [numbered(n) for n in (1, 2, 4, 5)]
    corrupt = {file.name: file for file in (shard / "corrupt").iterdir()}
    for id, content in damaged.items():
        assert corrupt[id].read_bytes() == content, "nothing is deleted"
    for path in foreign:
        assert corrupt[path.name].read_bytes() == b"what is this? " * 1000 and not path.exists()
    assert any(b"rust 3\r\n" in file.read_bytes() for file in corrupt.values() if file.name.startswith("journal-"))
    wait_for(lambda: not any(path.exists() for path in leftovers), what="our own leftovers to go")
    for name in [*damaged, *(path.name for path in foreign), "000001.seg"]:
        assert name in daemon.log("paniclog"), name
    # And once more: what is set aside stays there, what is whole stays queued.
    names = {file.name for file in (shard / "corrupt").iterdir()}
    assert daemon.stop() == 0
    daemon.start()
    wait_for(lambda: len(whole_queue(daemon) or []) == 2, what="the same queue")
    assert bodies(daemon) == [numbered(n) for n in (1, 2, 4, 5)]
    assert {file.name for file in (shard / "corrupt").iterdir()} == names


def test_files_that_no_message_names_go_at_the_next_start_and_not_while_their_session_runs(make_mansio):
    daemon = make_mansio().start()
    large = daemon.directory / "spool" / "0" / "large"
    with daemon.connect() as client:
        client.command("EHLO client.test")
        client.command("MAIL FROM:<a@b.test>")
        client.command("RCPT TO:<bob@ex.test>")
        client.command("DATA")
        client.send(b"Subject: 1\r\n\r\n" + b"half of a large message\r\n" * 40_000)
        wait_for(lambda: list(large.iterdir()), what="the file in large/")
        daemon.kill()
    assert len(list(large.iterdir())) == 1
    daemon.start()
    wait_for(lambda: not list(large.iterdir()), what="the orphan to go")
    assert whole_queue(daemon) == [] and daemon.maildir() == []


# ---- the end of the daemon

def test_a_stopped_daemon_finishes_the_open_transaction_and_says_goodbye_to_the_idle(make_mansio):
    daemon = make_mansio().start()
    with daemon.connect() as idle, daemon.connect() as busy:
        idle.command("EHLO idle.test")
        for command, code in (("EHLO client.test", 250), ("MAIL FROM:<a@b.test>", 250), ("RCPT TO:<bob@ex.test>", 250), ("DATA", 354)):
            assert busy.command(command)[0] == code
        busy.send(b"Subject: 1\r\n\r\n")
        daemon.signal(signal.SIGTERM)
        assert idle.reply()[0] == 421
        assert idle.file.readline() == b""
        assert alive(daemon.process.pid)
        busy.send(b"text 1\r\n.\r\n")
        assert busy.reply()[0] == 250
        assert busy.reply()[0] == 421
        assert daemon.process.wait(20) == 0
    daemon.process.stdout.close()
    daemon.process = None
    daemon.start()
    daemon.wait_mail(1)
    assert bodies(daemon) == [numbered(1)]


def test_a_transaction_that_does_not_end_is_ended_after_the_grace(make_mansio):
    daemon = make_mansio(extra='shutdown_grace = "1s";').start()
    with daemon.connect() as busy:
        for command in ("EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@ex.test>", "DATA"):
            busy.command(command)
        busy.send(b"Subject: 1\r\n\r\n" + b"text\r\n" * 100_000)
        begin = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begin < 10
        assert busy.reply()[0] in (421, 0)
    assert list((daemon.directory / "spool" / "0" / "large").iterdir()) == []
    daemon.start()
    wait_for(lambda: whole_queue(daemon) == [], what="an empty queue")
    assert daemon.maildir() == []


def test_stopped_under_load_nothing_is_lost_and_every_client_gets_its_answer(make_mansio, tmp_path):
    scene = Scene(make_mansio(config=SCENE), tmp_path / "ledger")
    for number in range(5):
        scene.mansio.start()
        load = scene.load(f"stop{number}")
        wait_for(lambda: load.acknowledged > 15, what="load")
        assert scene.mansio.stop() == 0
        scene.end(load)
    scene.mansio.start()
    account = scene.account()
    account.check()
    assert account.answers["UNKNOWN"] == account.answers["CUT"] == 0, account.answers
    assert account.answers["ACK"] == scene.acknowledged
    assert scene.mansio.log("paniclog") == ""
    scene.ledger.close()


# ---- the end of the power

class Disks:
    """ext4 images in a mount namespace of their own. `cut` loses what was not synced, as a power cut does."""

    seconds = 1000          # it may last, should nobody close it

    def __init__(self, directory):
        self.directory = directory
        self.holder = subprocess.Popen(["unshare", "-m", "sleep", str(self.seconds)], start_new_session=True)
        ours = os.readlink("/proc/self/ns/mnt")
        wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/mnt") != ours, what="the mount namespace")
        self.root = f"/proc/{self.holder.pid}/root"
        self.enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def make(self, name):
        image = self.directory / f"{name}.ext4"
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True, env=dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin"))

    def mount(self, name, at):
        subprocess.run([*self.enter, "mount", "-o", "loop,commit=600", str(self.directory / f"{name}.ext4"), str(at)], check=True)

    def unmount(self, at):
        wait_for(lambda: subprocess.run([*self.enter, "umount", str(at)], capture_output=True).returncode == 0, what=f"umount {at}")

    def cut(self, at):
        shutdown, no_log_flush = 0x8004587D, 2     # FS_IOC_SHUTDOWN: the journal in memory is lost too
        fd = os.open(f"{self.root}{at}", os.O_RDONLY)
        try:
            fcntl.ioctl(fd, shutdown, struct.pack("I", no_log_flush))
        finally:
            os.close(fd)

    def close(self):
        self.holder.kill()
        self.holder.wait()


@pytest.fixture
def disks(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("a power cut needs root: loop devices are mounted")
    if not (shutil.which("nsenter") and shutil.which("unshare") and (shutil.which("mkfs.ext4") or os.path.exists("/sbin/mkfs.ext4"))):
        pytest.skip("unshare, nsenter or mkfs.ext4 is missing")
    made = Disks(tmp_path)
    try:
        made.make("probe")
        (tmp_path / "probe").mkdir()
        try:
            made.mount("probe", tmp_path / "probe")
        except subprocess.CalledProcessError:
            pytest.skip("loop devices can't be mounted here")
        made.unmount(tmp_path / "probe")
        (tmp_path / "probe.ext4").unlink()
        yield made
    finally:
        made.close()


class PoweredScene(Scene):
    """Spool and mailboxes on a disk each: what one forgets does not excuse the other (D-047).

    When the power goes, processes and disks end at once. FS_IOC_SHUTDOWN ends a file system alone, and an fsync that is
    under way then may return success for what is dropped (eight writers of nothing but append and fsync: 56 such lies in
    150 shutdowns). So every thread of the daemon is stopped before the first disk goes: one that waits in fsync is cut
    off in the middle of it, and none lives to act on the answer.
    """

    def __init__(self, make_mansio, tmp_path, disks):
        super().__init__(make_mansio(config=SCENE, wrapper=disks.enter), tmp_path / "ledger", disks.root)
        self.disks = disks
        self.places = {"spool": self.mansio.directory / "spool", "mail": self.mansio.mail}
        for name, at in self.places.items():
            at.mkdir(exist_ok=True)
            disks.make(name)
            disks.mount(name, at)

    def freeze(self):
        def states():
            for pid in pids:
                for task in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
                    with contextlib.suppress(OSError):
                        yield task.read_text().rsplit(")", 1)[1].split()[0]
        if self.mansio.process is None:
            return
        pids = [self.mansio.parent_pid(), *self.mansio.children().values()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        # D: in the kernel, waiting for a disk; it stops before it returns.
        wait_for(lambda: all(state in "TtDZX" for state in states()), what="every thread to stand still")

    def cut(self, order):
        self.freeze()
        for name in order:
            self.disks.cut(self.places[name])
        self.mansio.kill()
        for name, at in self.places.items():
            self.disks.unmount(at)
            self.disks.mount(name, at)
        # A dotlock's content is not synced: a cut may leave it empty, and then it stands for ten minutes. Here they pass at once.
        lock = pathlib.Path(f"{self.disks.root}{self.mansio.mail}") / "box.mbox.lock"
        if lock.exists():
            os.utime(lock, (time.time() - 700, time.time() - 700))


def small_size(generator):
    return generator.randrange(500, 8_000) if generator.random() < 0.9 else generator.randrange(280_000, 400_000)


def test_what_was_acknowledged_survives_power_cuts_under_load(make_mansio, tmp_path, disks):
    scene = PoweredScene(make_mansio, tmp_path, disks)
    moments = seeded("power")
    for number in range(ROUNDS):
        scene.mansio.start()
        load = scene.load(f"power{number}", choose_size=small_size)
        time.sleep(moments.uniform(0.1, 0.7))       # not to wait for anything: the moment of the cut
        scene.cut(["mail", "spool"] if number % 2 else ["spool", "mail"])
        scene.end(load)
    scene.mansio.start()
    account = scene.account()
    print(f"{ROUNDS} power cuts: {dict(account.answers)}, {account.copies} copies, {len(account.mbox_duplicates)} second copies in the mbox")
    account.check(mbox_duplicates=2 * ROUNDS)
    assert account.answers["ACK"] == scene.acknowledged > ROUNDS
    scene.ledger.close()


@pytest.mark.parametrize("size", [2_000, 500_000], ids=["small", "large"])
def test_the_first_message_of_a_fresh_spool_survives_a_power_cut_right_after_its_250(make_mansio, tmp_path, disks, size):
    scene = PoweredScene(make_mansio, tmp_path, disks)
    scene.mansio.start()
    content, digest = make_message("first", size, seeded("first"))
    with scene.mansio.connect() as client:
        assert client.transaction("a@b.test", ["u01@ex.test"], content)[0] == 250
        scene.cut(["spool", "mail"])
    scene.mansio.start()
    scene.drain()
    [copy] = read_maildir(pathlib.Path(f"{disks.root}{scene.mansio.mail}") / "u01")
    assert copy.id == "first" and copy.sha256 == digest
    scene.ledger.close()


def test_a_message_that_left_the_spool_is_in_the_mailbox_after_a_power_cut(make_mansio, tmp_path, disks):
    scene = PoweredScene(make_mansio, tmp_path, disks)
    scene.mansio.start()
    content, digest = make_message("left", 2_000, seeded("left"))
    with scene.mansio.connect() as client:
        assert client.transaction("a@b.test", ["u02@ex.test", "box@box.test"], content)[0] == 250
    scene.mansio.wait_log("Completed")
    scene.mansio.kill()                              # nothing may sync anything later
    scene.cut(["mail", "spool"])
    mail = pathlib.Path(f"{disks.root}{scene.mansio.mail}")
    [copy] = read_maildir(mail / "u02")
    assert copy.sha256 == digest
    assert (mail / "box.mbox").read_bytes().count(b"X-Ledger-Id: left\n") == 1
    scene.ledger.close()


def test_the_power_cut_of_this_test_loses_what_was_not_synced(tmp_path, disks):
    # D-026: a cut that loses nothing proves nothing.
    at = tmp_path / "disk"
    at.mkdir()
    disks.make("disk")
    disks.mount("disk", at)
    inside = pathlib.Path(f"{disks.root}{at}")
    for name, sync in (("synced", True), ("forgotten", False)):
        with open(inside / name, "wb") as file:
            file.write(b"text")
            file.flush()
            if sync:
                os.fsync(file.fileno())
    disks.cut(at)
    disks.unmount(at)
    disks.mount("disk", at)
    assert (inside / "synced").read_bytes() == b"text"
    assert not (inside / "forgotten").exists() or (inside / "forgotten").read_bytes() == b""


def test_recipients_of_the_load_are_of_all_kinds():
    generator = seeded("kinds")
    chosen = [choose_recipients(generator) for _ in range(500)]
    assert {"box@box.test", "far@away"} <= {r.split("@away")[0] + "@away" if "@away" in r else r for each in chosen for r in each}
    assert {len(each) for each in chosen} >= set(range(1, 19))
