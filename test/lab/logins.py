"""Who may log in in the lab, and Dovecot as the server that knows them: for mansio over a unix socket, for postfix over TCP."""
import pathlib

from harness import wait_for
from names import NUMBERS

USER, PASSWORD = "bob@lab.test", "Kn0pf-im-Ohr"
DOVECOT = f"192.0.2.{NUMBERS['dovecot']}:12345"
SCHEMES = ("PLAIN", "SHA512-CRYPT", "BLF-CRYPT", "PBKDF2", "SSHA256", "SCRAM-SHA-256")

# The penalty is the seconds by which Dovecot delays answers to an address that failed before.
CONFIG = """protocols =
ssl = no
log_path = /dev/stderr
auth_mechanisms = plain login scram-sha-256
disable_plaintext_auth = no
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/mail
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener /auth {
    mode = 0600
  }
  inet_listener postfix {
    port = 12345
  }
}
"""


def password_of(scheme):
    return f"{PASSWORD} {scheme} ÄÖÜ"


class Dovecot:
    """Each scheme has a user SCHEME@lab.test, in lower case."""

    def __init__(self, machine, accounts):
        self.machine, self.socket = machine, pathlib.Path(machine.root) / "auth"
        machine.write("/etc/passwd", "".join(f"{user}:x:{number}:{number}::/:/bin/sh\n" for user, number in accounts.items()))
        machine.write("/etc/group", "".join(f"{user}:x:{number}:\n" for user, number in accounts.items()))
        machine.write("/etc/dovecot/dovecot.conf", CONFIG)
        self.owner = accounts["dovecot"]

    def start(self):
        """Also after stop(): with hashes that are made once."""
        if not (self.machine.root / "etc/dovecot/users").exists():
            lines = [f"{USER}:{{PLAIN}}{PASSWORD}"]
            for scheme in SCHEMES:
                hashed = self.machine.run("doveadm", "pw", "-s", scheme, "-p", password_of(scheme)).strip()
                lines.append(f"{scheme.lower()}@lab.test:{hashed}")
            self.machine.write("/etc/dovecot/users", "\n".join(lines) + "\n", 0o640, self.owner)
        self.process = self.machine.spawn("dovecot", "-F")
        wait_for(self.is_ready, 20, "dovecot to listen")

    def hide_users(self, hidden):
        """A file in the place of its users that it may not read, or its own again."""
        users = self.machine.root / "etc/dovecot/users"
        if hidden:
            users.rename(users.with_name("kept"))
            self.machine.write("/etc/dovecot/users", "# nobody\n", 0o600)
        else:
            users.with_name("kept").replace(users)

    def is_ready(self):
        try:
            self.machine.connect("127.0.0.1", 12345, 1).close()
        except OSError:
            return False
        return self.socket.exists()

    def stop(self):
        """All of it: its auth process would go on for those who are connected."""
        listed = self.machine.run("doveadm", "process", "status", "auth").splitlines()[1:]
        self.machine.run("sh", "-c", f"kill -KILL {' '.join(line.split()[1] for line in listed)}")
        self.machine.run("doveadm", "stop")
        self.process.wait(20)
        wait_for(lambda: not self.is_ready(), 20, "dovecot to be gone")

    def log(self):
        return (self.machine.directory / "output").read_text(errors="replace")[-6000:]
