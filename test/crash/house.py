"""A daemon under test, the hosts it sends to, the ledger of its clients, and the account of all of it after the faults are over.

    with World() as world:                       # other hosts and name servers; may serve many houses, one after the other
        house = House(directory, world, seed="s1").start()
        load = house.load()
        house.crash(load)                        # kill -9 of everything; or let a fault do it, then house.crashed(load)
        house.start()
        house.account("how to repeat it")        # drains, stops, collects, judges; Unproved with the evidence's directory

A fault that needs file systems of its own gives `wrapper` (what enters the namespace) and `root` (what stands before the
daemon's paths as seen from here). The ledger lies beside the daemon's directory, where no fault reaches it."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import time

import email
import email.policy
import hashlib

import ledger as mailboxes
from harness import BUILD, ROOT, Mansio, memory_of, wait_for
from ledger import Session
from names import Names
from sink import DROP, RESET, Sink

import clients
from letters import USERS, without_detail
from verdicts import Bounds, Copy, Evidence, Report, Verdicts, pair_of

CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "%(run_as)s";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; role = "relay"; } );
domains = { local = [ "ex.test", "box.test" ]; };
relay_from = [ "127.0.0.0/8" ];
limits = { recipients = 1000; messages_per_connection = 100000; connections_per_client = 1000; };
dns = { servers = [ "127.0.0.1:%(dns)d" ]; timeout = "2s"; attempts = 3; };
spool = { segment_size = "%(segment_size)s"; reserve = "%(reserve)s"; };
deliver = { agents = %(agents)d; };
mail_processes = %(mail_processes)d;
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; box = { kind = "mbox"; path = "mail/{local}.mbox"; };
               internet = { kind = "smtp"; port = %(port)d; connections = %(connections)d; }; };
routes = (
  { name = "box"; domains = [ "box.test" ]; users = [ "box" ]; transport = "box"; },
  { name = "local"; domains = [ "ex.test" ]; users = %(users)s; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
retry = ( { domains = [ "*" ]; schedule = "%(retry)s"; } );
delay_warning = "0s";
%(extra)s
"""
OPTIONS = dict(run_as="", segment_size="8M", reserve="64M", agents=4, mail_processes=1, connections=4, retry="1s for 4d", extra="",
               users="[ " + ", ".join(f'"{user}"' for user in ["from", *USERS]) + " ]")
PLACES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


class Unproved(AssertionError):
    """A verdict went against the daemon."""


class World:
    """good.test, moody.test and fail.test, and a name server that tells of them. `calm()` ends all moods."""

    def __init__(self, base=0):
        """`base`: the sinks are on 127.0.BASE.2 to .4, so that worlds may be side by side."""
        self.names = Names()
        self.sinks = {}
        for host, place in zip(("good.test", "moody.test", "fail.test"), PLACES):
            address = place.replace("127.0.0.", f"127.0.{base}.")
            port = next(iter(self.sinks.values())).port if self.sinks else 0
            self.sinks[host] = Sink(address, port, keep=False, store=remember)
            self.names.site(host, address)
        self.port = self.sinks["good.test"].port
        self.sinks["fail.test"].script = {"RCPT": "550 5.1.1 nobody of that name"}
        self.moody("moody")

    def moody(self, seed):
        """moody.test behaves as this seed says."""
        import random
        generator = random.Random(seed)
        later = ("450 4.2.0 not now", "452 4.3.1 no room", None, None, None, None, None)
        end = (DROP, RESET, "451 4.3.0 no", None, None, None, None, None, None, None, None)
        self.sinks["moody.test"].script = {"RCPT": lambda *_: generator.choice(later), "DOT": lambda *_: generator.choice(end)}

    def calm(self):
        self.sinks["moody.test"].script = {}

    def forget(self):
        """For the next house: no message was ever taken. Nobody may be connected any more."""
        for sink in self.sinks.values():
            with sink.lock:
                sink.messages.clear()
                sink.sessions.clear()

    def at_rest(self):
        return all(session.ended.is_set() for sink in self.sinks.values() for session in list(sink.sessions))

    def counts(self):
        return {host: len(sink.messages) for host, sink in self.sinks.items()}

    def close(self):
        self.names.close()
        for sink in self.sinks.values():
            sink.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def remember(message):
    """Of a message that a sink took only what the account needs: (id, sha256 of the body)."""
    head, _, body = message.content.partition(b"\r\n\r\n")
    id = mailboxes.Copy.field(head.replace(b"\r\n", b"\n"), b"X-Ledger-Id")
    return message._replace(content=(id, hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()))


class House:
    old_names_come_back = False     # after a power cut, in tmp/ beside the one in new/

    def __init__(self, directory, world, seed="seed", wrapper=(), root="", env=None, **options):
        """`options` fill CONFIG."""
        self.world, self.seed, self.root = world, seed, root
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ledger = clients.Ledger(self.directory / "ledger")
        text = CONFIG % {**OPTIONS, "dns": world.names.port, "port": world.port, **options}
        self.mansio = Mansio(self.directory / "daemon", config=text, wrapper=wrapper, env=env)
        self.crashes, self.loads, self.acknowledged = 0, 0, 0
        self.marks, self.finished = [], []          # at each crash: what the sinks had taken; ids the log called completed
        self.expected = None                        # lines of the panic log that a fault explains: a regular expression
        self.figures = dict(greeting=[], drain=0.0, memory=0, descriptors=0)

    # ---- life

    def start(self, timeout=60):
        begin = time.monotonic()
        self.mansio.start(timeout)
        with socket.create_connection(("127.0.0.1", self.mansio.port), timeout) as client, client.makefile("rb") as file:
            assert file.readline().startswith(b"220")
        self.figures["greeting"].append(round(time.monotonic() - begin, 4))
        return self

    def load(self, name=None, **options):
        """Clients that send; see clients.Load."""
        self.loads += 1
        return clients.Load(self.mansio.port, self.ledger, name or f"{self.seed}-{self.loads}", **options)

    def send(self, letter, whole=True, timeout=60):
        """One letter from here; its final reply, "" when there was none."""
        try:
            with Session(self.mansio.port, timeout) as session:
                return clients.send(session, letter, self.ledger, whole)
        except (OSError, mailboxes.Ended):
            return ""

    def crash(self, load=None):
        """kill -9 of every process."""
        self.measure()
        if load:
            load.stopping.set()
        self.mansio.kill()
        self.crashed(load)

    def crashed(self, load=None):
        """To be called after each crash, of whatever part of the daemon, and with the load that it hit."""
        if load:
            self.end(load)
        self.crashes += 1
        if self.mansio.process is None:       # all of it is gone: what is sent from now on is sent after this crash
            wait_for(self.world.at_rest, what="the other hosts to see the end of their connections")
            self.marks.append(self.world.counts())
            self.finished.append(self.completed())
        return self

    def end(self, load):
        load.end()
        self.acknowledged += load.acknowledged

    def completed(self):
        """Ids (of letters) that the log calls completed."""
        queue_ids = {line.split()[2] for line in self.mansio.log().splitlines() if line.endswith(" Completed") or " Completed " in line}
        return {entry.id for entry in clients.Ledger.read(self.ledger.path).values() if entry.queue_id in queue_ids}

    def measure(self):
        """Memory and descriptors of the mail processes, the most of all times."""
        for title, pid in self.mansio.children().items() if self.mansio.process else ():
            if "mail" in title:
                self.figures["memory"] = max(self.figures["memory"], (memory_of(pid) or 0) // 1024)
                with contextlib.suppress(OSError):
                    self.figures["descriptors"] = max(self.figures["descriptors"], len(os.listdir(f"/proc/{pid}/fd")))

    def drain(self, timeout=180):
        """Until nothing is queued: each message that waits is told to go now, again and again. Faults have to be over."""
        self.world.calm()
        begin, asked, times = time.monotonic(), 0.0, 0

        def empty():
            nonlocal asked, times
            try:
                entries, whole = self.mansio.list_queue()
            except AssertionError:
                return False             # a mail process is being started again
            # A list is no snapshot: a report that comes while the last message goes may be in none. Two that are empty are.
            times = times + 1 if whole and not entries else 0
            if times:
                return times == 2
            if time.monotonic() - asked > 0.3:
                self.mansio.ctl("queue", "retry", "--all", "--yes")
                asked = time.monotonic()
            return False
        try:
            wait_for(empty, timeout, "an empty queue")
        except AssertionError:
            pass         # what is still queued is in the account
        self.figures["drain"] = round(time.monotonic() - begin, 3)
        # A file in deferred/ whose message is finished goes when its next attempt is due (lib/spool/STATES.md): a second here.
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not self.left_over(), 10, "the last files to go")

    def left_over(self):
        """Files of messages in the spool."""
        spool = self.inside(self.mansio.directory) / "spool"
        return [file for shard in spool.glob("[0-9]*") for file in (*shard.glob("large/*"), *shard.glob("deferred/*/*"))]

    # ---- the account

    def account(self, repeat="", bounds=None, drain=180):
        """The verdicts, after a drain; Unproved when one of them goes against the daemon. `repeat`: the command that does it again."""
        verdicts = self.judge(bounds, drain)
        if verdicts.found():
            raise Unproved(self.keep(verdicts, repeat))
        return verdicts

    def judge(self, bounds=None, drain=180):
        if drain:
            self.drain(drain)
        entries, _ = self.mansio.list_queue()
        self.measure()
        status = self.mansio.stop()
        evidence = self.collect(entries)
        if status != 0:
            evidence.broken.append(f"the daemon ended with {status}")
        bounds = bounds or Bounds(self.crashes)
        return Verdicts(clients.Ledger.read(self.ledger.path), evidence, bounds, self.finished)

    def collect(self, entries):
        """Evidence, once the daemon has stopped; `entries` is what it said was queued."""
        evidence = Evidence()
        self.collect_mailboxes(evidence)
        self.collect_relayed(evidence)
        evidence.queued = [pair_of(r["address"]) for entry in entries for r in entry["recipients"] if not r["done"] and "+" in r["address"]]
        self.collect_spool(evidence, {entry["id"] for entry in entries})
        for line in self.mansio.log("paniclog").splitlines():
            if self.expected and re.search(self.expected, line):
                continue
            if re.search(r"panic|abort|assert|terminate|exception|signal (4|6|7|8|11) ", line.replace("paniclog", ""), re.I):      # that a log could not be written is no panic
                evidence.broken.append("panic log: " + line)
        return evidence

    def inside(self, path):
        return pathlib.Path(f"{self.root}{path}")

    def collect_mailboxes(self, evidence):
        mail = self.inside(self.mansio.mail)
        for user in sorted(entry.name for entry in mail.iterdir() if entry.is_dir()):
            for folder in ("new", "cur"):
                for file in sorted((mail / user / folder).iterdir()) if (mail / user / folder).is_dir() else ():
                    text = file.read_bytes()
                    if user == "from" and b"\nX-Ledger-Sha256:" not in text.partition(b"\n\n")[0]:
                        self.collect_report(evidence, text, file)
                    else:
                        evidence.copies.append(copy_of(text, "maildir", f"{user}@ex.test"))
            for file in (mail / user / "tmp").iterdir() if (mail / user / "tmp").is_dir() else ():
                delivered = mail / user / "new" / file.name
                if self.old_names_come_back and delivered.exists() and delivered.read_bytes() == file.read_bytes():
                    continue
                evidence.leaks.append(f"{file.relative_to(mail)}: {file.stat().st_size} octets")
        evidence.leaks += [f"mail/{file.name}" for file in mail.iterdir() if ".lock" in file.name]
        try:
            for copy in mailboxes.read_mbox(mail / "box.mbox"):
                evidence.copies.append(Copy(copy.id, copy.recipient, copy.sha256, "mbox", "box@box.test"))
        except mailboxes.Broken as words:
            evidence.broken.append(str(words))

    def collect_report(self, evidence, text, file):
        try:
            message = email.message_from_bytes(text, policy=email.policy.default)
            _, status, _ = message.iter_parts()
            to = message["Delivered-To"]
            for block in status.get_payload()[1:]:
                if block["Action"] == "failed":
                    address = block["Final-Recipient"].partition(";")[2].strip()
                    evidence.reports.append(Report(*pair_of(address), to))
        except (ValueError, AttributeError, IndexError, TypeError) as problem:
            evidence.broken.append(f"{file}: no report: {problem!r}")

    def collect_relayed(self, evidence):
        for host, sink in self.world.sinks.items():
            for message in sink.taken():
                after = sum(1 for mark in self.marks if message.order >= mark[host])
                for address, _ in message.recipients:
                    owner = without_detail(address) if address.endswith("@" + host) else host
                    evidence.copies.append(Copy(message.content[0], address, message.content[1], "relay", owner, after))

    def collect_spool(self, evidence, queued):
        spool = self.inside(self.mansio.directory) / "spool"
        for file in spool.glob("badmail/*.reason"):
            evidence.badmail += sorted({pair_of(word) for word in re.findall(r"[\w.]+\+[\w.-]+@[\w.-]+", file.read_text(errors="replace")) if pair_of(word)[0]})
        for shard in spool.glob("[0-9]*"):
            evidence.broken += [f"quarantined: {file.name}, {file.stat().st_size} octets" for file in (shard / "corrupt").glob("*")]
            evidence.leaks += [f"large/{file.name}" for file in (shard / "large").glob("*") if file.name not in queued]
            evidence.leaks += [f"deferred/{file.name}" for file in (shard / "deferred").glob("*/*") if file.name not in queued]

    # ---- evidence

    def keep(self, verdicts, repeat):
        """Puts all there is aside; words that say what, where, and how to do it again."""
        place = pathlib.Path(os.environ.get("MANSIO_EVIDENCE", ROOT / "build" / "crash-evidence")) / f"{self.seed}-{os.getpid()}-{time.time_ns() % 10**9}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.directory, place, symlinks=True, ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("*.sock", "*.ext4", "*.xfs", "*.btrfs", "run"))
        if self.root:
            for name in ("spool", "mail"):
                with contextlib.suppress(OSError, shutil.Error):
                    shutil.copytree(self.inside(self.mansio.directory / name), place / f"inside-{name}", symlinks=True)
        lines = [f"seed {self.seed}, {self.crashes} crashes, build {BUILD}", f"repeat: {repeat}", verdicts.tell(), ""]
        lines += [f"{name}: {one}" for name, found in verdicts.found().items() for one in found]
        (place / "verdicts").write_text("\n".join(lines) + "\n")
        found = {name: (len(each), each[:5]) for name, each in verdicts.found().items()}
        return f"{found}\n{verdicts.tell()}\nseed {self.seed}; evidence in {place}\nrepeat: {repeat}"

    def close(self):
        self.mansio.kill()
        self.ledger.close()


def copy_of(text, place, owner):
    copy = mailboxes.Copy(text, place)
    return Copy(copy.id, copy.recipient, copy.sha256, place, owner)
