"""Failing disks, full disks, slow disks: strace makes system calls of the running daemon fail or wait (durability cases
D-009, D-055..D-081), a small tmpfs runs full (D-065..D-069). Needs root: the daemon hides its memory from others."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness import body_of, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("strace") is None, reason="needs strace, as root: the daemon hides its memory from other processes")

EVERY_SECOND = 'retry = ( { domains = [ "*" ]; schedule = "1s for 1h"; } );'
LARGE = b"Subject: large\r\n\r\n" + b"text of a large message\r\n" * 30_000


class Faults:
    """While it is entered, calls of these threads fail or wait as strace's `inject` says."""

    def __init__(self, tasks, *injections, path=None, threads=True):
        self.tasks, self.injections, self.path, self.threads = tasks, injections, path, threads

    def __enter__(self):
        names = ",".join(injection.split(":")[0] for injection in self.injections)
        command = ["strace", "-e", "trace=" + names, *(part for i in self.injections for part in ("-e", "inject=" + i))]
        command += ["-f"] if self.threads else []
        command += ["-P", str(self.path)] if self.path else []
        command += [part for task in self.tasks for part in ("-p", str(task))]
        self.text = []
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=lambda: self.text.extend(iter(self.process.stderr.readline, "")), daemon=True)
        self.reader.start()
        wait_for(lambda: self.count(" attached") >= len(self.tasks), what=f"strace: {self.text}")
        return self

    def count(self, what="(INJECTED)"):
        return sum(what in line for line in list(self.text))

    def wait(self):
        """Until a call was made to fail: a test whose fault never struck shows nothing."""
        wait_for(self.count, 5, "an injected fault")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass      # strace may wait for ever for a tracee that was killed
        self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stderr.close()


def mail_faults(daemon, *injections, **options):
    return Faults([daemon.mail_pid()], *injections, **options)


def agent_faults(daemon, *injections, **options):
    agents = [pid for title, pid in daemon.children().items() if "deliver" in title and "users" not in title]
    assert agents
    return Faults(agents, *injections, **options)


def threads_named(daemon, name):
    tasks = pathlib.Path(f"/proc/{daemon.mail_pid()}/task")
    return [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text().strip() == name]


def offer(client, content, recipients=("bob@ex.test",), ehlo=None):
    return client.transaction("a@b.test", recipients, content, ehlo=ehlo)


def accepts_again(daemon, timeout=20):
    """Until MAIL is accepted; a fresh connection each time."""
    def ask():
        with daemon.connect() as client:
            client.command("EHLO client.test")
            return client.command("MAIL FROM:<a@b.test>")[0] == 250
    wait_for(ask, timeout, "new mail to be accepted again")


def bodies(daemon, user="bob"):
    return sorted(body_of(message) for message in daemon.maildir(user))


def numbered(number):
    return b"Subject: %d\r\n\r\ntext %d\r\n" % (number, number)


@pytest.fixture
def daemon(make_mansio):
    return make_mansio(extra=EVERY_SECOND, relay_from='[ "127.0.0.0/8" ]').start()


def large_files(daemon):
    return list((daemon.directory / "spool" / "0" / "large").iterdir())


# ---- the journal

@pytest.mark.parametrize("injection, code", [("fdatasync:error=EIO", 451), ("pwrite64:error=ENOSPC", 452), ("pwrite64:error=EIO", 451)])
@pytest.mark.parametrize("end", ["mended", "killed"])
def test_a_message_that_could_not_be_made_durable_is_refused_and_never_delivered(daemon, injection, code, end):
    with daemon.connect() as client:
        assert offer(client, numbered(1), ehlo="client.test")[0] == 250
        daemon.wait_mail(1)
        daemon.wait_log("Completed")
        with mail_faults(daemon, injection) as faults:
            refused = offer(client, numbered(2))
            assert refused[0] == code, refused
            faults.wait()
            # The session lives, new mail is refused at MAIL, and the disk is tried again and again.
            assert client.command("NOOP")[0] == 250
            later = offer(client, numbered(3))
            assert later[0] == code, later
            tried = faults.count()
            wait_for(lambda: faults.count() > tried, what="a probe")
            assert offer(client, numbered(4))[0] == code
            daemon.wait_log("new mail is refused", "paniclog")
            if end == "killed":
                daemon.kill()
        if end == "mended":
            accepts_again(daemon)
            daemon.wait_log("new mail is accepted", "paniclog")
            assert offer(client, numbered(5))[0] == 250
            daemon.wait_mail(2)
            assert daemon.stop() == 0
    daemon.start()
    with daemon.connect() as client:
        assert offer(client, numbered(6), ehlo="client.test")[0] == 250
    daemon.wait_mail(3 if end == "mended" else 2)
    daemon.wait_idle()
    assert bodies(daemon) == sorted(numbered(n) for n in ([1, 5, 6] if end == "mended" else [1, 6]))
    assert list((daemon.directory / "spool" / "0" / "corrupt").iterdir()) == []


def test_one_failed_sync_is_not_tried_again_on_the_same_data(daemon):
    # D-055: the second fdatasync would succeed; nobody may believe it.
    with daemon.connect() as client:
        client.command("EHLO client.test")
        with mail_faults(daemon, "fdatasync:error=EIO:when=1"):
            assert offer(client, numbered(1))[0] == 451
            accepts_again(daemon)
            assert offer(client, numbered(2))[0] == 250
    daemon.wait_mail(1)
    daemon.kill()
    daemon.start()
    daemon.wait_idle()
    assert bodies(daemon) == [numbered(2)]


def test_a_refused_batch_that_could_not_be_overwritten_is_not_read_after_a_crash(daemon):
    with daemon.connect() as client:
        assert offer(client, numbered(1), ehlo="client.test")[0] == 250
        daemon.wait_log("Completed")
        # The batch is written whole, its sync fails, and so does writing zeros over it.
        with Faults(threads_named(daemon, "journal"), "fdatasync:error=EIO", "pwrite64:error=EIO:when=2+", threads=False):
            assert offer(client, numbered(2))[0] == 451
            assert b"text 2" in (daemon.directory / "spool" / "0" / "journal" / "000001.seg").read_bytes()
        accepts_again(daemon)
    daemon.kill()
    daemon.start()
    with daemon.connect() as client:
        assert offer(client, numbered(3), ehlo="client.test")[0] == 250
    daemon.wait_mail(2)
    daemon.wait_idle()
    assert bodies(daemon) == [numbered(1), numbered(3)]


def test_what_was_queued_before_the_fault_is_delivered_once_after_it(daemon):
    (daemon.mail / "bob").write_text("in the way")
    with daemon.connect() as client:
        assert offer(client, numbered(1), ["bob@ex.test", "alice@ex.test"], ehlo="client.test")[0] == 250
        # Tried again: so it has left the journal, which takes no outcomes down until the fault is over.
        wait_for(lambda: len(re.findall("== bob@ex.test", daemon.log())) >= 2, what="a second attempt")
        with mail_faults(daemon, "fdatasync:error=EIO"):
            assert offer(client, numbered(2))[0] == 451
            (daemon.mail / "bob").unlink()
            daemon.wait_mail(1)
    daemon.wait_idle(90)
    assert bodies(daemon) == [numbered(1)] == bodies(daemon, "alice")


# ---- large messages

@pytest.mark.parametrize("injection, code", [
    ("openat:error=EMFILE", 452), ("openat:error=ENOSPC", 452), ("fdatasync:error=EIO", 451), ("fsync:error=EIO", 451), ("pwrite64:error=ENOSPC", 452)])
def test_a_large_message_whose_file_fails_is_refused_and_leaves_nothing(daemon, injection, code):
    threads = threads_named(daemon, "spool")
    assert threads
    with daemon.connect() as client:
        client.command("EHLO client.test")
        with Faults(threads, injection, threads=False) as faults:
            refused = offer(client, LARGE)
            assert refused[0] == code, refused
            faults.wait()
            wait_for(lambda: not large_files(daemon), what="large/ to be empty")
            # Small messages need no file.
            assert offer(client, numbered(1))[0] == 250
        accepts_again(daemon)
        assert offer(client, LARGE)[0] == 250
    daemon.wait_mail(2)
    daemon.wait_idle()
    assert daemon.stop() == 0
    daemon.start()
    daemon.wait_idle()
    assert bodies(daemon) == sorted([numbered(1), LARGE])
    assert not large_files(daemon)


# ---- delivery

@pytest.mark.parametrize("injection, where", [
    ("fsync:error=EIO", None), ("fsync:error=EIO", "new"), ("renameat2:error=ENOSPC", None), ("renameat2:error=EIO", None),
    ("write:error=ENOSPC", None), ("write:error=EDQUOT", None), ("openat:error=EMFILE", None)])
def test_a_delivery_that_fails_is_deferred_and_comes_once_later(daemon, injection, where):
    with daemon.connect() as client:
        assert offer(client, numbered(1), ehlo="client.test")[0] == 250
        daemon.wait_log("Completed")
        with agent_faults(daemon, injection, path=daemon.mail / "bob" / where if where else None) as faults:
            assert offer(client, numbered(2))[0] == 250
            daemon.wait_log(r"== bob@ex.test")
            faults.wait()
            if not where:
                assert bodies(daemon) == [numbered(1)]
    daemon.wait_idle()
    assert bodies(daemon) == [numbered(1), numbered(2)]
    assert list((daemon.mail / "bob" / "tmp").iterdir()) == []
    assert "**" not in daemon.log()


@pytest.mark.parametrize("injection", ["fsync:error=EIO", "write:error=ENOSPC"])
def test_an_mbox_delivery_that_fails_is_rolled_back_and_comes_once_later(make_mansio, injection):
    daemon = make_mansio(extra=EVERY_SECOND, kind="mbox", path="mail/{local}.mbox").start()
    box = daemon.mail / "bob.mbox"
    with daemon.connect() as client:
        assert offer(client, numbered(1), ehlo="client.test")[0] == 250
        daemon.wait_log("Completed")
        before = box.read_bytes()
        with agent_faults(daemon, injection):
            assert offer(client, numbered(2))[0] == 250
            daemon.wait_log(r"== bob@ex.test")
            assert box.read_bytes() == before
    daemon.wait_idle()
    text = box.read_bytes()
    assert text.startswith(before) and text.count(b"\nSubject: 2\n") == 1 and text.count(b"\nFrom ") == 1


@pytest.mark.parametrize("injection", ["fsync:error=EIO", "rename:error=ENOSPC", "openat:error=EMFILE", "mkdir:error=ENOSPC"])
def test_a_message_that_can_not_be_moved_to_deferred_stays_queued(daemon, injection):
    with daemon.connect() as client:
        client.command("EHLO client.test")
        with Faults(threads_named(daemon, "spool"), injection, threads=False) as faults:
            code, lines = offer(client, numbered(1), ["far@away.test"])
            assert code == 250
            daemon.wait_log("could not be moved to deferred/", "paniclog")
            faults.wait()
            assert [m["id"] for m in daemon.queue()] == [lines[0].split()[-1]]
    daemon.kill()
    daemon.start()
    id = lines[0].split()[-1]
    file = daemon.directory / "spool" / "0" / "deferred" / id[-2:] / id
    wait_for(file.exists, what="the deferred file")
    [message] = daemon.queue()
    assert message["id"] == id and [r["done"] for r in message["recipients"]] == [False]


# ---- slow disks

def test_a_slow_sync_of_a_large_message_holds_up_nobody_else(daemon):
    delay = 4
    with daemon.connect() as slow, daemon.connect() as quick:
        slow.command("EHLO client.test")
        with Faults(threads_named(daemon, "spool"), f"fdatasync:delay_enter={delay}000000", threads=False):
            answer = []
            sender = threading.Thread(target=lambda: answer.append(offer(slow, LARGE)))
            begin = time.monotonic()
            sender.start()
            wait_for(lambda: [f for f in large_files(daemon) if f.stat().st_size == len(LARGE)], what="the slow sync to be next")
            assert offer(quick, numbered(1), ehlo="client.test")[0] == 250
            [message] = daemon.wait_mail(1)
            assert body_of(message) == numbered(1)
            assert time.monotonic() - begin < delay and not answer
            sender.join(30)
            assert answer[0][0] == 250 and time.monotonic() - begin > delay - 0.5
    daemon.wait_mail(2)


def test_a_stuck_journal_holds_acknowledgements_but_not_the_loop(daemon):
    delay = 3
    with daemon.connect() as slow:
        slow.command("EHLO client.test")
        with Faults(threads_named(daemon, "journal"), f"fdatasync:delay_enter={delay}000000:when=1", threads=False):
            answer = []
            sender = threading.Thread(target=lambda: answer.append(offer(slow, numbered(1))))
            sender.start()
            segment = daemon.directory / "spool" / "0" / "journal" / "000001.seg"
            wait_for(lambda: b"text 1" in segment.read_bytes(), what="the slow sync to be next")
            begin = time.monotonic()
            for _ in range(20):
                with daemon.connect() as other:
                    assert other.command("EHLO client.test")[0] == 250
            assert time.monotonic() - begin < 1.5 and not answer
            sender.join(30)
            assert answer[0][0] == 250
    daemon.wait_mail(1)


# ---- full file systems

SMALL_DISK = """
spool = { segment_size = "4M"; reserve = "8M"; };
""" + EVERY_SECOND


def can_mount():
    return os.geteuid() == 0 and shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0


@pytest.fixture
def small_disk(make_mansio, tmp_path):
    """A daemon whose spool is a tmpfs of 40 MB, seen through /proc from here."""
    if not can_mount():
        pytest.skip("mounting a tmpfs is not permitted here")
    spool = tmp_path / "mansio" / "spool"
    spool.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size=40m,mode=700 tmpfs "{spool}" && exec "$@"'
    daemon = make_mansio(extra=SMALL_DISK, relay_from='[ "127.0.0.0/8" ]', wrapper=["unshare", "-m", "sh", "-c", mount, "sh"]).start()
    daemon.disk = pathlib.Path(f"/proc/{daemon.parent_pid()}/root{spool}")
    return daemon


def fill(daemon, leave):
    """Others' data: until so many bytes are left."""
    space = os.statvfs(daemon.disk)
    with open(daemon.disk / "others", "ab") as file:
        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, space.f_bavail * space.f_frsize - leave)


def test_a_full_spool_refuses_new_mail_but_delivers_what_it_has(small_disk):
    (small_disk.mail / "bob").write_text("in the way")
    with small_disk.connect() as client:
        assert offer(client, numbered(1), ehlo="client.test")[0] == 250
        small_disk.wait_log("== bob@ex.test")
        fill(small_disk, 2 << 20)
        # The first to come may still be accepted: there is room, and space is measured with each commit.
        wait_for(lambda: offer(client, numbered(2), ["alice@ex.test"])[0] == 452, what="452")
        assert client.command("NOOP")[0] == 250
        (small_disk.mail / "bob").unlink()
        [message] = small_disk.wait_mail(1)
        assert body_of(message) == numbered(1)
        wait_for(lambda: not small_disk.queue(), what="an empty queue while the disk is full")
        assert offer(client, LARGE)[0] == 452
        (small_disk.disk / "others").unlink()
        accepts_again(small_disk)
        assert offer(client, numbered(3))[0] == 250
    small_disk.wait_mail(2)
    assert bodies(small_disk) == [numbered(1), numbered(3)]
    assert list((small_disk.disk / "0" / "large").iterdir()) == []
    small_disk.wait_log("there is room again", "paniclog")


def test_a_spool_without_a_single_byte_left_delivers_nothing_twice(small_disk):
    (small_disk.mail / "bob").write_text("in the way")
    with small_disk.connect() as client:
        for number in range(1, 4):
            assert offer(client, numbered(number), ehlo="client.test")[0] == 250
    wait_for(lambda: small_disk.log().count("== bob@ex.test") >= 3, what="three deferrals")
    fill(small_disk, 0)
    (small_disk.mail / "bob").unlink()
    small_disk.wait_mail(3)
    (small_disk.disk / "others").unlink()
    small_disk.sendmail("-q")
    small_disk.wait_idle(90)
    assert bodies(small_disk) == [numbered(1), numbered(2), numbered(3)]


def test_large_messages_that_do_not_fit_are_refused_cleanly_and_side_by_side(small_disk):
    big = b"Subject: big\r\n\r\n" + (b"y" * 998 + b"\r\n") * 9_000      # 9 MB each, 24 MB to share
    codes, all_there = [], threading.Barrier(8)

    def send():
        with small_disk.connect() as client:
            for line, code in (("EHLO client.test", 250), ("MAIL FROM:<a@b.test>", 250), ("RCPT TO:<bob@ex.test>", 250), ("DATA", 354)):
                assert client.command(line)[0] == code
            client.send(big)
            all_there.wait(60)               # none may be delivered, and make room, before all have come
            client.send(b".\r\n")
            codes.append(client.reply()[0])

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert len(codes) == 8 and set(codes) <= {250, 452} and 452 in codes, codes
    small_disk.wait_idle()
    assert len(small_disk.maildir("bob")) == codes.count(250)
    wait_for(lambda: not list((small_disk.disk / "0" / "large").iterdir()), what="large/ to be empty")
    accepts_again(small_disk)
    with small_disk.connect() as client:
        assert offer(client, big, ehlo="client.test")[0] == 250
    small_disk.wait_mail(codes.count(250) + 1)


def test_a_large_message_that_is_delivered_keeps_no_room_on_the_disk(small_disk):
    big = b"Subject: big\r\n\r\n" + (b"y" * 998 + b"\r\n") * 2_000
    with small_disk.connect() as client:
        assert offer(client, big, ehlo="client.test")[0] == 250
    small_disk.wait_mail(1)
    small_disk.wait_idle()

    def held():
        links = []
        for pid in small_disk.children().values():
            for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                try:
                    links.append(os.readlink(link))
                except OSError:      # closed meanwhile
                    pass
        return [link for link in links if "/large/" in link]
    wait_for(lambda: held() == [], what="every descriptor of it to be closed")      # an unlinked file that is open keeps its blocks


def test_without_inodes_large_messages_are_refused_and_small_ones_go_through(small_disk):
    space = os.statvfs(small_disk.disk)
    subprocess.run(["nsenter", f"--mount=/proc/{small_disk.parent_pid()}/ns/mnt", "mount", "-o",
                    f"remount,nr_inodes={space.f_files - space.f_favail}", str(small_disk.directory / "spool")], check=True)
    with small_disk.connect() as client:
        assert offer(client, LARGE, ehlo="client.test")[0] == 452
        assert offer(client, numbered(1))[0] == 250
    [message] = small_disk.wait_mail(1)
    assert body_of(message) == numbered(1)
