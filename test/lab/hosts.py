"""The mail hosts of the lab: Debian's postfix, exim4 and opensmtpd, and mansio. Each takes mail for its domains into
Maildirs, sends what its own programs hand in by MX, relays for nobody else, and tries again within seconds."""
import os
import re
import smtplib
import time

from harness import Mansio, wait_for
from letters import is_report
from names import NUMBERS, RESOLVER, domains
from namespaces import WITH_THE_RUN

USERS = ["bob", "alice", "jürgen", *(f"u{number:02}" for number in range(50))]
OWNER = 1000
ACCOUNTS = {"root": 0, "daemon": 1, "mail": 8, "nobody": 65534, "vmail": OWNER, "postfix": 101, "postdrop": 102,
            "Debian-exim": 103, "opensmtpd": 104, "opensmtpq": 105}
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

    def __init__(self, name, machine):
        self.name, self.machine = name, machine
        self.domain = f"{name}.lab.test"
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

    def __init__(self, name, machine):
        super().__init__(name, machine)
        self.mail = machine.root / "var" / "mail"
        self.process = None
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

    def log(self):
        texts = [self.machine.directory / "output", *(self.machine.root / "var/log").rglob("*")]
        texts = [path for path in texts if path.is_file() and path.stat().st_size]
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-6000:]}\n" for path in texts)


class Postfix(Peer):
    def configure(self):
        self.machine.write("/etc/postfix/main.cf", f"""compatibility_level = 3.6
myhostname = mx.{self.domain}
myorigin = {self.domain}
mydestination =
alias_maps =
virtual_mailbox_domains = {' '.join(domains(self.name))}
virtual_mailbox_maps = texthash:/etc/postfix/mailboxes
virtual_mailbox_base = /var/mail
virtual_uid_maps = static:{OWNER}
virtual_gid_maps = static:{OWNER}
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 52428800
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
smtputf8_enable = yes
inet_protocols = all
smtp_address_preference = ipv6
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtp_connect_timeout = 2s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 3s
notify_classes =
maillog_file = /var/log/mail.log
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
meta_directory = /etc/postfix
""")
        mailboxes = [f"{user}@{domain} {user}/\n" for domain in domains(self.name) for user in USERS]
        self.machine.write("/etc/postfix/mailboxes", "".join(mailboxes))
        services = (self.machine.tree / "usr/share/postfix/master.cf.dist").read_text()
        services = re.sub(r"^(\S+ +\S+ +\S+ +\S+ +)y", r"\1n", services, flags=re.M)      # without its own chroot
        self.machine.write("/etc/postfix/master.cf", services)
        self.own("var/lib/postfix", "postfix")

    def start(self):
        self.machine.run("postfix", "start", timeout=60)


class Exim(Peer):
    def configure(self):
        self.own("var/spool/exim4", "Debian-exim", 0o750)
        self.own("var/log/exim4", "Debian-exim", 0o750)
        self.machine.write("/etc/exim4/users", "".join(f"{user}: {user}\n" for user in USERS))
        self.machine.write("/etc/exim4/exim4.conf", f"""primary_hostname = mx.{self.domain}
qualify_domain = {self.domain}
domainlist local_domains = {' : '.join(domains(self.name))}
hostlist relay_from_hosts = <; 127.0.0.1 ; ::1
acl_smtp_rcpt = check_rcpt
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
tls_advertise_hosts =
host_lookup =
message_size_limit = 50M
log_file_path = /var/log/exim4/%slog
smtp_accept_queue_per_connection = 0
keep_environment =
begin acl
check_rcpt:
  deny    domains = +local_domains
          message = unknown user
          !verify = recipient
  accept  domains = +local_domains
  accept  hosts = +relay_from_hosts
  deny    message = relay not permitted
begin routers
remote:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote
  no_more
local:
  driver = accept
  local_parts = lsearch;/etc/exim4/users
  transport = maildir
begin transports
remote:
  driver = smtp
  connect_timeout = 2s
  hosts_avoid_tls = *
  hosts_try_dane =
maildir:
  driver = appendfile
  directory = /var/mail/$local_part_data
  maildir_format
  user = vmail
  group = vmail
  return_path_add
begin retry
* * F,1h,1s
""")

    def start(self):
        self.process = self.machine.spawn("exim4", "-bdf", "-q1s")


class OpenSmtpd(Peer):
    smtputf8 = False
    hurried = 0

    def configure(self):
        self.machine.write("/etc/mail-users", "".join(f"{user} {OWNER}:{OWNER}:/var/mail\n" for user in USERS))
        self.machine.write("/etc/aliases", "")
        listed = ", ".join(f'"{domain}"' for domain in domains(self.name))
        self.machine.write("/etc/smtpd.conf", f"""table users file:/etc/mail-users
table domains {{ {listed} }}
smtp max-message-size "50M"
listen on 0.0.0.0 hostname mx.{self.domain}
listen on :: hostname mx.{self.domain}
action "local" maildir "/var/mail/%{{user.username}}" userbase <users>
action "remote" relay helo mx.{self.domain}
match from any for domain <domains> action "local"
match from local for any action "remote"
""")

    def start(self):
        self.process = self.machine.spawn("smtpd", "-d")

    def hurry(self):
        """Its schedule is fixed, and the first retry comes after minutes."""
        if time.monotonic() > self.hurried + 0.7:
            self.hurried = time.monotonic()
            # With the group that the package's own scripts would have given smtpctl.
            self.machine.run("chroot", f"--userspec=0:{ACCOUNTS['opensmtpq']}", "/", "smtpctl", "schedule", "all")


MANSIO = """version = 1;
host_name = "mx.mansio.lab.test";
mail_name = "mansio.lab.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( %(listeners)s );
domains = { local = [ %(domains)s ]; };
relay_from = [ "127.0.0.0/8", "::1" ];
dns = { servers = [ "%(resolver)s" ]; timeout = "2s"; };
transports = {
  mailbox = { kind = "maildir"; path = "mail/{local}"; };
  internet = { kind = "smtp"; timeouts = { connect = "2s"; }; };
};
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ %(users)s ]; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
retry = ( { domains = [ "*" ]; schedule = "1s for 1h"; } );
"""


class MansioHost(Host):
    """The daemon that was built, with this machine's files, on the lab's network."""

    def __init__(self, name, machine):
        super().__init__(name, machine)
        listeners = [f'{{ address = "{address}"; port = 25; }}' for address in ("127.0.0.1", *machine.addresses)]
        local = quoted(domain for domain in domains(name) if domain.isascii())
        text = MANSIO % dict(listeners=", ".join(listeners), domains=local, users=quoted(USERS), resolver=RESOLVER)
        self.daemon = Mansio(machine.directory / "mansio", config=text, wrapper=[*WITH_THE_RUN, *machine.enter()])
        self.mail = self.daemon.mail

    def start(self):
        self.daemon.start()

    def log(self):
        logs = [f"--- {name}\n{self.daemon.log(name)[-8000:]}\n" for name in ("mainlog", "rejectlog", "paniclog")]
        return "".join(logs) + self.daemon.errors()[-3000:]


def quoted(words):
    return ", ".join(f'"{word}"' for word in words)
