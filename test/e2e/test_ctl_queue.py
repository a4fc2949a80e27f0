"""mansioctl queue: what waits is listed, shown, counted, and changed, one message or all that a filter means."""
import gzip
import json
import re
import shutil
import subprocess

import pytest

from harness import BUILD, wait_for
from outbound import deferred, delivered, internet, send  # noqa: F401
from sink import Sink
from system_users import as_user, make_system, needs_root, programs, public_path, users  # noqa: F401
from test_queue_verbs import CONTENT, EXTRA, WHO, crash, entry, open_again, park, settled, shut, submit

UNKNOWN = "1AAAAA-000000-AA"


@pytest.fixture
def house(make_mansio):
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=EXTRA)
    aliases = mansio.directory / "aliases"
    aliases.write_text("team: bob, alice\n")
    aliases.chmod(0o644)
    return mansio.start()


def queue(mansio, *words, code=0, **options):
    """The lines on standard output; `code` is what it must exit with."""
    done = mansio.ctl("queue", *words, **options)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout.splitlines() if code in (0, 1) else done.stderr


def ids_of(mansio, *words, code=0):
    lines = queue(mansio, "list", *words, "--json", code=code)
    return [one["id"] for line in lines if "id" in (one := json.loads(line))]


def test_what_waits_is_listed_and_filtered(house):
    assert house.ctl("queue", "list").stderr == "the queue is empty\n"
    first = park(house)
    second = park(house, "Far@Away.test", ["alice@ex.test"], CONTENT + b"line\r\n" * 50_000)
    third = park(house, "", ["bob@ex.test", "alice@ex.test"])
    queue(house, "freeze", third)
    lines = queue(house, "list")
    assert re.match(r"ID +AGE +SIZE +NEXT TRY +FROM -> TO$", lines[0])
    assert re.fullmatch(rf"{first} +\d+s +\d+ B  in (59m|1h) +carol@ex\.test -> bob@ex\.test", lines[1])
    assert re.match(r"  4\d\d ", lines[2])
    assert re.fullmatch(rf"{second} +\d+s +293 KiB  in (59m|1h) +Far@Away\.test -> alice@ex\.test", lines[3])
    assert re.fullmatch(rf"{third} +\d+s +\d+ B  frozen +<> -> bob@ex\.test \+1", lines[5])
    one = house.ctl_json("queue", "list", "--limit", 1)[0]
    assert (one["id"], one["state"], one["destination"], one["attempts"]) == (first, "waiting", "local", 1)
    for words, meant in [(["--sender", "carol@EX.test"], [first]), (["--sender", "*@away.*"], [second]), (["--sender", "<>"], [third]),
                         (["--recipient", "alice@*"], [second, third]), (["--recipient", "alice@*", "--sender", "far*"], [second]),
                         (["--sender", "carol@ex.test", "--sender", "<>"], [first, third]), (["--domain", "ex.test"], [first, second, third]),
                         (["--domain", "*.test", "--not-frozen"], [first, second]), (["--frozen"], [third]), (["--larger", "100K"], [second]),
                         (["--smaller", "100K"], [first, third]), (["--newer", "1h"], [first, second, third]), (["--tried"], [first, second, third]),
                         (["--destination", "local"], [first, second, third]), ([third, first], [third, first]), ([first[:-1] + "?"], [first]),
                         (["*"], [first, second, third]), (["--limit", "2"], [first, second])]:
        assert ids_of(house, *words) == meant, words
    for words in (["--older", "1h"], ["--untried"], ["--sender", "carol"], ["--domain", "ex"], ["--destination", "far.test"], [UNKNOWN], ["--transport", "*"]):
        assert ids_of(house, *words, code=1) == [], words
        assert "no message matches" in house.ctl("queue", "list", *words).stderr
    for words in (["list", "--older", "5"], ["list", "--larger", "x"], ["list", "--frozen", "--not-frozen"], ["freeze"], ["summary", "--by", "size"], [], ["show"]):
        queue(house, *words, code=64)
    assert "or --all" in queue(house, "freeze", code=64)


def test_a_message_is_shown_with_all_that_is_known(house):
    id = park(house, recipients=("bob@ex.test", "carol@ex.test"))
    house.wait_mail(1, "carol")
    page = "\n".join(queue(house, "show", id))
    assert page.startswith(f"Message {id}\n  from        carol@ex.test\n  received    ")
    assert " by ESMTP from " in page and "[127.0.0.1]:" in page and "(HELO client.test)" in page
    assert re.search(r"state +waiting, next try in (59m|1h) \(", page) and re.search(r"waits for +local\n +attempts +1\n +given up +in [34]d", page)
    assert re.search(r"    waiting   bob@ex\.test\n              451 4\.\d+\.\d+ .*\n              retry\[\d\]: .* \(.*\); .*\n    delivered carol@ex\.test\n              250 ", page)
    one = house.ctl_json("queue", "show", id)[0]
    assert [(r["address"], r["state"]) for r in one["recipients"]] == [("bob@ex.test", "waiting"), ("carol@ex.test", "delivered")]
    assert one["protocol"] == "ESMTP" and one["expires"] > one["received"]
    done = house.ctl("queue", "show", UNKNOWN)
    assert done.returncode == 1 and f"queue log {UNKNOWN}" in done.stderr
    queue(house, "show", id, UNKNOWN, code=1)


def test_header_and_body_come_as_they_are(house):
    id = park(house)
    command = [str(BUILD / "daemon" / "mansioctl"), "--config", str(house.config), "queue"]
    header = subprocess.run([*command, "headers", id], capture_output=True, timeout=60).stdout
    assert header.startswith(b"Received: ") and header.endswith(b"From: me@b.test\r\nSubject: waiting\r\nX-Mark: 1\r\n\r\n")
    assert subprocess.run([*command, "body", id], capture_output=True, timeout=60).stdout == b"the body\r\n.a dot\r\n"
    assert house.ctl_json("queue", "body", id) == [{"id": id, "body": "the body\r\n.a dot\r\n"}]
    assert queue(house, "body", UNKNOWN, code=1) == []


def test_the_log_of_a_message_is_read_also_where_it_was_rotated(house):
    id = park(house)
    log = house.directory / "log"
    with gzip.open(log / "mainlog.2.gz", "wt") as old:
        old.write(f"2026-11-01 08:00:00 {id} <= old@ex.test H=x [192.0.2.1] P=esmtp S=100\n2026-11-01 08:00:00 {UNKNOWN} <= other@ex.test P=local S=1\n")
    lines = queue(house, "log", id)
    assert len(lines) == 3 and " <= old@ex.test " in lines[0] and " <= carol@ex.test " in lines[1] and " == bob@ex.test " in lines[2]
    assert [one["line"] for one in house.ctl_json("queue", "log", UNKNOWN)] == [f"2026-11-01 08:00:00 {UNKNOWN} <= other@ex.test P=local S=1"]
    queue(house, "log", "1BBBBB-000000-AA", code=1)


def test_one_message_is_changed_without_a_question_and_several_after_one(house):
    ids = [park(house) for _ in range(3)]
    assert queue(house, "freeze", ids[0]) == [f"Message {ids[0]} is now frozen"]
    assert queue(house, "freeze", ids[0], code=1) == []
    # Nobody is there to answer.
    done = house.ctl("queue", "freeze", "--not-frozen")
    assert done.returncode == 1 and done.stdout == "" and "Freeze 2 messages?" in done.stderr and "--yes" in done.stderr and ids[1] in done.stderr
    assert ids_of(house, "--frozen") == ids[:1]
    assert queue(house, "freeze", "--not-frozen", "--yes") == ["2 messages are frozen"]
    assert ids_of(house, "--frozen") == ids
    assert queue(house, "freeze", "--all", "--yes", code=1) == ["0 messages are frozen; 3 not"]
    crash(house)
    assert ids_of(house, "--frozen") == ids
    open_again(house, "bob")
    assert [(one["id"], one["done"]) for one in house.ctl_json("queue", "thaw", "--sender", "carol@*", "--yes")] == [(id, True) for id in ids]
    house.wait_mail(3)
    house.wait_idle()
    log = house.log()
    assert all(f"{id} frozen by {WHO}\n" in log and f"{id} unfrozen by {WHO}\n" in log for id in ids)
    assert house.ctl("queue", "thaw", "--all", "--yes").returncode == 1


def test_what_is_frozen_or_gone_no_longer_counts_as_waiting(house):
    ids = [park(house) for _ in range(3)]

    def counted():
        [status] = house.ctl_json("status")
        return tuple(status["queue"][key] for key in ("messages", "waiting", "frozen"))

    assert counted() == (3, 3, 0)
    queue(house, "freeze", ids[0])
    wait_for(lambda: counted() == (3, 2, 1), what="a frozen message to count as such")
    queue(house, "remove", ids[1])
    queue(house, "bounce", ids[2])
    wait_for(lambda: counted() == (1, 0, 1), what="the others to be gone")


def test_messages_that_are_gone_are_named(house):
    id = park(house)
    done = house.ctl("queue", "remove", UNKNOWN)
    assert done.returncode == 1 and f"message {UNKNOWN} is not in the queue" in done.stderr
    done = house.ctl("queue", "remove", UNKNOWN, id, "--yes")
    assert done.returncode == 1 and f"message {UNKNOWN} is not in the queue" in done.stderr and done.stdout == f"Message {id} has been removed\n"
    assert house.queue() == []


def test_removed_messages_leave_no_report_and_bounced_ones_one_each(house):
    for _ in range(2):
        park(house)
    gone = [park(house, "away@far.test") for _ in range(2)]
    assert queue(house, "remove", "--sender", "away@*", "--yes") == ["2 messages are removed"]
    assert queue(house, "bounce", "--recipient", "bob@ex.test", "--yes") == ["2 messages are given up, and the senders are told"]
    reports = house.wait_mail(2, "carol")
    house.wait_idle()
    assert len(reports) == 2 and all(b"multipart/report" in r and b"delivery cancelled by administrator" in r for r in reports)
    log = house.log()
    assert all(re.search(rf"{id} removed by {WHO}\n", log) and f"R={id}" not in log for id in gone)


def test_a_retry_of_many_leaves_frozen_ones_alone_and_of_one_thaws_it(house):
    frozen, others = park(house), [park(house) for _ in range(2)]
    queue(house, "freeze", frozen)
    open_again(house, "bob")
    assert queue(house, "retry", "--recipient", "bob@*", "--yes") == ["2 messages are tried now"]
    house.wait_mail(2)
    for id in others:
        house.wait_log(f"{id} Completed")
    assert ids_of(house) == [frozen]
    assert queue(house, "retry", frozen) == [f"Message {frozen} is tried now"]
    house.wait_mail(3)
    house.wait_idle()


BACKUP = 'backup = { kind = "smtp"; hosts = [ "[127.0.0.5]:%d" ]; };'


@pytest.fixture
def detour(internet):  # noqa: F811
    """dead.test refuses connections; `internet.backup` takes mail by a transport of its own."""
    internet.backup = internet.sink("127.0.0.5")
    internet.names.site("dead.test", "127.0.0.9")
    internet.start(transports=BACKUP % internet.port)
    return internet


def test_a_rerouted_message_goes_by_the_other_transport_though_the_daemon_crashes(detour):
    mansio = detour.mansio
    id, other = send(mansio, "x@dead.test", "bob@ex.test"), send(mansio, "y@dead.test")
    deferred(mansio, id, "x@dead.test")
    wait_for(lambda: all(one["state"] == "closed" for one in mansio.ctl_json("queue", "list")), what="the destination to be closed")
    queue(mansio, "freeze", id, other, "--yes")
    assert queue(mansio, "reroute", "--to", "backup", id) == [f"Message {id} goes by backup from now on"]
    assert queue(mansio, "reroute", "--to", "backup", id, code=1) == []
    mansio.kill()
    mansio.start()
    wait_for(lambda: mansio.list_queue()[1], what="the whole spool")
    assert ids_of(mansio, "--transport", "backup") == [id] and ids_of(mansio, "--frozen") == [id, other]
    assert " by backup" in queue(mansio, "list", id)[1] and re.search(r"rerouted +by backup", "\n".join(queue(mansio, "show", id)))
    queue(mansio, "thaw", id)
    line = delivered(mansio, id, "x@dead.test")
    assert " T=backup " in line
    [message] = wait_for(detour.backup.taken, what="the message at the backup")
    assert [address for address, _ in message.recipients] == ["x@dead.test"]
    mansio.wait_log(f"{id} Completed")
    log = mansio.log()
    assert f"{id} rerouted to backup by {WHO}\n" in log and len(mansio.maildir("bob")) == 1
    assert ids_of(mansio) == [other] and "T=backup" not in "".join(re.findall(rf".*{other}.*", log))


def test_a_message_that_waits_for_a_closed_destination_is_rerouted_at_once_and_back(detour):
    mansio = detour.mansio
    ids = [send(mansio, f"u{n}@dead.test") for n in range(3)]
    wait_for(lambda: all(one["state"] == "closed" for one in mansio.ctl_json("queue", "list")), what="the destination to be closed")
    assert queue(mansio, "reroute", "--to", "backup", "--domain", "dead.test", "--yes") == ["3 messages are rerouted"]
    for id, n in zip(ids, range(3)):
        assert " T=backup " in delivered(mansio, id, f"u{n}@dead.test")
    mansio.wait_idle()
    id = send(mansio, "v@dead.test")
    wait_for(lambda: entry(mansio, id), what="the message")
    queue(mansio, "freeze", id)
    queue(mansio, "reroute", id, "--to", "backup")
    assert queue(mansio, "reroute", id, "--to", "default") == [f"Message {id} goes as the routes say from now on"]
    assert "transport" not in mansio.ctl_json("queue", "show", id)[0]
    assert f"{id} rerouted as the routes say by {WHO}\n" in mansio.log()


def test_only_transports_of_the_configuration_that_lead_to_other_hosts_can_be_named(detour):
    mansio = detour.mansio
    id = send(mansio, "x@dead.test")
    for name in ("nowhere", "mailbox", "[192.0.2.1]:25", "/etc/passwd"):
        done = mansio.ctl("queue", "reroute", id, "--to", name)
        assert done.returncode == 1 and "no transport" in done.stderr and "internet, backup" in done.stderr, done
    assert mansio.ctl("queue", "reroute", id).returncode == 64
    assert "transport" not in mansio.ctl_json("queue", "show", id)[0]


def test_mail_for_a_transport_that_is_gone_waits_and_says_so(detour):
    mansio = detour.mansio
    id = send(mansio, "x@dead.test")
    deferred(mansio, id, "x@dead.test")
    settled(mansio, id)
    queue(mansio, "freeze", id)
    queue(mansio, "reroute", id, "--to", "backup")
    mansio.stop()
    mansio.config.write_text(mansio.config.read_text().replace(BACKUP % detour.port, ""))
    mansio.start()
    wait_for(lambda: entry(mansio, id), what="the message")
    queue(mansio, "thaw", id)
    mansio.wait_log(rf'{id} == x@dead\.test .*no transport "backup"')
    assert "no transport \"backup\"" in wait_for(lambda: (one := mansio.ctl_json("queue", "show", id)[0])["attempts"] == 2 and one, what="the attempt")["recipients"][0]["status"]
    queue(mansio, "reroute", id, "--to", "default")
    assert detour.backup.taken() == []


def test_the_queue_is_counted_by_destination_and_age(detour):
    mansio = detour.mansio
    ids = [send(mansio, f"u{n}@dead.test") for n in range(3)]
    wait_for(lambda: all(one["state"] == "closed" for one in mansio.ctl_json("queue", "list")), what="the destination to be closed")
    queue(mansio, "freeze", ids[0])
    *rows, total = mansio.ctl_json("queue", "summary")
    assert [(r["messages"], r["closed"], r["frozen"]) for r in rows] == [(3, 2, 1)] and "dead.test" in rows[0]["name"]
    assert total["total"] and total["messages"] == 3 and total["ages"] == [3] + 9 * [0] and rows[0]["closed_until"] > 0
    page = queue(mansio, "summary")
    assert re.match(r"DESTINATION +ALL +SIZE +<5m +<10m +<20m +<40m +<80m +<160m +<320m +<640m +<1280m +1280m\+  STATE$", page[0]), page[0]
    assert re.match(r"total +3 +", page[1]) and "1 frozen, 2 closed (next probe in " in page[2]
    assert [r["name"] for r in mansio.ctl_json("queue", "summary", "--by", "sender-domain")[:-1]] == ["ex.test"]
    assert [r["name"] for r in mansio.ctl_json("queue", "summary", "--by", "recipient-domain", "--frozen")[:-1]] == ["dead.test"]
    assert ids_of(mansio, "--destination", "*dead.test*", "--not-frozen") == ids[1:]
    assert mansio.ctl("queue", "summary", "--domain", "other.test").returncode == 1


def test_without_a_daemon_it_says_so(make_mansio):
    mansio = make_mansio()
    for words in (["list"], ["show", UNKNOWN], ["freeze", UNKNOWN], ["summary"], ["body", UNKNOWN]):
        done = mansio.ctl("queue", *words)
        assert done.returncode == 69 and "the daemon doesn't run" in done.stderr


@needs_root
def test_an_ordinary_user_may_neither_look_nor_change(make_system, users, programs):  # noqa: F811
    mansio = make_system(relay_from='[ "127.0.0.1" ]', extra=EXTRA)
    mansio.mail.chmod(0o777)
    (mansio.directory / "aliases").write_text("")
    shut(mansio, "bob")
    mansio.start()
    id = submit(mansio, "carol@ex.test", ["bob@ex.test"])
    settled(mansio, id)
    shutil.copy2(BUILD / "daemon" / "mansioctl", programs / "mansioctl")
    dora = users.make()
    for words in (["list"], ["show", id], ["summary"], ["freeze", id], ["remove", "--all", "--yes"], ["reroute", id, "--to", "internet"]):
        done = subprocess.run([*as_user(dora), str(programs / "mansioctl"), "--config", str(mansio.config), "queue", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 77 and "not permitted" in done.stderr and id not in done.stdout, done
    done = subprocess.run([*as_user(dora), str(programs / "mansioctl"), "--config", str(mansio.config), "queue", "body", id], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "body" not in done.stdout
    assert not entry(mansio, id)["frozen"]
