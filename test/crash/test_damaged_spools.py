"""Spools that were damaged while nobody ran (durability cases D-099 to D-107): the daemon starts, what is whole is delivered, what is
not lies in corrupt/ with a word in the panic log, and nothing that nobody damaged is missing."""
import os
import pathlib
import random
import shutil
import struct
import time

import pytest

from daemons import make_mansio, numbered, offer  # noqa: F401
from harness import body_of, wait_for
from ledger import whole_queue

WHOLE = bool(os.environ.get("MANSIO_PROVE"))
LOCAL = '[ "127.0.0.0/8" ]'
EXTRA = 'retry = ( { domains = [ "*" ]; schedule = "1h for 4d"; } ); spool = { segment_size = "1M"; reserve = "1M"; };'
WAITING, QUEUED = range(10, 14), range(1, 6)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A spool with four messages in deferred/, one of them large, and five in the journal, as a crash leaves it."""
    from harness import Mansio
    daemon = Mansio(tmp_path_factory.mktemp("spool") / "mansio", relay_from=LOCAL, extra=EXTRA).start()
    try:
        import signal
        for number in WAITING:
            content = numbered(number) + b"large\r\n" * 60_000 if number == WAITING[-1] else numbered(number)
            offer(daemon, f"far{number}@away{number}.test", content=content)
        wait_for(lambda: len(list((daemon.directory / "spool/0/deferred").glob("*/*"))) == len(WAITING), what="deferred files")
        for title, pid in daemon.children().items():
            if "deliver" in title and "users" not in title:
                os.kill(pid, signal.SIGSTOP)
        for number in QUEUED:
            offer(daemon, "bob@ex.test", number=number)
    finally:
        daemon.kill()
    return daemon.directory / "spool"


@pytest.fixture
def damaged(template, make_mansio, tmp_path):
    """A daemon with a copy of that spool, not started."""
    daemon = make_mansio(relay_from=LOCAL, extra=EXTRA)
    shutil.copytree(template, daemon.directory / "spool", symlinks=True)
    daemon.shard = daemon.directory / "spool" / "0"
    large = {file.name for file in (daemon.shard / "large").iterdir()}
    daemon.files = sorted(file for file in (daemon.shard / "deferred").glob("*/*") if file.name not in large)
    return daemon


def outcome(daemon, timeout=30):
    """Starts it; (numbers in bob's Maildir, numbers that wait, names in corrupt/), once it has read the spool and delivered."""
    daemon.start()
    queue = wait_for(lambda: (lambda q: (q,) if q is not None and not [m for m in q if "bob@ex.test" in str(m)] else None)(whole_queue(daemon)), timeout,
                     f"the spool to be read: {daemon.errors()[-2000:]}")[0]
    got = sorted(int(body_of(m).split(b"\r\n")[0][9:]) for m in daemon.maildir())
    waits = sorted(int(m["recipients"][0]["address"][3:5]) for m in queue)
    # And it works: what comes now is delivered.
    offer(daemon, "alice@ex.test", number=77)
    daemon.wait_mail(1, "alice")
    return got, waits, sorted(file.name for file in (daemon.shard / "corrupt").iterdir())


def number_in(file):
    import re
    return int(re.search(rb"far(\d\d)@", file.read_bytes())[1])


# what: (bytes of the file) -> bytes. For a file in deferred/: all of these make it unreadable.
DAMAGES = {
    "empty": lambda b: b"",
    "one octet": lambda b: b[:1],
    "half": lambda b: b[:len(b) // 2],
    "zeros": lambda b: bytes(len(b)),
    "zeros from the middle on": lambda b: b[:len(b) // 2] + bytes(len(b) - len(b) // 2),
    "random": lambda b: random.Random(1).randbytes(len(b)),
    "another version": lambda b: b.replace(b"mansio-message 1", b"mansio-message 2"),
    "another id": lambda b: b[:19] + bytes([b[19] ^ 1]) + b[20:],
    "a bit in the envelope": lambda b: b.replace(b"away", b"awax", 1),
    "line ends of another system": lambda b: b.replace(b"\n", b"\r\n"),
    "shorter by a line at the front": lambda b: b.partition(b"\n")[2],
    "twice": lambda b: b[:200] + b,
    "text": lambda b: b"Please do not remove\n" * 500,
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_of_a_message_that_waits_is_set_aside_alone(damaged, what):
    file = damaged.files[0]
    number = number_in(file)
    content = DAMAGES[what](file.read_bytes())
    file.write_bytes(content)
    got, waits, corrupt = outcome(damaged)
    assert got == list(QUEUED) and waits == [n for n in WAITING if n != number]
    assert corrupt == [file.name] and (damaged.shard / "corrupt" / file.name).read_bytes() == content
    assert file.name in damaged.log("paniclog")


@pytest.mark.parametrize("what", ["another owner", "mode 0", "two names", "a directory", "a link", "a fifo", "a gigabyte of nothing"])
def test_files_that_are_not_as_they_were_made_do_no_harm(damaged, what):
    file = damaged.files[0]
    number, content = number_in(file), file.read_bytes()
    if what == "another owner":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        os.chown(file, 12345, 12345)
    elif what == "mode 0":
        file.chmod(0)
    elif what == "two names":
        os.link(file, damaged.directory / "spool" / "another-name")
    else:
        file.unlink()
        if what == "a directory":
            file.mkdir()
        elif what == "a link":
            file.symlink_to("/etc/passwd")
        elif what == "a fifo":
            os.mkfifo(file)
        else:
            file.write_bytes(content)
            os.truncate(file, 1 << 30)
    got, waits, corrupt = outcome(damaged)
    assert got == list(QUEUED)
    others = [n for n in WAITING if n != number]
    assert waits in (others, list(WAITING)), waits        # what can still be understood may wait on
    if waits == others:
        assert file.name in corrupt + [p.name for p in (damaged.shard / "deferred").glob("*/*")], "nothing is deleted"


def changed(daemon, path, content):
    path.write_bytes(content)
    got, waits, _ = outcome(daemon)
    return got, waits


def test_a_journal_cut_at_any_length_loses_nothing_before_the_cut_and_never_stops_the_start(damaged, template):
    segment = next(iter((damaged.shard / "journal").glob("*.seg")))
    whole = segment.read_bytes()
    places = {number: whole.index(b"text %d\r\n" % number) for number in QUEUED}
    end = max(places.values()) + 200
    cuts = random.Random("cuts").sample(range(end), 60 if WHOLE else 3) + [0, 1, 4095, 4096, 4097, end]
    for cut in sorted(cuts) if WHOLE else [0, 4096, *cuts[:3]]:
        for how in ("cut", "zeros") if WHOLE else ("zeros" if cut % 2 else "cut",):
            for folder in ("spool", "mail", "log"):
                shutil.rmtree(damaged.directory / folder, ignore_errors=True)
            (damaged.directory / "mail").mkdir()
            shutil.copytree(template, damaged.directory / "spool", symlinks=True)
            got, waits = changed(damaged, segment, whole[:cut] + (bytes(len(whole) - cut) if how == "zeros" else b""))
            kept = [n for n in QUEUED if places[n] + 200 < cut]
            assert set(kept) <= set(got) <= set(QUEUED) and waits == list(WAITING), (cut, how, got, waits)
            damaged.kill()


@pytest.mark.parametrize("what", ["zeros", "random", "text"])
def test_a_journal_that_is_no_journal_is_set_aside_and_what_waits_is_there(damaged, what):
    segment = next(iter((damaged.shard / "journal").glob("*.seg")))
    content = DAMAGES[what](segment.read_bytes())
    segment.write_bytes(content)
    got, waits, corrupt = outcome(damaged)
    assert got == [] and waits == list(WAITING)
    if what != "zeros":         # those say that nothing was ever written
        assert corrupt and damaged.log("paniclog")


def test_a_bit_flipped_in_a_record_costs_that_message_alone(damaged, template):
    segment = next(iter((damaged.shard / "journal").glob("*.seg")))
    whole = bytearray(segment.read_bytes())
    at = whole.index(b"text 3\r\n")
    random_places = random.Random("bits").sample(range(at - 400, at + 8), 40 if WHOLE else 4)
    for place in random_places:
        for folder in ("spool", "mail", "log"):
            shutil.rmtree(damaged.directory / folder, ignore_errors=True)
        (damaged.directory / "mail").mkdir()
        shutil.copytree(template, damaged.directory / "spool", symlinks=True)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        got, waits = changed(damaged, segment, flipped)
        assert set(QUEUED) - set(got) <= {2, 3} and len(got) >= len(QUEUED) - 1 and waits == list(WAITING), (place, got)
        damaged.kill()


@pytest.mark.parametrize("what", ["gone", "short", "longer", "other"])
def test_the_content_of_a_large_message_that_is_gone_or_changed_costs_it_alone(damaged, what):
    [large] = (damaged.shard / "large").iterdir()
    content = large.read_bytes()
    if what == "gone":
        large.unlink()
    else:
        large.write_bytes({"short": content[:-1], "longer": content + b"x", "other": content.replace(b"large", b"LARGE", 1)}[what])
    got, waits, _ = outcome(damaged)
    assert got == list(QUEUED) and set(WAITING[:-1]) <= set(waits) <= set(WAITING)


@pytest.mark.parametrize("age", [0, 3600, 7 * 86400, -3600])
def test_leftovers_of_any_age_are_never_delivered(damaged, age):
    """D-101: temporary names of deferred files, large files of nobody's, ages up to a week, and from the future."""
    others = [damaged.shard / "deferred" / "ab" / ".new-0abcde-0abcde-ab", damaged.shard / "large" / "0abcde-0abcde-ab", damaged.shard / "deferred" / "ab" / "#123456",
              damaged.shard / "lost+found" / "#98765", damaged.shard / "journal" / "core"]
    for path in others:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        path.write_bytes(damaged.files[0].read_bytes())
        os.utime(path, (time.time() - age, time.time() - age))
    got, waits, _ = outcome(damaged)
    assert got == list(QUEUED) and waits == list(WAITING)


def test_directories_of_a_spool_that_are_gone_are_made_again(damaged):
    shutil.rmtree(damaged.shard / "corrupt")
    shutil.rmtree(damaged.shard / "deferred")
    got, waits, _ = outcome(damaged)
    assert got == list(QUEUED) and waits == []


def test_files_that_fsck_found_are_put_back_by_their_names(damaged):
    """D-107: a deferred file is a message whole, and says its id; moved to where that stands it waits again."""
    file = damaged.files[0]
    number = number_in(file)
    lost = damaged.directory / "#1234567"
    file.rename(lost)
    got, waits, _ = outcome(damaged)
    assert waits == [n for n in WAITING if n != number]
    assert damaged.stop() == 0
    id = lost.read_bytes().split(b" ")[2].decode()
    back = damaged.shard / "deferred" / id[-2:] / id
    back.parent.mkdir(exist_ok=True)
    lost.rename(back)
    damaged.start()
    queue = wait_for(lambda: (lambda q: q if q and len(q) == len(WAITING) else None)(whole_queue(damaged)), what="all of them")
    assert len(queue) == len(WAITING)
