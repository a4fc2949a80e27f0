"""Network namespaces as the machines of the lab. A machine lives exactly as long as its first process, and that dies
with the test run, however it ends: no namespace has a name, so nothing can be left over, and two runs never meet.
Machines with a root of their own also have their own mounts and process ids: when the first process goes, all go.
"""
import ctypes
import os
import pathlib
import shutil
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
WITH_THE_RUN = ["setpriv", "--pdeathsig", "KILL"]      # ends with the thread that started it; start from the main thread


class CannotRun(Exception):
    """This machine does not allow the lab; the text says what is missing."""


def run(*command, **options):
    """Runs a program to its end in bounded time; its output."""
    words = [str(each) for each in command]
    result = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, **{"timeout": 30, **options})
    if result.returncode:
        raise RuntimeError(f"{' '.join(words)}: {result.returncode}\n{result.stdout[-1500:]}{result.stderr[-1500:]}")
    return result.stdout


def check_rights():
    """Raises CannotRun where namespaces, a bridge or bind mounts are not to be had."""
    if os.geteuid() != 0:
        raise CannotRun("the lab needs root, for network namespaces")
    for tool in ("unshare", "nsenter", "setpriv", "ip", "mount"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise CannotRun(f"{tool} is missing (util-linux, iproute2)")
    probe = ("ip link add br0 type bridge && ip link add name port0 type veth peer name port1 && "
             "ip link set dev port0 master br0 && ip -6 addr add 2001:db8::1/64 dev port1 && "
             "mount --bind /usr /mnt && mount -t proc proc /proc")
    try:
        run("unshare", "--net", "--mount", "--pid", "--uts", "--fork", "sh", "-c", probe)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        raise CannotRun(f"no namespaces, bridge, IPv6 or mounts here: {str(error).strip().splitlines()[-1]}") from error


class Machine:
    """A network namespace; with `tree` also a root of its own in `directory`/root, with the tree's /usr, read-only."""

    def __init__(self, name, directory, tree=None):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.root, self.tree = None, tree
        self.addresses = []
        self.sockets = []
        if tree:
            self.root = self.directory / "root"
            self.make_root(pathlib.Path(tree))
        self.start()

    # ---- its life

    def make_root(self, tree):
        for folder in ("usr", "proc", "dev", "run", "root", "home", "tmp"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "tmp").chmod(0o1777)
        self.root.chmod(0o755)
        for link in ("bin", "sbin", "lib", "lib64"):
            (self.root / link).symlink_to(f"usr/{link}")
        for folder in ("etc", "var"):
            run("cp", "-a", tree / folder, self.root)
        for folder in ("mail", "spool", "log"):
            (self.root / "var" / folder).mkdir(exist_ok=True)
        if not (self.root / "var/run").exists():
            (self.root / "var/run").symlink_to("../run")

    def start(self):
        if self.root:
            setup = ('cd "$1" && mount --bind "$2/usr" usr && mount -o remount,bind,ro usr && mount -t proc proc proc && '
                     'mount --rbind /dev dev && hostname "$3" && ip link set lo up && '
                     # A connection into a black hole is given up after 3 s, by programs as well that have no limit to set.
                     'echo 1 > proc/sys/net/ipv4/tcp_syn_retries && ')
            kinds = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        else:
            setup, kinds = "ip link set lo up && ", ["--net"]
        # Children whose parents are gone end up with the first process: that it ignores SIGCHLD makes the kernel reap them.
        script = setup + "echo up && trap '' CHLD && exec sleep infinity"
        words = ["sh", "-c", script, "sh", str(self.root), str(self.tree), f"{self.name}.lab.test"]
        self.first = subprocess.Popen([*WITH_THE_RUN, "unshare", *kinds, *words], text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.first.stdout.readline() != "up\n":
            said = self.first.communicate(timeout=10)[1].strip()
            raise CannotRun(f"the machine {self.name} did not start: {said[-300:]}")
        self.network = os.open(f"/proc/{self.first.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def stop(self):
        """Ends everything in it."""
        for each in self.sockets:
            each.close()
        self.first.kill()
        self.first.wait(10)
        self.first.stdout.close()
        self.first.stderr.close()
        os.close(self.network)

    # ---- programs in it

    def enter(self):
        """The words before a command that should run in this machine. Without a root of its own, it is in the network
        only, and the process keeps its id."""
        where = f"/proc/{self.first.pid}/ns"
        words = ["nsenter", f"--net={where}/net"]
        if self.root:
            words += [f"--mount={where}/mnt", f"--uts={where}/uts", f"--ipc={where}/ipc", f"--pid={where}/pid_for_children",
                      "chroot", str(self.root)]
        return words

    def run(self, *command, **options):
        return run(*self.enter(), *command, **options)

    def spawn(self, *command):
        """A program that stays; what it prints is in `directory`/output."""
        with open(self.directory / "output", "ab") as output:
            return subprocess.Popen([*WITH_THE_RUN, *self.enter(), *command],
                                    stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def write(self, path, text, mode=0o644, owner=0):
        """A file of its root. Replaced, never written into."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)
        os.chown(file, owner, owner)
        return file

    # ---- sockets in it

    def inside(self, make):
        """Calls make() on a thread that is in this network; sockets stay in the network where they were made."""
        answer = []

        def enter_and_make():
            try:
                if ctypes.CDLL(None, use_errno=True).setns(self.network, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                answer.append((make(), None))
            except Exception as error:      # handed to the caller
                answer.append((None, error))

        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        value, error = answer[0]
        if error:
            raise error
        return value

    def connect(self, address, port=25, timeout=20):
        return self.inside(lambda: socket.create_connection((address, port), timeout))

    def listen(self, address, port=25):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = self.inside(lambda: socket.create_server((address, port), family=family, backlog=100))
        self.sockets.append(listener)
        return listener


class Switch(Machine):
    """Joins machines, and is their router, which has no way to anywhere: a packet to elsewhere is swallowed."""

    GATEWAYS = ("192.0.2.1/24", "2001:db8:1ab::1/64")
    UNREACHABLE = "2001:db8:dead::/48"     # each machine knows that there is no way to it

    def __init__(self, directory):
        super().__init__("switch", directory)
        self.run("ip", "link", "add", "br0", "type", "bridge")
        self.run("ip", "link", "set", "br0", "up")
        for gateway in self.GATEWAYS:
            self.run("ip", "addr", "add", gateway, "dev", "br0", *(["nodad"] if ":" in gateway else []))

    def join(self, machine, *numbers):
        """Gives the machine 192.0.2.N and 2001:db8:1ab::N for each N."""
        self.run("ip", "link", "add", "name", machine.name, "type", "veth",
                 "peer", "name", "eth0", "netns", str(machine.first.pid))
        self.run("ip", "link", "set", "dev", machine.name, "master", "br0", "up")
        lines = ["link set eth0 up"]
        for number in numbers:
            machine.addresses += [f"192.0.2.{number}", f"2001:db8:1ab::{number}"]
            lines += [f"addr add 192.0.2.{number}/24 dev eth0", f"addr add 2001:db8:1ab::{number}/64 dev eth0 nodad"]
        lines += ["route add default via 192.0.2.1", "-6 route add default via 2001:db8:1ab::1",
                  f"-6 route add unreachable {self.UNREACHABLE}"]
        for line in lines:
            run("nsenter", f"--net=/proc/{machine.first.pid}/ns/net", "ip", *line.split())
