"""The order of the system calls, read from strace's record (durability case D-010): each sync before the 250, the
rename or the record that relies on it. No crash is needed to see a missing sync."""
import codecs
import os
import re
import shutil
import signal
import struct
import subprocess

import pytest

from harness import wait_for

CALLS = ("open,openat,creat,mkdir,mkdirat,write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,"
         "unlink,unlinkat,ftruncate,sendto,sendmsg,fsetxattr")
WRITES = ("write", "writev", "pwrite64", "pwritev", "ftruncate")
SYNCS = ("fsync", "fdatasync")
RECORDS = {1: "message", 2: "settled", 3: "done", 4: "moved"}


def can_trace():
    strace = shutil.which("strace")
    return strace is not None and subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True).returncode == 0


# The daemon's processes are not dumpable: an ordinary user's strace sees their calls, but not the bytes and names in them.
with_trace = pytest.mark.skipif(os.geteuid() != 0 or not can_trace(), reason="needs strace, as root: the daemon hides its memory from other processes")


class Call:
    """One system call: `begin` and `end` are line numbers of the record, so a.end < b.begin means a was over before b."""

    def __init__(self, begin, name, text):
        self.begin, self.end, self.name, self.text = begin, None, name, text
        self.result = None

    def finish(self, end, text):
        self.end = end
        self.text += text
        found = re.search(r"\)\s+= (-?\d+|0x[0-9a-f]+)", self.text)
        self.result = int(found.group(1), 0) if found else -1

    @property
    def path(self):
        """What it works on: the file behind the descriptor, or the (last) name given, made absolute."""
        names = self.names()
        if names:
            return names[-1]
        found = re.match(r"\d+<([^>]*)>", self.text)
        return found.group(1) if found else ""

    def names(self):
        if self.name not in ("open", "openat", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"):
            return []
        out = []
        for base, name in re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', self.text):
            out.append(os.path.normpath(os.path.join(base or "/", name)))
        return out

    @property
    def bytes(self):
        found = re.search(r'"((?:[^"\\]|\\.)*)"', self.text)
        return codecs.decode(found.group(1), "unicode_escape").encode("latin-1") if found else b""

    @property
    def creates(self):
        return self.name in ("mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat", "creat") or "O_CREAT" in self.text

    def records(self):
        """(type, id as stored, bytes) of a batch's records, as far as strace shows them."""
        data = self.bytes
        if self.name != "pwrite64" or not data.startswith(b"MSIBATCH"):
            return []
        count, at, out = struct.unpack_from("<I", data, 20)[0], 48, []
        while len(out) < count and at + 40 <= len(data):
            kind, length = struct.unpack_from("<I", data, at)[0], struct.unpack_from("<Q", data, at + 24)[0]
            out.append((RECORDS[kind], data[at + 4:at + 20], data[at:at + 40 + length]))
            at += 40 + (length + 7) // 8 * 8
        return out

    def __repr__(self):
        return f"[{self.begin}-{self.end}] {self.name}({self.text[:150]}"


def read_trace(path):
    calls, open_calls = [], {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines()):
        found = re.match(r"(\d+) +(\w+)\((.*)$", line)
        if found:
            pid, name, text = found.groups()
            call = Call(number, name, text.removesuffix(" <unfinished ...>"))
            if text.endswith("<unfinished ...>"):
                open_calls[pid] = call
            else:
                call.finish(number, "")
            calls.append(call)
            continue
        found = re.match(r"(\d+) +<\.\.\. (\w+) resumed>(.*)$", line)
        if found and found.group(1) in open_calls:
            open_calls.pop(found.group(1)).finish(number, found.group(3))
    return [call for call in calls if call.end is not None and call.result is not None and call.result >= 0]


class Traced:
    def __init__(self, make_mansio, tmp_path, **options):
        self.file = tmp_path / "trace"
        wrapper = [shutil.which("strace"), "-f", "-y", "-s", "6000", "-o", str(self.file), "-e", "trace=" + CALLS]
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"      # the search for leaks can't run under a tracer
        self.mansio = make_mansio(wrapper=wrapper, relay_from='[ "127.0.0.0/8" ]', env={"ASAN_OPTIONS": sanitizer}, **options)
        self.mansio.start(timeout=60)
        self.spool = str(self.mansio.directory / "spool")
        self.shard = self.spool + "/0"

    def send(self, recipients, body=b"text\r\n", count=1):
        ids = []
        with self.mansio.connect() as client:
            for n in range(count):
                code, lines = client.transaction("a@b.test", recipients, b"Subject: order\r\n\r\n" + body, ehlo=None if n else "client.test")
                assert code == 250, lines
                ids.append(lines[0].split()[-1])
        return ids

    def calls(self):
        """Ends the daemon and gives what it did."""
        assert self.mansio.stop() == 0
        return read_trace(self.file)


@pytest.fixture
def traced(make_mansio, tmp_path):
    return lambda **options: Traced(make_mansio, tmp_path, **options)


# ---- what is asserted

def reply_of(calls, id):
    [reply] = [c for c in calls if c.name in ("write", "writev", "sendto", "sendmsg") and f"250 2.0.0 OK, queued as {id}" in c.text]
    return reply


def synced_between(calls, path, begin, end):
    return any(c.name in SYNCS and c.path == path and c.begin > begin and c.end < end for c in calls)


def assert_written_is_synced(calls, before, where):
    """Each write to a file of which `where(path)` holds that began before `before` was synced before it."""
    writes = [c for c in calls if c.name in WRITES and where(c.path) and c.begin < before.begin]
    for write in writes:
        assert synced_between(calls, write.path, write.end, before.begin), f"not synced before {before}: {write}"
    return writes


def assert_names_are_synced(calls, before, where):
    """Each name made before `before`, in a directory of which `where` holds, has its directory synced before it."""
    for call in calls:
        if call.creates and call.begin < before.begin and where(os.path.dirname(call.path)) and not exists_before(calls, call):
            assert synced_between(calls, os.path.dirname(call.path), call.end, before.begin), f"name not synced before {before}: {call}"


def exists_before(calls, call):
    return call.name in ("open", "openat") and any(c is not call and c.creates and c.path == call.path and c.end < call.begin for c in calls)


def batches(calls, kind):
    return [c for c in calls if kind in [record[0] for record in c.records()]]


def records_of(calls, id, kinds):
    """The batches with a record of these kinds of this message, whose trace field tells the id that is stored."""
    stored = {record[1] for c in calls for record in c.records() if record[0] == "message" and id.encode() in record[2]}
    assert len(stored) == 1, f"{id}: {stored}"
    return [c for c in calls if any(record[0] in kinds and record[1] in stored for record in c.records())]


def next_batch(calls, kind, after):
    return min((c for c in batches(calls, kind) if c.begin > after.begin), key=lambda c: c.begin)


def assert_acknowledged_in_order(traced, every_call, id):
    reply = reply_of(every_call, id)
    stored = [c for c in records_of(every_call, id, ["message"]) if c.end < reply.begin]
    assert stored, "no message record before the reply"
    # The message's further way may begin before its 250 is written: what is made after its record is not the 250's.
    calls = [c for c in every_call if c.begin <= stored[0].begin or c.name in SYNCS]
    journal, large = traced.shard + "/journal/", traced.shard + "/large/"
    assert_written_is_synced(calls, reply, lambda path: path.startswith((journal, large)) or path == traced.shard + "/format")
    # All directories of the spool, from the one it lies in downwards; the lock and the pickup directory carry nothing.
    top = os.path.dirname(traced.spool)
    assert_names_are_synced(calls, reply, lambda d: d in (traced.shard, journal[:-1], large[:-1], traced.shard + "/deferred", traced.spool))
    made = [c for c in calls if c.name == "mkdir" and c.path == traced.spool]
    for call in made:
        assert synced_between(calls, top, call.end, reply.begin)
    return reply, stored[0]


def assert_maildir_in_order(calls, id, maildir, record="done"):
    """tmp/ file written, synced; renamed; new/ synced; and only then the record."""
    [rename] = [c for c in calls if c.name.startswith(("rename", "link")) and id in c.path and f"{maildir}/new/" in c.path]
    temporary = rename.names()[0]
    writes = [c for c in calls if c.name in WRITES and c.path == temporary]
    assert writes and all(synced_between(calls, temporary, w.end, rename.begin) for w in writes)
    settled = next_batch(calls, record, rename)
    assert synced_between(calls, f"{maildir}/new", rename.end, settled.begin), f"new/ is not synced before {settled}"
    for call in calls:
        if call.name.startswith("mkdir") and call.path.startswith(str(maildir)) and call.end < rename.begin:
            assert synced_between(calls, os.path.dirname(call.path), call.end, settled.begin), f"not synced: {call}"
    return settled


# ---- the cases

@with_trace
def test_the_first_message_of_a_fresh_spool_is_durable_before_its_250(traced):
    daemon = traced()
    [id] = daemon.send(["bob@ex.test"])
    daemon.mansio.wait_log(f"{id} Completed")
    calls = daemon.calls()
    reply, stored = assert_acknowledged_in_order(daemon, calls, id)
    segment = stored.path
    created = [c for c in calls if c.creates and c.path == segment]
    assert len(created) == 1 and synced_between(calls, daemon.shard + "/journal", created[0].end, stored.begin)
    assert_maildir_in_order(calls, id, daemon.mansio.mail / "bob")


@with_trace
def test_each_of_several_messages_is_durable_before_its_250(traced):
    daemon = traced()
    ids = daemon.send(["bob@ex.test", "alice@ex.test"], count=8)
    for id in ids:
        daemon.mansio.wait_log(f"{id} Completed")
    calls = daemon.calls()
    for id in ids:
        assert_acknowledged_in_order(daemon, calls, id)
        for user in ("bob", "alice"):
            [rename] = [c for c in calls if c.name == "renameat2" and id in c.path and f"/{user}/new/" in c.path]
            [done] = records_of(calls, id, ["done"])
            assert synced_between(calls, str(daemon.mansio.mail / user / "new"), rename.end, done.begin)
        # Two places: what is recorded first has its copy durable first.
        first = records_of(calls, id, ["settled", "done"])[0]
        assert any(synced_between(calls, str(daemon.mansio.mail / user / "new"), r.end, first.begin)
                   for user in ("bob", "alice") for r in calls if r.name == "renameat2" and id in r.path and f"/{user}/new/" in r.path)


@with_trace
def test_deliveries_that_come_together_share_syncs_and_are_durable_before_they_are_done(traced):
    daemon = traced()
    daemon.send(["bob@ex.test"])
    daemon.mansio.wait_mail(1)
    agents = [pid for title, pid in daemon.mansio.children().items() if "deliver" in title and "users" not in title]
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)
    ids = daemon.send(["bob@ex.test"], count=20)      # all of them wait for one agent now
    for pid in agents:
        os.kill(pid, signal.SIGCONT)
    for id in ids:
        daemon.mansio.wait_log(f"{id} Completed")
    calls = daemon.calls()
    new = str(daemon.mansio.mail / "bob" / "new")
    renames = []
    for id in ids:
        [rename] = [c for c in calls if c.name == "renameat2" and id in c.path and f"{new}/" in c.path]
        [done] = records_of(calls, id, ["done"])
        writes = [c for c in calls if c.name in WRITES and c.path == rename.names()[0]]
        assert writes and all(synced_between(calls, rename.names()[0], w.end, rename.begin) for w in writes)
        assert synced_between(calls, new, rename.end, done.begin)
        renames.append(rename)
    assert [r.begin for r in renames] == sorted(r.begin for r in renames), "in the order in which they came"
    syncs = [c for c in calls if c.name in SYNCS and c.path == new and c.begin > renames[0].begin]
    assert len(syncs) == 1, "new/ is synced once for all of them"


@with_trace
def test_a_large_message_and_its_name_are_durable_before_its_record_and_its_250(traced):
    daemon = traced()
    [id] = daemon.send(["bob@ex.test"], body=b"large text\r\n" * 60_000)
    daemon.mansio.wait_log(f"{id} Completed")
    file = daemon.mansio.directory / "spool" / "0" / "large" / id
    wait_for(lambda: not file.exists(), what="the large file to go")
    calls = daemon.calls()
    reply, stored = assert_acknowledged_in_order(daemon, calls, id)
    path = str(file)
    writes = assert_written_is_synced(calls, stored, lambda p: p == path)
    assert len(writes) > 2 and max(w.begin for w in writes) < stored.begin
    [created] = [c for c in calls if c.creates and c.path == path]
    assert synced_between(calls, daemon.shard + "/large", created.end, stored.begin)
    done = assert_maildir_in_order(calls, id, daemon.mansio.mail / "bob")
    [removed] = [c for c in calls if c.name == "unlink" and c.path == path]
    assert synced_between(calls, done.path, done.end, removed.begin), "large/ID goes only after its end is durable"


@with_trace
def test_a_message_from_sendmail_is_durable_before_its_250(traced):
    daemon = traced()
    done = daemon.mansio.sendmail("-i", "bob@ex.test", input=b"Subject: order\n\ntext\n")
    assert done.returncode == 0, done.stderr
    found = daemon.mansio.wait_log(r"(\S+) Completed")
    id = found.group(1)
    calls = daemon.calls()
    assert_acknowledged_in_order(daemon, calls, id)
    assert_maildir_in_order(calls, id, daemon.mansio.mail / "bob")


@with_trace
@pytest.mark.parametrize("body", [b"text\r\n", b"large text\r\n" * 40_000], ids=["small", "large"])
def test_a_deferred_message_has_its_file_before_its_moved_record(traced, body):
    daemon = traced()
    [id] = daemon.send(["far@away.test"], body=body)
    file = daemon.mansio.directory / "spool" / "0" / "deferred" / id[-2:] / id
    wait_for(lambda: file.exists() and daemon.mansio.queue(), what="the deferred file")
    calls = daemon.calls()      # stopping waits for the moved record
    assert_acknowledged_in_order(daemon, calls, id)
    [moved] = batches(calls, "moved")
    [rename] = [c for c in calls if c.name == "rename" and c.path == str(file)]
    temporary = rename.names()[0]
    writes = [c for c in calls if c.name in WRITES and c.path == temporary]
    assert writes and all(synced_between(calls, temporary, w.end, rename.begin) for w in writes)
    assert synced_between(calls, str(file.parent), rename.end, moved.begin)
    for call in calls:
        if call.name == "mkdir" and call.path == str(file.parent):
            assert synced_between(calls, os.path.dirname(call.path), call.end, moved.begin)


@with_trace
def test_a_deferred_message_goes_only_after_its_end_is_durable(traced):
    daemon = traced(extra='retry = ( { domains = [ "*" ]; schedule = "1s for 1h"; } );')
    obstacle = daemon.mansio.mail / "bob"
    obstacle.write_text("a file in the Maildir's place")
    [id] = daemon.send(["bob@ex.test"])
    daemon.mansio.wait_log(f"{id} == bob@ex.test")
    obstacle.unlink()
    daemon.mansio.wait_log(f"{id} Completed")
    calls = daemon.calls()
    file = f"{daemon.shard}/deferred/{id[-2:]}/{id}"
    [unlink] = [c for c in calls if c.name == "unlink" and c.path == file]
    [rename] = [c for c in calls if c.name == "renameat2" and id in c.path]
    states = [c for c in calls if c.name == "pwrite64" and c.path == file and c.begin > rename.begin]
    assert states and states[0].bytes.startswith(b"\n== state ")
    assert synced_between(calls, str(obstacle / "new"), rename.end, states[0].begin), "the copy is durable before it is recorded"
    assert synced_between(calls, file, states[-1].end, unlink.begin)


@with_trace
def test_an_mbox_is_synced_before_the_message_is_done(traced):
    daemon = traced(kind="mbox", path="mail/{local}.mbox")
    [id] = daemon.send(["bob@ex.test"])
    daemon.mansio.wait_log(f"{id} Completed")
    calls = daemon.calls()
    assert_acknowledged_in_order(daemon, calls, id)
    [done] = batches(calls, "done")
    box = str(daemon.mansio.mail / "bob.mbox")
    assert assert_written_is_synced(calls, done, lambda path: path == box)
    [created] = [c for c in calls if c.creates and c.path == box]
    assert synced_between(calls, str(daemon.mansio.mail), created.end, done.begin)


@with_trace
def test_a_bounce_is_durable_before_the_message_that_caused_it_is_done(traced):
    daemon = traced(users='[ "bob" ]', extra='retry = ( { domains = [ "*" ]; schedule = "1s for 1s"; } );')
    (daemon.mansio.mail / "bob").write_text("a file in the Maildir's place")
    with daemon.mansio.connect() as client:
        code, lines = client.transaction("far@away.test", ["bob@ex.test"], b"Subject: order\r\n\r\ntext\r\n")
    assert code == 250
    id = lines[0].split()[-1]
    daemon.mansio.wait_log(f"{id} Completed", timeout=30)
    calls = daemon.calls()
    reply = reply_of(calls, id)
    bounce = next_batch(calls, "message", reply)
    file = f"{daemon.shard}/deferred/{id[-2:]}/{id}"
    last = max((c for c in calls if c.name in WRITES and c.path == file), key=lambda c: c.begin, default=None)
    end = last if last is not None else next_batch(calls, "done", reply)
    assert synced_between(calls, bounce.path, bounce.end, end.begin)


# ---- the oracle itself: what must be caught is caught (D-026)

TRACE = """\
10 mkdir("/s/0", 0700) = 0
10 openat(AT_FDCWD</>, "/s", O_RDONLY|O_DIRECTORY) = 3</s>
10 fsync(3</s>) = 0
11 pwrite64(4</s/0/journal/1.seg>, "abc", 3, 0) = 3
11 fdatasync(4</s/0/journal/1.seg> <unfinished ...>
10 write(5<socket:[1]>, "hello", 5) = 5
11 <... fdatasync resumed>) = 0
10 write(6<socket:[2]>, "250 2.0.0 OK, queued as X\\r\\n", 30) = 30
"""


@pytest.mark.parametrize("old, new, caught", [
    ("", "", False),
    ("11 fdatasync(4</s/0/journal/1.seg> <unfinished ...>\n", "", True),                        # no sync at all
    ("11 <... fdatasync resumed>) = 0\n", "11 <... fdatasync resumed>) = -1 EIO\n", True),       # one that failed
    ('11 <... fdatasync resumed>) = 0\n10 write(6', '10 write(6', True),                         # one still under way
    ("10 write(6", '11 pwrite64(4</s/0/journal/1.seg>, "d", 1, 3) = 1\n10 write(6', True),       # a later write
    ("1.seg> <unfinished", "2.seg> <unfinished", True),                                          # of another file
    ("10 fsync(3</s>) = 0\n", "", True),                                                         # the directory is forgotten
])
def test_the_oracle_sees_a_missing_sync(tmp_path, old, new, caught):
    file = tmp_path / "trace"
    file.write_text(TRACE.replace(old, new, 1) if old else TRACE)
    calls = read_trace(file)

    def check():
        reply = reply_of(calls, "X")
        assert_written_is_synced(calls, reply, lambda path: path.startswith("/s/0/journal/"))
        assert_names_are_synced(calls, reply, lambda directory: directory == "/s")
    if caught:
        with pytest.raises(AssertionError, match="not synced"):
            check()
    else:
        check()
