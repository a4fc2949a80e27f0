"""What an admin does with messages that wait, by the verbs of Exim's command line: run, freeze, thaw, remove, give up, add
recipients, change the sender, mark as delivered, show; and what others may not."""
import json
import os
import pwd
import re
import socket
import subprocess

import pytest

from harness import wait_for
from system_users import IS_ROOT, as_user, make_system, needs_root, programs, public_path, users  # noqa: F401

WHO = pwd.getpwuid(os.geteuid()).pw_name
# Nothing is tried again by itself within the time of a test.
EXTRA = """
aliases = "aliases";
delay_warning = "0s";
retry = ( { domains = [ "*" ]; schedule = "1h for 4d"; } );
"""
CONTENT = b"From: me@b.test\r\nSubject: waiting\r\nX-Mark: 1\r\n\r\nthe body\r\n.a dot\r\n"


@pytest.fixture
def house(make_mansio):
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=EXTRA)
    aliases = mansio.directory / "aliases"
    aliases.write_text("team: bob, alice\n")
    aliases.chmod(0o644)
    return mansio.start()


def shut(mansio, *names):
    """A file where the Maildir would be: mail for it waits."""
    for name in names:
        (mansio.mail / name).write_text("no directory")


def open_again(mansio, *names):
    for name in names:
        (mansio.mail / name).unlink()


def entry(mansio, id):
    return next((one for one in mansio.queue() if one["id"] == id), None)


def submit(mansio, sender, recipients, content=CONTENT):
    with mansio.connect() as client:
        code, lines = client.transaction(sender, recipients, content)
    assert code == 250, lines
    return re.search(r"queued as (\S+)", lines[0])[1]


def settled(mansio, id):
    """Nothing is under way for it: verbs may be used."""
    return wait_for(lambda: (one := entry(mansio, id)) and one["attempts"] >= 1 and not one["reason"].startswith("it is being") and one, what="an attempt")


def park(mansio, sender="carol@ex.test", recipients=("bob@ex.test",), content=CONTENT):
    """A message that was tried once, and is tried again in an hour; bob's and alice's mailboxes are shut."""
    for name in ("bob", "alice"):
        if not (mansio.mail / name).exists():
            shut(mansio, name)
    id = submit(mansio, sender, list(recipients), content)
    settled(mansio, id)
    return id


def do(mansio, *words, code=0):
    done = mansio.sendmail(*words)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout.decode()


def crash(mansio):
    mansio.kill()
    mansio.start()
    wait_for(lambda: mansio.list_queue()[1], what="the whole spool")


def test_run_tries_a_message_now(house):
    id, other = park(house), park(house)
    open_again(house, "bob")
    assert do(house, "-M", id) == f"Message {id} is tried now\n"
    [mail] = house.wait_mail(1)
    assert mail.endswith(b"\n\nthe body\n.a dot\n")
    house.wait_log(f"{id} Completed")
    assert [one["id"] for one in house.queue()] == [other]


def test_freeze_holds_a_message_until_it_is_thawed_also_over_a_crash(house):
    id = park(house)
    assert do(house, "-Mf", id) == f"Message {id} is now frozen\n"
    crash(house)
    assert entry(house, id)["frozen"] and f" {id} <carol@ex.test> *** frozen ***\n" in do(house, "-bp")
    assert do(house, "-Mf", id, code=1) == f"Message {id} is already frozen\n"
    open_again(house, "bob")
    do(house, "-q")
    second = submit(house, "carol@ex.test", ["bob@ex.test"])
    house.wait_log(f"{second} Completed")
    assert len(house.maildir()) == 1 and entry(house, id)
    assert do(house, "-Mt", id) == f"Message {id} is no longer frozen\n"
    house.wait_mail(2)
    house.wait_log(f"{id} Completed")
    assert do(house, "-Mt", id, code=1) == f"Message {id} is not in the queue\n"
    log = house.log()
    assert f"{id} frozen by {WHO}\n" in log and f"{id} unfrozen by {WHO}\n" in log


@pytest.mark.parametrize("words", [["-M"], ["-qff"]])
def test_a_forced_run_thaws(house, words):
    id = park(house)
    do(house, "-Mf", id)
    open_again(house, "bob")
    do(house, *words, *([id] if words == ["-M"] else []))
    house.wait_mail(1)
    house.wait_log(f"{id} Completed")
    assert f"{id} unfrozen by forced delivery\n" in house.log()


def test_remove_is_durable_and_makes_no_bounce(house):
    id, other = park(house), park(house)
    assert do(house, "-Mrm", id) == f"Message {id} has been removed\n"
    crash(house)
    assert [one["id"] for one in house.queue()] == [other]
    open_again(house, "bob", "alice")
    do(house, "-q")
    house.wait_log(f"{other} Completed")
    assert len(house.maildir()) == 1 and house.maildir("carol") == []
    assert re.search(rf"{id} removed by {WHO}\n\S+ \S+ {id} Completed", house.log())
    assert do(house, "-Mrm", id, code=1) == f"Message {id} is not in the queue\n"


def test_give_up_bounces_what_waits(house):
    id = park(house, recipients=("bob@ex.test", "carol@ex.test"))
    assert len(house.wait_mail(1, "carol")) == 1
    assert do(house, "-Mg", id) == f"Message {id} has been given up, and its sender is told\n"
    crash(house)
    assert entry(house, id) is None
    bounce = next(m for m in house.wait_mail(2, "carol") if b"multipart/report" in m)
    assert b"Final-Recipient: rfc822;bob@ex.test" in bounce.replace(b"rfc822; ", b"rfc822;")
    assert b"delivery cancelled by administrator" in bounce and bounce.count(b"Action: failed") == 1
    log = house.log()
    assert f"{id} cancelled by {WHO}\n" in log and re.search(rf"{id} \*\* bob@ex\.test: 550 5\.7\.0 delivery cancelled", log)
    assert f"{id} Completed" in log


def test_a_recipient_is_added_and_gets_the_mail_though_the_daemon_crashes(house):
    id = park(house)
    do(house, "-Mf", id)
    assert do(house, "-Mar", id, "alice@ex.test", "carol@ex.test") == f"Message {id} has been modified\n"
    assert do(house, "-Mar", id, "bob@ex.test", code=1) == f"Message {id} has these recipients already\n"
    crash(house)
    assert [r["address"] for r in entry(house, id)["recipients"]] == ["bob@ex.test", "alice@ex.test", "carol@ex.test"]
    open_again(house, "alice")
    do(house, "-Mt", id)
    for user in ("alice", "carol"):
        [mail] = house.wait_mail(1, user)
        assert mail.endswith(b"\n\nthe body\n.a dot\n") and mail.startswith(b"Return-Path: <carol@ex.test>\n")
    assert f"{id} recipient <alice@ex.test> added by {WHO}\n" in house.log()


def test_the_sender_is_changed(house):
    id, null = park(house), park(house)
    assert do(house, "-Mes", id, "alice@ex.test") == f"Message {id} has been modified\n"
    assert do(house, "-Mes", null, "<>") == f"Message {null} has been modified\n"
    assert do(house, "-Mes", id, "no address", code=1) == ""
    crash(house)
    assert {one["id"]: one["sender"] for one in house.queue()} == {id: "alice@ex.test", null: ""}
    open_again(house, "bob")
    do(house, "-M", id, null)
    assert sorted(m.split(b"\n")[0] for m in house.wait_mail(2)) == [b"Return-Path: <>", b"Return-Path: <alice@ex.test>"]
    log = house.log()
    assert f"{id} sender address changed to <alice@ex.test> by {WHO}\n" in log and f"{null} sender address changed to <> by {WHO}\n" in log


def test_recipients_are_marked_as_delivered(house):
    id, whole = park(house, recipients=("bob@ex.test", "alice@ex.test")), park(house)
    assert do(house, "-Mmd", id, "nobody@ex.test", code=1) == f"Message {id} has no recipient nobody@ex.test\n"
    assert do(house, "-Mmd", id, "bob@ex.test") == f"Message {id} has been modified\n"
    assert do(house, "-Mmad", whole) == f"Message {whole} has been modified\n"
    crash(house)
    [left] = house.queue()
    assert [(r["address"], r["done"]) for r in left["recipients"]] == [("bob@ex.test", True), ("alice@ex.test", False)]
    assert "        D bob@ex.test\n          alice@ex.test\n" in do(house, "-bp") and "bob" not in do(house, "-bpu")
    open_again(house, "bob", "alice")
    do(house, "-q")
    house.wait_mail(1, "alice")
    house.wait_log(f"{id} Completed")
    assert house.maildir("bob") == []
    log = house.log()
    assert f"{id} address <bob@ex.test> marked delivered by {WHO}\n" in log and f"{whole} all addresses marked delivered by {WHO}\n" in log


def test_a_message_is_shown(house):
    id = park(house, content=CONTENT + b"line\r\n" * 200_000)
    body = b"the body\r\n.a dot\r\n" + b"line\r\n" * 200_000
    assert house.sendmail("-Mvb", id).stdout == body
    copy = house.sendmail("-Mvc", id).stdout
    assert copy.startswith(b"Received: ") and copy.endswith(b"X-Mark: 1\r\n\r\n" + body)
    shown = house.sendmail("-Mvh", id).stdout
    assert shown.startswith(id.encode() + b"\n") and b"\nsender: carol@ex.test\n" in shown and b"\nrecipient: bob@ex.test" in shown
    assert b"\r\nSubject: waiting\r\nX-Mark: 1\r\n" in shown and b"the body" not in shown and b"attempts 1\n" in shown
    for verb in ("-Mvb", "-Mvc", "-Mvh"):
        done = house.sendmail(verb, "1AAAAA-000000-AA")
        assert (done.returncode, done.stdout) == (1, b"") and b"is not in the queue" in done.stderr


def test_the_log_of_a_message_is_shown(house):
    id, other = park(house), park(house)
    lines = do(house, "-Mvl", id).splitlines()
    assert len(lines) == 2 and all(id in line for line in lines) and " <= carol@ex.test " in lines[0] and " == bob@ex.test " in lines[1]
    assert house.sendmail("-Mvl", "1AAAAA-000000-AA").returncode == 1


def test_the_queue_is_run_for_a_recipient_or_a_sender(house):
    ids = [park(house, sender, [recipient]) for sender, recipient in
           (("carol@ex.test", "bob@ex.test"), ("carol@ex.test", "alice@ex.test"), ("far@away.test", "bob@ex.test"))]
    frozen = park(house, "far@away.test", ["bob@ex.test"])
    do(house, "-Mf", frozen)
    open_again(house, "bob", "alice")
    assert do(house, "-v", "-qRALICE") == "1 messages are tried now\n"
    house.wait_log(f"{ids[1]} Completed")
    assert house.maildir("bob") == [] and len(house.maildir("alice")) == 1
    assert do(house, "-v", "-qSaway.test") == "1 messages are tried now\n"
    house.wait_log(f"{ids[2]} Completed")
    assert do(house, "-v", "-qffSaway.test") == "1 messages are tried now\n"
    house.wait_log(f"{frozen} Completed")
    assert {one["id"] for one in house.queue()} == {ids[0]}
    assert do(house, "-v", f"-qI{ids[0]}") == "1 messages are tried now\n"
    house.wait_log(f"{ids[0]} Completed")


def test_a_run_hurries_also_what_was_found_after_a_restart(house):
    id = park(house)
    assert house.stop() == 0
    house.start()
    wait_for(lambda: entry(house, id), what="the message")
    open_again(house, "bob")
    do(house, "-q")
    house.wait_mail(1)


def test_a_message_under_way_is_locked_and_a_run_comes_after(make_mansio, make_system, public_path):  # noqa: F811
    """A command that waits at a FIFO keeps the message; as root commands run as nobody, in a place where they may."""
    mansio = (make_system if IS_ROOT else make_mansio)(relay_from='[ "127.0.0.1" ]', extra=EXTRA)
    place = public_path / "open"
    place.mkdir()
    place.chmod(0o777)
    gate, tries, program = place / "gate", place / "tries", place / "slow"
    os.mkfifo(gate)
    program.write_text(f"#!/bin/sh\necho x >> {tries}\ncat {gate} > /dev/null\nexit 75\n")
    program.chmod(0o755)
    tries.write_text("")
    for path in (gate, tries):
        path.chmod(0o666)
    aliases = mansio.directory / "aliases"
    aliases.write_text(f"slow: |{program}\n")
    aliases.chmod(0o644)
    mansio.start()
    id = submit(mansio, "carol@ex.test", ["slow@ex.test"])
    wait_for(lambda: tries.read_text() == "x\n", what="the program")
    assert entry(mansio, id)["reason"] == "it is being delivered now"
    for verb in ("-Mf", "-Mrm", "-Mg", "-Mt"):
        assert do(mansio, verb, id, code=1) == f"Message {id} is locked: it is being delivered now\n"
    assert do(mansio, "-M", id) == f"Message {id} is being delivered now; what is left of it is tried again after that\n"
    gate.write_text("go")
    wait_for(lambda: tries.read_text() == "x\nx\n", what="a second attempt")
    gate.write_text("go")
    settled(mansio, id)
    assert do(mansio, "-Mrm", id) == f"Message {id} has been removed\n"


def test_the_count_and_the_listings(house):
    assert do(house, "-bpc") == "0\n"
    ids = [park(house, recipients=("bob@ex.test", "carol@ex.test")) for _ in range(3)]
    house.wait_mail(3, "carol")
    assert do(house, "-bpc") == "3\n"
    for word in ("-bp", "-bpr", "-bpa"):
        out = do(house, word)
        assert sorted(re.findall(r"^ *\d+[mhd] +\S+ (\S+) <", out, re.M)) == sorted(ids), out
        assert out.count("\n        D carol@ex.test\n") == 3
    assert do(house, "-bpu").count("carol@ex.test\n") == 0


def test_many_ids_at_once(house):
    shut(house, "bob")
    ids = [submit(house, "carol@ex.test", ["bob@ex.test"]) for _ in range(20)]
    for id in ids:
        settled(house, id)
    unknown = [f"1AAAAA-{n:06d}-AA" for n in range(1500)]
    out = do(house, "-Mrm", *unknown, *ids, code=1).splitlines()
    assert len(out) == 1520 and out[-20:] == [f"Message {id} has been removed" for id in ids]
    assert house.queue() == []


def test_addresses_are_shown_and_verified(house):
    done = house.sendmail("-bv", "team@ex.test", "bob@ex.test")
    assert (done.returncode, done.stdout) == (0, b"team@ex.test verified\nbob@ex.test verified\n")
    done = house.sendmail("-bv", "bob@ex.test", "gone@ex.test")
    assert done.returncode == 2 and b"gone@ex.test failed to verify: 550 5.1.1 " in done.stdout
    assert house.sendmail("-bt", "gone@ex.test").returncode == 2
    assert house.sendmail("-bv", "no such").returncode == 2
    done = house.sendmail("-bt", "x@[192.0.2.9]", "team@ex.test")
    assert done.returncode == 0
    out = done.stdout.decode()
    assert "x@[192.0.2.9] -> x@[192.0.2.9] R=everywhere T=internet\n  host 192.0.2.9 [192.0.2.9]:25" in out
    assert re.search(r"^team@ex.test -> alice@ex.test R=local T=mailbox .*/mail/alice$", out, re.M)
    assert house.queue() == []


@needs_root
def test_others_see_their_own_messages_and_change_none(make_system, users, programs):  # noqa: F811
    dora, emil = users.make(), users.make()
    mansio = make_system(relay_from='[ "127.0.0.1" ]', extra=EXTRA)
    mansio.mail.chmod(0o777)
    (mansio.directory / "aliases").write_text("")
    shut(mansio, "bob")
    mansio.start()

    def run(user, *words, data=b""):
        command = [*as_user(user), str(programs / "sendmail"), "-C", str(mansio.config), *words]
        return subprocess.run(command, input=data, capture_output=True, timeout=60)

    assert run(dora, "bob@ex.test", data=b"Subject: mine\n\nsecret\n").returncode == 0
    [one] = wait_for(lambda: (all := mansio.queue()) and all[0]["attempts"] and all, what="the message")
    id = one["id"]
    assert run(dora, "-Mvb", id).stdout == b"secret\r\n" and b"Subject: mine" in run(dora, "-Mvc", id).stdout
    assert (run(dora, "-bpc").stdout, run(emil, "-bpc").stdout) == (b"1\n", b"0\n")
    for verb in ("-Mvb", "-Mvh", "-Mvc"):
        done = run(emil, verb, id)
        assert done.returncode == 1 and done.stdout == b"" and b"is not in the queue" in done.stderr
    for user in (dora, emil):
        for words in (["-M", id], ["-Mf", id], ["-Mrm", id], ["-Mg", id], ["-Mar", id, "x@y.test"], ["-Mes", id, "<>"], ["-Mmad", id],
                      ["-q"], ["-qff"], ["-qRbob"]):
            done = run(user, *words)
            assert done.returncode == 77 and b"not permitted: only root" in done.stderr and done.stdout == b"", words
    assert run(emil, "-Mvl", id).returncode == 77
    assert mansio.queue() == [dict(one, age_seconds=mansio.queue()[0]["age_seconds"])]


def test_requests_that_are_none_are_refused(house):
    id = park(house)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(house.directory / "run" / "control.sock"))
        file = client.makefile()
        for request in ({"command": "queue_act"}, {"command": "queue_act", "verb": "eat", "ids": [id]}, {"command": "queue_act", "verb": 7, "ids": id},
                        {"command": "queue_act", "verb": "set_sender", "ids": [id]}, {"command": "queue_act", "verb": "add_recipients", "ids": [id], "addresses": ["a"]},
                        {"command": "queue_show", "id": id}, {"command": "queue_show", "id": "../x", "part": "copy"}):
            client.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(file.readline())
            assert "error" in answer and answer["end"] is True, request
        for ids in ([], [None, 1, {}], "x"):
            client.sendall(json.dumps({"command": "queue_act", "verb": "remove", "ids": ids}).encode() + b"\n")
            assert json.loads(file.readline()) == {"end": True}
    assert entry(house, id)
