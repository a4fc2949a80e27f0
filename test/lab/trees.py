"""Unpacks Debian packages that conflict with each other side by side, each with all that it depends on, in a tree of
its own. Nothing is installed: apt resolves as if the machine were empty, dpkg-deb unpacks, and no maintainer script
runs, so the tree is the same whatever the machine has. A tree is made once and kept, named by the versions in it. Runs
that meet take turns at making one; a tree is deleted only when no run uses it and none has for a month.
"""
import concurrent.futures
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

SHELL = ["dash", "coreutils", "sed", "grep", "findutils"]      # what start scripts expect of any Debian
PACKAGES = {
    "postfix": ["postfix", "libsasl2-modules", "libsasl2-modules-db", "sasl2-bin", *SHELL],
    "exim": ["exim4-daemon-light", *SHELL],
    "opensmtpd": ["opensmtpd", *SHELL],
    "dns": ["nsd", "unbound"],
    "dovecot": ["dovecot-core", *SHELL],
    "testssl": ["testssl.sh", "bash", "mawk", "hostname", *SHELL],
}
ALWAYS = ("postfix", "exim", "opensmtpd", "dns", "dovecot")
LAYOUT = "2"                      # another number makes all trees anew
LEFT_OUT = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/lib/systemd"]
# What only maintainer scripts use, or a part of a program that the lab does not start.
NOT_NEEDED = ("perl", "libperl", "libpython3.11-stdlib", "libpython3.11-minimal", "cron", "e2fsprogs", "dpkg", "debconf",
              "usrmerge")
A_MONTH = 30 * 24 * 3600


class NoTrees(Exception):
    """The packages can't be had; the text says why."""


def cache_directory():
    base = os.environ.get("XDG_CACHE_HOME")
    return pathlib.Path(base) / "mansio-lab" if base else pathlib.Path("/var/cache/mansio-lab")


class Trees:
    """The trees of one run. `get(name)` makes what is missing; `close()` lets others delete them."""

    def __init__(self, directory=None):
        self.directory = directory or cache_directory()
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "no-packages").touch()
        self.held = []

    def get_all(self, names=tuple(PACKAGES)):
        """{name: path}. Waits for another run that makes trees, but not for ever."""
        with self.turn():
            wanted = {name: self.versions(name) for name in names}
            missing = [name for name in names if not self.path(name, wanted[name]).is_dir()]
            self.make({name: wanted[name] for name in missing})
            found = {name: self.path(name, wanted[name]) for name in names}
            for path in found.values():
                self.hold(path)
            self.forget_old()
        return found

    def close(self):
        for each in self.held:
            each.close()

    # ---- between runs

    def turn(self, seconds=240):
        lock = open(self.directory / "lock", "w")
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                if time.monotonic() > end:
                    raise NoTrees(f"another run has held {lock.name} for {seconds} s") from None
                time.sleep(0.2)

    def hold(self, path):
        """As long as the run lasts, and a little longer if it ends badly: nobody else deletes this tree."""
        file = open(path / "used", "w")
        fcntl.flock(file, fcntl.LOCK_SH)
        self.held.append(file)

    def forget_old(self):
        for used in self.directory.glob("*-*/used"):
            with open(used) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                if used.stat().st_mtime < time.time() - A_MONTH:
                    shutil.rmtree(used.parent)

    # ---- making one

    def path(self, name, versions):
        text = "\n".join([LAYOUT, *versions])
        return self.directory / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def apt(self, *arguments, **options):
        command = ["apt-get", "-q", "-y", "--no-install-recommends",
                   "-o", f"Dir::State::status={self.directory}/no-packages", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, LC_ALL="C"), **options)

    def versions(self, name):
        """What apt would install, as sorted "package version"; remembered until its lists change."""
        memory = self.directory / f"{name}.versions"
        try:
            question, answer = json.loads(memory.read_text())
        except (OSError, ValueError):
            question, answer = None, None
        if question != self.question(name):
            answer = self.ask_apt(name)
            memory.write_text(json.dumps([self.question(name), answer]))
        return answer

    def question(self, name):
        lists = pathlib.Path("/var/lib/apt/lists").glob("*_Packages*")
        return [PACKAGES[name], sorted([each.name, each.stat().st_mtime] for each in lists)]

    def ask_apt(self, name):
        for attempt in ("with the lists there are", "with new lists"):
            if attempt == "with new lists":
                subprocess.run(["apt-get", "-qq", "update"], timeout=200, capture_output=True)
            result = self.apt("--simulate", "install", *PACKAGES[name])
            found = sorted(re.findall(r"^Inst (\S+) \((\S+)", result.stdout, re.M))
            if result.returncode == 0 and found:
                return [" ".join(each) for each in found]
        raise NoTrees(f"apt-get does not know how to install {name}: {result.stderr.strip()[-300:]}")

    def make(self, wanted):
        """Makes the trees {name: versions}; each is there whole or not at all."""
        if not wanted:
            return
        packages = sorted(set(sum(wanted.values(), [])))
        with tempfile.TemporaryDirectory(prefix=".archives-", dir=self.directory) as archives:
            result = self.apt("download", *(each.replace(" ", "=") for each in packages), cwd=archives)
            if result.returncode:
                raise NoTrees(f"apt-get could not download the packages: {result.stderr.strip()[-300:]}")
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda name: self.unpack(pathlib.Path(archives), name, wanted[name]), wanted))

    def unpack(self, archives, name, versions):
        whole = self.path(name, versions)
        part = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.directory))
        try:
            for folder in ("bin", "sbin", "lib", "lib64"):          # Debian 12 keeps these in /usr
                (part / "usr" / folder).mkdir(parents=True)
                (part / folder).symlink_to(f"usr/{folder}")
            part.chmod(0o755)
            for each in versions:
                self.unpack_one(archives, part, *each.split())
            (part / "used").touch()
            part.rename(whole)
        except BaseException:
            shutil.rmtree(part)
            raise

    def unpack_one(self, archives, root, package, version):
        if package.startswith(NOT_NEEDED):
            return
        [archive] = archives.glob(f"{package.split(':')[0]}_{version.replace(':', '%3a')}_*.deb")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as unpacker:
            left_out = [f"--exclude=./{each}" for each in LEFT_OUT]
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", str(root), *left_out],
                           stdin=unpacker.stdout, check=True)
        if unpacker.returncode:
            raise NoTrees(f"{package} {version} is damaged")


if __name__ == "__main__":        # by hand: makes the trees and says where they are
    for name, path in Trees().get_all().items():
        print(name, path)
