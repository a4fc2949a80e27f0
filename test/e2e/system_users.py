"""Real users of the machine for tests that run as root: random names, homes below /tmp, gone when the test is over."""
import fcntl
import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import tempfile

import pytest

from harness import MANSIOD, SENDMAIL, Mansio

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="makes users and becomes them, so it needs root")
NOBODY = 65534
# Runs a program as an ordinary user: as nobody when the tests run as root.
AS_NOBODY = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if IS_ROOT else []


class Users:
    """Makes users; `base` is a directory that everybody may pass through, unlike pytest's own."""

    def __init__(self, base):
        self.base = pathlib.Path(base)
        self.made = []

    def make(self, home=True, groups=(), name=None):
        name = name or "mt" + secrets.token_hex(4)
        path = self.base / "home" / name
        command = ["/usr/sbin/useradd", "--badname", "-M", "-d", str(path), "-s", "/bin/sh"]
        if groups:
            command += ["-G", ",".join(groups)]
        # useradd gives up when another one is at work.
        with open("/tmp/mansio-e2e-useradd.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            subprocess.run([*command, name], check=True, capture_output=True, timeout=60)
        self.made.append(name)
        entry = pwd.getpwnam(name)
        path.parent.mkdir(exist_ok=True)
        if home:
            path.mkdir(mode=0o700)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        return entry

    def write(self, user, name, text, mode=0o644):
        """A file in the user's home, owned by the user."""
        path = pathlib.Path(user.pw_dir) / name
        path.write_text(text)
        path.chmod(mode)
        os.chown(path, user.pw_uid, user.pw_gid)
        return path

    def remove(self):
        for name in self.made:
            with open("/tmp/mansio-e2e-useradd.lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                subprocess.run(["/usr/sbin/userdel", "-f", name], capture_output=True, timeout=60)


@pytest.fixture
def public_path():
    """A directory like tmp_path that other users may pass through."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mansio-e2e-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def users(public_path):
    made = Users(public_path)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def programs():
    """The directory with copies of the programs that every user may run, wherever the build lies."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mansio-e2e-bin-"))
    path.chmod(0o755)
    for program in (MANSIOD, SENDMAIL):
        shutil.copy2(program, path / program.name)
    for name in ("mailq", "newaliases"):
        (path / name).symlink_to("sendmail")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_system(public_path, users):
    """Makes daemons that were started by root and run as a user made for the test (`run_as`)."""
    made = []

    def make(name="mansio", **options):
        service = users.make(home=False)
        made.append(Mansio(public_path / name, run_as=service.pw_name, **options))
        made[-1].service = service
        made[-1].directory.chmod(0o755)
        return made[-1]

    yield make
    for each in made:
        each.kill()


def as_user(user):
    """A command line's beginning that becomes `user` with that user's groups."""
    return ["/usr/bin/setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]


def status_of(text):
    """The fields of /proc/PID/status."""
    return {line.split(":", 1)[0]: line.split(":", 1)[1].split() for line in text.splitlines() if ":" in line}
