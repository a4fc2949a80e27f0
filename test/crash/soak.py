#!/usr/bin/env python3
"""./dev soak [HOURS] [--share 0.5] [--fault-every 60] [--processes N]: hours at a share of the capacity that it measures at its start,
with a random fault a minute; memory, descriptors, threads and latency are sampled each 10 seconds. It ends with a verdict: nothing
lost, doubled or changed, and nothing that grows. Ctrl-C ends it early, with the account of what was done. What each run found
stays below build/proof, and in docs/proof.md. Started again, it goes on until HOURS are full; --fresh forgets what there was, --no-report
neither looks at it nor adds to it."""
import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import prove  # noqa: E402
from harness import ROOT, alive, memory_of, wait_for  # noqa: E402
from names import SILENT  # noqa: E402
from sink import DROP  # noqa: E402
from test_durability import Disks  # noqa: E402
from test_faults import Faults  # noqa: E402

from house import World  # noqa: E402
from proof_page import write_page  # noqa: E402
from small_disks import MEGABYTE, SmallHouse, missing  # noqa: E402
from soak_load import Account, Clients  # noqa: E402

STATE = prove.STATE / "soak.json"
EVERY = 10
LEAST_SPAN = 900        # seconds, of the second half: one that long without a point is a fault of this program
WARM = 120              # seconds of a process's life that tell nothing of its growth
# How much may be added over the second half: of its mean, or this much, whichever is more.
BOUNDS = dict(memory=(0.10, 2048), descriptors=(0.0, 6), threads=(0.0, 2), latency=(0.5, 0.005))


# ---- faults: each is over when it returns

def title_of(house, word):
    return sorted((title, pid) for title, pid in house.mansio.children().items() if word in title and "users" not in title)


def kill_one(house, generator, word):
    title, pid = generator.choice(title_of(house, word))
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: house.mansio.children().get(title, pid) != pid, 60, f"another {title}")
    return f"killed {title}"


def kill_mail(house, generator):
    house.crashes += 1
    return kill_one(house, generator, "mail")


def kill_agent(house, generator):
    house.crashes += 1
    return kill_one(house, generator, "deliver")


def kill_all(house, generator):
    house.crashes += 1
    house.mansio.kill()
    house.start()
    return "killed all"


def pause(house, generator):
    chosen = title_of(house, generator.choice(("mail", "deliver")))
    seconds = generator.uniform(1, 8)
    for _, pid in chosen:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for _, pid in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    return f"stopped {chosen[0][0]} and its like for {seconds:.0f} s"


def full_disk(house, generator):
    word = generator.choice(sorted(house.disks))
    house.disks[word].fill("octets", leave=generator.choice((0, 100_000, 4 * MEGABYTE)))
    time.sleep(generator.uniform(2, 8))
    house.free()
    return f"filled the disk of {word}"


def dead_sink(house, generator):
    sink = house.world.sinks["good.test"]
    sink.script = {"GREETING": DROP, "MAIL": DROP, "DOT": DROP}
    time.sleep(generator.uniform(3, 15))
    sink.script = {}
    return "good.test dead"


def dead_names(house, generator):
    asked = [(name, type) for host in house.world.sinks for name, type in ((host, "MX"), (f"mx1.{host}", "A"), (f"mx1.{host}", "AAAA"))]
    for question in asked:
        house.world.names.trouble(*question, SILENT)
    time.sleep(generator.uniform(3, 15))
    for question in asked:
        house.world.names.trouble(*question, None)
    return "name server dead"


def reload(house, generator):
    house.mansio.signal(signal.SIGHUP)
    return "reload"


def failing_disk(house, generator):
    if not shutil.which("strace"):
        return reload(house, generator)
    pids = [pid for _, pid in title_of(house, "mail")]
    with Faults(pids, f"fdatasync:error=EIO:when={generator.randrange(1, 5)}+{generator.randrange(3, 50)}"):
        time.sleep(generator.uniform(1, 3))
    return "fdatasync failed now and then"


FAULTS = (kill_mail, kill_agent, kill_all, pause, full_disk, dead_sink, dead_names, reload, failing_disk)
# Growth is measured in the second half, of processes that live as long as that: each new one would begin anew, with memory that
# faults make larger in steps and that has no time to settle.
LATER_FAULTS = tuple(fault for fault in FAULTS if fault not in (kill_mail, kill_all))


# ---- samples

def sample(house, clients, account, begin, faulty):
    latencies = clients.take_latencies()
    out = dict(at=round(time.monotonic() - begin, 1), rate=round(len(latencies) / EVERY, 1), open=len(account.open), faulty=faulty, processes={})
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"), (1, "max")):
        out[name] = round(latencies[min(int(len(latencies) * share), len(latencies) - 1)], 4) if latencies else None
    for title, pid in house.mansio.children().items():
        with contextlib.suppress(OSError, TypeError):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            age = float(pathlib.Path("/proc/uptime").read_text().split()[0]) - int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
            out["processes"][f"{title} {pid}"] = dict(age=round(age, 1), memory=memory_of(pid) // 1024,
                                                      threads=int(re.search(r"Threads:\s+(\d+)", status)[1]), descriptors=len(os.listdir(f"/proc/{pid}/fd")))
    return out


def growth(points):
    """Least squares over several series, each with a level of its own: ((slope a second, mean), or (0, 0))."""
    over, under, values = 0.0, 0.0, []
    for series in points:
        if len(series) < 3:
            continue
        middle_x, middle_y = sum(x for x, _ in series) / len(series), sum(y for _, y in series) / len(series)
        over += sum((x - middle_x) * (y - middle_y) for x, y in series)
        under += sum((x - middle_x) ** 2 for x, _ in series)
        values += [y for _, y in series]
    return (over / under if under else 0.0), (sum(values) / len(values) if values else 0.0)


def flatness(samples):
    """{what: (mean, growth over the second half, bound, is it within)}; each process is a series of its own, once it is warm."""
    half = [one for one in samples if one["at"] > samples[-1]["at"] / 2] if samples else []
    span, out = (half[-1]["at"] - half[0]["at"] if half else 0), {}
    for what, (share, least) in BOUNDS.items():
        if what == "latency":
            series = [[(one["at"], one["p50"]) for one in half if one["p50"] is not None and not one["faulty"]]]
        else:
            lives = {}
            for one in half:
                for name, process in one["processes"].items():
                    if "mail" in name and process["age"] > WARM and not one["faulty"]:
                        lives.setdefault(name, []).append((one["at"], process[what]))
            series = list(lives.values())
        slope, mean = growth(series)
        bound = max(share * mean, least)
        points = sum(map(len, series))
        ok = slope * span <= bound if points else span < LEAST_SPAN       # so short a run says nothing of growth
        out[what] = dict(mean=round(mean, 5), growth=round(slope * span, 5), bound=round(bound, 5), points=points, ok=ok)
    return out


# ---- the run

class Run:
    def __init__(self, directory, options, seconds):
        self.options, self.seconds = options, seconds
        self.seed = f"soak-{int(time.time())}"
        self.generator = random.Random(self.seed)
        Disks.seconds = int(seconds) + 7200
        self.world = World()
        self.house = SmallHouse(directory, self.world, small=("spool", "mail"), kind="ext4", size=dict(spool=1800 * MEGABYTE, mail=24_000 * MEGABYTE),
                                inodes=dict(spool=240_000, mail=6_000_000), seed=self.seed,
                                mail_processes=options.processes, segment_size="16M", reserve="32M")
        self.house.mansio.own_group = True          # Ctrl-C ends the load; the daemon has to empty its queue yet
        self.account, self.samples, self.faults, self.capacity, self.stopped = Account(self.house), [], [], 0, False
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.stopped = True

    def measure_capacity(self, seconds):
        clients = Clients(self.house, self.account, f"{self.seed}-capacity")
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            time.sleep(1)
            self.account.scan()
        # What has also arrived and been looked at: these clients and readers are part of it.
        self.capacity = len(self.account.over) / (time.monotonic() - begin)
        clients.end()

    def go(self):
        self.house.start()
        self.measure_capacity(min(15, self.seconds / 10))
        rate = max(self.capacity * self.options.share, 1)
        print(f"capacity {self.capacity:.0f} messages a second; now {rate:.0f} a second for {self.seconds / 3600:.2f} hours", flush=True)
        clients = Clients(self.house, self.account, self.seed, rate)
        self.begin = time.monotonic()
        try:
            self.watch(clients)
        finally:
            clients.end()
        self.house.free()
        self.house.drain(600)
        self.account.scan()
        left = self.house.mansio.queue()
        for _ in range(5):           # a reader that stood in the way of the box
            time.sleep(0.2)
            self.account.scan()
        status = self.house.mansio.stop()
        self.account.finish(self.house.crashes)
        self.look_around(status, left)

    def watch(self, clients):
        next_sample, next_fault, faulty_until = self.begin + EVERY, self.begin + self.options.fault_every, 0.0
        while not self.stopped and (now := time.monotonic()) - self.begin < self.seconds:
            if now >= next_fault:
                fault = self.generator.choice(FAULTS if now - self.begin < self.seconds / 2 else LATER_FAULTS)
                self.faults.append((round(now - self.begin), fault(self.house, self.generator)))
                next_fault, faulty_until = max(next_fault + self.options.fault_every, time.monotonic()), time.monotonic() + 2 * EVERY
            elif now >= next_sample:
                one = sample(self.house, clients, self.account, self.begin, now < faulty_until)
                self.samples.append(one)
                next_sample = max(next_sample + EVERY, now)
                self.show(one)
            self.account.scan()
            time.sleep(1)

    def show(self, one):
        memory = max((p["memory"] for name, p in one["processes"].items() if "mail" in name), default=0)
        print(f"{one['at'] / 60:6.1f} min  {one['rate']:6.1f}/s  p50 {one['p50']}  p99 {one['p99']}  {memory} KiB  open {one['open']}  "
              f"{sum(self.account.answers.values())} letters  found {len(self.account.found)}  last fault: {self.faults[-1] if self.faults else None}", flush=True)

    def look_around(self, status, left):
        found, spool = self.account.found, self.house.inside(self.house.mansio.directory) / "spool"
        if status != 0:
            found.append(("broken", "", "", f"the daemon ended with {status}"))
        found += [("queued", entry["id"], "", "still queued after ten minutes without a fault") for entry in left]
        for shard in spool.glob("[0-9]*"):
            found += [("broken", "", "", f"quarantined: {file.name}") for file in (shard / "corrupt").glob("*")]
            found += [("leaks", "", "", str(file)) for file in [*(shard / "large").glob("*"), *(shard / "deferred").glob("*/*")]]
        found += [("broken", "", "", line) for line in self.house.mansio.log("paniclog").splitlines() if re.search(r"abort|assert|terminate|exception|signal (4|6|7|8|11) ", line, re.I)]

    def result(self):
        flat, account = flatness(self.samples), self.account
        grown = {what: found for what, found in flat.items() if not found["ok"]}
        words = "\n".join([*(f"{what} grew: {found}" for what, found in grown.items()), *(" ".join(map(str, one)) for one in account.found[:50])])
        ok = not account.found and not grown
        return dict(ok=ok, words=words, seconds=round(time.monotonic() - self.begin), capacity=round(self.capacity, 1), share=self.options.share,
                    processes=self.options.processes, answers=dict(account.answers), copies=account.copies, reports=account.reports, second=dict(account.second),
                    crashes=self.house.crashes, faults=self.faults, flat=flat, samples=self.samples[::max(len(self.samples) // 500, 1)],
                    verdicts={verdict: sum(one[0] == verdict for one in account.found) for verdict in {one[0] for one in account.found}})

    def close(self, ok):
        if not ok:
            place = ROOT / "build" / "crash-evidence" / self.seed
            place.mkdir(parents=True, exist_ok=True)
            (place / "found").write_text("\n".join(" ".join(map(str, one)) for one in self.account.found))
            with contextlib.suppress(OSError, shutil.Error):
                shutil.copytree(self.house.mansio.directory / "log", place / "log")
            with contextlib.suppress(OSError, shutil.Error):
                shutil.copytree(self.house.inside(self.house.mansio.directory) / "spool", place / "spool")
            print(f"evidence in {place}")
        self.house.close()
        self.world.close()


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("hours", nargs="?", type=float, default=2)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--fault-every", type=float, default=60)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    if missing():
        sys.exit(f"soak: {missing()}")
    state = json.loads(STATE.read_text()) if STATE.exists() and not (options.fresh or options.no_report) else dict(begun=prove.now(), items={}, ended={})
    done = sum(item["seconds"] for item in state["items"].values() if item["ok"])
    if done >= options.hours * 3600:
        print(f"soak: {done / 3600:.2f} hours are done already; --fresh begins anew")
        return 0
    with tempfile.TemporaryDirectory(prefix="mansio-soak-") as directory:
        run, found = Run(pathlib.Path(directory) / "house", options, options.hours * 3600 - done), dict(ok=False)
        try:
            run.go()
            found = run.result()
        finally:
            run.close(found["ok"])
    state["items"][run.seed] = found
    state |= dict(last=prove.now(), machine=prove.machine(), commit=prove.commit(), command=" ".join(["./dev soak", *sys.argv[1:]]))
    if not options.no_report:
        STATE.parent.mkdir(parents=True, exist_ok=True)
        STATE.write_text(json.dumps(state))
    print(json.dumps({name: value for name, value in found.items() if name not in ("samples", "words", "faults")}, indent=1))
    print(found["words"])
    if not options.no_report:
        prove.write_proof()
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
