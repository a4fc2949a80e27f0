"""A realm of Kerberos on loopback with a real KDC (MIT krb5), and GSSAPI by hand.

    realm = Realm(directory).start()           # EX.TEST and, trusted by it, OTHER.TEST; users bob, alice, eve@OTHER.TEST
    realm.make_keytab(path)                    # of smtp/mx.ex.test, with keys that are new each time
    wallet = realm.kinit("bob")                # a credential cache with a ticket
    with speak(port) as client: log_in(client, wallet) == (235, [...])

The library that the test program uses looks at KRB5_CONFIG, which Realm.start() sets and stop() puts back."""
import base64
import os
import pathlib
import secrets
import socket
import subprocess
import time

import pytest

from harness import Raw, tool, wait_for

gssapi = pytest.importorskip("gssapi")

REALM, OTHER = "EX.TEST", "OTHER.TEST"
SERVICE = f"smtp/mx.ex.test@{REALM}"
PASSWORDS = {f"bob@{REALM}": "bobpw-1", f"alice@{REALM}": "alicepw-2", f"Carol@{REALM}": "carolpw-3", f"bob/admin@{REALM}": "adminpw-4",
             f"eve@{OTHER}": "evepw-5"}


def free_port():
    """One that both TCP and UDP have free."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


class Realm:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.config = self.write_config("krb5.conf")
        (self.directory / "kdc.conf").write_text(f"""
[kdcdefaults]
  kdc_listen = 127.0.0.1:{self.port}
  kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
""" + "".join(f"""  {realm} = {{
    database_name = {self.directory}/{realm}.db
    key_stash_file = {self.directory}/{realm}.stash
    acl_file = {self.directory}/none.acl
    supported_enctypes = aes256-cts-hmac-sha1-96:normal
    max_life = 10h
  }}
""" for realm in (REALM, OTHER)))
        self.env = dict(os.environ, KRB5_CONFIG=str(self.config), KRB5_KDC_PROFILE=str(self.directory / "kdc.conf"))
        self.process = None
        self.number = 0

    def write_config(self, name, clockskew=300):
        """A krb5.conf; a server of its own may have a stricter clock."""
        path = self.directory / name
        path.write_text(f"""
[libdefaults]
  default_realm = {REALM}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  clockskew = {clockskew}
[realms]
  {REALM} = {{
    kdc = 127.0.0.1:{self.port}
  }}
  {OTHER} = {{
    kdc = 127.0.0.1:{self.port}
  }}
[domain_realm]
  ex.test = {REALM}
  .ex.test = {REALM}
[logging]
  kdc = FILE:{self.directory}/kdc.log
""")
        return path

    def run(self, *command, input=None):
        done = subprocess.run([str(one) for one in command], input=input, env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def kadmin(self, *queries, realm=REALM):
        out = self.run(tool("kadmin.local"), "-r", realm, input="\n".join(queries) + "\n")
        return out

    def start(self):
        for realm in (REALM, OTHER):
            self.run(tool("kdb5_util"), "-r", realm, "create", "-s", "-P", secrets.token_hex(8))
        users = [f'addprinc -pw {password} {name}' for name, password in PASSWORDS.items()]
        trust = f"addprinc -pw trusted-{self.port} krbtgt/{REALM}@{OTHER}"
        self.kadmin(*[one for one in users if REALM in one], f"addprinc -randkey {SERVICE}", f"addprinc -randkey HTTP/mx.ex.test@{REALM}", trust)
        self.kadmin(*[one for one in users if OTHER in one], trust, realm=OTHER)
        self.output = open(self.directory / "kdc.out", "ab")
        self.process = subprocess.Popen([tool("krb5kdc"), "-n", "-r", REALM, "-r", OTHER, "-P", str(self.directory / "kdc.pid")], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        wait_for(self.answers, what="the KDC")
        self.before = {name: os.environ.get(name) for name in ("KRB5_CONFIG",)}
        os.environ["KRB5_CONFIG"] = str(self.config)
        return self

    def answers(self):
        assert self.process.poll() is None, (self.directory / "kdc.out").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.output.close()
            self.process = None
            for name, value in self.before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def make_keytab(self, path, *principals):
        """With keys that are made now: tickets with the keys of before can't be read with it."""
        path = pathlib.Path(path)
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        self.kadmin(f"ktadd -k {new} {' '.join(principals or (SERVICE,))}")
        new.chmod(0o600)
        new.rename(path)
        return path

    def kinit(self, user, life="1h", realm=REALM):
        """A cache of its own."""
        name = f"{user}@{realm}"
        self.number += 1
        cache = f"FILE:{self.directory}/cache{self.number}"
        self.run(tool("kinit"), "-c", cache, "-l", life, name, input=PASSWORDS[name] + "\n")
        return cache


def credentials(cache):
    return gssapi.Credentials(usage="initiate", store={"ccache": cache})


def context(cache, service=SERVICE, flags=None, mech=gssapi.MechType.kerberos):
    """The client's end; by default it wants ours proved, as most do."""
    name = gssapi.Name(service, gssapi.NameType.kerberos_principal)
    wanted = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.integrity if flags is None else flags
    return gssapi.SecurityContext(name=name, creds=credentials(cache), mech=mech, flags=wanted, usage="initiate")


def b64(data):
    return base64.b64encode(data or b"").decode()


def challenge_of(reply):
    assert reply[0] == 334, reply
    return base64.b64decode(reply[1][0][4:])


def speak(port):
    client = Raw(port)
    client.hello = client.command("EHLO client.test")
    assert client.hello[0] == 250
    return client


def mechanisms_of(client):
    return next((line[9:].split() for line in client.hello[1] if line[4:9] == "AUTH "), [])


def log_in(client, cache, choice=b"\1\0\0\0", initial=True, **how):
    """The last reply. `choice`: what the client wraps at the end: its layer, a size, and whom it acts for."""
    mine = context(cache, **how)
    token = mine.step()
    if initial:
        reply = client.command("AUTH GSSAPI " + b64(token))
    else:
        assert client.command("AUTH GSSAPI") == (334, ["334 "])
        reply = client.command(b64(token))
    while not mine.complete and reply[0] == 334:
        token = mine.step(challenge_of(reply))
        reply = client.command(b64(token))
    if reply[0] != 334:
        return reply
    offer = challenge_of(reply)
    if not offer:                     # our side was complete at once: the layers come next
        reply = client.command("")
        offer = challenge_of(reply)
    offered = mine.unwrap(offer).message
    assert offered == b"\1\0\0\0", offered
    return client.command(b64(mine.wrap(choice, False).message))


def until(moment):
    """Waits for a moment of the clock: a ticket's end can't be hurried."""
    wait_for(lambda: time.time() > moment, what="the time")
