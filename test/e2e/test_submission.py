"""sendmail, mailq and the pickup directory with a real daemon: as root, and as users of the machine."""
import os
import re
import socket
import subprocess

import pytest

from harness import Mansio, wait_for
from system_users import AS_NOBODY, IS_ROOT, as_user, make_system, needs_root, programs, public_path, users  # noqa: F401


class House:
    """A daemon that everybody on the machine may submit to, and its programs."""

    def __init__(self, path, programs, **options):
        self.mansio = Mansio(path / "mansio", extra="trusted_users = [ ];", **options)
        self.mansio.directory.chmod(0o755)
        self.programs = programs

    def run(self, *words, data=b"", wrapper=(), program="sendmail", config=None):
        command = [*wrapper, str(self.programs / program), "-C", str(config or self.mansio.config), *words]
        return subprocess.run(command, input=data, capture_output=True, timeout=60)

    def one(self, *words, **more):
        """Sends one message and gives what arrived for bob."""
        before = len(self.mansio.maildir())
        done = self.run(*words, **more)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done
        return self.mansio.wait_mail(before + 1)[-1]


@pytest.fixture
def house(public_path, programs):
    made = House(public_path, programs)
    made.mansio.start()
    yield made
    made.mansio.kill()


def header(message):
    return message.split(b"\n\n", 1)[0] + b"\n"


# ---- composing

def test_what_is_missing_is_added_and_bcc_goes(house):
    message = house.one("-t", "-i", "-F", "Bob Beta", data=b"To: bob@ex.test\nBcc: alice@ex.test\nSubject: s\n\n.\nend\n")
    assert re.search(rb"^Date: \w{3}, ", message, re.M) and re.search(rb"^Message-ID: <\S+@\S+>$", message, re.M)
    assert re.search(rb"^From: .*Bob Beta", message, re.M)
    assert b"Bcc" not in message and b"alice" not in header(message)
    assert message.endswith(b"\n\n.\nend\n")
    house.mansio.wait_mail(1, "alice")


def test_what_is_there_stays(house):
    text = b"From: a@b.test\nTo: bob@ex.test\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <m@b.test>\n\nx\n"
    message = house.one("-t", data=text)
    assert message.endswith(b"\n" + text)
    assert message.count(b"Date:") == 1 and message.count(b"Message-ID:") == 1


def test_a_lone_dot_ends_the_message_unless_told_otherwise(house):
    assert house.one("bob", data=b"Subject: x\n\none\n.\ntwo\n").endswith(b"\n\none\n")
    assert house.one("-oi", "bob", data=b"Subject: x\n\none\n.\ntwo\n").endswith(b"\n\none\n.\ntwo\n")


@pytest.mark.parametrize("words", [["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "bob"], ["-t", "-i"], ["-i", "-f", "www@ex.test", "-t"], ["-oi", "-odi", "-oem", "-t"]])
def test_the_command_lines_of_cron_and_php_work(house, words):
    message = house.one(*words, data="To: bob@ex.test\r\nSubject: caf\u00e9\r\n\r\nk\u00e4se\r\n".encode())
    assert message.endswith("\n\nk\u00e4se\n".encode())


@pytest.mark.parametrize("words, data, code", [
    ([], b"hi\n", 64), (["-Z"], b"hi\n", 64), (["-t"], b"Subject: x\n\n", 64), (["bob"], b"a\0b\n", 65), (["-t"], b"To: a@b@c\n\n", 65),
    (["-oee", "nobody-here@ex.test"], b"hi\n", 67),
])
def test_exit_statuses(house, words, data, code):
    assert house.run(*words, data=data).returncode == code
    assert house.mansio.queue() == []


# ---- who sends

def test_a_trusted_caller_chooses_the_sender(house):
    message = house.one("-f", "boss@far.test", "bob", data=b"From: boss@far.test\nSubject: x\n\nx\n")
    assert message.startswith(b"Return-Path: <boss@far.test>\n") and b"\nSender:" not in message
    house.mansio.wait_log(r"<= boss@far.test U=\S+ P=local")


def test_the_null_sender_is_anybodys(house):
    for wrapper in ((), AS_NOBODY):
        message = house.one("-f", "<>", "bob", data=b"Subject: x\n\nx\n", wrapper=wrapper)
        assert message.startswith(b"Return-Path: <>\n")


@needs_root
def test_mail_of_an_ordinary_user_comes_from_that_user(house, users):
    dora = users.make()
    name = dora.pw_name.encode()
    message = house.one("-f", "boss@far.test", "bob", data=b"From: boss@far.test\nSubject: x\n\nx\n", wrapper=as_user(dora))
    assert message.startswith(b"Return-Path: <" + name + b"@ex.test>\n")
    assert b"\nSender: " + name + b"@ex.test\n" in header(message)
    house.mansio.wait_log(rf"<= {dora.pw_name}@ex.test U={dora.pw_name} P=local")
    own = house.one("bob", data=b"Subject: own\n\nx\n", wrapper=as_user(dora))
    assert b"\nSender:" not in own and b"From: " in own and name + b"@ex.test" in header(own)


@needs_root
def test_mailq_shows_users_their_own_messages_and_root_all(house, users):
    dora, emil = users.make(), users.make()
    for user in (dora, emil):
        assert house.run("far@away.test", data=b"Subject: x\n\nx\n", wrapper=as_user(user)).returncode == 0
    wait_for(lambda: len(house.mansio.queue()) == 2)
    for wrapper, there, away in ((as_user(dora), dora, emil), (as_user(emil), emil, dora)):
        out = house.run(program="mailq", wrapper=wrapper).stdout.decode()
        assert there.pw_name in out and away.pw_name not in out and out.count("far@away.test") == 1
        assert len(house.run("--json", program="mailq", wrapper=wrapper).stdout.splitlines()) == 1
    out = house.run(program="mailq").stdout.decode()
    assert re.search(rf"^ *0m +\d+ \S+ <{dora.pw_name}@ex.test>\n +far@away.test$", out, re.M), out
    assert out.count("far@away.test") == 2


def test_a_session_on_stdin_and_stdout(house):
    script = b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bob@ex.test>\r\nDATA\r\nSubject: bs\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    done = house.run("-bs", data=script)
    codes = re.findall(rb"^(\d{3}) ", done.stdout, re.M)
    assert done.returncode == 0 and codes[0] == b"220" and codes[-1] == b"221" and b"250 2.0.0 OK, queued as" in done.stdout, done.stdout
    [message] = house.mansio.wait_mail(1)
    header, body = message.split(b"\n\n", 1)
    assert body == b".dot\n" and re.search(rb"\nSubject: bs\nDate: .*\nMessage-ID: <\S+@mx\.ex\.test>\nFrom: a@b\.test$", header), header


# ---- without the daemon

def test_without_a_daemon_mail_waits_and_is_delivered_after_the_start(house):
    assert house.mansio.stop() == 0
    done = house.run("-f", "boss@far.test", "bob", data=b"From: boss@far.test\nSubject: later\n\nx\n", wrapper=AS_NOBODY)
    assert (done.returncode, done.stderr) == (0, b"")
    assert house.run(program="mailq").returncode == 75
    pickup = house.mansio.directory / "spool" / "pickup"
    assert len(list(pickup.iterdir())) == 1
    house.mansio.start()
    [message] = house.mansio.wait_mail(1)
    assert b"Subject: later" in message
    if IS_ROOT:
        assert message.startswith(b"Return-Path: <nobody@ex.test>\n") and b"\nSender: nobody@ex.test\n" in header(message)
        house.mansio.wait_log(r"<= nobody@ex.test U=nobody P=local")
    wait_for(lambda: list(pickup.iterdir()) == [])


def test_hostile_pickup_files_are_set_aside_once_and_the_others_delivered(house):
    """S-175, S-177, S-179"""
    assert house.mansio.stop() == 0
    pickup = house.mansio.directory / "spool" / "pickup"
    assert house.run("bob", data=b"Subject: good\n\nx\n").returncode == 0
    [good] = pickup.iterdir()
    whole = good.read_bytes()
    (pickup / "link").symlink_to("/etc/passwd")
    (pickup / "dangling").symlink_to("/no/such/file")
    os.mkfifo(pickup / "fifo")
    (pickup / "directory").mkdir()
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(pickup / "socket"))
    (pickup / "random").write_bytes(os.urandom(4096))
    (pickup / "empty").write_bytes(b"")
    (pickup / "tail").write_bytes(whole + b"garbage")
    (pickup / "short").write_bytes(whole[:-10])
    (pickup / "changed").write_bytes(whole.replace(b"good", b"evil"))
    (pickup / "version").write_bytes(whole.replace(b"mansio-pickup 1", b"mansio-pickup 9"))
    (pickup / "new\nline\x1b[31m").write_bytes(b"x")
    (pickup / "-rf").write_bytes(b"x")
    (pickup / ("n" * 255)).write_bytes(b"x")
    os.link(pickup / "random", house.mansio.directory / "other-name")
    hostile = len(list(pickup.iterdir())) - 1
    with open(pickup / "sparse", "wb") as sparse:
        sparse.truncate(10 << 30)
    hostile += 1
    house.mansio.start()
    [message] = house.mansio.wait_mail(1)
    assert b"Subject: good" in message
    wait_for(lambda: list(pickup.iterdir()) == [], what="an empty pickup directory")
    # The log is written by a thread of its own, after the files have gone.
    wait_for(lambda: house.mansio.log("paniclog").count("is no message") >= hostile, what="a line for each")
    panic = house.mansio.log("paniclog")
    assert panic.count("is no message") == hostile and panic.count("\n") == hostile, panic
    assert "\x1b" not in panic and "root:" not in panic
    assert len(list((house.mansio.directory / "spool" / "0" / "corrupt").iterdir())) == hostile
    assert len(house.mansio.maildir()) == 1


@needs_root
def test_what_a_user_puts_there_that_the_daemon_may_not_move_stops_nobody(make_system, users, programs):
    """A directory of another user's can't be moved: it stays, is told, and mail goes on."""
    dora, emil = users.make(), users.make()
    mansio = make_system(users='"system"', path="~/Maildir").start()
    mansio.stop()
    pickup = mansio.directory / "spool" / "pickup"
    subprocess.run([*as_user(dora), "mkdir", str(pickup / "0000"), str(pickup / "0000" / "inside")], check=True, timeout=20)
    command = [*as_user(dora), str(programs / "sendmail"), "-C", str(mansio.config), emil.pw_name]
    assert subprocess.run(command, input=b"Subject: good\n\nx\n", timeout=20).returncode == 0
    mansio.start()
    mansio.wait_log("Completed")
    assert mansio.log("paniclog").count("is no message") == 1 and "left where it is" in mansio.log("paniclog")
    mansio.wait_log(rf"<= {dora.pw_name}@ex.test U={dora.pw_name} P=local")


def test_75_when_neither_daemon_nor_pickup_directory_takes_it(house, public_path):
    config = public_path / "other.conf"
    config.write_text(house.mansio.config.read_text().replace('_directory = "', '_directory = "nowhere-'))
    done = house.run("bob", data=b"hi\n", config=config)
    assert done.returncode == 75 and b"not queued" in done.stderr
