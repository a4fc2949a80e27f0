"""mansioctl badmail: what could be neither delivered nor returned, and files of pickup directories that could not be sent,
is listed, shown, sent after all and removed."""
import json
import re
import socket

import pytest

from harness import wait_for
from test_pickup import LETTER, badmail, setting

BOUNCE = b"From: <>\r\nSubject: a report\r\n\r\nfailed\r\n"
FAILING = """aliases = "aliases";"""


@pytest.fixture
def desk(make_mansio):
    """A daemon with a pickup directory, and an alias that fails until it is mended."""
    daemon = make_mansio(extra=setting("pickup") + FAILING, relay_from='[ "127.0.0.0/8" ]')
    daemon.aliases = daemon.directory / "aliases"
    daemon.aliases.write_text("gone: :fail: no longer here\n")
    daemon.pickup = daemon.directory / "pickup"
    return daemon.start()


def undeliverable(daemon, recipients=("gone@ex.test",)):
    """A message from <> that fails after it was accepted; its id."""
    before = set(badmail(daemon))
    (daemon.pickup / "bounce.eml").write_bytes(b"X-Sender: <>\n" + b"".join(b"X-Receiver: %s\n" % r.encode() for r in recipients) +
                                               b"From: daemon@a.test\nSubject: a report\n\nfailed\n")
    [id] = wait_for(lambda: set(badmail(daemon)) - before, what="badmail")
    return id


def rejected(daemon, content=b"no letter\n", name="broken.eml"):
    before = set(badmail(daemon))
    (daemon.pickup / name).write_bytes(content)
    [id] = wait_for(lambda: set(badmail(daemon)) - before, what="badmail")
    return id


def listed(daemon, *words):
    return {one["id"]: one for one in daemon.ctl_json("badmail", "list", *words)}


def test_both_kinds_are_listed_with_what_happened(desk):
    assert desk.ctl("badmail", "list").stdout == "there is no badmail\n"
    first, second = undeliverable(desk), rejected(desk)
    entries = listed(desk)
    assert list(entries) == [first, second]
    assert entries[first]["kind"] == "undeliverable" and entries[first]["sender"] == "" and entries[first]["recipients"] == ["gone@ex.test"]
    assert "no longer here" in entries[first]["why"]
    assert entries[second]["kind"] == "pickup" and entries[second]["file"].endswith("/pickup/broken.eml") and "no header" in entries[second]["why"]
    assert entries[second]["size"] == len(b"no letter\n") and entries[second]["owner"]
    text = desk.ctl("badmail", "list").stdout
    assert re.search(rf"^{first}.*<> for gone@ex\.test", text, re.M) and re.search(rf"^{second}.*broken\.eml", text, re.M)
    assert list(listed(desk, second)) == [second] and list(listed(desk, first[:6] + "*")) in ([first], [first, second])
    assert listed(desk, "nothing*") == {}


def test_one_is_shown_with_its_header(desk):
    id = undeliverable(desk)
    text = desk.ctl("badmail", "show", id).stdout
    assert text.startswith(id) and "for: gone@ex.test" in text and "no longer here" in text and "\nSubject: a report\n" in text
    [one] = desk.ctl_json("badmail", "show", id)
    assert one["header"].endswith("Subject: a report\r\n") or "Subject: a report\r\n" in one["header"]
    for name in ("0123Ab-00000c-01", "../../etc/passwd", ""):
        shown = desk.ctl("badmail", "show", name)
        assert shown.returncode != 0 and "no badmail" in shown.stderr + shown.stdout


def test_what_could_not_be_delivered_is_sent_again_to_those_who_have_not_got_it(desk):
    id = undeliverable(desk, ["bob@ex.test", "gone@ex.test"])
    assert len(desk.wait_mail(1)) == 1
    desk.aliases.write_text("gone: alice\n")
    assert desk.ctl("reload").returncode == 0
    done = desk.ctl("badmail", "retry", id)
    new = re.search(rf"^{id} is queued as (\S+)$", done.stdout, re.M).group(1)
    [message] = desk.wait_mail(1, "alice")
    assert b"Subject: a report" in message and message.startswith(b"Return-Path: <>\n") and message.endswith(b"\n\nfailed\n")
    assert len(desk.maildir("bob")) == 1 and badmail(desk) == {}
    desk.wait_log(rf"{new} was badmail {id}, sent again by ")
    desk.wait_idle()


def test_a_file_is_sent_when_it_was_mended_and_refused_while_it_was_not(desk):
    id = rejected(desk)
    done = desk.ctl("badmail", "retry", id)
    assert done.returncode == 1 and f"{id} no header" in done.stderr and list(badmail(desk)) == [id]
    (desk.directory / "spool" / "badmail" / f"{id}.eml").write_bytes(LETTER)
    [one] = desk.ctl_json("badmail", "retry", id)
    assert one["done"] and one["id"] == id and one["new_id"] != id
    [message] = desk.wait_mail(1)
    assert b"Message-ID: <" in message and badmail(desk) == {}
    desk.wait_log(rf"{one['new_id']} <= anna@a\.test U=\S+ P=pickup ")


def test_without_the_file_that_says_for_whom_nothing_is_sent(desk):
    id = rejected(desk)
    (desk.directory / "spool" / "badmail" / f"{id}.reason").unlink()
    assert listed(desk)[id]["kind"] == "unknown"
    done = desk.ctl("badmail", "retry", id)
    assert done.returncode == 1 and "missing or damaged" in done.stderr
    assert (desk.directory / "spool" / "badmail" / f"{id}.eml").exists()


def test_removing_is_asked_for_and_exact(desk):
    ids = [rejected(desk, name=f"{n}.eml") for n in range(3)]
    asked = desk.ctl("badmail", "remove", "--all")
    assert asked.returncode == 1 and "nothing was removed" in asked.stderr and len(badmail(desk)) == 3
    assert desk.ctl("badmail", "remove").returncode == 64 and desk.ctl("badmail", "retry").returncode == 64
    assert desk.ctl("badmail", "remove", ids[1], "--yes").stdout == f"{ids[1]} is removed\n"
    assert sorted(badmail(desk)) == sorted([ids[0], ids[2]])
    assert desk.ctl("badmail", "remove", "--all", "--yes").returncode == 0
    assert list((desk.directory / "spool" / "badmail").iterdir()) == []
    assert desk.ctl("badmail", "remove", "--all", "--yes").returncode == 1
    desk.wait_log(rf"{ids[0]} badmail removed by ")


def test_all_of_it_is_sent_again_at_once(desk):
    ids = [rejected(desk, name=f"{n}.eml") for n in range(3)]
    for id in ids[:2]:
        (desk.directory / "spool" / "badmail" / f"{id}.eml").write_bytes(LETTER)
    done = desk.ctl("badmail", "retry", "--all")
    assert done.returncode == 1 and done.stdout.count(" is queued as ") == 2
    assert len(desk.wait_mail(2)) == 2 and list(badmail(desk)) == [ids[2]]


def test_a_retry_survives_a_crash(desk):
    id = undeliverable(desk)
    desk.aliases.write_text("gone: alice\n")
    (desk.mail / "alice").write_text("in the way")
    assert desk.ctl("reload").returncode == 0 and desk.ctl("badmail", "retry", id).returncode == 0
    desk.kill()
    (desk.mail / "alice").unlink()
    desk.start()

    def delivered():          # at once, or when it is asked to, for it may have been tried before the crash
        for waits in desk.queue():
            desk.ctl("queue", "retry", waits["id"])
        return desk.maildir("alice")
    assert len(wait_for(delivered, what="the message")) == 1 and badmail(desk) == {}
    desk.wait_idle()
    assert len(desk.maildir("alice")) == 1


def test_names_from_a_client_lead_nowhere(desk):
    rejected(desk)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(desk.directory / "run" / "control.sock"))
    file = connection.makefile("rw")
    for ids in (["../../mansio.conf"], ["/etc/passwd"], ["0123Ab-00000c-01/../x"], ["\0"], [7]):
        for command in ("badmail_retry", "badmail_remove"):
            file.write(json.dumps({"command": command, "ids": ids}) + "\n")
            file.flush()
            answers = []
            while not answers or not answers[-1].get("end"):
                answers.append(json.loads(file.readline()))
            assert not any(one.get("done") for one in answers)
    assert desk.config.exists() and len(badmail(desk)) == 1
