"""The clients of the crash tests, and the ledger that each of them keeps on disk before it goes on (D-022)."""
import json
import os
import threading

from ledger import Ended, Session

from letters import Writer

# SENT  the final dot is about to be sent                ACK   the whole line "250 ..." after it was read
# NAK4, NAK5  a whole line 4xx or 5xx was read instead   CUT   the connection broke before the final dot was sent
# A letter that was SENT and has no answer is UNKNOWN: it may have arrived or not.
KINDS = ("SENT", "ACK", "NAK4", "NAK5", "CUT")


class Entry:
    """What the ledger tells of a letter."""

    def __init__(self, id, recipients=(), sha256="", sender="", answer="UNKNOWN", queue_id=""):
        self.id, self.recipients, self.sha256, self.sender = id, list(recipients), sha256, sender
        self.answer, self.queue_id = answer, queue_id


class Ledger:
    """Lines of JSON, each synced before the call returns. One for all clients; it has to lie where no fault reaches it."""

    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()
        self.fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def write(self, kind, letter, reply=""):
        assert kind in KINDS
        line = dict(kind=kind, id=letter.id, reply=reply)
        if kind in ("SENT", "CUT"):
            line |= dict(recipients=letter.recipients, sha256=letter.sha256, sender=letter.sender)
        with self.lock:
            os.write(self.fd, (json.dumps(line) + "\n").encode())
        os.fdatasync(self.fd)

    def answered(self, letter, reply):
        """A whole line came."""
        self.write("ACK" if reply.startswith("250 ") else "NAK4" if reply.startswith("4") else "NAK5", letter, reply)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @staticmethod
    def read(path):
        """{id: Entry}."""
        out = {}
        with open(path) as lines:
            for line in map(json.loads, lines):
                entry = out.setdefault(line["id"], Entry(line["id"]))
                if "recipients" in line:
                    entry.recipients, entry.sha256, entry.sender = line["recipients"], line["sha256"], line["sender"]
                if line["kind"] != "SENT":
                    entry.answer = line["kind"]
                if line["kind"] == "ACK":
                    entry.queue_id = line["reply"].rsplit(" ", 1)[-1]
        return out


def send(session, letter, ledger, whole=True):
    """One letter in a session; its final reply, "" when the envelope was refused. `whole`: the final dot comes along with the
    content. OSError: the connection broke; Ended: the server said that it ends."""
    try:
        refused = session.envelope(letter.sender, letter.recipients)
    except Ended:
        ledger.write("CUT", letter)
        raise
    if refused is not None:
        ledger.write("CUT", letter)      # no content was sent: nothing of it may ever arrive
        return ""
    content = letter.stuffed()
    if not whole:
        try:
            session.socket.sendall(content)
        except OSError:
            ledger.write("CUT", letter)
            raise
    ledger.write("SENT", letter)
    session.socket.sendall((content if whole else b"") + b".\r\n")
    reply = session.reply()
    ledger.answered(letter, reply)
    if reply.startswith("421"):
        raise Ended(reply)
    return reply


class Load:
    """Client threads that send until `end()`. The same seed gives each of them the same letters in the same order."""

    def __init__(self, port, ledger, seed, threads=4, **writing):
        self.port, self.ledger, self.seed = port, ledger, seed
        self.writing = writing
        self.stopping = threading.Event()
        self.acknowledged, self.refused, self.last_words, self.problems = 0, 0, [], []
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        writer, count = Writer(f"{self.seed}.{number}", **self.writing), 0
        while not self.stopping.is_set():
            try:
                with Session(self.port) as session:
                    while not self.stopping.is_set():
                        count += 1
                        reply = send(session, writer.letter(f"{self.seed}-{number}-{count}"), self.ledger, whole=writer.random.random() < 0.5)
                        if reply.startswith("250 "):
                            self.acknowledged += 1
                        else:
                            self.refused += 1
            except Ended as words:
                self.last_words.append(str(words))
                self.stopping.wait(0.02)
            except OSError:
                self.stopping.wait(0.02)
            except Exception as bug:
                self.problems.append(repr(bug))
                raise

    def end(self, timeout=90):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout)
            assert not thread.is_alive(), "a client hangs"
        assert not self.problems, self.problems
