"""What a process of mansiod can still do once it is taken over: test/confinement/inject has it make system calls from inside."""
import errno
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import tempfile

import pytest

from harness import BUILD, MANSIOD, wait_for
from system_users import make_system, needs_root, public_path, status_of, users     # noqa: F401

INJECT = BUILD / "test" / "confinement" / "inject"
pytestmark = [
    needs_root,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of the calls are those of x86_64"),
    pytest.mark.skipif(os.geteuid() == 0 and b"__asan_init" in MANSIOD.read_bytes(), reason="a build with a sanitizer has no filter: its own calls would be refused"),
]
CALLS = dict(read=0, mprotect=10, rt_sigaction=13, getpid=39, socket=41, clone=56, fork=57, execve=59, kill=62, rename=82, ptrace=101,
             setuid=105, prctl=157, mount=165, keyctl=250, openat=257, unshare=272, process_vm_readv=310, bpf=321, execveat=322, io_uring_setup=425,
             clone3=435, pidfd_getfd=438)
HERE = -100          # AT_FDCWD
AF_INET6, AF_NETLINK, AF_PACKET = 10, 16, 17
SIGCHLD, SIGSYS = 17, 31
CLONE_NEWUSER = 0x10000000


def become(pid, call, *arguments):
    """What came of a system call that the process was made to make: ("returned", n) or ("killed", signal)."""
    out = subprocess.run([str(INJECT), str(pid), str(CALLS[call]), *map(str, arguments)], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0, out.stderr
    word, number = out.stdout.split()
    return word, int(number)


@pytest.fixture
def shelf():
    """A directory beside which there are no files, as a spool has it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mansio-e2e-", dir="/srv"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def twin(make_system, shelf):       # noqa: F811
    """A daemon of root's with two mail processes."""
    mansio = make_system(users='[ "bob" ]', relay_from='[ "127.0.0.0/8" ]', extra="mail_processes = 2;")
    (shelf / "spool").mkdir()
    os.chown(shelf / "spool", mansio.service.pw_uid, mansio.service.pw_gid)
    mansio.spool = shelf / "spool"
    mansio.config.write_text(mansio.config.read_text().replace('spool_directory = "spool"', f'spool_directory = "{mansio.spool}"'))
    os.chown(mansio.mail, mansio.service.pw_uid, mansio.service.pw_gid)
    return mansio.start()


def pid_of(mansio, title):
    return next(pid for name, pid in mansio.children().items() if name.endswith(title))


def status(pid):
    return status_of(pathlib.Path(f"/proc/{pid}/status").read_text())


def capabilities(pid):
    """{set: bits}"""
    fields = status(pid)
    return {name: int(fields["Cap" + name][0], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


def test_a_mail_process_has_no_capabilities_and_a_filter_that_its_threads_have_too(twin):
    for title in ("mail 0", "mail 1"):
        pid = pid_of(twin, title)
        assert capabilities(pid) == dict(Inh=0, Prm=0, Eff=0, Bnd=0, Amb=0)
        threads = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        assert len(threads) > 1
        for thread in threads:
            fields = status_of((thread / "status").read_text())
            assert fields["Seccomp"] == ["2"] and fields["NoNewPrivs"] == ["1"], thread
    assert twin.log("paniclog") == ""


def test_an_agent_has_three_capabilities_to_become_a_user_and_no_others(twin):
    three = 1 << 0 | 1 << 6 | 1 << 7            # CHOWN, SETGID, SETUID
    agents = {title: pid for title, pid in twin.children().items() if "deliver" in title}
    assert len(agents) >= 4
    for title, pid in agents.items():
        assert capabilities(pid) == dict(Inh=0, Prm=three, Eff=three, Bnd=three, Amb=0), title
        assert status(pid)["Seccomp"] == ["2"] and status(pid)["NoNewPrivs"] == ["1"], title
        assert become(pid, "mount", "s:none", "s:/mnt", "s:tmpfs", 0, 0) == ("returned", -errno.EPERM), title
        assert become(pid, "ptrace", 16, os.getpid(), 0, 0) == ("returned", -errno.EPERM), title
        assert become(pid, "socket", AF_PACKET, 3, 0) == ("returned", -errno.EPERM), title


def test_a_mail_process_opens_its_own_shard_and_neither_the_others_nor_what_is_roots(twin):
    """And it does what it did before: the calls are refused, not the process."""
    for number, other in ((0, 1), (1, 0)):
        pid = pid_of(twin, f"mail {number}")
        journal = next((twin.spool / str(number) / "journal").iterdir())
        others = next((twin.spool / str(other) / "journal").iterdir())
        assert become(pid, "openat", HERE, f"s:{journal}", 0)[1] >= 0
        for mode in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
            assert become(pid, "openat", HERE, f"s:{others}", mode) == ("returned", -errno.EACCES)
        assert become(pid, "openat", HERE, f"s:{twin.spool}/{number}/../{other}/journal/{others.name}", 0) == ("returned", -errno.EACCES)
        assert become(pid, "openat", HERE, f"s:{others.parent}", os.O_DIRECTORY) == ("returned", -errno.EACCES)
        assert become(pid, "rename", f"s:{others}", f"s:{journal.parent}/stolen")[1] in (-errno.EACCES, -errno.EXDEV)
        assert become(pid, "openat", HERE, "s:/etc/shadow", 0) == ("returned", -errno.EACCES)
        assert become(pid, "openat", HERE, f"s:/proc/{pid_of(twin, f'mail {other}')}/mem", 0) == ("returned", -errno.EACCES)
        assert become(pid, "openat", HERE, "s:/etc/hosts", 0)[1] >= 0
    with smtplib.SMTP("127.0.0.1", twin.port, timeout=20) as client:
        client.sendmail("a@b.test", ["bob@ex.test"], "Subject: x\r\n\r\nx\r\n")
    wait_for(lambda: list((twin.mail / "bob" / "new").glob("*")), what="the message")
    assert twin.log("paniclog") == ""


REFUSED = {
    "to be traced by nobody else": ("prctl", (4, 1)),                            # PR_SET_DUMPABLE
    "memory to write and to execute": ("mprotect", (4096, 4096, 7)),
    "to signal its parent": ("kill", (1, 0)),
    "to outlive a refused call": ("rt_sigaction", (SIGSYS, "s:" + "x" * 64, 0, 8)),
    "to outlive a refused call, with a longer number": ("rt_sigaction", (1 << 32 | SIGSYS, "s:" + "x" * 64, 0, 8)),
    "keys of the kernel": ("keyctl", (0, -3, 0)),
    "sockets of the kernel's audit": ("socket", (AF_NETLINK, 3, 9)),
    "raw sockets": ("socket", (AF_INET6, 3, 58)),
}


@pytest.mark.parametrize("call, arguments", REFUSED.values(), ids=REFUSED)
def test_a_mail_process_has_no_use_for(twin, call, arguments):
    pid = pid_of(twin, "mail 1")
    assert become(pid, call, *arguments) == ("returned", -errno.EPERM)
    assert become(pid, "getpid") == ("returned", pid)


def test_what_libraries_may_do_without_is_missing(twin):
    pid = pid_of(twin, "mail 1")
    assert become(pid, "clone3", 0, 0) == ("returned", -errno.ENOSYS)
    assert become(pid, "io_uring_setup", 8, 0) == ("returned", -errno.ENOSYS)
    assert become(pid, "socket", AF_INET6, 1, 0)[1] >= 0


def ids_of(mansio):
    """Of what is queued; None while nobody can say it."""
    try:
        return {item["id"] for item in mansio.queue()}
    except AssertionError:
        return None


DEADLY = {
    "execve": ("s:/bin/true", 0, 0), "execveat": (HERE, "s:/bin/true", 0, 0, 0), "fork": (), "clone": (SIGCHLD, 0, 0, 0, 0), "setuid": (0,),
    "ptrace": (16, 1, 0, 0), "socket": (AF_PACKET, 3, 0), "mount": ("s:none", "s:/mnt", "s:tmpfs", 0, 0), "unshare": (CLONE_NEWUSER,),
    "process_vm_readv": (1, 0, 0, 0, 0, 0), "bpf": (0, 0, 0), "pidfd_getfd": (3, 0, 0),
}


@pytest.mark.parametrize("call", DEADLY)
def test_what_only_an_attacker_wants_ends_the_process_and_nothing_is_lost(twin, call):
    with smtplib.SMTP("127.0.0.1", twin.port, timeout=20) as client:
        client.sendmail("a@b.test", ["waiting@far.test"], "Subject: waits\r\n\r\nx\r\n")
    wait_for(lambda: " == waiting@far.test" in twin.log(), what="the first attempt")
    queued = ids_of(twin)
    assert len(queued) == 1
    number = 0 if list((twin.spool / "0" / "deferred").rglob("*-*")) else 1
    pid = pid_of(twin, f"mail {number}")
    assert become(pid, call, *DEADLY[call]) == ("killed", SIGSYS)
    wait_for(lambda: f"the system call {call} ({CALLS[call]})" in twin.log("paniclog"), what="the panic log")
    line = next(line for line in twin.log("paniclog").splitlines() if "system call" in line)
    assert re.search(rf"mail process {number} was killed by signal 31 .*: it used the system call {call} \({CALLS[call]}\), .*: starting it again", line), line
    wait_for(lambda: any(name.endswith(f"mail {number}") and each != pid for name, each in twin.children().items()), what="the next one")
    wait_for(lambda: ids_of(twin) == queued, what="the message that waits")
    with smtplib.SMTP("127.0.0.1", twin.port, timeout=20) as client:
        client.sendmail("a@b.test", ["bob@ex.test"], "Subject: x\r\n\r\nx\r\n")
    wait_for(lambda: list((twin.mail / "bob" / "new").glob("*")), what="a message to the next one")


@pytest.mark.parametrize("word, filtered", [("report", "2"), ("off", "0")])
def test_an_admin_can_have_calls_reported_or_not_looked_at(make_system, word, filtered):       # noqa: F811
    mansio = make_system(users='[ "bob" ]', extra=f'system_calls = "{word}";')
    mansio.start()
    pid = mansio.mail_pid()
    assert status(pid)["Seccomp"] == [filtered] and status(pid)["NoNewPrivs"] == ["1"] and capabilities(pid)["Bnd"] == 0
    assert become(pid, "keyctl", 0, -3, 0)[0] == "returned" and become(pid, "unshare", 0) == ("returned", 0)
    assert become(pid, "getpid") == ("returned", pid)


def test_shards_beside_files_are_told_of(make_system):       # noqa: F811
    """Landlock knows files by their inodes: those that are replaced would be out of reach."""
    mansio = make_system(users='[ "bob" ]', extra="mail_processes = 2;")
    mansio.start()
    wait_for(lambda: "the mail processes' shards are not kept from each other" in mansio.log(), what="the notice")
