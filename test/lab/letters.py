"""Letters of the lab and what became of them: made with a token that finds them again, compared by the bytes of the
body, and reports read by Python's email package, which shares nothing with us."""
import email
import email.policy
import hashlib
import itertools
import os
import re

numbers = itertools.count(1)


class Letter:
    """A message from bob@host to somebody. `body` are bytes with CRLF line ends."""

    def __init__(self, sender, body=b"Good morning.\r\n", to="somebody", fields=()):
        self.token = f"lab-{os.getpid()}-{next(numbers)}"
        self.sender = sender
        self.body = body
        head = [f"From: <{sender}>", f"To: <{to}>", f"Subject: letter {self.token}",
                f"Message-ID: <{self.token}@letters.lab.test>", "Date: Sun, 22 Nov 2026 07:00:00 +0000",
                "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {'7bit' if body.isascii() else '8bit'}", *fields]
        self.content = "\r\n".join(head).encode() + b"\r\n\r\n" + body


def digest(body):
    """sha256 of a body; line ends count as LF, however a Maildir has them, and so does the last one that may be missing."""
    return hashlib.sha256(body.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n").hexdigest()


def split(message):
    """Head and body of a stored message, as bytes."""
    match = re.search(rb"\r?\n\r?\n", message)
    return (message[:match.start()], message[match.end():]) if match else (message, b"")


def same_body(stored, letter):
    return digest(split(stored)[1]) == digest(letter.body)


def return_path(message):
    """What the first Return-Path says: exim writes the name in its own way."""
    found = re.search(rb"^return-path:\s*<([^>]*)>", split(message)[0], re.I | re.M)
    return found and found.group(1).decode()


def is_report(message):
    return re.search(rb"^from:.*mailer-daemon", split(message)[0], re.I | re.M) is not None


class Report:
    """A delivery status notification (RFC 3464), strictly: what is missing is an AssertionError."""

    def __init__(self, message):
        self.text = message.decode("utf-8", "replace")
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        if "opensmtpd" in parsed["From"]:      # its reports have the parts, but call themselves multipart/mixed
            assert parsed.get_content_type() == "multipart/mixed", self.text
        else:
            assert parsed.get_content_type() == "multipart/report", self.text
            assert parsed.get_param("report-type") == "delivery-status", self.text
        self.parsed = parsed
        parts = list(parsed.iter_parts())
        assert len(parts) >= 2, self.text
        self.human = parts[0].get_content()
        status = parts[1]
        assert status.get_content_type() in ("message/delivery-status", "message/global-delivery-status"), self.text
        groups = status.get_payload()
        if status.get_content_type() == "message/global-delivery-status":      # the package splits off the first group alone
            rest = groups[0].get_payload().encode("utf-8", "surrogateescape").decode()
            groups[1:] = [email.message_from_string(text) for text in re.split(r"\n\s*\n", rest.replace("\r\n", "\n").strip())]
        groups = [group for group in groups if group.keys()]
        assert groups and groups[0]["Reporting-MTA"], self.text
        self.message_fields, self.recipients = groups[0], groups[1:]
        assert self.recipients, self.text
        for each in self.recipients:
            assert each["Final-Recipient"] and each["Action"], self.text
            assert re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", each["Status"] or ""), self.text
        self.returned = parts[2] if len(parts) > 2 else None

    def of(self, address):
        """The fields about one recipient."""
        found = [each for each in self.recipients if final_recipient(each) == address.lower()]
        assert len(found) == 1, f"{address} in\n{self.text}"
        return found[0]


def final_recipient(fields):
    return fields["Final-Recipient"].split(";", 1)[1].strip().lower()
