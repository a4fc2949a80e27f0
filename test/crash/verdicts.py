"""The judge of the crash tests (D-024): holds what the clients were told against what was found afterwards. Pure: no file, no
process. Verdicts are per (letter's id, recipient); each list is to be empty:

    lost        acknowledged, and neither delivered, nor reported to its sender, nor queued, nor kept as badmail
    ghosts      refused or broken off, and there all the same
    duplicates  more copies than the crashes explain: in a Maildir two, else more than one and one for each crash, or one that
                was sent after a crash although the message had been finished before it, or too many in all
    corrupt     a copy that is not what was sent
    misrouted   a copy, a report or a queue entry for, or in the hands of, somebody whose it is not
    broken      a mailbox or a report that can't be read, or something in quarantine
    leaks       a file that is left of a message that is finished
    false       reported as failed, and delivered too; or reported though nothing refused it"""
import collections

from letters import id_of, without_detail

NAMES = ("lost", "ghosts", "duplicates", "corrupt", "misrouted", "broken", "leaks", "false")
# A copy as it was found: `place` is "maildir", "mbox" or "relay"; `owner` the mailbox's or the host's address without detail;
# `after` the number of crashes before it was sent (relay only, else None).
Copy = collections.namedtuple("Copy", "id recipient sha256 place owner after", defaults=(None,))
# A report of failure about one recipient; `to` is who got it.
Report = collections.namedtuple("Report", "id recipient to")


class Evidence:
    """What was found: copies, reports; (id, recipient) pairs that are queued or kept as badmail; words about what is broken or left."""

    def __init__(self, copies=(), reports=(), queued=(), badmail=(), broken=(), leaks=()):
        self.copies, self.reports = list(copies), list(reports)
        self.queued, self.badmail = list(queued), list(badmail)
        self.broken, self.leaks = list(broken), list(leaks)


class Bounds:
    """What may come twice. `crashes` in all; so many second copies a crash in an mbox and at other hosts, of different messages."""

    def __init__(self, crashes=0, mbox=4, relayed=24, refusing=("fail.test",)):
        self.crashes, self.mbox, self.relayed, self.refusing = crashes, mbox, relayed, refusing


class Verdicts:
    """`finished`: for each crash the ids that the log called completed before it."""

    def __init__(self, sent, evidence, bounds=None, finished=()):
        self.sent, self.evidence, self.bounds, self.finished = sent, evidence, bounds or Bounds(), list(finished)
        for name in NAMES:
            setattr(self, name, [])
        self.answers = collections.Counter(entry.answer for entry in sent.values())
        self.histogram = collections.Counter()      # copies of a recipient's letter: how often
        self.second = collections.Counter()         # place: second copies that the crashes explain
        self.broken += evidence.broken
        self.leaks += evidence.leaks
        self.judge_copies()
        self.judge_reports()
        self.judge_fates()

    def own(self, id, recipient, what):
        """Is it a recipient of this letter? Of one that never got to its end all are said to be."""
        entry = self.sent.get(id)
        if entry is None or recipient not in entry.recipients:
            self.misrouted.append((id, recipient, what))
            return None
        return entry

    def judge_copies(self):
        groups = collections.defaultdict(list)
        for copy in self.evidence.copies:
            entry = self.own(copy.id, copy.recipient, copy.place)
            if entry is None:
                continue
            if copy.owner != without_detail(copy.recipient):
                self.misrouted.append((copy.id, copy.recipient, f"found with {copy.owner}"))
            if copy.sha256 != entry.sha256:
                self.corrupt.append((copy.id, copy.recipient, copy.place))
            groups[copy.id, copy.recipient, copy.place].append(copy)
        messages = collections.defaultdict(set)
        for (id, recipient, place), copies in groups.items():
            self.histogram[len(copies)] += 1
            allowed = 1 if place == "maildir" else 1 + self.bounds.crashes
            if len(copies) > allowed:
                self.duplicates.append((id, recipient, f"{len(copies)} copies, {place}"))
            elif len(copies) > 1:
                self.second[place] += len(copies) - 1
                messages[place].add(id)
            for copy in copies:
                if copy.after and any(id in ids for ids in self.finished[:copy.after]):
                    self.duplicates.append((id, recipient, f"{place}: sent again after it was finished"))
        for place, limit in (("mbox", self.bounds.mbox), ("relay", self.bounds.relayed)):
            if len(messages[place]) > limit * self.bounds.crashes:
                self.duplicates.append(("", "", f"{len(messages[place])} messages came twice, {place}, in {self.bounds.crashes} crashes"))

    def judge_reports(self):
        counts = collections.Counter()
        delivered = {(copy.id, copy.recipient) for copy in self.evidence.copies}
        for report in self.evidence.reports:
            entry = self.own(report.id, report.recipient, "report")
            if entry is None:
                continue
            if not entry.sender or report.to != entry.sender:
                self.misrouted.append((report.id, report.recipient, f"reported to {report.to}"))
            counts[report.id, report.recipient] += 1
        for (id, recipient), count in counts.items():
            if count > 1 + self.bounds.crashes:
                self.duplicates.append((id, recipient, f"{count} reports"))
            elif count > 1:
                self.second["report"] += count - 1
        kept = {pair for pair in self.evidence.badmail if self.own(*pair, "badmail")}
        for id, recipient in sorted(kept | set(counts)):
            if (id, recipient) in delivered:
                self.false.append((id, recipient, "delivered, and reported as failed"))
            elif not recipient.endswith(tuple("@" + host for host in self.bounds.refusing)):
                self.false.append((id, recipient, "reported as failed, and nobody had refused it"))
        self.reported = counts

    def judge_fates(self):
        queued = {pair for pair in self.evidence.queued if self.own(*pair, "queue")}
        there = {(copy.id, copy.recipient) for copy in self.evidence.copies} | set(self.reported) | queued | set(self.evidence.badmail)
        for entry in self.sent.values():
            for recipient in entry.recipients:
                pair = (entry.id, recipient)
                if entry.answer == "ACK" and pair not in there:
                    self.lost.append((*pair, entry.queue_id))
                if entry.answer in ("NAK4", "NAK5", "CUT") and pair in there:
                    self.ghosts.append((*pair, entry.answer))

    def found(self):
        """{verdict: list} of those that are not empty."""
        return {name: getattr(self, name) for name in NAMES if getattr(self, name)}

    def check(self):
        found = {name: (len(each), each[:10]) for name, each in self.found().items()}
        assert not found, f"{found} ({self.tell()})"

    def tell(self):
        """In one line, for people."""
        words = [f"{name} {count}" for name, count in sorted(self.answers.items())]
        words += [f"second copies ({place}) {count}" for place, count in sorted(self.second.items())]
        return ", ".join([*words, f"{len(self.evidence.copies)} copies", f"{len(self.evidence.reports)} reports", f"{len(self.evidence.queued)} queued"])


def pair_of(address):
    """(id, address) of a recipient that carries its letter's id."""
    return id_of(address), address
