"""A daemon whose users log in, with what its tests need: TLS, a users file, sessions that have logged in, and SASL by hand.

    house = house_at(directory)                      # not started; users bob, alice, carol with Maildirs and passwords
    with house.log_in("bob") as client: ...          # Raw, on the submission listener, after STARTTLS and AUTH PLAIN

The listeners, in the order in which a daemon names them, are RELAY (STARTTLS, AUTH offered), CLEAR (a relay without AUTH), SUBMIT
(STARTTLS), SMTPS (TLS from the beginning) and ASKING (as SMTPS, asks for a certificate)."""
import base64
import hashlib
import hmac
import os
import re
import secrets
import ssl
import subprocess

from certificates import Authority
from harness import BUILD, NO_NAMES, Mansio, Raw

RELAY, CLEAR, SUBMIT, SMTPS, ASKING = range(5)
HOST = "mx.ex.test"
CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "%(run_as)s";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = (
  { address = "127.0.0.1"; port = 0; auth = true; },
  { address = "127.0.0.1"; port = 0; },
  { address = "127.0.0.1"; port = 0; role = "submission"; },
  { address = "127.0.0.1"; port = 0; role = "submission"; tls = "implicit"; },
  { address = "127.0.0.1"; port = 0; role = "submission"; tls = "implicit"; ask_certificate = true; }
  %(listeners)s
);
tls = { certificate = "tls/mx.crt"; key = "tls/mx.key"; };
auth = { users = "%(users_setting)s"; delay = "%(delay)s"; %(auth)s };
submission = { %(submission)s };
domains = { local = [ "ex.test" ]; };
relay_from = [ "192.0.2.0/24" ];
%(dns)s
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; %(internet)s }; };
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ "bob", "alice", "carol" ]; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
%(extra)s
"""
# bob's is kept as SCRAM keys, carol's too; alice's as it is.
PASSWORDS = {"bob": "Xk9 geheim: mit \"$ und \\", "alice": "pässwörd-7Qz", "carol": "zcarolpw5"}
DEFAULTS = dict(delay="100ms", auth="", submission="", dns=NO_NAMES, internet="", extra="", listeners="", run_as="")


def add_user(file, name, password, scheme="SCRAM-SHA-256"):
    """By mansioctl passwd."""
    done = subprocess.run([str(BUILD / "daemon" / "mansioctl"), "passwd", name, "--file", str(file), "--stdin", "--scheme", scheme],
                          input=password + "\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


class LoginHouse(Mansio):
    passwords = PASSWORDS

    def context(self, **settings):
        """A TLS client that knows the authority."""
        made = ssl.create_default_context(cafile=str(self.authority.certificate))
        for name, value in settings.items():
            setattr(made, name, value)
        return made

    def secured(self, listener=SUBMIT, context=None):
        """A session over TLS that has said EHLO."""
        client = Raw(self.ports[listener], greeting=listener not in (SMTPS, ASKING))
        if client.greeting:
            assert client.command("EHLO client.test")[0] == 250
            assert client.command("STARTTLS")[0] == 220
        client.socket = (context or self.context()).wrap_socket(client.socket, server_hostname=HOST)
        client.file = client.socket.makefile("rb")
        if not client.greeting:
            client.greeting = client.reply()
        client.hello = client.command("EHLO client.test")
        assert client.hello[0] == 250
        return client

    def log_in(self, user="bob", listener=SUBMIT):
        client = self.secured(listener)
        reply = client.command("AUTH PLAIN " + plain(user, self.passwords[user.split("@")[0]]))
        assert reply[0] == 235, reply
        return client

    def arrival(self, sender):
        """The log line of the arrival of the mail from `sender`, which is unique."""
        return self.wait_log(rf"^.* <= {re.escape(sender)} .*$")[0]


def house_at(directory, users=None, users_setting="passwd-file:users", wrapper=(), **settings):
    """`users`: the text of the users file, in the place of the three users'; `users_setting`: where users are instead."""
    directory.mkdir(parents=True, exist_ok=True)
    unknown = set(settings) - set(DEFAULTS)
    assert not unknown, unknown
    authority = Authority(directory / "tls")
    authority.leaf("mx", names=[HOST], addresses=["127.0.0.1"])
    file = directory / "users"
    if users is None:
        file.write_text("# name:password\nalice:{PLAIN}%s\n" % PASSWORDS["alice"])
        file.chmod(0o600)
        add_user(file, "bob", PASSWORDS["bob"])
        add_user(file, "carol@ex.test", PASSWORDS["carol"])
    else:
        file.write_text(users)
        file.chmod(0o600)
    house = LoginHouse(directory, config=CONFIG % {**DEFAULTS, **settings, "users_setting": users_setting}, wrapper=wrapper)
    house.authority, house.users = authority, file
    return house


# ---- SASL by hand

def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def plain(user, password, authzid=""):
    return b64(f"{authzid}\0{user}\0{password}")


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, 7677). `binding`: (name, data) of a channel binding; None: without one."""

    def __init__(self, user, password, binding=None):
        self.password = password.encode()
        self.header = f"p={binding[0]},," if binding else "n,,"
        self.binding = binding[1] if binding else b""
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={secrets.token_hex(12)}"

    def first(self):
        return b64(self.header + self.bare)

    def final(self, challenge):
        server = base64.b64decode(challenge).decode()
        fields = dict(part.split("=", 1) for part in server.split(","))
        assert fields["r"].startswith(self.bare.split("r=")[1])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        without = f"c={b64(self.header.encode() + self.binding)},r={fields['r']}"
        said = f"{self.bare},{server},{without}".encode()
        key = mac(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.sha256(key).digest(), said)))
        self.verifier = "v=" + b64(mac(mac(salted, b"Server Key"), said))
        return b64(f"{without},p={b64(proof)}")

    def log_in(self, client, mechanism="SCRAM-SHA-256"):
        """The last reply; the server's own proof is checked."""
        code, lines = client.command(f"AUTH {mechanism} {self.first()}")
        if code != 334:
            return code, lines
        code, lines = client.command(self.final(lines[0][4:]))
        if code != 334:
            return code, lines
        assert base64.b64decode(lines[0][4:]).decode() == self.verifier
        return client.command("")


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def end_point(client):
    """tls-server-end-point (RFC 5929 §4) of a certificate that was signed with SHA-256."""
    return "tls-server-end-point", hashlib.sha256(client.socket.getpeercert(binary_form=True)).digest()


# ---- programs

def run(*words, status=0, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=60, **more)
    assert done.returncode == status, (done.returncode, done.stdout[-3000:].decode(errors="replace"), done.stderr[-3000:].decode(errors="replace"))
    return done.stdout + done.stderr


def environment(tmp_path, **more):
    """In which no client finds settings of the caller's."""
    return {"HOME": str(tmp_path), "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin", "USER": "tester", "LOGNAME": "tester",
            "LANG": "C.UTF-8", **more}
