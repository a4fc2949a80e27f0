"""The long run (soak.py) is judged before it judges: its account and its measure of growth with made-up findings, then the whole of it
in miniature, with the right daemon and with one that acknowledges before it stores."""
import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import pytest

import soak
from harness import BUILD, ROOT, wait_for
from letters import Letter
from soak_load import SECOND_COPIES, Account
from test_sabotage import broken

LETTER = Letter("m1", "u01@ex.test", "box@box.test", "cleo@fail.test")
HERE, BOX, THERE = LETTER.recipients
RIGHT = [(HERE, "maildir"), (BOX, "mbox"), (THERE, "relay")]


def judged(answer, *arrived, crashes=0):
    """What the account has against a daemon that gave this answer and these copies: (recipient, place[, sha256[, owner]])."""
    account = Account(None)
    account.sent(LETTER)
    if answer:
        account.answered(LETTER, answer)
    for recipient, place, *rest in arrived:
        sha256, owner = [*rest, *(LETTER.sha256, re.sub(r"\+.*@", "@", recipient))[len(rest):]]
        account.arrived("m1", recipient, sha256, place, owner)
    account.finish(crashes)
    return [(verdict, recipient) for verdict, _, recipient, _ in account.found]


@pytest.mark.parametrize("what, answer, arrived, crashes, found", [
    ("all there", "ACK", RIGHT, 0, []),
    ("nothing there", "ACK", [], 9, [("lost", BOX), ("lost", THERE), ("lost", HERE)]),
    ("one of three gone", "ACK", RIGHT[1:], 9, [("lost", HERE)]),
    ("a report instead of a copy", "ACK", [*RIGHT[:2], (THERE, "report", None)], 0, []),
    ("no answer and nothing there", "", [], 1, []),
    ("no answer and all there", "", RIGHT, 1, []),
    ("refused and nothing there", "NAK", [], 0, []),
    ("refused and delivered", "NAK", [RIGHT[0]], 0, [("ghosts", HERE)]),
    ("broken off and delivered", "CUT", [RIGHT[1]], 9, [("ghosts", BOX)]),
    ("twice in a Maildir", "ACK", [RIGHT[0], *RIGHT], 9, [("duplicates", HERE)]),
    ("twice in a Maildir when all was over", "ACK", [*RIGHT, RIGHT[0]], 9, [("duplicates", HERE)]),
    ("changed", "ACK", [(HERE, "maildir", "other"), *RIGHT[1:]], 0, [("corrupt", HERE)]),
    ("in another's mailbox", "ACK", [(HERE, "maildir", LETTER.sha256, "u02@ex.test"), *RIGHT], 0, [("misrouted", HERE)]),
    ("to somebody whom it did not name", "ACK", [*RIGHT[:2], ("u02+m1@ex.test", "maildir"), RIGHT[2]], 0, [("misrouted", "u02+m1@ex.test")]),
    ("as many second copies as a crash explains", "ACK", [*RIGHT, *[RIGHT[1]] * SECOND_COPIES], 1, []),
    ("one more", "ACK", [*RIGHT, *[RIGHT[1]] * (SECOND_COPIES + 1)], 1, [("duplicates", "")]),
], ids=lambda value: value.replace(" ", "-") if isinstance(value, str) and " " in value else "")
def test_the_account_of_the_long_run_finds_it(what, answer, arrived, crashes, found):
    assert judged(answer, *arrived, crashes=crashes) == found


def samples(memory=lambda at: 20_000, p50=lambda at: 0.004, descriptors=lambda at: 40, hours=2):
    return [dict(at=at, p50=p50(at), faulty=at % 60 < 20,
                 processes={"mansiod: mail 7": dict(age=at + 1.0, memory=memory(at), threads=9, descriptors=descriptors(at))})
            for at in range(0, int(hours * 3600), 10)]


@pytest.mark.parametrize("what, grown, series", [
    ("nothing grows", [], samples()),
    ("a leak of a KiB a second", ["memory"], samples(memory=lambda at: 20_000 + at)),
    ("a leak of five MiB in the second hour alone", ["memory"], samples(memory=lambda at: 20_000 + max(0, at - 3600) * 5 * 1024 // 3600)),
    ("a first hour that fills caches", [], samples(memory=lambda at: min(20_000 + 4 * at, 34_400))),
    ("a descriptor in five minutes", ["descriptors"], samples(descriptors=lambda at: 40 + at // 300)),
    ("latency that doubles each hour", ["latency"], samples(p50=lambda at: 0.004 * 2 ** (at / 3600))),
    ("an hour without a sample", ["memory", "descriptors", "threads"], [one | dict(processes={}) for one in samples()]),
], ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "")
def test_growth_is_found(what, grown, series):
    assert [name for name, found in soak.flatness(series).items() if not found["ok"]] == grown


needs_disks = pytest.mark.skipif(soak.missing() is not None, reason=str(soak.missing()))


@needs_disks
@pytest.mark.parametrize("kind", ["none", "acknowledge"])
def test_a_long_run_of_half_a_minute_finds_what_a_broken_daemon_loses_and_nothing_else(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(soak, "FAULTS", (soak.kill_all,))
    monkeypatch.setattr(soak, "LATER_FAULTS", (soak.kill_all,))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    run = soak.Run(tmp_path / "house", argparse.Namespace(share=0.5, fault_every=3, processes=1), 24)
    try:
        run.house.mansio.program = broken(kind)
        run.house.expected = "SABOTAGED"
        run.go()
        result = run.result()
    finally:
        run.close(ok=True)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(result["faults"]) >= 4 and result["crashes"] == len(result["faults"])
    assert result["answers"]["ACK"] > 200 and result["copies"] > 200
    mail = [process for one in result["samples"] for title, process in one["processes"].items() if "mail" in title]
    assert mail and all(process["memory"] > 4096 and process["descriptors"] > 10 for process in mail), result["samples"]
    assert set(result["verdicts"]) == ({"lost"} if kind == "acknowledge" else set()), result["words"]
    assert result["ok"] == (kind == "none")


def processes_of_session(session):
    """{pid: title}"""
    found = {}
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((place / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


@needs_disks
def test_ctrl_c_ends_the_load_and_the_daemon_still_delivers_what_it_has():
    """A terminal sends SIGINT to everything that it started."""
    with tempfile.TemporaryDirectory(prefix="soak-") as place:         # pytest's own would be too long for the names of sockets
        break_off(place)


def break_off(place):
    page, state = ROOT / "docs" / "proof.md", BUILD / "proof" / "soak.json"
    before = [file.read_bytes() if file.exists() else None for file in (page, state)]
    process = subprocess.Popen([sys.executable, str(ROOT / "test" / "crash" / "soak.py"), "1", "--fault-every", "600", "--no-report"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                               env=os.environ | dict(TMPDIR=place, MANSIO_BUILD=str(BUILD)))
    told = []
    try:
        while "a second for" not in "".join(told[-1:]):
            told.append(process.stdout.readline())
            assert told[-1], "".join(told)
        daemons = [title for title in processes_of_session(process.pid).values() if "mansiod" in title]
        assert len(daemons) >= 3, daemons            # the parent, mail, an agent
        time.sleep(3)
        os.killpg(process.pid, signal.SIGINT)
        told.append(process.communicate(timeout=120)[0])
    finally:
        if process.poll() is None:
            for pid in processes_of_session(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
    text = "".join(told)
    assert process.returncode == 0, text
    result = json.loads(text[text.index("{\n"):text.rindex("}\n") + 1])
    assert result["ok"] and result["verdicts"] == {} and result["answers"]["ACK"] > 50 and result["copies"] >= result["answers"]["ACK"]
    wait_for(lambda: not processes_of_session(process.pid), what="the end of all that it started")
    assert [file.read_bytes() if file.exists() else None for file in (page, state)] == before
