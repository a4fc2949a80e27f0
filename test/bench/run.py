#!/usr/bin/python3
"""run.py [SCENARIO...] [--rounds N] [--count N] [--also NAME=BUILD] [--peer NAME=ROOT]: mansio beside postfix and exim4, where they are
installed, interleaved (A B C, C B A, ...), each with its syncs on. Without scenarios all of them. Prints medians, ratios to the
best peer and CPU time a message. A run in which a message is missing or too many counts for nothing and fails. `floor` is no server
but a program that writes files into a Maildir with the syncs that this takes, and nothing else: what the file system leaves to reach.

--also compares another build of mansio (its directory); --peer runs a peer in a tree of its own by chroot. CPU and memory, and peers
with processes that come and go, need root and cgroup v2."""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from servers import LOCAL, REMOTE, Exim, Mansio, Postfix, scatter  # noqa: E402

# name: messages, their size, words for the load, is it passed on
SCENARIOS = {
    "inbound-many": (3000, 4096, [], False),
    "inbound-one": (2000, 4096, ["--one"], False),
    "relay-many": (3000, 4096, [], True),
    "relay-one": (2000, 4096, ["--one"], True),
    "large": (20, 20 << 20, ["--sessions", "4"], False),
    "tls": (1000, 4096, ["--tls"], False),
    "idle": (1000, 0, ["--hold"], False),
    "floor": (3000, 4096, [], False),
}
# Of floor, which is no server: processes side by side, and messages that share a sync of new/.
FLOORS = {"1 by 1": (1, 1), "2 by 16": (2, 16), "8 by 1": (8, 1), "8 by 64": (8, 64)}
PEERS = {"postfix": ("postfix", Postfix), "exim": ("exim4", Exim)}


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(what, seconds, words):
    end = time.monotonic() + seconds
    while not (got := what()):
        if time.monotonic() > end:
            raise Failed("no " + words)
        time.sleep(0.01)
    return got


def wait_for_mail(server, count):
    """Looking into new/ disturbs who writes there: rarely, until it is nearly done."""
    end = time.monotonic() + 120
    while (delivered := server.delivered()) < count:
        if time.monotonic() > end:
            raise Failed(f"only {delivered} arrived")
        time.sleep(0.1 if delivered < 0.9 * count else 0.02)


def greets(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.settimeout(5)
            return client.recv(200).startswith(b"220")
    except OSError:
        return False


def hold(server, load, count):
    before = server.memory()
    process = subprocess.Popen([load, str(server.port), "--count", str(count), "--hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        held = int(process.stdout.readline().split()[1])
        time.sleep(1)
        memory = server.memory() - before
    finally:
        process.stdin.close()
        process.wait(30)
    if held != count:
        raise Failed(f"{held} of {count} connections")
    return {"KiB a connection": memory / held, "MiB before": before / 1024}


def send(server, load, scenario, count):
    _, size, words, passed_on = SCENARIOS[scenario]
    words = [load, str(server.port), "--count", str(count), "--size", str(size), "--to", REMOTE if passed_on else LOCAL, *words]
    if passed_on:
        words += ["--sink", str(server.sink)]
    cpu, begun = server.cpu(), time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise Failed("the load: " + (done.stdout + done.stderr).strip())
    said = json.loads(done.stdout)
    if passed_on:
        seconds = said["arrive_seconds"]
        arrived = said["arrived"]
    else:
        wait_for_mail(server, count)
        seconds = time.monotonic() - begun
        time.sleep(0.5)
        arrived = server.delivered()
    if arrived != count:
        raise Failed(f"{arrived} arrived of {count}")
    result = {"delivered/s": count / seconds, "accepted/s": count / said["accept_seconds"]}
    if size >= 1 << 20:
        result = {"MB/s": count * size / 1e6 / seconds}
    if cpu is not None:
        result["CPU ms/message"] = (server.cpu() - cpu) * 1000 / count
    return result


def run_once(server, load, scenario, count):
    server.prepare()
    server.start()
    try:
        wait_for(lambda: greets(server.port), 60, f"greeting of {server.name}")
        return hold(server, load, count) if scenario == "idle" else send(server, load, scenario, count)
    finally:
        server.stop()


def contestants(options, scenario, directory):
    tls = scenario == "tls"

    def rest(name, base=None):
        root = base or "/"
        place = pathlib.Path(tempfile.mkdtemp(prefix="mansio-bench-", dir=pathlib.Path(root, "tmp") if base else directory))
        place.chmod(0o755)
        return place, free_port(), free_port(), directory, tls, root

    out = [Mansio("mansio", options.build, *rest("mansio"))]
    for name, build in (each.split("=", 1) for each in options.also):
        out.append(Mansio(name, build, *rest(name)))
    roots = dict(each.split("=", 1) for each in options.peer)
    for name, (program, kind) in PEERS.items():
        if name in roots or (os.geteuid() == 0 and shutil.which(program)):
            out.append(kind(name, *rest(name, roots.get(name))))
    return out


def tell(scenario, count, results, peers):
    print(f"\n{scenario}, {count} of {SCENARIOS[scenario][1]} octets")
    for metric in dict.fromkeys(metric for runs in results.values() for run in runs for metric in run):
        medians = {name: statistics.median(run[metric] for run in runs) for name, runs in results.items() if runs}
        best = [value for name, value in medians.items() if name in peers]
        best = (max(best) if metric.endswith("/s") else min(best)) if best else None
        for name, value in medians.items():
            spread = [run[metric] for run in results[name]]
            ratio = f"  {value / best:6.2f} x the best peer" if best else ""
            print(f"  {metric:18} {name:10} {value:10.2f}  ({min(spread):.2f} to {max(spread):.2f}){ratio}", flush=True)


def measure_floor(options, directory):
    count = options.count or SCENARIOS["floor"][0]
    results = {name: [] for name in FLOORS}
    far = directory / "floor"
    far.mkdir()
    scatter(far)
    for number in range(options.rounds):
        for name, (processes, batch) in FLOORS.items():
            place = far / f"{name} {number}"
            place.mkdir()
            words = [options.load.with_name("floor"), place, str(count), str(processes), str(batch)]
            results[name].append(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))
    tell("floor", count, results, PEERS)
    return False


def measure(options, scenario, directory, over):
    """Servers whose directories are to be removed in the end are added to `over`."""
    if scenario == "floor":
        return measure_floor(options, directory)
    count = options.count or SCENARIOS[scenario][0]
    servers = contestants(options, scenario, directory)
    over += servers
    results, failed = {server.name: [] for server in servers}, False
    try:
        for number in range(options.rounds):
            for server in servers if number % 2 == 0 else reversed(servers):
                try:
                    results[server.name].append(run_once(server, options.load, scenario, count))
                except (Failed, subprocess.SubprocessError) as error:
                    failed = True
                    print(f"{scenario} {server.name}: FAILED: {error}", flush=True)
    finally:
        for server in servers:
            server.close()
    tell(scenario, count, results, PEERS)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int)
    parser.add_argument("--also", action="append", default=[], metavar="NAME=BUILD")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=ROOT")
    build = os.environ.get("MANSIO_BUILD", "build")
    parser.add_argument("--build", default=build)
    parser.add_argument("--load", default=build + "/test/bench/load")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    options.build, options.load = os.path.abspath(options.build), pathlib.Path(options.load).absolute()
    failed, over = False, []
    with tempfile.TemporaryDirectory(prefix="mansio-bench-") as directory:
        os.chmod(directory, 0o755)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=benchhost.bench.invalid",
                        "-keyout", directory + "/key.pem", "-out", directory + "/cert.pem"], check=True, stderr=subprocess.DEVNULL)
        try:
            for scenario in options.scenarios or SCENARIOS:
                failed = measure(options, scenario, pathlib.Path(directory), over) or failed
        finally:
            for server in over:
                server.remove()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
