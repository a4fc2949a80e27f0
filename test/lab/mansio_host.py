"""mansio as a host of the lab: how it treats the other hosts' domains, by policy and by transport, and whom it lets log in."""
import os

from harness import Mansio
from hosts import USERS, Host
from logins import PASSWORD, USER
from names import MAIL_HOSTS, RESOLVER, domains
from namespaces import WITH_THE_RUN

CONFIG = """version = 1;
host_name = "mx.mansio.lab.test";
mail_name = "mansio.lab.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( %(listeners)s );
tls = { certificate = "%(leaf)s.crt"; key = "%(leaf)s.key"; };
auth = { users = "dovecot:%(socket)s"; tries = 10; delay = "0s"; };
domains = { local = [ %(domains)s ]; };
relay_from = [ "127.0.0.0/8", "::1" ];
dns = { servers = [ "%(resolver)s" ]; timeout = "2s"; };
tls_policy = ( %(policies)s );
transports = {
  mailbox = { kind = "maildir"; path = "mail/{local}"; };
  internet = { kind = "smtp"; timeouts = { connect = "2s"; }; tls_authorities = "%(authority)s"; };
  stranger = { kind = "smtp"; tls = "verify"; tls_authorities = "%(stranger)s"; };
%(transports)s
};
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ %(users)s ]; transport = "mailbox"; },
%(routes)s
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
retry = ( { domains = [ "*" ]; schedule = "1s for 1h"; } );
"""
OTHERS = [host for host in MAIL_HOSTS if host != "mansio"]
# The way of a kind of domain: the port of the host, and what the transport has besides.
PORTS = {"tls12": 'port = 2512; tls = "required";', "tls13": 'port = 2513; tls = "required";', "outdated": "port = 2511;"}
LOGINS = {      # port, user, password, mechanisms
    "smart": (587, USER, PASSWORD, ""),
    "implicit": (465, USER, PASSWORD, ""),
    "plain": (587, USER, PASSWORD, '"PLAIN"'),
    "login": (587, USER, PASSWORD, '"LOGIN"'),
    "scram": (587, USER, PASSWORD, '"SCRAM-SHA-256"'),
    "cyrus": (588, "cyrus@lab.test", PASSWORD, ""),
    "cyrusplain": (588, "cyrus@lab.test", PASSWORD, '"PLAIN"'),
    "badpass": (587, USER, "Kn0pf-verloren", ""),
}
PASSWORDS = sorted({password for _, _, password, _ in LOGINS.values()})


def quoted(words):
    return ", ".join(f'"{word}"' for word in words)


class MansioHost(Host):
    """The daemon that was built, with this machine's files, on the lab's network."""

    def __init__(self, name, machine, authorities, socket):
        super().__init__(name, machine, authorities)
        self.directory = machine.directory / "mansio"
        self.directory.mkdir()
        listeners = [f'{{ address = "{address}"; port = 25; }}' for address in ("127.0.0.1", *machine.addresses)]
        listeners += [f'{{ address = "{address}"; port = {port}; role = "submission"; }}'
                      for address in machine.addresses for port in (587, 465)]
        ways = self.ways()
        text = CONFIG % dict(
            listeners=", ".join(listeners), domains=quoted(domain for domain in domains(name) if domain.isascii()), users=quoted(USERS),
            resolver=RESOLVER, leaf=str(self.leaf.certificate)[:-4], socket=socket, authority=authorities[0].certificate,
            stranger=authorities[1].certificate, policies=self.policies(), transports="\n".join(text for _, text in ways),
            routes="\n".join(self.routes(ways)))
        self.daemon = Mansio(self.directory, config=text, wrapper=[*WITH_THE_RUN, *machine.enter()])
        self.mail = self.daemon.mail

    def policies(self):
        hosts = (*OTHERS, "sink")
        levels = {"required": "required", "verify": "verify", "wrong": "verify", "clear": "none"}
        return ", ".join(f'{{ domains = [ {quoted(f"{kind}.{host}.lab.test" for host in hosts)} ]; tls = "{level}"; }}'
                         for kind, level in levels.items())

    def ways(self):
        """(name, transport) of each way to each host: NAME is KIND_HOST."""
        found = []
        for host in OTHERS:
            target = f'kind = "smtp"; timeouts = {{ connect = "2s"; }}; tls_authorities = "{self.authorities[0].certificate}"; hosts = [ "mx.{host}.lab.test'
            for kind, more in PORTS.items():
                found.append((f"{kind}_{host}", f'  {kind}_{host} = {{ {target}" ]; {more} }};'))
            for kind, (port, user, password, mechanisms) in LOGINS.items():
                credentials = self.directory / f"{kind}.credentials"
                credentials.write_text(f'user = "{user}"; password = "{password}";\n')
                os.chmod(credentials, 0o600)
                more = f'credentials = "{credentials}"; ' + (f"auth_mechanisms = [ {mechanisms} ];" if mechanisms else "")
                found.append((f"{kind}_{host}", f'  {kind}_{host} = {{ {target}:{port}" ]; {more} }};'))
        return found

    def routes(self, ways):
        for name, _ in ways:
            kind, host = name.split("_")
            yield f'  {{ name = "{name}"; domains = [ "{kind}.{host}.lab.test" ]; transport = "{name}"; }},'
        yield '  { name = "relayed"; domains = [ "relayed.exim.lab.test" ]; transport = "smart_postfix"; },'
        strangers = quoted(f"stranger.{host}.lab.test" for host in OTHERS)
        yield f'  {{ name = "stranger"; domains = [ {strangers} ]; transport = "stranger"; }},'

    def start(self):
        self.daemon.start()

    def log(self):
        logs = [f"--- {name}\n{self.daemon.log(name)[-8000:]}\n" for name in ("mainlog", "rejectlog", "paniclog")]
        return "".join(logs) + (self.daemon.errors()[-3000:] if self.daemon.process else "")
