"""Messages of many kinds, the same ones in every run. A message is its octets as they go over the wire (CRLF line ends,
dots not stuffed yet), with a name that says its kind.
"""
import base64
import dataclasses
import random
import re
from email.message import EmailMessage
from email.policy import SMTP

HEADER = b"From: a@b.test\r\nTo: bob@ex.test\r\nSubject: %b\r\n\r\n"


@dataclasses.dataclass
class Message:
    name: str
    content: bytes
    header_first: bool = True      # False: the first line is no field, so an empty line is put before it (S-031)
    chunks_only: bool = False      # octets that DATA can't carry: BODY=BINARYMIME
    parameters: str = ""           # of MAIL

    @property
    def stored(self):
        return self.content if self.header_first else b"\r\n" + self.content


def plain(name, body, **more):
    return Message(name, HEADER % name.encode("ascii", "replace") + body, **more)


def lines(random_source, count, longest, octets):
    return b"".join(bytes(random_source.choices(octets, k=random_source.randrange(longest))) + b"\r\n" for _ in range(count))


def edges():
    """The header and the body at their edges."""
    yield Message("nothing at all", b"")
    yield Message("an empty line only", b"\r\n")
    yield Message("three empty lines", b"\r\n\r\n\r\n")
    yield Message("header only, with its end", b"Subject: x\r\n\r\n")
    yield Message("header only, without its end", b"Subject: x\r\n")
    yield Message("body only", b"no header here\r\nnor here\r\n", header_first=False)
    yield Message("first line empty, then fields", b"\r\nSubject: not a field\r\n")
    yield Message("no separator", b"Subject: x\r\nand then text\r\nmore\r\n")
    yield Message("first line begins with a blank", b" folded of nothing\r\nSubject: x\r\n\r\nb\r\n", header_first=False)
    yield Message("first line begins with a tab", b"\tx\r\n\r\nb\r\n", header_first=False)
    yield Message("first line is mbox magic", b"From x@y Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n\r\nb\r\n", header_first=False)
    yield Message("first line is quoted mbox magic", b">From x@y Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n\r\nb\r\n", header_first=False)
    yield Message("a field without value", b"Subject:\r\nX-Empty:\r\n\r\nb\r\n")
    yield Message("a field with blanks before the colon", b"Subject : x\r\n\r\nb\r\n")
    yield Message("folded fields", b"Subject: a\r\n b\r\n\tc\r\n \r\n d\r\n\r\nb\r\n")
    yield Message("trace fields of others", b"Return-Path: <x@y>\r\nDelivered-To: x@y\r\nReceived: from a by b; Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\nb\r\n")
    yield Message("a thousand fields", b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(1000)) + b"\r\nb\r\n")
    yield Message("the same fields again and again", b"Date: x\r\nMessage-ID: <a@b>\r\nBcc: c@d\r\n" * 300 + b"\r\nb\r\n")
    yield Message("8-bit in the header", "Subject: Grüße\r\n\r\nb\r\n".encode("latin-1"))


def dots():
    for name, body in {"alone": b".\r\n", "twice alone": b".\r\n.\r\n", "two": b"..\r\n", "three": b"...\r\n", "and a word": b".x\r\n",
                       "first line": b".\r\nx\r\n", "last line": b"x\r\n.\r\n", "in the middle": b"a.b\r\n", "at the end": b"x.\r\n",
                       "then a blank": b". \r\n", "after a blank": b" .\r\n", "then a tab": b".\t\r\n", "after empty lines": b"\r\n\r\n.\r\n\r\n",
                       "a hundred": b"." * 100 + b"\r\n", "a line of each length": b"".join(b"." * n + b"\r\n" for n in range(1, 100))}.items():
        yield plain("dots: " + name, body)
    yield Message("dots: the first line of all", b".\r\n..\r\n", header_first=False)
    yield Message("dots: in a field", b"Subject: x\r\n .\r\n\r\nb\r\n")
    yield plain("a session inside", b".\r\nMAIL FROM:<evil@evil.test>\r\nRCPT TO:<alice@ex.test>\r\nDATA\r\n.\r\nQUIT\r\n")


def long_lines():
    for length in (76, 78, 996, 997, 998, 999, 1000, 1001, 2048, 4095, 4096, 4097, 65535, 65536, 100000):
        yield plain(f"a line of {length} octets", b"x" * length + b"\r\nend\r\n")
    yield plain("a long line that has a dot where it might be folded", b"x" * 998 + b"." + b"y" * 998 + b"." + b"\r\n")
    yield plain("a long line of dots", b"." * 5000 + b"\r\n")
    yield Message("a long field", b"Subject: " + b"word " * 5000 + b"\r\n\r\nb\r\n")
    yield Message("a field folded a thousand times", b"References: " + b"\r\n ".join(b"<%d@b.test>" % i for i in range(1000)) + b"\r\n\r\nb\r\n")


def octets():
    line_safe = bytes(c for c in range(256) if c not in b"\r\n")
    yield plain("every octet but CR and LF", line_safe + b"\r\n" + line_safe[::-1] + b"\r\n", parameters=" BODY=8BITMIME")
    yield plain("NUL", b"a\0b\r\n\0\r\n\0\0\0\r\nend\0\r\n")
    yield Message("NUL in the header", b"Subject: a\0b\r\n\r\nb\r\n")
    yield plain("control characters", bytes(range(1, 10)) + b"\x0b\x0c" + bytes(range(14, 32)) + b"\x7f\r\n")
    yield plain("latin-1", "schöne Grüße, ÿ\r\n".encode("latin-1"), parameters=" BODY=8BITMIME")
    yield plain("UTF-8", "Grüße, 你好, 🎠\r\n".encode(), parameters=" BODY=8BITMIME")
    yield plain("UTF-8 that is none", b"\xff\xfe\xc0\xae\xed\xa0\x80\xf8\r\n")
    yield plain("full-width and high-bit dots", b"\xef\xbc\x8e\r\n\xc0\xae\r\n\xae\r\n\x85\r\n")
    yield plain("blanks at the ends of lines", b"a \r\nb\t\r\n \r\n\t\r\n  c\r\n")
    yield plain("From lines", b"From a\r\nFrom \r\n>From b\r\n>>From c\r\nFrom\r\n\r\nFrom after an empty line\r\n")
    yield plain("only empty lines", b"\r\n" * 1000)
    binary = " BODY=BINARYMIME"
    yield plain("binary: every octet", bytes(range(256)) * 4, chunks_only=True, parameters=binary)
    yield plain("binary: bare CR and LF", b"a\rb\nc\n\rd\r\r\n\n.\n.\r\n", chunks_only=True, parameters=binary)
    yield plain("binary: an end of data inside", b"a\r\n.\r\nb\n.\nc\r.\rd", chunks_only=True, parameters=binary)
    yield plain("binary: ends with CR", b"a\r", chunks_only=True, parameters=binary)
    yield plain("binary: random", random.Random(7).randbytes(70000), chunks_only=True, parameters=binary)


def mime():
    for depth in (1, 2, 5, 20):
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = "a@b.test", "bob@ex.test", f"nested {depth}"
        message.set_content("the innermost text\n")
        for level in range(depth):
            outer = EmailMessage(policy=SMTP)
            outer["From"], outer["To"], outer["Subject"] = "a@b.test", "bob@ex.test", f"level {level}"
            outer.set_content(f"text of level {level}\n")
            outer.add_attachment(message)
            message = outer
            fixed_boundaries(message, level)
        yield Message(f"MIME: {depth} messages deep", message.as_bytes())
    source = random.Random(11)
    for kind in ("alternative", "mixed", "related", "digest"):
        boundary = f"=_{source.getrandbits(64):x}"
        part = base64.encodebytes(source.randbytes(3000)).replace(b"\n", b"\r\n")
        body = b"".join(b"--%b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n" % (boundary.encode(), part)
                        for _ in range(3))
        head = f"From: a@b.test\r\nSubject: {kind}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n"
        yield Message(f"MIME: multipart/{kind}", head.encode() + body + f"--{boundary}--\r\n".encode())
    yield Message("MIME: boundaries inside boundaries", b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" * 500)
    yield Message("MIME: no end", b"Content-Type: multipart/mixed; boundary=\"x\r\n\r\n--x\r\n")


def fixed_boundaries(message, level):
    for number, part in enumerate(message.walk()):
        if part.is_multipart() and part.get_content_maintype() == "multipart" and not part.get_boundary():
            part.set_boundary(f"=_{level}_{number}_=")


def random_ones(count=32):
    """Text, 8-bit and nearly all dots, of sizes around those of buffers and of the journal's threshold."""
    source = random.Random(20260101)
    sizes = [1, 2, 510, 511, 512, 4000, 8190, 16383, 16384, 65535, 65536, 65537, 262143, 262144, 262145, 1 << 20]
    line_safe = bytes(c for c in range(256) if c not in b"\r\n")
    kinds = {"text": bytes(range(32, 127)), "8-bit": line_safe, "dots": b"....x"}
    for number in range(count):
        kind = list(kinds)[number % 3]
        size = sizes[number % len(sizes)] + source.randrange(3)
        body = b""
        while len(body) < size:
            body += lines(source, 50, source.choice([3, 78, 1000]), kinds[kind])
        yield plain(f"random {kind} {number}", body[:size].replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n").removesuffix(b"\r\n") + b"\r\n")


def all_messages():
    made = [*edges(), *dots(), *long_lines(), *octets(), *mime(), *random_ones()]
    assert len({message.name for message in made}) == len(made)
    for message in made:
        assert message.chunks_only or not re.search(rb"\r(?!\n)|(?<!\r)\n", message.content), message.name
        assert message.chunks_only or not message.content or message.content.endswith(b"\r\n"), message.name
    return made
