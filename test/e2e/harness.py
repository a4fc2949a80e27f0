"""Runs real mansiod instances on loopback for the end-to-end tests: own directories, free ports, bounded waits.
Every process a test starts is ended by its pid, whatever the test does."""
import base64
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MANSIO_BUILD", "build"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
MANSIOD = BUILD / "daemon" / "mansiod"
SENDMAIL = BUILD / "daemon" / "sendmail"

# Nobody listens there: other hosts' names can't be found out, at once, so mail for them waits, and no test asks the machine's
# own resolver or sends anything off this machine.
NO_NAMES = 'dns = { servers = [ "127.0.0.1:9" ]; timeout = "300ms"; attempts = 1; };'

CONFIG = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "%(run_as)s";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; role = "relay"; } );
domains = { local = [ "ex.test" ]; };
relay_from = %(relay_from)s;
""" + NO_NAMES + """
transports = { mailbox = { kind = "%(kind)s"; path = "%(path)s"; }; internet = { kind = "smtp"; }; };
routes = (
  { name = "local"; domains = [ "@local" ]; users = %(users)s; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
%(extra)s
"""


def tool(name):
    """Path of a program from outside. Missing, it skips the test, but in CI, which installs them all, fails it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/usr/lib/git-core")
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return found


def wait_for(condition, timeout=20, what="condition"):
    """Polls until `condition()` is true and gives what it returned."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.02)


def processes_of(config):
    """Processes of which a thread has the spool's lock open; that of a killed one may be in the middle of a sync."""
    lock, found = str(config.parent / "spool" / "0" / "lock"), set()
    for file in glob.iglob("/proc/[0-9]*/task/*/fd/*"):
        try:
            if os.readlink(file) == lock:
                found.add(int(file.split("/")[2]))
        except OSError:
            continue
    return sorted(found)


def memory_of(pid, field="VmRSS"):
    """Octets of a process, by a field of /proc/PID/status; None when it is gone, or has given its memory back and is about to."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found[1]) * 1024 if found else None


class Mansio:
    """One daemon in a directory of its own. Default: bob, alice, carol@ex.test with Maildirs under mail/."""

    def __init__(self, directory, *, users='[ "bob", "alice", "carol" ]', kind="maildir", path="mail/{local}",
                 relay_from='[ "192.0.2.0/24" ]', run_as="", extra="", config=None, wrapper=(), env=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True, parents=True)
        self.mail = self.directory / "mail"
        self.mail.mkdir(exist_ok=True)
        self.config = self.directory / "mansio.conf"
        text = config or CONFIG % dict(users=users, kind=kind, path=path, relay_from=relay_from, run_as=run_as, extra=extra)
        self.config.write_text(text)
        self.wrapper = list(wrapper)
        self.env = dict(os.environ, **(env or {}))
        self.program = MANSIOD
        self.own_group = False          # True: a Ctrl-C on the terminal is not for the daemon, only for who started it
        self.process = None
        self.ports = []
        self.output = ""

    def ctl(self, *words, input=None, timeout=60, env=None):
        """mansioctl for this daemon; gives the CompletedProcess with text."""
        return subprocess.run([str(BUILD / "daemon" / "mansioctl"), *map(str, words), "--config", str(self.config)], input=input,
                              capture_output=True, text=True, timeout=timeout, env=dict(self.env, **(env or {})))

    def ctl_json(self, *words, **options):
        """The objects that mansioctl --json prints; it must succeed."""
        out = self.ctl(*words, "--json", **options)
        assert out.returncode == 0, (out.returncode, out.stdout, out.stderr)
        return [json.loads(line) for line in out.stdout.splitlines()]

    # ---- the process

    def start(self, timeout=30):
        self.stderr = open(self.directory / "stderr", "ab")
        self.process = subprocess.Popen(
            [*self.wrapper, str(self.program), "--config", str(self.config), "--foreground"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr, text=True, env=self.env,
            process_group=0 if self.own_group else None)
        line = ""
        reader = threading.Thread(target=lambda: setattr(self, "ready_line", self.process.stdout.readline()), daemon=True)
        self.ready_line = ""
        reader.start()
        reader.join(timeout)
        line = self.ready_line
        if not line.startswith("ready"):
            self.kill()
            raise AssertionError("mansiod did not start: " + self.errors()[-2000:])
        self.ports = [int(p) for p in re.findall(r":(\d+)", line)]
        return self

    @property
    def port(self):
        return self.ports[0]

    def errors(self):
        return (self.directory / "stderr").read_text(errors="replace")

    def children(self):
        """{title: pid} of the daemon's processes."""
        out = {}
        parent = self.parent_pid()
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == parent:
                    title = (entry / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace").strip(" .")
                    out[title] = int(entry.name)
            except (OSError, ValueError, IndexError):
                pass
        return out

    def parent_pid(self):
        """The daemon itself when it runs under a wrapper such as strace."""
        if not self.wrapper:
            return self.process.pid
        return int((self.directory / "run" / "mansiod.pid").read_text())

    def mail_pid(self):
        return next(pid for title, pid in self.children().items() if "mail 0" in title)

    def signal(self, number):
        os.kill(self.parent_pid(), number)

    def stop(self, timeout=40):
        """TERM, then waits; the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            try:
                self.signal(signal.SIGTERM)
            except (OSError, ValueError):
                self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("mansiod did not stop on TERM")
        self.process.stdout.close()
        self.process = None
        return status

    def kill(self):
        """kill -9 of every process of the daemon at once, as a crash would."""
        if self.process is None:
            return
        try:
            pids = [self.parent_pid(), *self.children().values()]
        except (OSError, ValueError):
            pids = []
        for pid in [*pids, self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.process.wait(20)
        self.process.stdout.close()
        self.process = None
        # The children were re-parented: wait until they are gone, so that the spool's lock is free.
        for pid in pids:
            wait_for(lambda: not alive(pid), what=f"the end of {pid}")

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *_):
        self.kill()

    # ---- what it did

    def log(self, name="mainlog"):
        try:
            return (self.directory / "log" / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, name="mainlog", timeout=20):
        return wait_for(lambda: re.search(pattern, self.log(name), re.M), timeout, f"{pattern!r} in {name}:\n{self.log(name)[-3000:]}")

    def maildir(self, user="bob"):
        """The messages in a user's Maildir as bytes, oldest first (CRLF was stored as LF)."""
        found = []
        for sub in ("new", "cur"):
            folder = self.mail / user / sub
            if folder.is_dir():
                found += [p for p in folder.iterdir()]
        return [p.read_bytes() for p in sorted(found, key=lambda p: p.stat().st_mtime_ns)]

    def wait_mail(self, count=1, user="bob", timeout=20):
        return wait_for(lambda: len(self.maildir(user)) >= count and self.maildir(user), timeout, f"{count} messages for {user}; log:\n{self.log()[-2000:]}")

    def list_queue(self):
        """What mailq --json lists, as dictionaries, and whether that is all: not while the spool is still being read."""
        out = subprocess.run([str(SENDMAIL), "-C", str(self.config), "-bp", "--json"], capture_output=True, text=True, timeout=60)
        assert out.returncode == 0, out.stderr
        entries = [json.loads(line) for line in out.stdout.splitlines()]
        return [entry for entry in entries if "id" in entry], "complete" not in out.stderr

    def queue(self):
        """What mailq --json lists, as dictionaries; a part of it while the spool is still being read."""
        return self.list_queue()[0]

    def wait_idle(self, timeout=60):
        """Until nothing is queued, not even deferred; a list that isn't complete tells nothing."""
        return wait_for(lambda: self.list_queue() == ([], True), timeout, "an empty queue")

    def sendmail(self, *args, input=b"", **kwargs):
        return subprocess.run([str(SENDMAIL), "-C", str(self.config), *args], input=input, capture_output=True, timeout=60, **kwargs)

    def connect(self, **kwargs):
        return Raw(self.port, **kwargs)


def alive(pid):
    """False once it holds nothing any more. The first thread of a killed process is a zombie while another one, in the middle of a
    sync, still has the files and their locks."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (OSError, IndexError):
        return False


class Raw:
    """A raw SMTP connection: no client library that would mend line ends."""

    def __init__(self, port, source=None, timeout=20, greeting=True, path=None):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(path))
        else:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0) if source else None)
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greeting else None

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """(code, [lines]) of the next reply; (0, []) at the end of the connection."""
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return 0, lines
            lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            assert re.match(r"^\d{3}[ -]", lines[-1]) or re.match(r"^\d{3}$", lines[-1]), lines
            if lines[-1][3:4] != "-":
                return int(lines[-1][:3]), lines

    def command(self, line):
        self.send(line.encode() + b"\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.reply()

    def transaction(self, sender, recipients, content, ehlo="client.test", mail_parameters=""):
        """EHLO, MAIL, RCPTs, DATA with dot-stuffing; the final reply. `content` has CRLF line ends."""
        if ehlo:
            assert self.command(f"EHLO {ehlo}")[0] == 250
        code, lines = self.command(f"MAIL FROM:<{sender}>{mail_parameters}")
        if code != 250:
            return code, lines
        for recipient in recipients:
            code, lines = self.command(f"RCPT TO:<{recipient}>")
            if code != 250:
                return code, lines
        code, lines = self.command("DATA")
        if code != 354:
            return code, lines
        stuffed = re.sub(rb"(^|(?<=\r\n))\.", b"..", content)
        if not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        self.send(stuffed + b".\r\n")
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def body_of(message):
    """What was sent, from what was stored: our trace fields at the top removed, LF back to CRLF."""
    lines = message.split(b"\n")
    at = 0
    for field in (b"Return-Path:", b"Delivered-To:", b"Received:"):
        assert lines[at].startswith(field), (field, lines[:6])
        at += 1
        while lines[at][:1] in (b" ", b"\t"):
            at += 1
    return b"\r\n".join(lines[at:])
