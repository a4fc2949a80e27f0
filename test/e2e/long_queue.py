"""Experiments with a long queue: each makes a spool with so many messages, starts a daemon on it, and gives what it measured as a
dictionary. test/e2e/test_scale.py does them small, test/scale with a million messages; both say what must hold."""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

from harness import BUILD, SENDMAIL, wait_for
from names import Names
from outbound import CONFIG, send
from sink import Sink

FILL_SPOOL = BUILD / "test" / "scale" / "fill_spool"
SMALL = b"From: bob@ex.test\r\nSubject: hello\r\n\r\nthe body\r\n"


def config(**options):
    values = dict(dns=9, dns_timeout="1s", port=25, transport="", transports="", routes="", extra="", limits="", retry="1h for 4d", warning="0s")
    return CONFIG % {**values, **options}


def fill(directory, count, recipient, due=3600, size=1024, domains=1):
    shard = pathlib.Path(directory) / "spool" / "0"
    shard.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(FILL_SPOOL), str(shard), str(count), str(due), str(size), recipient, str(domains)], check=True, capture_output=True)


def memory(mansio):
    """What the mail process has of its own, in octets."""
    text = pathlib.Path(f"/proc/{mansio.mail_pid()}/smaps_rollup").read_text()
    return sum(int(kib) for kib in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)) * 1024


def cpu(mansio):
    """Seconds of CPU of the mail process."""
    fields = pathlib.Path(f"/proc/{mansio.mail_pid()}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def greeting_time(mansio):
    """Starts it; seconds until it is ready, and from the start until its 220 has been read."""
    begin = time.monotonic()
    mansio.start(timeout=60)
    with mansio.connect():
        return time.monotonic() - begin


def local_time(mansio, user="bob"):
    """Seconds from connecting until a new local message lies in its Maildir."""
    before, begin = len(mansio.maildir(user)), time.monotonic()
    send(mansio, f"{user}@ex.test")
    accepted = time.monotonic() - begin
    wait_for(lambda: len(mansio.maildir(user)) > before, 120, "a local message")
    return accepted, time.monotonic() - begin


def wait_scanned(mansio, timeout=600):
    """Until the daemon says that it has read its whole spool; the number of messages."""
    def count():
        out = subprocess.run([str(SENDMAIL), "-C", str(mansio.config), "-bpc"], capture_output=True, text=True, timeout=60)
        return out.returncode == 0 and "complete" not in out.stderr and [int(out.stdout)]
    return wait_for(count, timeout, "the end of the scan")[0]


def listing_time(mansio):
    """Seconds until the first line of the queue's listing, and until its end; how many it listed."""
    begin = time.monotonic()
    with subprocess.Popen([str(SENDMAIL), "-C", str(mansio.config), "-bp", "--json"], stdout=subprocess.PIPE) as process:
        lines = 1 if process.stdout.readline() else 0
        first = time.monotonic() - begin
        lines += sum(1 for _ in process.stdout)
        return first, time.monotonic() - begin, lines


def ctl_time(mansio, *words):
    """Seconds until the first line of `mansioctl queue WORDS`, and until its end; how many lines."""
    begin = time.monotonic()
    with subprocess.Popen([str(BUILD / "daemon" / "mansioctl"), "queue", *words, "--config", str(mansio.config)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        lines = 1 if process.stdout.readline() else 0
        first = time.monotonic() - begin
        lines += sum(1 for _ in process.stdout)
        return first, time.monotonic() - begin, lines


def listing(make_mansio, count, domains=50):
    """What mansioctl queue does with `count` messages for `domains` domains, that wait for an hour."""
    mansio = make_mansio("listed", config=config())
    fill(mansio.directory, count, "x@d%.dead.test", domains=domains)
    mansio.start(timeout=60)
    wait_scanned(mansio)
    figures = {"messages": count}
    for name, words in {"list": ["list"], "a sender that nobody is": ["list", "--sender", "nobody@*"], "one domain": ["list", "--domain", "d7.*", "--json"],
                        "all that are old enough": ["list", "--older", "30s", "--limit", "10"], "summary": ["summary"]}.items():
        first, whole, lines = ctl_time(mansio, *words)
        figures |= {f"{name}: first line after s": first, f"{name}: all after s": whole, f"{name}: lines": lines}
    mansio.stop()
    return figures


def bulk(make_mansio, count):
    """Seconds to freeze and to remove `count` messages with one command each."""
    mansio = make_mansio("bulk", config=config())
    fill(mansio.directory, count, "x@dead.test")
    mansio.start(timeout=60)
    wait_scanned(mansio)
    figures = {"messages": count}
    for verb in ("freeze", "remove"):
        worked = cpu(mansio)
        _, took, lines = ctl_time(mansio, verb, "--all", "--yes", "--json")
        figures |= {f"{verb}: s": took, f"{verb}: CPU, s": cpu(mansio) - worked, f"{verb}: changed": lines}
    figures["left"] = len(mansio.queue())
    mansio.stop()
    return figures


def restart(make_mansio, count):
    """A daemon starts on `count` messages that wait for an hour, and on none."""
    empty = make_mansio("empty", config=config())
    base_greeting = greeting_time(empty)
    local_time(empty)
    wait_scanned(empty)
    base = memory(empty)
    empty.stop()
    full = make_mansio("full", config=config())
    fill(full.directory, count, "x@dead.test")
    greeting = greeting_time(full)
    accepted, delivered = local_time(full)
    begin = time.monotonic()
    queued = wait_scanned(full)
    scanned = time.monotonic() - begin
    used, worked = memory(full), cpu(full)
    first, whole, lines = listing_time(full)
    full.stop()
    return {"messages": count, "queued": queued, "listed": lines, "empty: 220 after s": base_greeting, "220 after s": greeting,
            "first local message accepted after s": accepted, "delivered after s": delivered, "scan, s": scanned, "CPU of start and scan, s": worked,
            "memory without messages, MiB": base / 2**20, "octets of memory a message": (used - base) / count,
            "listing: first line after s": first, "listing: all after s": whole}


class Hangs:
    """A host that takes connections, counts them, and closes them at once, or (`swallow`) never says a word."""

    def __init__(self, address, port=0, swallow=False):
        self.count, self.kept, self.swallow = 0, [], swallow
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(1000)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                self.count += 1
                if self.swallow and len(self.kept) < 2000:
                    self.kept.append(peer)
                else:
                    peer.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        for peer in self.kept:
            peer.close()


def dead_destination(make_mansio, count):
    """All of `count` messages are due, for one host that is dead."""
    names = Names()
    with contextlib.closing(names), contextlib.closing(Hangs("127.0.0.3")) as dead:
        names.site("dead.test", "127.0.0.3")
        mansio = make_mansio("dead", config=config(dns=names.port, port=dead.port, retry="3s for 1m, 1h for 4d"))
        fill(mansio.directory, count, "x@dead.test", due=-5)
        begin = time.monotonic()
        mansio.start(timeout=60)
        wait_scanned(mansio)
        wait_for(lambda: dead.count >= 2, 60, "a second probe")
        _, delivered = local_time(mansio)
        _, _, lines = listing_time(mansio)
        took, worked = time.monotonic() - begin, cpu(mansio)
        mansio.stop()
        return {"messages": count, "connections": dead.count, "in s": took, "still queued": lines, "CPU, s": worked, "local message delivered after s": delivered}


def fairness(make_mansio, count, pause=0.02):
    """`count` messages for a slow host are due when one for another host comes."""
    names = Names()

    def slow(session, line):
        time.sleep(pause)
        return None

    with contextlib.closing(names), contextlib.closing(Sink("127.0.0.2")) as quick:
        with contextlib.closing(Sink("127.0.0.3", port=quick.port, script={"DOT": slow}, keep=False)) as laden:
            names.site("laden.test", "127.0.0.3").site("single.test", "127.0.0.2")
            mansio = make_mansio("fair", config=config(dns=names.port, port=quick.port))
            fill(mansio.directory, count, "x@laden.test", due=-5)
            mansio.start(timeout=60)
            wait_for(lambda: len(laden.messages) >= 20, 60, "the first for the laden host")
            before, begin = len(laden.messages), time.monotonic()
            send(mansio, "x@single.test")
            wait_for(lambda: quick.taken(), 60, "the single message")
            after, took = len(laden.messages), time.monotonic() - begin
            mansio.kill()
            return {"messages": count, "the single one after s": took, "of the others meanwhile": after - before, "of the others before": before}


class ManyNames(Names):
    """Any domain N.dead.test has an address of its own; no thread a question."""

    def serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            answer = self.answer(query, "udp")
            with contextlib.suppress(OSError):
                if answer:
                    self.udp.sendto(answer, peer)

    def look_up(self, name, type):
        found = re.fullmatch(r"d(\d+)\.dead\.test", name)
        if not found:
            return super().look_up(name, type)
        number = int(found[1])
        address = "127.0.0.3" if number % 2 else "127.0.0.4"       # refuses; swallows
        return 0, [(name, "A", address)] if type == "A" else []


def latencies(mansio, sink, count):
    """Seconds from connecting to us until the sink took it, one message after the other."""
    out = []
    for _ in range(count):
        before, begin = len(sink.messages), time.monotonic()
        send(mansio, "x@good.test")
        end = begin + 60
        while len(sink.messages) == before:
            assert time.monotonic() < end, "mail to the good host stands still"
            time.sleep(0.0005)
        out.append(time.monotonic() - begin)
    return sorted(out)


def dead_domains(make_mansio, count, sample=200):
    """A message for each of `count` domains that are dead, while mail for a good one goes on."""
    names = ManyNames()
    with contextlib.closing(names), contextlib.closing(Sink("127.0.0.2")) as good:
        with contextlib.closing(Hangs("127.0.0.4", good.port, swallow=True)) as swallows:
            names.site("good.test", "127.0.0.2")
            mansio = make_mansio("domains", config=config(dns=names.port, port=good.port))
            fill(mansio.directory, count, "x@d%.dead.test", due=-5, domains=count)
            shutil.move(mansio.directory / "spool", mansio.directory / "full")
            mansio.start()
            latencies(mansio, good, 20)
            idle = latencies(mansio, good, sample)
            mansio.stop()
            shutil.rmtree(mansio.directory / "spool")
            shutil.move(mansio.directory / "full", mansio.directory / "spool")
            mansio.start(timeout=60)
            busy = latencies(mansio, good, sample)
            wait_scanned(mansio)
            later = latencies(mansio, good, sample)
            tried = swallows.count
            mansio.kill()
    middle, end = sample // 2, sample * 95 // 100
    return {"domains": count, "idle: median ms": idle[middle] * 1e3, "idle: 95 % ms": idle[end] * 1e3, "at start: median ratio": busy[middle] / idle[middle],
            "at start: 95 % ratio": busy[end] / idle[end], "later: median ratio": later[middle] / idle[middle],
            "later: 95 % ratio": later[end] / idle[end], "connections to the silent host": tried}


def journal_relief(make_mansio, count, segment_size="1M", clients=20):
    """`count` messages of 1 KiB come for a smart host that is dead; after a crash and a restart all are still there."""
    with contextlib.closing(Hangs("127.0.0.3")) as dead:
        transports = f'smart = {{ kind = "smtp"; hosts = [ "[127.0.0.3]:{dead.port}" ]; }};'
        routes = '{ name = "smart"; domains = [ "far.test" ]; transport = "smart"; },'
        mansio = make_mansio("relief", config=config(transports=transports, routes=routes, retry="2m for 4d",
                                                     extra=f'spool = {{ segment_size = "{segment_size}"; }};'))
        mansio.start()
        journal = mansio.directory / "spool" / "0" / "journal"
        send(mansio, "x@far.test")
        mansio.wait_log(r" == x@far.test ")
        most, stop = [0], threading.Event()

        def watch():
            while not stop.wait(0.05) and journal.is_dir():
                most[0] = max(most[0], len(list(journal.iterdir())))

        def client(messages):
            with mansio.connect() as session:
                session.command("EHLO client.test")
                for _ in range(messages):
                    send(mansio, "x@far.test", content=SMALL + b"x" * 900 + b"\r\n", session=session)

        watcher = threading.Thread(target=watch)
        watcher.start()
        begin, worked = time.monotonic(), cpu(mansio)
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, [min(200, left) for left in range(count - 1, 0, -200)]))      # so many in a connection
        took, worked = time.monotonic() - begin, cpu(mansio) - worked
        at_end, begin = len(list(journal.iterdir())), time.monotonic()
        _, delivered = local_time(mansio)
        wait_for(lambda: len(list(journal.iterdir())) <= 8, 120, "the journal's relief")       # 4 are kept, 2 are spare
        relieved = time.monotonic() - begin
        mansio.kill()
        mansio.start(timeout=60)
        queued = wait_scanned(mansio)
        _, _, lines = listing_time(mansio)
        stop.set()
        watcher.join()
        mansio.stop()
        return {"messages": count, "queued after the crash": queued, "listed": lines, "accepted a second": count / took, "CPU a message, ms": worked / count * 1e3,
                "segments at most": most[0], "segments after the last": at_end, "at most 8 after s": relieved, "connections": dead.count, "local message delivered after s": delivered}


def tell(figures):
    for key, value in figures.items():
        print(f"  {key:45} {value:.4g}" if isinstance(value, float) else f"  {key:45} {value}")
    return figures
