"""The lab's name servers: nsd answers for lab.test, unbound resolves for everybody and knows nothing else of the world.

Each mail host H owns lab domains that differ in the way there; all are its own mail:
    H.lab.test             one MX, both families
    bare.H.lab.test        no MX, addresses only
    refuse.H.lab.test      the primary MX refuses connections, H is the secondary
    swallow.H.lab.test     the primary MX is a black hole, H is the secondary
    six.H.lab.test         its IPv6 address is known to be unreachable, IPv4 works
    lost6.H.lab.test       its IPv6 address is a black hole, IPv4 works
    bücher.H.lab.test      internationalized; xn--bcher-kva in DNS
    KIND.H.lab.test        for each of TLS_KINDS and LOGIN_KINDS: as H.lab.test, but senders treat it in a way of its own; the MX of
                           wrong.H.lab.test has a name that is not in the certificate
And: anything.sink.lab.test (the scripted sink), old.lab.test (a sink without extensions), null.lab.test (takes no
mail), gone.lab.test (does not exist).
"""
import socket

# How a sender has to treat TLS towards these: it must be there, be verified (with the right name, with a wrong one, with a
# certificate of an unknown authority), not be used, be of one version, or of one that we don't speak.
TLS_KINDS = ("required.", "verify.", "wrong.", "stranger.", "clear.", "tls12.", "tls13.", "outdated.")
# Mail for these goes to H as to a smart host, logged in: by a mechanism, or with implicit TLS, or with a password that is none;
# relayed. is what mansio has postfix relay.
LOGIN_KINDS = ("smart.", "implicit.", "plain.", "login.", "scram.", "cyrus.", "cyrusplain.", "badpass.", "relayed.")
KINDS = ("", "bare.", "refuse.", "swallow.", "six.", "lost6.", "bücher.", "xn--bcher-kva.", *TLS_KINDS, *LOGIN_KINDS)
NUMBERS = {"dns": 53, "mansio": 10, "postfix": 20, "exim": 30, "opensmtpd": 40, "sink": 60, "refuser": 61, "old": 62,
           "dovecot": 70, "testssl": 75}
RESOLVER = f"192.0.2.{NUMBERS['dns']}"
MAIL_HOSTS = ("mansio", "postfix", "exim", "opensmtpd")


def domains(host):
    return [f"{kind}{host}.lab.test" for kind in KINDS]


def zone():
    lines = ["$ORIGIN lab.test.", "$TTL 60", "@ SOA ns hostmaster 1 3600 600 86400 2", "@ NS ns"]

    def addresses(name, number):
        lines.extend([f"{name} A 192.0.2.{number}", f"{name} AAAA 2001:db8:1ab::{number}"])

    addresses("ns", NUMBERS["dns"])
    addresses("refuser", NUMBERS["refuser"])
    addresses("mx.sink", NUMBERS["sink"])
    addresses("mx.old", NUMBERS["old"])
    lines += ["swallower A 198.51.100.1", "*.sink MX 10 mx.sink", "old MX 10 mx.old", "null MX 0 ."]
    for host in MAIL_HOSTS:
        number = NUMBERS[host]
        addresses(f"mx.{host}", number)
        addresses(f"bare.{host}", number)
        lines += [f"{host} MX 10 mx.{host}", f"xn--bcher-kva.{host} MX 10 mx.{host}",
                  f"refuse.{host} MX 10 refuser", f"refuse.{host} MX 20 mx.{host}",
                  f"swallow.{host} MX 10 swallower", f"swallow.{host} MX 20 mx.{host}"]
        addresses(f"alias.{host}", number)
        lines += [f"{kind}{host} MX 10 {'alias' if kind == 'wrong.' else 'mx'}.{host}" for kind in (*TLS_KINDS, *LOGIN_KINDS)]
        for kind, prefix in (("six", "2001:db8:dead::"), ("lost6", "2001:db8:b1ac::")):
            lines += [f"{kind}.{host} MX 10 mx-{kind}.{host}",
                      f"mx-{kind}.{host} A 192.0.2.{number}", f"mx-{kind}.{host} AAAA {prefix}{number}"]
    return "\n".join(lines) + "\n"


NSD = """server:
  ip-address: 127.0.0.1@5353
  username: ""
  database: ""
  zonesdir: "/etc/nsd"
  pidfile: ""
  zonelistfile: "/run/zone.list"
  xfrdfile: "/run/xfrd.state"
  xfrdir: "/run"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: "lab.test"
  zonefile: "lab.test.zone"
"""

UNBOUND = """server:
  interface: 0.0.0.0
  interface: ::0
  access-control: 0.0.0.0/0 allow
  access-control: ::0/0 allow
  username: ""
  chroot: ""
  directory: "/etc/unbound"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  module-config: "iterator"
  do-not-query-localhost: no
  num-threads: 1
  local-zone: "." static
  local-zone: "lab.test." transparent
stub-zone:
  name: "lab.test."
  stub-addr: 127.0.0.1@5353
  stub-prime: no
"""


class NameServers:
    def __init__(self, machine):
        self.machine = machine
        machine.write("/etc/nsd/nsd.conf", NSD)
        machine.write("/etc/nsd/lab.test.zone", zone())
        machine.write("/etc/unbound/lab.conf", UNBOUND)

    def start(self):
        self.machine.run("nsd-checkzone", "lab.test", "/etc/nsd/lab.test.zone")
        self.processes = [self.machine.spawn("nsd", "-d", "-c", "/etc/nsd/nsd.conf"),
                          self.machine.spawn("unbound", "-d", "-c", "/etc/unbound/lab.conf")]

    def is_ready(self):
        """unbound answers a question for an MX that nsd alone knows."""
        question = b"\0\1" b"\1\0" b"\0\1\0\0\0\0\0\0" b"\6mansio\3lab\4test\0" b"\0\x0f\0\1"

        def ask():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
                asker.settimeout(0.5)
                asker.connect((RESOLVER, 53))
                asker.send(question)
                answer = asker.recv(512)
                return answer[3] & 15 == 0 and answer[7] > 0

        try:
            return self.machine.inside(ask)
        except OSError:
            return False
