"""A real slapd on loopback with a small company in it, and a daemon that asks it. slapd runs as a child of the test, with a
directory of its own, as root or not, and is ended by its pid.

    directory = Slapd(tmp_path / "ldap")              # started; .uri, .ldaps, .ldapi; .stop(), .start(), .freeze(), .thaw()
    directory.modify("dn: ...")                       # LDIF for ldapmodify
    directory.searches("bob@ex.test")                 # how many searches named that
    mansio = daemon_of(make_mansio, directory)        # users of ex.test are in ou=people, aliases in ou=groups

In ou=people, as NAME@ex.test: bob, alice, carol; robert (goes to bob), self (to itself), ping and pong (to each other), away and
afar (mailHost: the sinks, when they are given), moved (mailHost, and another address), home (mailHost: ourselves), bad (goes to a command),
nowhere (a mailHost that is none), twin (twice). In ou=groups: team (bob, alice), all (team, carol, and bob once more), plain
(addresses), ghosts (members that are gone), ring1 and ring2 (each other), inner (a group without an address, within outer)."""
import os
import re
import signal
import socket
import subprocess

from harness import NO_NAMES, tool, wait_for

BASE, ADMIN, PASSWORD = "dc=ex,dc=test", "cn=admin,dc=ex,dc=test", "geheim, mit \"$ und \\"

SLAPD = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/slapd.pid
sizelimit {sizelimit}
{tls}
database mdb
maxsize 67108864
suffix "{base}"
rootdn "{admin}"
rootpw "geheim, mit \\"$ und \\\\"
directory {directory}/data
{extra}
access to * by {readers} read by * none
"""

CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; role = "relay"; } );
domains = { local = [ "ex.test" ]; };
relay_from = [ "192.0.2.0/24" ];
limits = { recipients = 10000; errors = 100000; };
""" + NO_NAMES + """
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; }; };
ldap = {
  company = { servers = [ %(servers)s ]; base = "ou=people,dc=ex,dc=test"; cache = "%(cache)s"; cache_unknown = "%(cache)s"; timeout = "%(timeout)s"; %(settings)s };
  lists = { servers = [ %(servers)s ]; base = "ou=groups,dc=ex,dc=test"; filter = "(mail={address})"; members = "member"; member_addresses = "rfc822MailMember";
            routing_address = ""; routing_host = ""; cache = "%(cache)s"; cache_unknown = "%(cache)s"; timeout = "%(timeout)s"; %(settings)s };
};
aliases = "aliases"; alias_look_ups = [ "ldap:lists" ];
routes = (
  { name = "people"; domains = [ "@local" ]; users = "ldap:company"; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
retry = ( { domains = [ "*" ]; schedule = "%(retry)s"; } );
%(extra)s
"""
DEFAULTS = dict(cache="5m", timeout="2s", settings="", extra="", retry="1s for 1h, 1m until 4d")


def people(sink="[127.0.0.2]:9", other="[127.0.0.3]:9"):
    """The company as LDIF."""
    out = [f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: ex\ndc: ex\n"]
    out += [f"dn: ou={name},{BASE}\nobjectClass: organizationalUnit\nou: {name}\n" for name in ("people", "groups")]

    def person(uid, *lines, mail=None):
        lines = "".join(line + "\n" for line in lines)
        out.append(f"dn: uid={uid},ou=people,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: inetLocalMailRecipient\nuid: {uid}\ncn: {uid}\nsn: {uid}\n"
                   f"mail: {mail or uid + '@ex.test'}\n{lines}")

    def group(cn, *members, mail=True):
        lines = "".join(f"member: {m},{BASE}\n" for m in members)
        out.append(f"dn: cn={cn},ou=groups,{BASE}\nobjectClass: groupOfNames\nobjectClass: extensibleObject\ncn: {cn}\n" + (f"mail: {cn}@ex.test\n" if mail else "") + lines)

    for name in ("bob", "alice", "carol", "twin"):
        person(name)
    person("twin2", mail="twin@ex.test")
    for name, to in (("robert", "bob@ex.test"), ("self", "self@ex.test"), ("ping", "pong@ex.test"), ("pong", "ping@ex.test"), ("bad", "|/bin/sh")):
        person(name, f"mailRoutingAddress: {to}")
    person("away", f"mailHost: {sink}")
    person("afar", f"mailHost: {other}")
    person("moved", f"mailHost: {sink}", "mailRoutingAddress: x@far.test")
    person("home", "mailHost: mx.ex.test")
    person("nowhere", "mailHost: unix:/run/x")
    group("team", "uid=bob,ou=people", "uid=alice,ou=people")
    group("all", "cn=team,ou=groups", "uid=carol,ou=people", "uid=bob,ou=people")
    group("ghosts", "uid=gone,ou=people")
    group("ring1", "cn=ring2,ou=groups")
    group("ring2", "cn=ring1,ou=groups")
    group("inner", "uid=alice,ou=people", "cn=inner,ou=groups", mail=False)
    group("outer", "cn=inner,ou=groups", "uid=gone,ou=people")
    out.append(f"dn: cn=plain,ou=groups,{BASE}\nobjectClass: nisMailAlias\nobjectClass: extensibleObject\ncn: plain\nmail: plain@ex.test\n"
               "rfc822MailMember: bob@ex.test\nrfc822MailMember: carol@ex.test\n")
    return "\n".join(out)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Slapd:
    def __init__(self, directory, ldif=None, leaf=None, authority=None, anonymous=True, sizelimit=500, extra=""):
        self.directory = directory
        (directory / "data").mkdir(parents=True)
        self.conf, self.log = directory / "slapd.conf", directory / "log"
        self.port, self.secure_port = free_port(), free_port()
        self.uri, self.ldaps = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.secure_port}"
        self.socket = directory / "s"
        self.ldapi = f"ldapi://{self.socket}"
        tls = f"TLSCertificateFile {leaf.certificate}\nTLSCertificateKeyFile {leaf.key}\nTLSCACertificateFile {authority.certificate}" if leaf else ""
        self.addresses = [self.uri, "ldapi://" + str(self.socket).replace("/", "%2F")] + ([self.ldaps] if leaf else [])
        self.conf.write_text(SLAPD.format(directory=directory, base=BASE, admin=ADMIN, tls=tls, sizelimit=sizelimit, extra=extra,
                                          readers="*" if anonymous else "users"))
        added = subprocess.run([tool("slapadd"), "-q", "-f", str(self.conf)], input=ldif or people(), capture_output=True, text=True, timeout=60)
        assert added.returncode == 0, added.stderr
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([tool("slapd"), "-d", "256", "-f", str(self.conf), "-h", " ".join(self.addresses)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.answers, what="slapd: " + self.log.read_text(errors="replace")[-1000:])
        return self

    def answers(self):
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def freeze(self):
        """It takes connections (the kernel does) and says nothing."""
        self.process.send_signal(signal.SIGSTOP)
        state = lambda: open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()[0]  # noqa: E731
        wait_for(lambda: state() in "tT", what="a stopped slapd")

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def modify(self, ldif):
        done = subprocess.run([tool("ldapmodify"), "-x", "-H", self.uri, "-D", ADMIN, "-w", PASSWORD], input=ldif, capture_output=True, text=True,
                              timeout=60, env=dict(os.environ, LDAPNOINIT="1"))
        assert done.returncode == 0, done.stderr

    def searches(self, text):
        """How many searches it was asked in which `text` stands."""
        return len(re.findall(r" SRCH base=.*" + re.escape(text), self.log.read_text(errors="replace")))


def daemon_of(make_mansio, *servers, name="mansio", start=True, **values):
    """A daemon that asks these, Slapd or URIs, in this order."""
    uris = ", ".join(f'"{s if isinstance(s, str) else s.uri}"' for s in servers)
    made = make_mansio(name, config=CONFIG % dict(DEFAULTS, servers=uris, **values))
    return made.start() if start else made
