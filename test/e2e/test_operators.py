"""Who may ask the daemon: control.admins and control.readers, users and groups, with real other users."""
import json
import re
import secrets
import shutil
import socket
import subprocess

import pytest

from harness import BUILD, wait_for
from system_users import as_user, make_system, needs_root, programs, public_path, users  # noqa: F401  (fixtures)

pytestmark = needs_root
# Every command and what it needs; the words are complete requests, so that nothing but the right to ask can refuse them.
READ = ({"command": "queue_select", "filter": {}}, {"command": "queue_summary", "by": "destination"}, {"command": "status"}, {"command": "sessions"},
        {"command": "pause"}, {"command": "why", "address": "bob@ex.test"}, {"command": "metrics"})
CHANGE = ({"command": "queue_run", "recipient": "nobody"}, {"command": "queue_act", "verb": "freeze", "ids": []}, {"command": "session_kill", "id": "i999999"},
          {"command": "pause", "what": "destination", "name": "x.test"}, {"command": "resume", "what": "destination", "name": "x.test"},
          {"command": "reload_aliases"}, {"command": "reload"})
OWN = ({"command": "queue_list"}, {"command": "queue_count"}, {"command": "route", "address": "bob@ex.test"})


@pytest.fixture
def group():
    name = "mt" + secrets.token_hex(4)
    subprocess.run(["/usr/sbin/groupadd", name], check=True, capture_output=True, timeout=60)
    yield name
    subprocess.run(["/usr/sbin/groupdel", "-f", name], capture_output=True, timeout=60)


class Office:
    """A daemon with an admin, a member of a group of admins, a reader, and somebody else."""

    def __init__(self, make_system, users, programs, group):  # noqa: F811
        self.boss, self.clerk, self.nobody = users.make(), users.make(), users.make()
        self.deputy = users.make(groups=[group])
        self.settings = (f'control = {{ admins = [ "{self.boss.pw_name}", "@{group}" ]; readers = [ "{self.clerk.pw_name}" ]; }};')
        self.mansio = make_system(relay_from='[ "127.0.0.1" ]', extra=self.settings)
        self.mansio.mail.chmod(0o777)
        self.mansio.start()
        self.socket = str(self.mansio.directory / "run" / "control.sock")
        self.program = programs / "mansioctl"
        shutil.copy2(BUILD / "daemon" / "mansioctl", self.program)

    def ctl(self, user, *words):
        return subprocess.run([*as_user(user), str(self.program), "--config", str(self.mansio.config), *words], capture_output=True, text=True, timeout=60)

    def ask(self, user, *requests):
        """The last object of each answer, over one connection that `user` made."""
        code = ("import socket, sys\ns = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1]); f = s.makefile('rw')\n"
                "for line in sys.stdin:\n  f.write(line); f.flush()\n  while True:\n    got = f.readline()\n    if not got: sys.exit(3)\n"
                "    if '\"end\":true' in got: print(got, end=''); break\n")
        done = subprocess.run([*as_user(user), "/usr/bin/python3", "-c", code, self.socket], input="".join(json.dumps(one) + "\n" for one in requests),
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def office(make_system, users, programs, group):  # noqa: F811
    return Office(make_system, users, programs, group)


def test_each_command_asks_for_its_right(office):
    for user, may in ((office.boss, READ + CHANGE + OWN), (office.deputy, READ + CHANGE + OWN), (office.clerk, READ + OWN), (office.nobody, OWN)):
        asked = OWN + READ + CHANGE
        answers = office.ask(user, *asked)
        assert len(answers) == len(asked)
        for request, answer in zip(asked, answers):
            assert answer.get("denied", False) == (request not in may), (user.pw_name, request, answer)
            if request not in may:
                said = r"not permitted: only root, the daemon's group and those of control\.admins( or control\.readers)? may do this: ask an administrator"
                assert re.fullmatch(said, answer["error"]), answer
                assert ("control.readers" in answer["error"]) == (user is office.nobody and request["command"] in {one["command"] for one in READ})


def test_readers_see_all_and_change_nothing(office):
    assert subprocess.run([*as_user(office.nobody), str(office.program.with_name("sendmail")),
                           "-C", str(office.mansio.config), "x@far.test"], input=b"Subject: hers\n\nsecret\n", timeout=60).returncode == 0
    id = wait_for(lambda: (all := office.mansio.queue()) and all[0]["attempts"] and all, what="the message")[0]["id"]
    for user in (office.boss, office.clerk):
        assert id in office.ctl(user, "queue", "list").stdout
        assert "secret" in office.ctl(user, "queue", "body", id).stdout
        assert office.ctl(user, "status").returncode == 0
    for words in (["queue", "freeze", id], ["queue", "remove", id, "--yes"], ["pause", "outbound"], ["reload"]):
        done = office.ctl(office.clerk, *words)
        assert done.returncode == 77 and "ask an administrator" in done.stderr and "control.admins" in done.stderr, done
    assert office.ctl(office.clerk, "pause").returncode in (0, 1, 64)        # what is paused he may see
    assert office.ctl(office.nobody, "queue", "freeze", id).returncode == 77
    assert office.ctl(office.deputy, "queue", "freeze", id).returncode == 0
    office.mansio.wait_log(rf"{id} .*{office.deputy.pw_name}")
    assert office.ctl(office.boss, "queue", "remove", id, "--yes").returncode == 0
    office.mansio.wait_idle()


def test_operators_change_with_a_reload(office):
    assert office.ctl(office.boss, "status").returncode == 0
    text = office.mansio.config.read_text()
    office.mansio.config.write_text(text.replace(office.settings, f'control = {{ admins = [ "{office.clerk.pw_name}" ]; }};'))
    assert office.ctl(office.boss, "reload").returncode == 0
    assert office.ctl(office.boss, "status").returncode == 77
    assert office.ctl(office.deputy, "status").returncode == 77
    assert office.ctl(office.clerk, "reload").returncode == 0


def test_names_that_nobody_has_are_told_by_the_check(office):
    text = office.mansio.config.read_text()
    office.mansio.config.write_text(text.replace(office.settings, 'control = { admins = [ "nobody-of-that-name", "@no-such-group" ]; readers = [ "root" ]; };'))
    said = office.mansio.ctl("check").stdout
    assert 'there is no user "nobody-of-that-name"' in said and 'there is no group "no-such-group"' in said and "control.readers" not in said, said
    for wrong in ("a b", "@", "x:y"):
        office.mansio.config.write_text(text.replace(office.settings, 'control = { readers = [ "%s" ]; };' % wrong))
        done = office.mansio.ctl("check")
        assert done.returncode == 78 and "control.readers[0]" in done.stderr, done


# Takes as many seats as there are for one user, says how many stayed, and keeps them until its input ends.
CROWD = """
import select, socket, sys, time
seats = []
for _ in range(200):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); seats.append(s)
time.sleep(0.5)
gone = sum(bool(select.select([s], [], [], 0)[0]) for s in seats)
print(len(seats) - gone, flush=True)
sys.stdin.read()
"""


def test_a_crowd_of_others_shuts_no_operator_out(office, users):  # noqa: F811
    crowd = []
    try:
        for user in (office.nobody, users.make(), users.make()):
            crowd.append(subprocess.Popen([*as_user(user), "/usr/bin/python3", "-c", CROWD, office.socket], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, text=True))
            crowd[-1].stayed = int(crowd[-1].stdout.readline())
        assert [each.stayed for each in crowd] == [50, 50, 0]
        for user in (office.boss, office.deputy, office.clerk):
            assert office.ctl(user, "status").returncode == 0
        assert office.mansio.ctl("status").returncode == 0
        with socket.socket(socket.AF_UNIX) as mine:
            mine.settimeout(20)
            mine.connect(office.socket)
            mine.sendall(b'{"command":"queue_count"}\n')
            assert b'"count"' in mine.recv(4096)
    finally:
        for each in crowd:
            each.stdin.close()
            each.wait(20)
