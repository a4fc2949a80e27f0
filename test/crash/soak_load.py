"""The clients of the long run, and its account, which goes on while the daemon does: what has arrived is taken out of mailboxes and
other hosts' hands and crossed off, so that hours of mail need little disk and memory. A reader empties files and puts them aside; it
removes none, because ext4 would look at each of them for minutes whenever a new file is made (docs/performance.md), and the longer the
run, the less the daemon's latency would be its own."""
import collections
import contextlib
import os
import random
import re
import threading
import time

import ledger as mailboxes
from ledger import Ended, Session

from house import copy_of
from letters import USERS, Letter, small_size, without_detail

READ_AFTER = 120        # seconds that a message stays in a Maildir before its reader takes it away
SHELF = 20_000          # files in a directory of those that were read
SECOND_COPIES = 24      # that one crash may explain, outside of Maildirs


class Open:
    """A letter that is not finished yet. `left`: recipients of whom nothing was seen."""

    def __init__(self, letter):
        self.recipients, self.left = tuple(letter.recipients), set(letter.recipients)
        self.sha256, self.answer, self.begin = letter.sha256, "UNKNOWN", time.monotonic()


class Account:
    def __init__(self, house):
        self.house, self.lock = house, threading.Lock()
        self.open, self.over = {}, set()            # over: ids that need no more, as numbers
        self.answers, self.second, self.copies, self.reports = collections.Counter(), collections.Counter(), 0, 0
        self.found = []                             # (verdict, id, recipient, words)
        self.seen, self.removable, self.boxes, self.read = set(), collections.deque(), 0, 0

    # ---- by the clients

    def sent(self, letter):
        with self.lock:
            self.open[letter.id] = Open(letter)

    def answered(self, letter, answer):
        with self.lock:
            self.answers[answer] += 1
            entry = self.open.get(letter.id)
            if entry:
                entry.answer = answer
                self.close_if_over(letter.id, entry)

    def close_if_over(self, id, entry):
        """Acknowledged and all there. What was refused, or has no answer, stays in sight."""
        if not entry.left and entry.answer == "ACK":
            self.over.add(hash(id))
            del self.open[id]

    # ---- what is found

    def arrived(self, id, recipient, sha256, place, owner):
        with self.lock:
            self.copies += 1
            if hash(id) in self.over:
                return self.again(id, recipient, place)
            entry = self.open.get(id)
            if entry is None or recipient not in entry.recipients or owner != without_detail(recipient):
                return self.found.append(("misrouted", id, recipient, f"{place} of {owner}"))
            if sha256 is not None and sha256 != entry.sha256:
                self.found.append(("corrupt", id, recipient, place))
            if entry.answer in ("NAK", "CUT"):
                self.found.append(("ghosts", id, recipient, entry.answer))
            if recipient not in entry.left:
                return self.again(id, recipient, place)
            entry.left.discard(recipient)
            self.close_if_over(id, entry)

    def again(self, id, recipient, place):
        self.second[place] += 1
        if place == "maildir":
            self.found.append(("duplicates", id, recipient, place))

    def scan(self):
        """Everything that came since the last time."""
        for user in [*USERS, "from"]:
            self.scan_maildir(user)
        self.scan_box()
        for host, sink in self.house.world.sinks.items():
            with sink.lock:
                taken, sink.messages[:] = list(sink.messages), []
                sink.sessions[:] = [session for session in sink.sessions if not session.ended.is_set()]
            for message in taken:
                if message.answer.startswith("2"):
                    for address, _ in message.recipients:
                        self.arrived(message.content[0], address, message.content[1], "relay", without_detail(address))
        now = time.monotonic()
        while self.removable and self.removable[0][0] < now - READ_AFTER:
            try:
                self.put_aside(self.removable[0][1])
            except OSError:
                break           # a full disk: later
            self.seen.discard(self.removable.popleft()[1])

    def put_aside(self, path):
        shelf = self.house.inside(self.house.mansio.mail) / ".read" / str(self.read // SHELF)
        shelf.mkdir(parents=True, exist_ok=True)
        os.truncate(path, 0)
        os.rename(path, shelf / str(self.read))
        self.read += 1

    def scan_maildir(self, user):
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.house.inside(self.house.mansio.mail) / user / "new"):
                if entry.path in self.seen:
                    continue
                self.seen.add(entry.path)
                self.removable.append((time.monotonic(), entry.path))
                text = open(entry.path, "rb").read()
                if user == "from" and b"\nX-Ledger-Sha256:" not in text.partition(b"\n\n")[0]:
                    self.take_report(text)
                else:
                    copy = copy_of(text, "maildir", f"{user}@ex.test")
                    self.arrived(copy.id, copy.recipient, copy.sha256, "maildir", copy.owner)

    def take_report(self, text):
        for address in re.findall(rb"(?mi)^Final-Recipient: rfc822; ?(\S+)", text):
            self.reports += 1
            address = address.decode()
            found = re.search(r"\+([^@]*)@", address)
            self.arrived(found[1] if found else "", address, None, "report", without_detail(address))

    def scan_box(self):
        """As a reader does it: under the dotlock the file is taken away, but not while an interrupted delivery is to be repaired."""
        box = self.house.inside(self.house.mansio.mail) / "box.mbox"
        lock = f"{box}.lock"
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return          # the next time
        try:
            if not box.exists() or box.stat().st_size == 0 or "user.mansio.delivery" in os.listxattr(box):
                return
            self.boxes += 1
            box.rename(f"{box}.taken")
        finally:
            os.unlink(lock)
        try:
            for copy in mailboxes.read_mbox(box.with_name("box.mbox.taken")):
                self.arrived(copy.id, copy.recipient, copy.sha256, "mbox", "box@box.test")
        except mailboxes.Broken as words:
            self.found.append(("broken", "", "", str(words)))
        else:
            os.unlink(f"{box}.taken")

    def finish(self, crashes):
        """After the last drain: what is missing is lost."""
        with self.lock:
            for id, entry in self.open.items():
                if entry.answer == "ACK":
                    self.found += [("lost", id, recipient, "") for recipient in sorted(entry.left)]
        for place, count in self.second.items():
            if place != "maildir" and count > SECOND_COPIES * max(crashes, 1):
                self.found.append(("duplicates", "", "", f"{count} second copies ({place}) in {crashes} crashes"))


class Clients:
    """Threads that send letters, all together so many a second, or as many as they can."""

    def __init__(self, house, account, name, rate=None, threads=6):
        self.house, self.account, self.name = house, account, name
        self.pause = threads / rate if rate else 0
        self.stopping = threading.Event()
        self.acknowledged, self.problems, self.latencies, self.lock = 0, [], [], threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def take_latencies(self):
        with self.lock:
            out, self.latencies = self.latencies, []
        return sorted(out)

    def run(self, number):
        generator, count = random.Random(f"{self.name}.{number}"), 0
        due = time.monotonic() + generator.random() * self.pause
        while not self.stopping.is_set():
            try:
                with Session(self.house.mansio.port, 30) as session:
                    for _ in range(100):
                        if self.stopping.wait(max(due - time.monotonic(), 0)):
                            return
                        due = max(due + self.pause, time.monotonic() - 1)      # what a fault held up is not made up for
                        count += 1
                        self.send(session, letter(f"{self.name}-{number}-{count}", generator))
            except (Ended, OSError):
                self.stopping.wait(0.1)
            except Exception as bug:
                self.problems.append(repr(bug))
                raise

    def send(self, session, one):
        account = self.account
        account.sent(one)
        begin = time.monotonic()
        try:
            if session.envelope(one.sender, one.recipients) is not None:
                return account.answered(one, "CUT")
        except (Ended, OSError):
            account.answered(one, "CUT")
            raise
        session.socket.sendall(one.stuffed() + b".\r\n")
        reply = session.reply()
        account.answered(one, "ACK" if reply.startswith("250 ") else "NAK")
        with self.lock:
            self.latencies.append(time.monotonic() - begin)
        if reply.startswith("250 "):
            self.acknowledged += 1

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"
        assert not self.problems, self.problems


def letter(id, generator):
    at = generator.random()
    size = small_size(generator) if at < 0.97 else generator.randrange(100_000, 400_000)
    users = [f"{user}@ex.test" for user in generator.sample(USERS, 1 if at < 0.8 else 4)]
    others = [address for address, share in (("box@box.test", 0.1), ("ada@good.test", 0.25), ("bea@moody.test", 0.1), ("cleo@fail.test", 0.02))
              if generator.random() < share]
    return Letter(id, *users, *others, size=size, generator=generator)
