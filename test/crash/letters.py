"""The letters of the crash tests (durability cases, D-021): each has an id of its own in a header and in the detail of each of
its recipients, and a body that its seed gives, with the body's sha256 in a header. The same seed writes the same letters.

    Writer("seed").letter("id")     a letter of any kind
    Letter("id", "u01+id@ex.test")  this one

What a recipient's domain stands for:
    ex.test     eighteen Maildirs, u00 to u17, and `from`, who sends the letters and gets the reports about them
    box.test    one mbox, for any name
    good.test   a host that takes all           moody.test  one that often says "later", and sometimes just leaves
    fail.test   one that refuses each recipient for good: a report to the sender, or badmail when there is none"""
import hashlib
import random
import re

USERS = [f"u{n:02}" for n in range(18)]
HOSTS = ("good.test", "moody.test", "fail.test")
LINE = 140


class Letter:
    def __init__(self, id, *recipients, size=2_000, sender=None, generator=None):
        """`recipients` without detail ("u01@ex.test"); `sender` "" is the null sender."""
        self.id = id
        self.recipients = [with_detail(recipient, id) for recipient in recipients]
        self.sender = with_detail("from@ex.test", id) if sender is None else sender
        body = make_body(size, generator or random.Random(id))
        self.sha256 = hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()
        head = f"From: {self.sender or 'nobody@client.test'}\r\nX-Ledger-Id: {id}\r\nX-Ledger-Sha256: {self.sha256}\r\n\r\n"
        self.content = head.encode() + body

    def stuffed(self):
        """As it goes over the wire, without the final dot."""
        return re.sub(rb"(?m)^\.", b"..", self.content)


def with_detail(address, id):
    local, _, domain = address.partition("@")
    return f"{local}+{id}@{domain}"


def id_of(address):
    """The id in an address's detail, "" when there is none."""
    found = re.search(r"\+([^@+]*)@", address)
    return found[1] if found else ""


def without_detail(address):
    return re.sub(r"\+[^@]*@", "@", address)


def make_body(size, generator):
    """Text of about so many octets; now and then a line that an mbox has to quote or SMTP has to stuff."""
    digits = generator.randbytes(max(size - 120, 40) // 2 + 1).hex().encode()
    lines = [digits[at:at + LINE] for at in range(0, len(digits), LINE)]
    for _ in range(max(len(lines) // 50, 1)):
        at = generator.randrange(len(lines))
        lines[at] = generator.choice((b"From ", b".", b"..", b">From ", b"")) + lines[at][:LINE - 10]
    return b"\r\n".join(lines) + b"\r\n"


class Writer:
    """Chooses letters; one for each client."""

    def __init__(self, seed, kinds=("ex.test", "box.test", *HOSTS), sizes=None):
        self.random, self.kinds, self.choose_size = random.Random(seed), kinds, sizes or mixed_size

    def letter(self, id):
        size = self.choose_size(self.random)
        sender = "" if self.random.random() < 0.1 else None
        return Letter(id, *self.recipients(), size=size, sender=sender, generator=self.random)

    def recipients(self):
        at = self.random.random()
        count = 1 if at < 0.55 else self.random.randrange(2, 6) if at < 0.93 else self.random.randrange(6, 18) if at < 0.98 else 50
        pool = [f"{user}@ex.test" for user in USERS] if "ex.test" in self.kinds else []
        if "box.test" in self.kinds:
            pool += ["box@box.test"] * 2
        for host in HOSTS:
            if host in self.kinds:
                pool += [f"{name}@{host}" for name in ("ada", "bea", "cleo") + (tuple(f"x{n}" for n in range(30)) if count > 17 else ())]
        chosen = []
        for _ in range(min(count, len(set(pool)))):
            chosen.append(self.random.choice([address for address in pool if address not in chosen]))
        return chosen


def small_size(generator):
    return generator.randrange(500, 8_000)


def mixed_size(generator):
    """0.5 kB to 4 MB, mostly small; about one in twelve is too large for memory and gets a file."""
    at = generator.random()
    if at < 0.75:
        return generator.randrange(500, 8_000)
    if at < 0.93:
        return generator.randrange(8_000, 200_000)
    if at < 0.99:
        return generator.randrange(300_000, 1_000_000)
    return generator.randrange(1_000_000, 4_000_000)
