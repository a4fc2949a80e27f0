"""A small internet on loopback for the tests of outbound mail: sinks on 127.0.0.2, 127.0.0.3, ... that share a port, name servers
that tell of them, and a daemon that relays. bob, alice and carol@ex.test have Maildirs; good.test is healthy."""
import contextlib
import email
import email.policy
import re

import pytest

from harness import wait_for
from names import Names
from sink import Sink

CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; role = "relay"; } );
domains = { local = [ "ex.test" ]; };
relay_from = [ "127.0.0.0/8" ];
limits = { recipients = 10000; %(limits)s };
dns = { servers = [ "127.0.0.1:%(dns)d" ]; timeout = "%(dns_timeout)s"; attempts = 2; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; };
               internet = { kind = "smtp"; port = %(port)d; %(transport)s }; %(transports)s };
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ "bob", "alice", "carol" ]; transport = "mailbox"; },
  %(routes)s
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
retry = ( { domains = [ "*" ]; schedule = "%(retry)s"; } );
delay_warning = "%(warning)s";
%(extra)s
"""
PLAIN = b"From: bob@ex.test\r\nSubject: hello\r\n\r\nthe body\r\n"


class Internet:
    def __init__(self, make_mansio):
        self.make_mansio = make_mansio
        self.names = Names()
        self.sinks = []
        self.good = self.sink("127.0.0.2")
        self.port = self.good.port
        self.names.site("good.test", "127.0.0.2")

    def sink(self, address, **options):
        """At the port of all of them, unless the options say another."""
        made = Sink(address, **{"port": self.good.port if self.sinks else 0, **options})
        self.sinks.append(made)
        return made

    def site(self, domain, *addresses, **options):
        """Makes a domain with a sink at each address; the sinks."""
        self.names.site(domain, *addresses)
        return [self.sink(address, **options) for address in addresses]

    def start(self, name="mansio", **options):
        values = dict(dns=self.names.port, dns_timeout="1s", port=self.port, transport="", transports="", routes="", extra="", limits="",
                      retry="1h for 4d", warning="0s")
        self.mansio = self.make_mansio(name, config=CONFIG % {**values, **options})
        return self.mansio.start()

    def keeps_flowing(self, *waiting):
        """Mail to good.test goes through now, each once, while the messages `waiting` are not finished."""
        subjects = {f"flow {len(self.good.messages)} {n}" for n in range(3)}
        for subject in subjects:
            send(self.mansio, "x@good.test", content=f"Subject: {subject}\r\n\r\nhello\r\n".encode())
        wait_for(lambda: subjects <= {subject_of(m) for m in self.good.taken()}, what="mail to the healthy host")
        log = self.mansio.log()
        assert not [id for id in waiting if f"{id} Completed" in log]

    def close(self):
        self.names.close()
        for sink in self.sinks:
            sink.close()


@pytest.fixture
def internet(make_mansio):
    with contextlib.closing(Internet(make_mansio)) as made:
        yield made


# ---- mail

def send(mansio, *recipients, sender="bob@ex.test", content=PLAIN, mail="", rcpt="", session=None):
    """One message by SMTP; its queue id. Parameters begin with a blank; `rcpt` may be a list, one for each recipient."""
    with contextlib.ExitStack() as stack:
        client = session or stack.enter_context(mansio.connect())
        parameters = rcpt if isinstance(rcpt, list) else [rcpt] * len(recipients)
        lines = ([] if session else ["EHLO client.test"]) + [f"MAIL FROM:<{sender}>{mail}"]
        lines += [f"RCPT TO:<{r}>{p}" for r, p in zip(recipients, parameters)]
        if "BINARYMIME" not in mail:
            lines += ["DATA"]
        client.send("".join(line + "\r\n" for line in lines).encode())
        replies = [client.reply() for _ in lines]
        assert all(code in (250, 354) for code, _ in replies), replies
        if "BINARYMIME" in mail:
            client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        else:
            client.send(re.sub(rb"(\A|(?<=\r\n))\.", b"..", content) + b".\r\n")
        code, text = client.reply()
        assert code == 250, text
    return re.search(r"queued as (\S+)", text[0])[1]


def subject_of(message):
    found = re.search(rb"(?m)^Subject: (.*)\r$", message.content)
    return found[1].decode() if found else ""


def without_trace(message):
    """What was sent, from what a sink got: our own Received field taken off (R-058)."""
    found = re.match(rb"Received: from [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", message.content)
    return message.content[found.end():]


def delivered(mansio, id, address, timeout=20):
    """The log line of a delivery."""
    return mansio.wait_log(rf"^.* {id} [=-]> {re.escape(address)} .*$", timeout=timeout)[0]


def deferred(mansio, id, address, timeout=20):
    return mansio.wait_log(rf"^.* {id} == {re.escape(address)} .*$", timeout=timeout)[0]


def failed(mansio, id, address, timeout=20):
    return mansio.wait_log(rf"^.* {id} \*\* {re.escape(address)} .*$", timeout=timeout)[0]


def never_bounced(mansio, id):
    """Nothing said that it failed, it is queued, and nobody got a report."""
    log = mansio.log()
    assert f"{id} **" not in log and f"{id} Completed" not in log and f"R={id}" not in log, log
    assert id in [m["id"] for m in mansio.queue()]


def parse_report(raw):
    """(message, text, fields of the whole, fields of each recipient, original), by Python's own parser."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "delivery-status"
    text, status, original = message.iter_parts()
    blocks = status.get_payload()
    return message, text.get_content(), blocks[0], blocks[1:], original


def reports(mansio, count=1, user="bob"):
    """The reports in a Maildir, and no more of them than `count`."""
    found = [parse_report(raw) for raw in mansio.wait_mail(count, user)]
    assert len(found) == count
    return found


def report_for(mansio, id, address):
    """The only report, about one address: its recipient's fields."""
    mansio.wait_log(f"{id} Completed")
    [(message, text, _, [recipient], _)] = reports(mansio)
    assert message["Return-Path"] == "<>"
    assert recipient["Final-Recipient"] == f"rfc822;{address}" and recipient["Action"] == "failed"
    assert f"<{address}>" in text
    return recipient
