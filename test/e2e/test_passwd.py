"""mansioctl passwd: on a terminal and from standard input, side by side, and as Dovecot reads what it wrote."""
import json
import os
import pty
import select
import shutil
import signal
import stat
import subprocess
import time

import pytest

from harness import BUILD, CONFIG, tool
from system_users import AS_NOBODY, public_path  # noqa: F401

MANSIOCTL = str(BUILD / "daemon" / "mansioctl")


def passwd(*arguments, password=None, **more):
    return subprocess.run([MANSIOCTL, "passwd", *map(str, arguments)], input=password, text=True, capture_output=True, timeout=60, **more)


class Terminal:
    """mansioctl passwd on a terminal of its own."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(MANSIOCTL, [MANSIOCTL, "passwd", *map(str, arguments)])
        self.seen = ""

    def wait(self, text, timeout=30):
        end = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < end, f"waited in vain for {text!r}: {self.seen!r}"
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 4096).decode()

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, timeout=30):
        end = time.monotonic() + timeout
        while True:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                os.kill(self.pid, signal.SIGKILL)
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                break
            if not data:
                break
            self.seen += data.decode()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def users(tmp_path):
    return tmp_path / "users"


def test_a_password_is_asked_for_twice_and_never_shown(users):
    terminal = Terminal("bob", "--file", users)
    terminal.wait("New password of bob: ")
    terminal.type("geheim 1\n")
    terminal.wait("Once more: ")
    terminal.type("geheim 1\n")
    assert terminal.end() == 0
    assert "geheim" not in terminal.seen
    assert users.read_text().startswith("bob:{SCRAM-SHA-256}16384,")
    assert terminal.seen.replace("\r", "").endswith(f"{users}: bob added\n")


def test_two_that_differ_and_an_interrupt_change_nothing(users):
    users.write_text("bob:{PLAIN}old\n")
    terminal = Terminal("bob", "--file", users)
    terminal.wait("New password of bob: ")
    terminal.type("one\n")
    terminal.wait("Once more: ")
    terminal.type("two\n")
    assert terminal.end() == 1
    assert "not the same" in terminal.seen
    terminal = Terminal("bob", "--file", users)
    terminal.wait("New password of bob: ")
    terminal.type("\x03\n")            # an interrupt just before the read begins is seen only when that ends
    assert terminal.end() in (1, -signal.SIGINT)
    assert users.read_text() == "bob:{PLAIN}old\n"


def test_without_a_terminal_it_says_what_to_do(users):
    done = passwd("bob", "--file", users, password="geheim\n", start_new_session=True)
    assert done.returncode == 64 and "--stdin" in done.stderr
    assert not users.exists()


def test_the_file_that_the_configuration_names_keeps_its_mode_owner_and_lines(tmp_path):
    users = tmp_path / "real" / "users"
    users.parent.mkdir()
    (tmp_path / "users").symlink_to(users)
    before = "# mine\r\nalice:{PLAIN}x:1:1:A:/h:/s:nologin a=b:c\n\nbob:!:7:8::/home/bob::\nlast:{PLAIN}y"
    users.write_bytes(before.encode())
    users.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(users, 54321, 54322)
    config = tmp_path / "mansio.conf"
    config.write_text(CONFIG % dict(users='"passwd-file:users"', kind="maildir", path="mail/{local}", relay_from="[ ]", run_as="",
                                    extra='auth = { users = "passwd-file:users"; };'))
    done = passwd("--config", config, "BOB@ex.test", "--stdin", "--json", "--scheme", "ssha256", password="geheim\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"user": "bob", "file": str(users), "change": "replaced", "scheme": "SSHA256"}
    entry = users.read_bytes().decode().split("\nbob:")[1].split(":")[0]
    assert entry.startswith("{SSHA256}")
    assert users.read_bytes().decode() == before.replace("bob:!", "bob:" + entry)
    assert (tmp_path / "users").is_symlink()
    state = users.stat()
    assert stat.S_IMODE(state.st_mode) == 0o604
    if os.geteuid() == 0:
        assert (state.st_uid, state.st_gid) == (54321, 54322)
    done = passwd("--config", config, "bob", "--delete")
    assert (done.returncode, done.stdout) == (0, f"{users}: bob removed\n")
    assert users.read_bytes().decode() == before.replace("bob:!:7:8::/home/bob::\n", "")
    done = passwd("--config", config, "bob", "--delete")
    assert done.returncode == 1 and 'no user "bob"' in done.stderr


def test_a_new_file_is_closed_to_others(users):
    assert passwd("bob", "--file", users, "--stdin", password="x\n").returncode == 0
    assert stat.S_IMODE(users.stat().st_mode) == 0o640
    assert list(users.parent.iterdir()) == [users]


def test_a_configuration_without_a_users_file_and_a_broken_one(tmp_path):
    config = tmp_path / "mansio.conf"
    config.write_text(CONFIG % dict(users='"system"', kind="maildir", path="mail/{local}", relay_from="[ ]", run_as="", extra=""))
    done = passwd("--config", config, "bob", "--stdin", password="x\n")
    assert done.returncode == 78 and "auth.users names no users file" in done.stderr
    done = passwd("--config", tmp_path / "none.conf", "bob", "--stdin", password="x\n")
    assert done.returncode == 78 and "none.conf" in done.stderr


@pytest.mark.parametrize("arguments, password, status", [
    ([], "", 64),
    (["bob", "hunter2"], "x\n", 64),
    (["bob", "--delete", "--stdin"], "x\n", 64),
    (["b:b", "--stdin"], "x\n", 64),
    (["bob", "--stdin", "--scheme", "ROT13"], "x\n", 64),
    (["bob", "--stdin"], "\n", 1),
    (["bob", "--stdin"], "", 1),
    (["bob", "--stdin"], "a\x01b\n", 1),
    (["bob", "--stdin"], "x" * 1025 + "\n", 1),
    (["bob", "--stdin", "--scheme", "BLF-CRYPT"], "x" * 73 + "\n", 1),
])
def test_what_is_refused(users, arguments, password, status):
    done = passwd("--file", users, *arguments, password=password)
    assert done.returncode == status, done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert not users.exists()


def test_a_file_in_a_place_that_may_not_be_written(public_path):
    """Root may write everywhere: it runs a copy as nobody."""
    program = shutil.copy2(MANSIOCTL, public_path)
    words = [*AS_NOBODY, program, "passwd", "bob", "--file", "/etc/mansio-users", "--stdin"]
    done = subprocess.run(words, input="x\n", text=True, capture_output=True, timeout=60, cwd="/")
    assert done.returncode == 77, done.stderr
    assert "/etc/mansio-users" in done.stderr and "ermission denied" in done.stderr
    assert not os.path.exists("/etc/mansio-users")


def test_one_line_and_no_more_is_the_password(users):
    assert passwd("bob", "--file", users, "--stdin", "--scheme", "CRYPT", password="geheim\r\nmore\n").returncode == 0
    doveadm = tool("doveadm")
    entry = users.read_text().split(":")[1]
    assert subprocess.run([doveadm, "pw", "-t", entry, "-p", "geheim"], capture_output=True, timeout=60).returncode == 0


def test_no_line_is_lost_when_many_write_at_once(users):
    users.write_text("".join(f"old{i}:{{PLAIN}}x\n" for i in range(50)))
    names = [f"user{i}" for i in range(12)]
    running = [subprocess.Popen([MANSIOCTL, "passwd", name, "--file", str(users), "--stdin", "--scheme", "SSHA256"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for name in names]
    for process in running:
        process.stdin.write(b"geheim\n")
        process.stdin.close()
    assert [process.wait(60) for process in running] == [0] * len(names)
    found = [line.split(":")[0] for line in users.read_text().splitlines()]
    assert found[:50] == [f"old{i}" for i in range(50)]
    assert sorted(found[50:]) == sorted(names)
    assert list(users.parent.iterdir()) == [users]


@pytest.mark.parametrize("scheme", ["SCRAM-SHA-256", "SHA512-CRYPT", "BLF-CRYPT", "CRYPT", "SSHA256", "SSHA512"])
def test_dovecot_takes_what_was_written(users, scheme):
    doveadm = tool("doveadm")
    password = "ge heim: \"$ä\""
    assert passwd("bob@ex.test", "--file", users, "--stdin", "--scheme", scheme, password=password + "\n").returncode == 0
    entry = users.read_text().split(":")[1]
    assert entry.startswith("{" + scheme + "}")
    for given, right in [(password, True), (password + "x", False)]:
        done = subprocess.run([doveadm, "pw", "-t", entry, "-p", given], capture_output=True, text=True, timeout=60)
        assert (done.returncode == 0) == right, done.stdout + done.stderr
