"""Drop directories: what the files hold, whose they are, quotas, and what is kept when things break. The load test counts: a
message that was acknowledged is in a file, whole; twice only when its reader took the first file away and the daemon was
killed before it had written down that it was done."""
import collections
import grp
import hashlib
import os
import pathlib
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import threading

import pytest

from harness import MANSIOD, NO_NAMES, Raw, wait_for

CONFIG = """
version = 1; host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; } );
domains = { local = [ "ex.test", "drop.test", "more.test" ]; };
limits = { messages_per_connection = 100000; session_size = "1G"; };
""" + NO_NAMES + """
transports = {
  drop = { kind = "drop"; directory = "%(directory)s"; %(drop)s };
  mailbox = { kind = "maildir"; path = "mail/{local}"; };
};
routes = (
  { name = "dropped"; domains = [ "drop.test", "more.test" ]; transport = "drop"; },
  { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; }
);
%(extra)s
retry = ( { domains = [ "*" ]; schedule = "1s for 1h"; } );
"""
LETTER = b"Subject: hello\r\nX-Odd: \xe4\r\n\r\n.a line\r\nFrom here\r\n\r\nlast\r\n"


@pytest.fixture
def make_drop(make_mansio):
    def make(drop="", directory="drop", extra="", **options):
        daemon = make_mansio(config=CONFIG % dict(drop=drop, directory=directory, extra=extra), **options)
        daemon.drop = pathlib.Path(directory) if directory.startswith("/") else daemon.directory / directory
        return daemon.start()

    return make


def files(daemon):
    return sorted(path for path in daemon.drop.iterdir() if not path.name.startswith("."))


def wait_files(daemon, count, timeout=20):
    return wait_for(lambda: daemon.drop.is_dir() and len(files(daemon)) >= count and files(daemon), timeout, f"{count} files; log:\n{daemon.log()[-2000:]}")


def send(daemon, recipients=("x@drop.test",), content=LETTER, sender="a@b.test"):
    """The queue id that the daemon gave."""
    with daemon.connect() as client:
        code, lines = client.transaction(sender, recipients, content)
        assert code == 250, lines
        return re.search(r"queued as (\S+)", lines[-1]).group(1)


def split_file(octets):
    """([X-lines], return path, received, what was sent)"""
    lines = []
    while octets.startswith(b"X-"):
        line, _, octets = octets.partition(b"\r\n")
        lines.append(line.decode())
    return_path, _, octets = octets.partition(b"\r\n")
    received = re.match(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", octets)
    assert received, octets[:300]
    return lines, return_path.decode(), received.group(0).decode(), octets[received.end():]


def test_one_file_holds_a_message_for_all_its_receivers_byte_for_byte(make_drop):
    daemon = make_drop()
    id = send(daemon, ["x@drop.test", "Y+z@drop.test", "bob@ex.test", "q@more.test"])
    [file] = wait_files(daemon, 1)
    assert file.name == id + ".eml"
    lines, return_path, received, body = split_file(file.read_bytes())
    assert lines == ["X-Sender: a@b.test", "X-Receiver: x@drop.test", "X-Receiver: Y+z@drop.test", "X-Receiver: q@more.test"]
    assert return_path == "Return-Path: <a@b.test>"
    assert "by mx.ex.test with ESMTP id " + id in received.replace("\r\n\t", " ")
    assert body == LETTER
    daemon.wait_mail(1)
    log = daemon.wait_log(f"{id} Completed") and daemon.log()
    for address in ("x@drop.test", "Y+z@drop.test", "q@more.test"):
        assert re.search(rf"{id} [=-]> {re.escape(address)} F=<a@b\.test> R=dropped T=drop", log), log
    assert [path.name for path in daemon.drop.iterdir()] == [file.name]
    assert stat.S_IMODE(daemon.drop.stat().st_mode) == 0o770 and stat.S_IMODE(file.stat().st_mode) == 0o640


def test_the_null_sender_a_domain_in_the_path_and_aliases(make_drop):
    daemon = make_drop(directory="box-{domain}", extra='aliases = "aliases";')
    (daemon.directory / "aliases").write_text("team@ex.test: x@drop.test, y@drop.test\n")
    daemon.ctl("reload")
    daemon.drop = daemon.directory / "box-drop.test"
    send(daemon, ["team@ex.test", "x@drop.test"], sender="")
    send(daemon, ["z@more.test"])
    [file] = wait_files(daemon, 1)
    lines, return_path, _, _ = split_file(file.read_bytes())
    assert lines[0] == "X-Sender: <>" and return_path == "Return-Path: <>"
    assert sorted(lines[1:]) == ["X-Receiver: x@drop.test", "X-Receiver: y@drop.test"]
    daemon.drop = daemon.directory / "box-more.test"
    wait_files(daemon, 1)
    daemon.wait_idle()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_files_belong_to_the_owner_and_the_group_that_the_transport_names(make_drop):
    user, group = pwd.getpwnam("daemon"), grp.getgrnam("mail")
    base = pathlib.Path(tempfile.mkdtemp(prefix="mansio-drop-"))
    try:
        base.chmod(0o755)
        daemon = make_drop('owner = "daemon:mail"; mode = "0660";', directory=f"{base}/drop")
        send(daemon)
        [file] = wait_files(daemon, 1)
        assert (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (user.pw_uid, group.gr_gid, 0o660)
        assert (daemon.drop.stat().st_uid, stat.S_IMODE(daemon.drop.stat().st_mode)) == (user.pw_uid, 0o770)
    finally:
        shutil.rmtree(base)


def test_what_stands_in_the_way_is_told_and_the_mail_waits(make_drop):
    daemon = make_drop()
    daemon.drop.mkdir(mode=0o700)
    daemon.drop.chmod(0o777)
    id = send(daemon)
    daemon.wait_log(rf"{id} == x@drop.test R=dropped T=drop .*everybody may write in it: chmod o-w")
    assert "everybody may write in it" in daemon.ctl("queue", "list").stdout + daemon.ctl("queue", "show", id).stdout
    daemon.drop.rmdir()
    daemon.drop.symlink_to(daemon.mail)
    daemon.wait_log("it is a symlink")
    daemon.drop.unlink()
    [file] = wait_files(daemon, 1)
    assert file.name == id + ".eml" and list(daemon.mail.iterdir()) == []


@pytest.mark.parametrize("setting", ['quota_files = 3;', 'quota = "%d";'])
def test_over_quota_waits_until_room_is_made(make_drop, setting):
    size = 0
    if "%d" in setting:
        probe = make_drop(name="probe")
        send(probe)
        size = wait_files(probe, 1)[0].stat().st_size + 40          # the lengths of ids and times vary a little
        probe.kill()
        setting %= 3 * size
    daemon = make_drop(setting)
    sent = {send(daemon) for _ in range(5)}
    wait_files(daemon, 3)
    deferred = daemon.wait_log(r"== x@drop.test .*: 452 4\.2\.2 the drop directory (\S+) is full: it holds (.*)").group(0)
    assert str(daemon.drop) in deferred and ("3 files of 3" in deferred or f"bytes of {3 * size}" in deferred), deferred
    assert len(files(daemon)) == 3
    taken = files(daemon)
    for path in taken[:2]:
        path.unlink()
    wait_for(lambda: len(files(daemon)) == 3, what="the others")
    assert {path.stem for path in [*taken, *files(daemon)]} == sent
    daemon.wait_idle()
    assert daemon.log("paniclog") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_leaves_nothing_in_half_and_loses_nothing(make_drop):
    daemon = make_drop()
    daemon.drop.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "mansio-test", daemon.drop], capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        content = {f"{n}": b"Subject: %d\r\n\r\n" % n + b"x" * 70 + b"\r\n" + b"y" * 15_000 + b"\r\n" for n in range(8)}
        for each in content.values():
            send(daemon, content=each)
        daemon.wait_log(r"== x@drop.test .*452 4\.2\.2 .*No space left")
        got = {}

        def take():
            for path in files(daemon):
                _, _, _, body = split_file(path.read_bytes())
                number = re.match(rb"Subject: (\d+)", body).group(1).decode()
                assert body == content[number] and number not in got
                got[number] = path.name
                path.unlink()
            return len(got) == len(content)

        wait_for(take, 30, "all messages, one disk full after the other")
        daemon.wait_idle()
        assert list(daemon.drop.iterdir()) == []
    finally:
        daemon.kill()
        subprocess.run(["umount", daemon.drop])


# ---- ten thousand

class Sender:
    """Threads that send numbered messages until all are acknowledged; a message whose answer never came is sent again under
    another number."""

    def __init__(self, daemon, count, threads=4):
        self.daemon, self.count = daemon, count
        self.lock, self.next = threading.Lock(), 0
        self.acknowledged, self.sent = set(), set()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def number(self):
        with self.lock:
            if len(self.acknowledged) >= self.count:
                return None
            self.next += 1
            return self.next

    @staticmethod
    def content(number):
        body = hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\r\n" + b"t" * (number % 900) + b"\r\n"
        return b"Subject: %d\r\n\r\n" % number + body

    def run(self):
        while True:
            try:
                with Raw(self.daemon.port, timeout=10) as client:
                    client.command("EHLO load.test")
                    while (number := self.number()) is not None:
                        client.send(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<x@drop.test>\r\nDATA\r\n")
                        codes = [client.reply()[0] for _ in range(3)]
                        if codes != [250, 250, 354]:
                            break
                        self.sent.add(number)
                        client.send(self.content(number) + b".\r\n")
                        if client.reply()[0] == 250:
                            self.acknowledged.add(number)
                    else:
                        return
            except (OSError, AssertionError, IndexError):
                threading.Event().wait(0.02)


# With a quota the files of a directory are written one after the other.
@pytest.mark.parametrize("setting, count", [("", 10_000), ("quota_files = 200000;", 1_500)], ids=["free", "quota"])
def test_ten_thousand_messages_with_a_reader_and_crashes(make_drop, tmp_path, setting, count):
    daemon = make_drop(setting)
    kills = 4
    taken = tmp_path / "taken"
    taken.mkdir()
    sender = Sender(daemon, count)
    reading, stop = threading.Event(), threading.Event()

    def read():                   # as a program does that polls: what it sees is whole, and it takes it away
        turn = 0
        while not stop.is_set():
            turn += 1
            if not reading.wait(0.05):
                continue
            for path in files(daemon) if daemon.drop.is_dir() else ():
                path.rename(taken / f"{turn}.{path.name}")
            stop.wait(0.02)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for kill in range(1, kills + 1):
        wait_for(lambda: len(sender.acknowledged) >= count * kill // (kills + 1), 60, "load")
        if kill == 3:
            # Until here nobody took anything away: nothing can have come twice.
            names = [re.match(rb"Subject: (\d+)", split_file(path.read_bytes())[3]).group(1) for path in files(daemon)]
            assert len(names) == len(set(names)) > 0
            reading.set()
        daemon.kill()
        daemon.start()
    for thread in sender.threads:
        thread.join(60)
    daemon.wait_idle(60)
    stop.set()
    reading.set()
    reader.join(20)
    seen = collections.Counter()
    for path in [*files(daemon), *taken.iterdir()]:
        lines, _, _, body = split_file(path.read_bytes())
        number = int(re.match(rb"Subject: (\d+)", body).group(1))
        assert lines == ["X-Sender: a@b.test", "X-Receiver: x@drop.test"] and body == Sender.content(number), path
        seen[number] += 1
    twice = sum(n - 1 for n in seen.values())
    print(f"{len(seen)} messages, {len(sender.acknowledged)} acknowledged, {kills} crashes, {twice} came twice")
    assert sender.acknowledged <= set(seen) <= sender.sent
    assert twice <= 2 * 600       # two crashes while it was read: at most what was under way
    assert [path.name for path in daemon.drop.iterdir() if path.name.startswith(".")] == []
    assert daemon.log("paniclog") == ""


def test_the_check_tells_of_an_owner_and_a_mode_that_can_not_be(make_mansio):
    daemon = make_mansio(config=CONFIG % dict(directory="drop/{user", drop='owner = "root"; mode = "0666";', extra=""))
    out = subprocess.run([str(MANSIOD), "check", "--config", str(daemon.config)], capture_output=True, text=True, timeout=60)
    assert out.returncode == 78
    for words in ("transports.drop.directory: a { is not closed", "transports.drop.owner: nothing is delivered as root", "transports.drop.mode: everybody could write"):
        assert words in out.stdout + out.stderr
    daemon.config.write_text(CONFIG % dict(directory="drop", drop='owner = "no-such-user-here";', extra=""))
    assert "there is no user no-such-user-here" in daemon.ctl("check").stdout
