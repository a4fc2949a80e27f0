"""kill -9 at random moments under load, and the account afterwards (durability cases D-021..D-027, D-035): what was
acknowledged is delivered or queued, nothing twice in a Maildir, nothing that was refused. MANSIO_KILL_ROUNDS shortens
it for slow builds."""
import os
import signal
import subprocess
import time

import pytest

from harness import MANSIOD, alive, processes_of, wait_for
from ledger import SCENE, Account, Broken, Copy, Scene, Sent, make_message, read_mbox, seeded

ROUNDS = int(os.environ.get("MANSIO_KILL_ROUNDS", "50"))


@pytest.fixture
def scene(make_mansio, tmp_path):
    made = Scene(make_mansio(config=SCENE), tmp_path / "ledger")
    yield made
    made.ledger.close()


def test_fifty_times_killed_under_load_nothing_acknowledged_is_lost_and_nothing_comes_twice(scene):
    moments = seeded("moments")
    for number in range(ROUNDS):
        scene.mansio.start()
        load = scene.load(f"round{number}")
        time.sleep(moments.uniform(0.05, 0.5))      # not to wait for anything: the moment of the crash
        load.stopping.set()
        scene.mansio.kill()
        scene.end(load)
    scene.mansio.start()
    account = scene.account()
    print(f"{ROUNDS} rounds: {dict(account.answers)}, {account.copies} copies, {len(account.mbox_duplicates)} second copies in the mbox")
    account.check(mbox_duplicates=ROUNDS)
    assert scene.acknowledged == account.answers["ACK"] > ROUNDS
    assert account.answers["NAK"] == 0
    assert scene.mansio.log("paniclog") == ""


def test_a_crash_of_the_mail_process_alone_is_mended_by_the_parent(scene):
    scene.mansio.start()
    port, before = scene.mansio.port, scene.mansio.mail_pid()
    load = scene.load("mail")
    wait_for(lambda: load.acknowledged > 50, what="load")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: not alive(before), what="the end of the mail process")
    seen = load.acknowledged
    wait_for(lambda: load.acknowledged > seen + 20, 40, "mail to be accepted again on the same port")
    scene.end(load)
    assert scene.mansio.port == port and scene.mansio.mail_pid() != before
    scene.mansio.wait_log(r"the mail process was killed by signal 9", "paniclog")
    scene.account().check(mbox_duplicates=6)


def test_a_crash_of_delivery_agents_loses_and_doubles_nothing(scene):
    scene.mansio.start()
    load = scene.load("agents")
    for number in range(5):
        seen = load.acknowledged
        wait_for(lambda: load.acknowledged > seen + 20, what="load")
        agents = {title: pid for title, pid in scene.mansio.children().items() if "deliver" in title and "users" not in title}
        title, pid = sorted(agents.items())[number % len(agents)]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: scene.mansio.log("paniclog").count("was killed by signal 9") > number, what="the panic log to tell of the agent")
        wait_for(lambda: scene.mansio.children().get(title, pid) != pid, what="another agent")
    scene.end(load)
    scene.account().check(mbox_duplicates=5)


def test_killed_again_and_again_during_recovery_nothing_is_lost(scene):
    scene.mansio.start()
    load = scene.load("before")
    wait_for(lambda: load.acknowledged > 150, what="load")
    load.stopping.set()
    scene.mansio.kill()
    scene.end(load)
    moments = seeded("recovery")
    for _ in range(20):
        process = subprocess.Popen([str(MANSIOD), "--config", str(scene.mansio.config), "--foreground"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moments.uniform(0.005, 0.12))    # somewhere in the start
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
    wait_for(lambda: not [p for p in processes_of(scene.mansio.config) if alive(p)], what="the end of all of them")
    scene.mansio.start()
    scene.account().check(mbox_duplicates=20)
    assert scene.mansio.log("paniclog") == ""


# ---- the accounting itself: what must be caught is caught (D-026)

def sent_to(*recipients, answer="ACK"):
    content, digest = make_message("m1", 2000, seeded("one"))
    return {"m1": Sent("m1", recipients, digest, answer)}, content.replace(b"\r\n", b"\n")


def copy_for(recipient, content, mailbox="maildir"):
    return Copy(b"Return-Path: <a@b>\nDelivered-To: " + recipient.encode() + b"\n" + content, mailbox)


@pytest.mark.parametrize("what, answer, given, queued, verdict", [
    ("acknowledged and delivered", "ACK", ["a@x"], [], None),
    ("acknowledged and queued", "ACK", [], [("m1", "a@x")], None),
    ("acknowledged and gone", "ACK", [], [], "lost"),
    ("refused and delivered", "NAK", ["a@x"], [], "ghosts"),
    ("refused and queued", "NAK", [], [("m1", "a@x")], "ghosts"),
    ("broken off and delivered", "CUT", ["a@x"], [], "ghosts"),
    ("unanswered and delivered", "UNKNOWN", ["a@x"], [], None),
    ("unanswered and gone", "UNKNOWN", [], [], None),
    ("delivered twice", "ACK", ["a@x", "a@x"], [], "maildir_duplicates"),
    ("delivered to somebody else", "ACK", ["a@x", "b@x"], [], "misrouted"),
])
def test_the_account_tells_what_became_of_a_message(what, answer, given, queued, verdict):
    sent, content = sent_to("a@x", answer=answer)
    account = Account(sent, [copy_for(r, content) for r in given], queued)
    found = [name for name in ("lost", "ghosts", "corrupt", "misrouted", "maildir_duplicates") if getattr(account, name)]
    assert found == ([verdict] if verdict else [])
    if verdict:
        with pytest.raises(AssertionError, match=verdict):
            account.check()
    else:
        account.check()


def test_the_account_tells_one_recipient_of_two_that_got_nothing():
    sent, content = sent_to("a@x", "b@x")
    assert Account(sent, [copy_for("a@x", content)]).lost == [("m1", "b@x")]


@pytest.mark.parametrize("damage", [lambda c: c[:-2] + b"\n", lambda c: c + b"x\n", lambda c: c.replace(b"\n\n", b"\n\n\0", 1)])
def test_the_account_tells_a_message_that_is_not_what_was_sent(damage):
    sent, content = sent_to("a@x")
    assert Account(sent, [copy_for("a@x", damage(content))]).corrupt == [("m1", "a@x")]


def test_the_account_tells_second_copies_in_an_mbox_up_to_the_number_allowed():
    sent, content = sent_to("a@x")
    account = Account(sent, [copy_for("a@x", content, "mbox")] * 3)
    account.check(mbox_duplicates=2)
    with pytest.raises(AssertionError, match="mbox_duplicates"):
        account.check(mbox_duplicates=1)


def test_an_mbox_with_a_torn_message_is_told():
    import pathlib
    import tempfile
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "box"
        whole = b"From a@b Thu Jan  1 00:00:00 1970\nX-Ledger-Id: m1\n\nbody\n>From x\n\n"
        path.write_bytes(whole * 2)
        assert [copy.id for copy in read_mbox(path)] == ["m1", "m1"]
        for torn in (whole[:-20], whole[:-1] + whole, b"x" + whole):
            path.write_bytes(torn)
            with pytest.raises(Broken):
                read_mbox(path)
