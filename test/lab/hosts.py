"""What the mail hosts of the lab have in common. Each takes mail for its domains into Maildirs, sends what its own programs hand
in by MX, relays for nobody else, and tries again within seconds; those from Debian's packages are in peers.py."""
import os
import smtplib

from harness import wait_for
from letters import is_report
from names import NUMBERS, RESOLVER

USERS = ["bob", "alice", "jürgen", *(f"u{number:02}" for number in range(50))]
OWNER = 1000
ACCOUNTS = {"root": 0, "daemon": 1, "mail": 8, "nobody": 65534, "vmail": OWNER, "postfix": 101, "postdrop": 102,
            "Debian-exim": 103, "opensmtpd": 104, "opensmtpq": 105, "dovecot": 106, "dovenull": 107}
LONGEST_LOOK = 200_000      # bytes of a stored message in which its token must be


class Client(smtplib.SMTP):
    """smtplib from inside a machine."""

    def __init__(self, machine, address="127.0.0.1", timeout=40):
        self.machine = machine
        super().__init__(address, 25, local_hostname="client.lab.test", timeout=timeout)

    def _get_socket(self, host, port, timeout):
        return self.machine.connect(host, port, timeout)


class Host:
    """What all four have in common. `name`, `machine`, `mail` (where the Maildirs are) are set by each."""

    smtputf8 = True           # takes part in SMTPUTF8
    key = "ecdsa"             # of its certificate

    def __init__(self, name, machine, authorities):
        self.name, self.machine, self.authorities = name, machine, authorities
        self.domain = f"{name}.lab.test"
        self.leaf = authorities[0].leaf(name, names=[f"mx.{self.domain}"], key=self.key)
        self.seen = {}        # path: the beginning of a message

    def address(self, user="bob", kind=""):
        return f"{user}@{kind}{self.domain}"

    def submit(self, letter, recipients, mail_options=(), rcpt_options=()):
        """Hands a letter in, as a local program would. {recipient: (code, text)} of those refused."""
        recipients = [recipients] if isinstance(recipients, str) else recipients
        with Client(self.machine) as client:
            client.ehlo()
            if "SMTPUTF8" in mail_options:
                client.command_encoding = "utf-8"
            return client.sendmail(letter.sender, recipients, letter.content, mail_options, rcpt_options)

    # ---- what arrived

    def paths(self, user):
        return [path for folder in ("new", "cur") for path in sorted((self.mail / user / folder).glob("*"))]

    def beginning(self, path):
        if path not in self.seen:
            with open(path, "rb") as file:
                self.seen[path] = file.read(LONGEST_LOOK)
        return self.seen[path]

    def stored(self, user, token, reports=False):
        """Paths of a user's messages about a letter: copies of it, or reports."""
        found = [path for path in self.paths(user) if token.encode() in self.beginning(path)]
        return [path for path in found if is_report(self.beginning(path)) == reports]

    def wait_letter(self, user, letter, timeout=30):
        return self.wait(user, letter.token, False, timeout)

    def wait_report(self, user, letter, timeout=30):
        return self.wait(user, letter.token, True, timeout)

    def wait(self, user, token, reports, timeout):
        def look():
            self.hurry()
            return self.stored(user, token, reports)

        path = wait_for(look, timeout, f"{'a report on' if reports else ''} {token} for {user} at {self.name}")[0]
        return path.read_bytes()

    def hurry(self):
        """Told while somebody waits for mail: for a host whose retries can't be set."""

    def is_ready(self):
        try:
            with self.machine.connect("127.0.0.1", 25, 1) as connection:
                return connection.recv(4) == b"220 " or connection.recv(4)
        except OSError:
            return False


class Peer(Host):
    """A host from a Debian package, in a root of its own."""

    key_file = (0o600, 0)     # mode and owner

    def __init__(self, name, machine, authorities):
        super().__init__(name, machine, authorities)
        self.mail = machine.root / "var" / "mail"
        self.process = None
        for file, source in (("leaf.crt", self.leaf.certificate), ("authority.crt", authorities[0].certificate),
                             ("stranger.crt", authorities[1].certificate)):
            machine.write(f"/etc/tls/{file}", source.read_text())
        machine.write("/etc/ssl/certs/ca-certificates.crt", authorities[0].certificate.read_text())
        machine.write("/etc/tls/leaf.key", self.leaf.key.read_text(), *self.key_file)
        users = ACCOUNTS.items()
        machine.write("/etc/passwd", "".join(f"{user}:x:{number}:{number}::/var/mail:/bin/sh\n" for user, number in users))
        machine.write("/etc/group", "".join(f"{user}:x:{number}:\n" for user, number in users))
        machine.write("/etc/resolv.conf", f"nameserver {RESOLVER}\noptions timeout:2 attempts:2\n")
        machine.write("/etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n192.0.2.{NUMBERS[name]} mx.{self.domain}\n")
        machine.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        machine.write("/etc/mailname", self.domain + "\n")
        machine.write("/etc/hostname", f"mx.{self.domain}\n")
        os.chown(self.mail, OWNER, OWNER)
        for user in USERS:      # Maildirs that are there: a peer need not make them
            for folder in ("", "new", "cur", "tmp"):
                (self.mail / user / folder).mkdir(exist_ok=True)
                os.chown(self.mail / user / folder, OWNER, OWNER)
        self.configure()

    def own(self, path, account, mode=0o755):
        folder = self.machine.root / path
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        os.chown(folder, ACCOUNTS[account], ACCOUNTS[account])

    def log(self, limit=6000):
        texts = [self.machine.directory / "output", *(self.machine.root / "var/log").rglob("*")]
        texts = [path for path in texts if path.is_file() and path.stat().st_size]
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-limit:]}\n" for path in texts)

    def whole_log(self):
        return self.log(limit=1 << 24)
