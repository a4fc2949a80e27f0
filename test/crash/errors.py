"""System calls that fail (durability cases D-055 to D-077): strace makes the Nth call of a kind, or every one from the Nth on, return
an error while a few letters of every kind come in and go out. Then the fault is over, and the account must be as if it never was:
no crash explains anything here, so nothing may come twice but what an agent could not undo."""
import collections
import contextlib
import os
import pathlib
import pwd
import signal
import time

from harness import alive, wait_for
from test_faults import Faults

from house import House
from letters import USERS, Letter
from verdicts import Bounds

# Whose calls, which, and what they say. The agents switch users and work at mailboxes; the mail process keeps the spool and talks.
ERRORS = {
    "mail": {"openat": ("EIO", "ENOSPC", "EMFILE", "EROFS"), "pwrite64": ("EIO", "ENOSPC", "EDQUOT"), "write": ("EIO", "ENOSPC"),
             "fdatasync": ("EIO", "ENOSPC", "EDQUOT"), "fsync": ("EIO", "ENOSPC"), "rename": ("EIO", "ENOSPC", "EDQUOT", "EXDEV"),
             "unlink": ("EIO", "EBUSY", "EROFS"), "mkdir": ("EIO", "ENOSPC", "EMLINK"), "pread64": ("EIO",), "read": ("EIO",),
             "ftruncate": ("EIO", "ENOSPC"), "fallocate": ("EIO", "ENOSPC", "EOPNOTSUPP"), "fstat": ("EIO",), "newfstatat": ("EIO",), "statx": ("EIO",),
             "socket": ("EMFILE", "ENOBUFS"), "connect": ("ENETUNREACH",), "accept4": ("EMFILE", "ENFILE", "ENOMEM"), "sendmsg": ("ENOBUFS",),
             "recvmsg": ("EIO",), "dup": ("EMFILE",), "fcntl": ("EMFILE",), "getdents64": ("EIO",), "mmap": ("ENOMEM",), "clone3": ("EAGAIN",)},
    "agents": {"openat": ("EIO", "ENOSPC", "EMFILE", "EDQUOT", "EROFS"), "write": ("EIO", "ENOSPC", "EDQUOT", "EFBIG"), "fsync": ("EIO", "ENOSPC", "EDQUOT"),
               "renameat2": ("EIO", "ENOSPC", "EDQUOT", "EXDEV", "EEXIST", "EPERM"), "rename": ("EIO",), "link": ("EMLINK", "EEXIST", "EPERM"),
               "linkat": ("EMLINK", "EEXIST", "EPERM"), "unlink": ("EIO", "EBUSY", "EROFS"), "unlinkat": ("EIO", "EBUSY", "EROFS"),
               "mkdir": ("EIO", "ENOSPC", "EMLINK", "EDQUOT"), "mkdirat": ("EIO", "ENOSPC", "EMLINK", "EDQUOT"), "pread64": ("EIO",), "ftruncate": ("EIO", "ENOSPC"),
               "newfstatat": ("EIO",), "fstat": ("EIO",), "fchown": ("EPERM", "EIO"), "fchmod": ("EIO",), "setresuid": ("EAGAIN",), "setresgid": ("EPERM",),
               "setgroups": ("EPERM",), "recvmsg": ("EMFILE",), "fsetxattr": ("ENOSPC", "EDQUOT"), "fcntl": ("ENOLCK",), "getdents64": ("EIO",)}}
# Calls that are only made after another one has failed: both fail then.
PAIRS = ["agents:write+unlinkat:ENOSPC+EIO", "agents:write+ftruncate:ENOSPC+EIO", "agents:fsync+unlinkat:EIO+EROFS", "agents:fsync+ftruncate:EIO+ENOSPC"]
CASES = [f"{who}:{call}:{error}" for who, calls in ERRORS.items() for call, errors in calls.items() for error in errors] + PAIRS
# Calls that these processes never make are known by the first run over all of them; strace then counts nothing.
NOBODY, NEWCOMERS = pwd.getpwnam("nobody"), 2000      # each trial has one user who had no mail before
WHEN = ("1", "2", "3", "1+", "2+3")


def pids_of(house, who):
    children = house.mansio.children()
    if who == "mail":
        return [pid for title, pid in children.items() if "mail" in title]
    return [pid for title, pid in children.items() if "deliver" in title and "users" not in title]


def user_processes(house):
    """Processes of the agents that work as users."""
    agents = [str(pid) for title, pid in house.mansio.children().items() if "deliver" in title]
    found = [pathlib.Path(f"/proc/{pid}/task/{pid}/children") for pid in agents]
    return [int(pid) for file in found if file.exists() for pid in file.read_text().split()]


def letters(name, newcomer):
    yield Letter(f"{name}-a", "u01@ex.test", "box@box.test")
    yield Letter(f"{name}-b", "u02@ex.test", "u03@ex.test", "ada@good.test")
    yield Letter(f"{name}-c", "u04@ex.test", "bea@good.test", size=400_000)
    yield Letter(f"{name}-d", "ada@fail.test", "ada@moody.test")
    yield Letter(f"{name}-e", "box@box.test", size=5_000)
    yield Letter(f"{name}-f", f"{newcomer}@ex.test")


class Trial:
    """One house for many errors, one after the other; what is found is found of all, and told by the letter's name."""

    def __init__(self, directory, world, seed="errors", **options):
        world.forget()
        world.moody(seed)
        self.house = House(directory, world, seed=seed, segment_size="4M", reserve="16M", users='"passwd-file:users"', **options)
        self.newcomers = (f"n{number:04}" for number in range(NEWCOMERS))
        mail = self.house.mansio.mail
        (mail.parent / "users").write_text("".join(f"{user}:x:{NOBODY.pw_uid}:{NOBODY.pw_gid}::{mail}:/bin/false\n"
                                                   for user in ["from", *USERS, *(f"n{number:04}" for number in range(NEWCOMERS))]))
        mail.mkdir(exist_ok=True)
        for part in (mail.parent, *mail.parent.parents):          # pytest's directories are closed to other users
            if part.owner() == "root" and str(part).startswith("/tmp/"):
                part.chmod(0o755)
        os.chown(mail, NOBODY.pw_uid, NOBODY.pw_gid)
        self.house.start()
        self.struck, self.restarts = {}, 0

    def run(self, case, when, patience):
        """The letters come while the call fails, and so many seconds at most for deliveries under way to meet it; then until mail is
        accepted again and nothing is queued. How often it failed."""
        who, call, error = case.split(":")
        name = f"{case}:{when}".replace(":", ".").replace("+", "p")
        house, before = self.house, dict(self.house.mansio.children())
        house.world.moody(name)
        calls, errors = call.split("+"), error.split("+")
        injections = [f"{each}:error={word}:when={when if number == 0 else '1+'}" for number, (each, word) in enumerate(zip(calls, errors))]
        if who == "agents":
            self.end_user_processes()         # new ones are strace's from their first call
        with Faults(pids_of(house, who), *injections) as faults:
            for letter in letters(name, next(self.newcomers)):
                self.send(letter)
            end = time.monotonic() + patience
            while not (count := self.count(faults, calls[-1])) and time.monotonic() < end:
                time.sleep(0.1)
        self.struck[f"{case}:{when}"] = count
        self.recover(name)
        after = house.mansio.children()
        dead = sorted(title for title, pid in before.items() if after.get(title) != pid)
        if dead:
            self.restarts += 1
            house.crashes += 1        # what an error may end is told; the account allows for it
        return count, dead

    @staticmethod
    def count(faults, call):
        return sum("(INJECTED)" in line and f"{call}(" in line for line in list(faults.text))

    def end_user_processes(self):
        """They have nothing to do now, and are made again when there is."""
        for pid in user_processes(self.house):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not alive(pid), what="the end of a user's process")

    def send(self, letter):
        """In a session of its own, for the fault may end it. Never longer than some seconds."""
        return self.house.send(letter, timeout=4)

    def recover(self, name):
        house = self.house

        def again():
            return house.send(Letter(f"{name}-after{time.monotonic_ns()}", "u17@ex.test"), timeout=10).startswith("250")
        wait_for(again, 40, "mail to be accepted again")
        house.drain(60)
        entries, whole = house.mansio.list_queue()
        assert whole and not entries, (name, entries, house.mansio.log()[-3000:], house.mansio.log("paniclog")[-1500:])

    def account(self):
        # libuv ends its process when it can't read or write what wakes its own loop, which no kernel refuses.
        if any(case.startswith(("mail:read:", "mail:write:")) for case in self.struck):
            self.house.expected = "the mail process was killed by signal 6 "
        # A host whose answer could not be noted: once each time that anything failed. What could not be cut off an mbox goes with the
        # next delivery.
        faults = sum(1 for count in self.struck.values() if count)
        # What could not be removed goes at the next start.
        assert self.house.mansio.stop() == 0
        self.house.start()
        verdicts = self.house.account("./dev prove errors", Bounds(max(self.house.crashes, faults), mbox=1 if self.house.crashes else 0, relayed=4))
        self.twice = sorted(pair for pair, count in verdicts.reported.items() if count > 1)
        copies = collections.Counter((copy.id, copy.recipient) for copy in verdicts.evidence.copies)
        self.twice += sorted(pair for pair, count in copies.items() if count > 1)
        return verdicts

    def close(self):
        self.house.close()
