"""The client's ledger and its accounting: what was sent and what was answered, on disk before the client goes on, held
against what the mailboxes and the queue hold afterwards. Verdicts are per (message id, recipient)."""
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import socket
import threading

from harness import NO_NAMES, alive, wait_for

# SENT  the final dot is about to be sent       ACK  the whole line "250 ..." after it was read
# NAK   a whole line 4xx or 5xx was read        CUT  the connection broke before the final dot was sent
# A message that was SENT and neither ACK nor NAK is UNKNOWN: it may have arrived or not.
KINDS = ("SENT", "ACK", "NAK", "CUT")


class Ledger:
    """Appends lines of JSON, each synced before the call returns. One for all client threads."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def write(self, kind, id, **more):
        assert kind in KINDS
        line = json.dumps(dict(kind=kind, id=id, **more)) + "\n"
        with self.lock:
            os.write(self.fd, line.encode())
        os.fdatasync(self.fd)

    def close(self):
        os.close(self.fd)

    @staticmethod
    def read(path):
        """{id: Sent} of a ledger file."""
        out = {}
        with open(path) as lines:
            for line in lines:
                entry = json.loads(line)
                if entry["kind"] == "SENT":
                    out[entry["id"]] = Sent(entry["id"], entry["recipients"], entry["sha256"])
                elif entry["kind"] == "CUT":
                    out.setdefault(entry["id"], Sent(entry["id"], [], "")).answer = "CUT"
                else:
                    out.setdefault(entry["id"], Sent(entry["id"], [], "")).answer = entry["kind"]
        return out


class Sent:
    def __init__(self, id, recipients, sha256, answer="UNKNOWN"):
        self.id, self.recipients, self.sha256, self.answer = id, list(recipients), sha256, answer


def make_message(id, size, generator):
    """(content with CRLF, sha256 of its body): text of about `size` bytes, reproducible from the generator."""
    lines = []
    left = max(size - 120, 40)
    while left > 0:
        line = f"{generator.getrandbits(560):0140x}"
        # Lines that an mbox has to quote and SMTP has to stuff.
        at = generator.random()
        line = "From " + line if at < 0.01 else "." + line if at < 0.02 else line
        lines.append(line[:max(left, 2)])
        left -= len(lines[-1]) + 2
    body = "\r\n".join(lines) + "\r\n"
    digest = hashlib.sha256(body.replace("\r\n", "\n").encode()).hexdigest()
    head = f"From: sender@client.test\r\nX-Ledger-Id: {id}\r\nX-Ledger-Sha256: {digest}\r\n\r\n"
    return (head + body).encode(), digest


class Copy:
    """One message as a mailbox holds it (line ends are LF)."""

    def __init__(self, text, mailbox):
        head, _, body = text.partition(b"\n\n")
        self.mailbox = mailbox
        self.id = self.field(head, b"X-Ledger-Id")
        self.claimed = self.field(head, b"X-Ledger-Sha256")
        self.recipient = self.field(head, b"Delivered-To")
        self.sha256 = hashlib.sha256(body).hexdigest()

    @staticmethod
    def field(head, name):
        found = re.search(rb"^" + name + rb": (.*)$", head, re.M | re.I)
        return found.group(1).decode() if found else ""


def read_maildir(path):
    copies = []
    for folder in ("new", "cur"):
        if (path / folder).is_dir():
            copies += [Copy(file.read_bytes(), "maildir") for file in sorted((path / folder).iterdir())]
    return copies


class Broken(Exception):
    """A mailbox that can't be parsed."""


def read_mbox(path):
    """Copies in an mbox file: each begins with a From_ line after a blank line and ends with a blank line."""
    text = path.read_bytes() if path.exists() else b""
    if text and not (text.startswith(b"From ") and text.endswith(b"\n\n")):
        raise Broken(f"{path}: begins with {text[:20]!r}, ends with {text[-20:]!r}")
    parts = re.split(rb"(?:\A|(?<=\n\n))From [^\n]*\n", text)[1:]
    copies = []
    for part in parts:
        if re.search(rb"^From ", part, re.M):
            raise Broken(f"{path}: an unquoted From_ line, or one without a blank line before it")
        copies.append(Copy(re.sub(rb"^>(>*From )", rb"\1", part[:-1], flags=re.M), "mbox"))
    return copies


class Account:
    """The verdicts. `queued` holds (id, recipient) pairs that the daemon still has."""

    def __init__(self, sent, copies, queued=()):
        self.lost, self.ghosts, self.corrupt, self.misrouted = [], [], [], []
        self.maildir_duplicates, self.mbox_duplicates, self.relay_duplicates = [], [], []
        self.answers = collections.Counter(entry.answer for entry in sent.values())
        queued = set(queued)
        counts = collections.Counter()
        for copy in copies:
            entry = sent.get(copy.id)
            if entry is None or (entry.answer != "CUT" and copy.recipient not in entry.recipients):
                self.misrouted.append((copy.id, copy.recipient))
                continue
            if copy.sha256 != entry.sha256 and entry.answer != "CUT":
                self.corrupt.append((copy.id, copy.recipient))
            counts[(copy.id, copy.recipient, copy.mailbox)] += 1
        for (id, recipient, mailbox), count in counts.items():
            if count > 1:
                (self.mbox_duplicates if mailbox == "mbox" else self.relay_duplicates if mailbox == "relay" else self.maildir_duplicates).extend([(id, recipient)] * (count - 1))
        there = {(id, recipient) for id, recipient, _ in counts} | queued
        for entry in sent.values():
            if entry.answer == "ACK":
                self.lost += [(entry.id, r) for r in entry.recipients if (entry.id, r) not in there]
        self.ghosts = sorted((id, r) for id, r in there if id in sent and sent[id].answer in ("NAK", "CUT"))
        self.copies = sum(counts.values())

    def check(self, mbox_duplicates=0):
        """Raises unless everything adds up; an mbox may hold so many second copies (D-007 b)."""
        found = {name: getattr(self, name)[:10] for name in ("lost", "ghosts", "corrupt", "misrouted", "maildir_duplicates") if getattr(self, name)}
        if len(self.mbox_duplicates) > mbox_duplicates:
            found["mbox_duplicates"] = self.mbox_duplicates[:10]
        assert not found, f"{found} ({self.answers})"


def random_size(generator):
    """0.5 kB to 1 MB, mostly small; about one in twelve is too large for memory."""
    at = generator.random()
    if at < 0.7:
        return generator.randrange(500, 8_000)
    if at < 0.92:
        return generator.randrange(8_000, 200_000)
    return generator.randrange(300_000, 1_000_000)


def seeded(name):
    return random.Random(name)


class Load:
    """Client threads that send until `end()`; every message is in the ledger. Addresses are given as whole strings."""

    def __init__(self, port, ledger, name, choose_recipients, threads=6, choose_size=random_size):
        self.port, self.ledger, self.name = port, ledger, name
        self.choose_recipients, self.choose_size = choose_recipients, choose_size
        self.stopping = threading.Event()
        self.acknowledged = 0
        self.last_words = []         # replies that ended a session
        self.problems = []
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        generator = seeded(f"{self.name}.{number}")
        count = 0
        while not self.stopping.is_set():
            try:
                with Session(self.port) as session:
                    while not self.stopping.is_set():
                        count += 1
                        self.send_one(session, f"{self.name}-{number}-{count}", generator)
            except Ended as words:
                self.last_words.append(str(words))
                self.stopping.wait(0.01)
            except OSError:
                self.stopping.wait(0.01)
            except Exception as bug:
                self.problems.append(repr(bug))
                raise

    def send_one(self, session, id, generator):
        content, digest = make_message(id, self.choose_size(generator), generator)
        recipients = self.choose_recipients(generator)
        replies = session.envelope("sender@client.test", recipients)
        if replies is not None:
            return self.ledger.write("NAK", id, reply=replies)
        stuffed = re.sub(rb"(?m)^\.", b"..", content)
        whole = generator.random() < 0.5      # else the final dot comes by itself
        if not whole:
            try:
                session.socket.sendall(stuffed)
            except OSError:
                self.ledger.write("CUT", id)
                raise
        self.ledger.write("SENT", id, recipients=recipients, sha256=digest)
        session.socket.sendall((stuffed if whole else b"") + b".\r\n")
        reply = session.reply()
        if reply.startswith("250 "):
            self.ledger.write("ACK", id, reply=reply)
            self.acknowledged += 1
        else:
            self.ledger.write("NAK", id, reply=reply)
            if reply.startswith("421"):
                raise Ended(reply)

    def end(self, timeout=60):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout)
            assert not thread.is_alive(), "a client hangs"
        assert not self.problems, self.problems


class Ended(Exception):
    """The server ended the session with a whole reply."""


class Session:
    """A client that takes nothing for a reply but a whole line."""

    def __init__(self, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.file = self.socket.makefile("rb")
        try:
            self.expect("220")
            self.command("EHLO client.test", "250")
        except BaseException:
            self.__exit__()
            raise

    def reply(self):
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise ConnectionResetError("the connection ended within a reply")
            if line[3:4] == b" ":
                return line.decode().rstrip()

    def expect(self, code):
        reply = self.reply()
        if not reply.startswith(code):
            raise Ended(reply)

    def command(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        self.expect(code)

    def envelope(self, sender, recipients):
        """MAIL, RCPTs and DATA in one go. None when 354 came, else the reply that refused."""
        lines = [f"MAIL FROM:<{sender}>", *[f"RCPT TO:<{r}>" for r in recipients], "DATA"]
        self.socket.sendall("".join(line + "\r\n" for line in lines).encode())
        replies = [self.reply() for _ in lines]
        refused = [r for r in replies[:-1] if not r.startswith("250")]
        if refused and replies[-1].startswith("354"):
            raise Ended(refused[0])      # some recipients would get it: the connection is dropped without content
        if not replies[-1].startswith("354"):
            if (refused or replies)[0].startswith("421"):
                raise Ended((refused or replies)[0])
            self.socket.sendall(b"RSET\r\n")
            self.expect("250")
            return (refused or replies[-1:])[0]
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


# ---- the scene of the crash tests

USERS = [f"u{n:02}" for n in range(18)]
SCENE = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; role = "relay"; } );
domains = { local = [ "ex.test", "box.test" ]; };
relay_from = [ "127.0.0.0/8" ];
""" + NO_NAMES + """
spool = { segment_size = "8M"; reserve = "64M"; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; box = { kind = "mbox"; path = "mail/{local}.mbox"; };
               internet = { kind = "smtp"; }; };
routes = (
  { name = "box"; domains = [ "box.test" ]; users = [ "box" ]; transport = "box"; },
  { name = "local"; domains = [ "ex.test" ]; users = [ %s ]; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
retry = ( { domains = [ "ex.test", "box.test" ]; schedule = "1s for 4d"; }, { domains = [ "*" ]; schedule = "30m for 4d"; } );
""" % ", ".join(f'"{user}"' for user in USERS)


def choose_recipients(generator):
    at = generator.random()
    count = 1 if at < 0.6 else generator.randrange(2, 5) if at < 0.9 else generator.randrange(5, 19)
    chosen = [f"{user}@ex.test" for user in generator.sample(USERS, count)]
    if generator.random() < 0.15:
        chosen.append("box@box.test")
    if generator.random() < 0.05:
        chosen.append(f"far@away{generator.randrange(10**9)}.test")      # waits in deferred/: no name server answers
    return chosen


def whole_queue(mansio):
    """What mailq lists; None while the spool is still being read, or while the process that was asked, and was killed, is not there again."""
    out = mansio.sendmail("-bp", "--json")
    if b"Connection refused" in out.stderr and alive(mansio.parent_pid()):
        return None
    assert out.returncode == 0, out.stderr
    entries = [json.loads(line) for line in out.stdout.splitlines()]
    return None if b"complete" in out.stderr else [entry for entry in entries if "id" in entry]


class Scene:
    """A daemon, a ledger, and the account of both."""

    def __init__(self, mansio, ledger_path, root=""):
        """`root` stands before the daemon's paths when it has file systems of its own."""
        self.mansio, self.ledger_path, self.root = mansio, ledger_path, root
        self.ledger = Ledger(self.ledger_path)
        self.acknowledged = 0

    def load(self, name, **options):
        return Load(self.mansio.port, self.ledger, name, choose_recipients, **options)

    def end(self, load):
        load.end()
        self.acknowledged += load.acknowledged

    def drain(self, timeout=150):
        """Until only what can't be delivered here is queued; gives the queue."""
        def only_remote():
            queue = whole_queue(self.mansio)
            if queue is None:
                return None
            waiting = [r["address"] for m in queue for r in m["recipients"] if not r["done"]]
            tried = all(m["attempts"] >= 1 for m in queue)
            return (queue,) if tried and all(address.startswith("far@away") for address in waiting) else None
        return wait_for(only_remote, timeout, "the queue to drain")[0]

    def account(self):
        """Drains, stops, and holds the ledger against the mailboxes and the spool."""
        queue = self.drain()
        assert self.mansio.stop() == 0
        spool = pathlib.Path(f"{self.root}{self.mansio.directory}") / "spool" / "0"
        mail = pathlib.Path(f"{self.root}{self.mansio.mail}")
        corrupt = {file.name: file.stat().st_size for file in (spool / "corrupt").iterdir()}
        assert corrupt == {}, (corrupt, self.mansio.log("paniclog"))
        ids = {m["id"] for m in queue}
        assert {file.name for file in (spool / "large").iterdir()} <= ids
        files = {file.name: file for file in (spool / "deferred").glob("*/*")}
        assert set(files) == ids
        queued = []
        for message in queue:
            large = spool / "large" / message["id"]
            text = (large if large.exists() else files[message["id"]]).read_bytes().replace(b"\r\n", b"\n")
            mine = Copy.field(text, b"X-Ledger-Id")
            assert mine, message
            queued += [(mine, r["address"]) for r in message["recipients"] if not r["done"]]
        copies = [copy for user in USERS for copy in read_maildir(mail / user)]
        copies += read_mbox(mail / "box.mbox")
        assert [p for user in USERS for p in (mail / user / "tmp").glob("*")] == []
        return Account(Ledger.read(self.ledger_path), copies, queued)
