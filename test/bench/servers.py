"""The contestants of `./dev bench`: this build, other builds of mansio, and Debian's postfix and exim4 where they are installed.
Each has an instance of its own in a directory of its own, listens on loopback alone, syncs as shipped, looks nothing up in
DNS, limits no client, and delivers to one Maildir of a user who is not root or, what is not for bench.invalid, to a smart host."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

LOCAL, REMOTE = "bob@bench.invalid", "rcpt@remote.invalid"
NOBODY = pwd.getpwnam("nobody")


def scatter(directory):
    """Directories made in this one come to lie far from each other: in block groups of their own, if it is ext4."""
    subprocess.run(["chattr", "+T", str(directory)], stderr=subprocess.DEVNULL)


class Server:
    """`root`: where the server's own files are ("/", or a tree for chroot); `place` lies in it. Each run has a directory of its
    own there, far from the others', and nothing is removed before close(): for minutes ext4 looks in vain at each file that was
    removed from a block group whenever a new one is made in it, which takes more time than all the rest."""

    def __init__(self, name, place, port, sink, certificate, tls, root="/"):
        self.name, self.port, self.sink, self.tls, self.certificate = name, port, sink, tls, certificate
        self.root, self.place, self.runs = root, pathlib.Path(place), 0
        scatter(self.place)
        self.processes = self.cgroup_of(name)

    def cgroup_of(self, name):
        """A control group for all of its processes, so that those that end soon are counted too; None without the right to."""
        try:
            mount = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2")
            group = pathlib.Path(mount, f"mansio-bench-{os.getpid()}-{name}")
            group.mkdir()
            return group
        except (OSError, StopIteration):
            return None

    def run(self, *words, wait=True):
        if self.root != "/":
            words = ("chroot", self.root, *words)
        if self.processes:
            words = ("sh", "-c", f'echo $$ > {self.processes}/cgroup.procs && exec "$@"', "sh", *words)
        kept = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return subprocess.run(words, timeout=60, **kept) if wait else subprocess.Popen(words, **kept)

    def prepare(self):
        self.runs += 1
        self.directory = self.place / f"{self.name}-{self.runs}"
        self.inside = "/" + str(self.directory.relative_to(self.root))
        self.maildir = self.directory / "mail" / "bob"
        for folder in ("tmp", "new", "cur"):
            (self.maildir / folder).mkdir(parents=True)
        if os.geteuid() == 0:
            self.give(self.directory / "mail", *self.owner())
        self.configure()

    def owner(self):
        """Whose the mailbox is: uid and gid."""
        return NOBODY.pw_uid, NOBODY.pw_gid

    def id_of(self, user, which):
        tree = ["chroot", self.root] if self.root != "/" else []
        return int(subprocess.run([*tree, "id", which, user], capture_output=True, text=True, check=True).stdout)

    def give(self, path, uid, gid):
        for each in (path, *path.rglob("*")):
            os.chown(each, uid, gid)

    def write(self, name, text, mode=0o644):
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)

    def write_certificate(self):
        for name, mode in (("cert.pem", 0o644), ("key.pem", 0o600)):
            self.write(name, (self.certificate / name).read_text(), mode)

    def delivered(self):
        return len(os.listdir(self.maildir / "new"))

    def pids(self):
        return [int(pid) for pid in (self.processes / "cgroup.procs").read_text().split()] if self.processes else []

    def cpu(self):
        """Seconds, of all processes so far; None when that can't be told."""
        if not self.processes:
            return None
        return next(int(line.split()[1]) for line in open(self.processes / "cpu.stat") if line.startswith("usage_usec")) / 1e6

    def memory(self):
        """PSS of all processes, KiB."""
        total = 0
        for pid in self.pids():
            try:
                total += next(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
            except (OSError, StopIteration):
                pass
        return total

    def end(self):
        """What is left after stop(): processes of this server alone, by their ids."""
        for turn in range(200):
            left = self.pids()
            if not left:
                break
            if turn > 100:
                for pid in left:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            time.sleep(0.05)

    def close(self):
        if self.processes:
            self.processes.rmdir()

    def remove(self):
        shutil.rmtree(self.place, ignore_errors=True)


class Mansio(Server):
    def __init__(self, name, build, *rest):
        super().__init__(name, *rest)
        self.build, self.process = pathlib.Path(build), None

    def configure(self):
        tls = 'tls = { certificate = "cert.pem"; key = "key.pem"; };' if self.tls else ""
        self.write_certificate()
        owner, group = (NOBODY.pw_uid, NOBODY.pw_gid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        self.write("users", f"bob:x:{owner}:{group}::{self.directory}/mail:/bin/false\n")
        self.write("mansio.conf", f"""version = 1;
host_name = "benchhost.bench.invalid"; mail_name = "bench.invalid"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( {{ address = "127.0.0.1"; port = {self.port}; role = "relay"; }} );
{tls}
domains = {{ local = [ "bench.invalid" ]; }};
relay_from = [ "127.0.0.0/8" ];
limits = {{ connections_per_client = 10000; messages_per_connection = 100000; session_size = "100G"; }};
transports = {{ mailbox = {{ kind = "maildir"; path = "mail/{{local}}"; }};
  internet = {{ kind = "smtp"; hosts = [ "[127.0.0.1]:{self.sink}" ]; connections = 50; }}; }};
routes = ( {{ name = "local"; domains = [ "@local" ]; users = "passwd-file:users"; transport = "mailbox"; }},
  {{ name = "everywhere"; domains = [ "*" ]; transport = "internet"; }} );
""")

    def start(self):
        self.process = self.run(str(self.build / "daemon/mansiod"), "--config", str(self.directory / "mansio.conf"), "--foreground", wait=False)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.end()


class Postfix(Server):
    def configure(self):
        for folder in ("etc", "queue", "data"):
            (self.directory / folder).mkdir()
        os.chown(self.directory / "data", self.id_of("postfix", "-u"), -1)
        self.write_certificate()
        self.write("etc/main.cf", f"""compatibility_level = 3.6
queue_directory = {self.inside}/queue
data_directory = {self.inside}/data
maillog_file = /var/log/postfix-bench.log
myhostname = benchhost.bench.invalid
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtputf8_enable = no
smtpd_relay_restrictions = permit_mynetworks, reject
virtual_mailbox_domains = bench.invalid
virtual_mailbox_base = {self.inside}/mail
virtual_mailbox_maps = static:bob/
virtual_uid_maps = static:{NOBODY.pw_uid}
virtual_gid_maps = static:{NOBODY.pw_gid}
virtual_mailbox_limit = 0
virtual_destination_concurrency_limit = 20
mailbox_size_limit = 0
message_size_limit = 52428800
relayhost = [127.0.0.1]:{self.sink}
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
default_process_limit = 200
smtpd_client_connection_count_limit = 0
default_destination_concurrency_limit = 50
initial_destination_concurrency = 20
in_flow_delay = 0
smtpd_tls_security_level = {"may" if self.tls else "none"}
smtpd_tls_cert_file = {self.inside}/cert.pem
smtpd_tls_key_file = {self.inside}/key.pem
""")
        tree = pathlib.Path(self.root)
        sample = next(path for path in (tree / "usr/share/postfix/master.cf.dist", tree / "etc/postfix/master.cf") if path.exists())
        self.write("etc/master.cf", "".join(self.service(line) for line in sample.read_text().splitlines()))

    def service(self, line):
        """Debian's, without a chroot of its own, SMTP on our port alone; options of services that are not used are left out."""
        fields = line.split(None, 7)
        if len(fields) < 8 or line[0] in "# \t":
            return ""
        if fields[0] == "smtp" and fields[1] == "inet":
            fields[0] = f"127.0.0.1:{self.port}"
        return " ".join([*fields[:4], "n", *fields[5:]]) + "\n"

    def start(self):
        self.run("postfix", "-c", self.inside + "/etc", "start")

    def stop(self):
        self.run("postfix", "-c", self.inside + "/etc", "stop")
        self.end()


class Exim(Server):
    """With a configuration of our own it has no rights but those of its own user, whose the mailbox is then."""

    def owner(self):
        return self.id_of("Debian-exim", "-u"), self.id_of("Debian-exim", "-g")

    def configure(self):
        self.write_certificate()
        (self.directory / "key.pem").chmod(0o644)      # of this run alone
        (self.directory / "spool").mkdir()
        (self.directory / "spool").chmod(0o1777)
        self.write("exim.conf", f"""primary_hostname = benchhost.bench.invalid
domainlist local_domains = bench.invalid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
spool_directory = {self.inside}/spool
log_file_path = {self.inside}/spool/%slog
pid_file_path = {self.inside}/exim.pid
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
smtp_connect_backlog = 1000
split_spool_directory = true
message_size_limit = 50M
dns_ipv4_lookup = *
disable_ipv6 = true
tls_advertise_hosts = {"*" if self.tls else ""}
tls_certificate = {self.inside}/cert.pem
tls_privatekey = {self.inside}/key.pem
acl_smtp_rcpt = ok
begin acl
ok:
  accept
begin routers
local:
  driver = accept
  domains = +local_domains
  transport = maildir
smarthost:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = smtp
begin transports
maildir:
  driver = appendfile
  directory = {self.inside}/mail/bob
  maildir_format
  user = Debian-exim
  group = Debian-exim
smtp:
  driver = smtp
  port = {self.sink}
  allow_localhost
  hosts_avoid_tls = *
begin retry
* * F,4d,15m
""")

    def start(self):
        self.run("exim4", "-C", self.inside + "/exim.conf", "-bd", "-q30m")

    def stop(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        self.end()
