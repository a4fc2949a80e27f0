#!/usr/bin/env python3
"""./dev prove [PART...] [--rounds N] [--only ITEM] [--fresh]: the crash tests in full, and docs/proof.md with what they found.

Parts: sabotage, calls, random, power, faults; all of them by default. What a part has done is kept below build/proof, so that it goes
on where it was stopped as long as the daemon is the same program; --fresh forgets it. --rounds: of random kills (1000) or power cuts
(200). --only: one item, as the name in a failure's "repeat:" says; it is not kept. Exit status 0: nothing was found."""
import argparse
import collections
import datetime
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import every_call  # noqa: E402
import power  # noqa: E402
import random_kills  # noqa: E402
from harness import BUILD, MANSIOD, ROOT  # noqa: E402
from house import World  # noqa: E402
from proof_page import write_page  # noqa: E402

STATE = ROOT / "build" / "proof"
OWN_TESTS = {"test_judge.py", "test_every_call.py", "test_random_kills.py", "test_sabotage.py"}
CUTS_A_HOUSE = 5


class Part:
    """What a part has done so far: {item: result}. A result has ok, seconds, words, and what Verdicts counted."""

    def __init__(self, name, fresh, keep=True):
        self.name, self.keep, self.file = name, keep, STATE / f"{name}.json"
        program = hashlib.sha256(MANSIOD.read_bytes()).hexdigest()[:16]
        old = json.loads(self.file.read_text()) if keep and not fresh and self.file.exists() else {}
        if old.get("program") != program:
            old = dict(program=program, commit=commit(), begun=now(), items={}, ended={})
        self.state = old | dict(machine=machine(), command=" ".join(["./dev prove", *sys.argv[1:]]))
        self.items, self.ended = self.state["items"], self.state["ended"]
        self.saved = time.monotonic()

    def has(self, item):
        return item in self.items

    def add(self, item, result):
        self.items[item] = result
        if not result["ok"]:
            print(f"\n{self.name} {item}: FAILED\n{result['words']}", flush=True)
        elif sys.stdout.isatty():
            print(f"\r{self.name} {item}: {len(self.items)} done, {self.failures()} failed   ", end="", flush=True)
        if not result["ok"] or time.monotonic() - self.saved > 5:
            self.save()

    def failures(self):
        return sum(not result["ok"] for result in self.items.values())

    def save(self):
        self.saved, self.state["last"] = time.monotonic(), now()
        if self.keep:
            STATE.mkdir(parents=True, exist_ok=True)
            temporary = self.file.with_suffix(".new")
            temporary.write_text(json.dumps(self.state))
            temporary.replace(self.file)

    def close(self):
        self.save()
        print(f"\n{self.name}: {len(self.items)} items, {self.failures()} failed", flush=True)


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) >> 20
    return f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, {memory} GiB, Linux {platform.release()}"


def commit():
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if git("status", "--porcelain", "lib", "daemon") else "")


def result(begin, verdicts=None, figures=None, words="", ok=True, **more):
    out = dict(ok=ok, seconds=round(time.monotonic() - begin, 2), words=words, **more)
    if verdicts:
        out |= dict(answers=dict(verdicts.answers), second=dict(verdicts.second), histogram={str(k): v for k, v in verdicts.histogram.items()},
                    copies=len(verdicts.evidence.copies), reports=len(verdicts.evidence.reports), verdicts={k: len(v) for k, v in verdicts.found().items()})
    return out | (dict(figures=figures) if figures else {})


def tried(work):
    """The result of `work`, which gives verdicts and figures."""
    begin = time.monotonic()
    try:
        verdicts, figures = work()
        return result(begin, verdicts, figures)
    except AssertionError as words:
        return result(begin, words=str(words), ok=False)
    except Exception as bug:
        return result(begin, words=repr(bug), ok=False)


# ---- the parts

def prove_random(part, world, directory, options):
    chosen = [options.only.split(":")] if options.only else [(who, n) for n in range(-(-options.rounds // len(random_kills.WHO))) for who in random_kills.WHO]
    for who, number in chosen:
        if not part.has(f"{who}:{number}"):
            part.add(f"{who}:{number}", tried(lambda: random_kills.one_round(world, directory / f"{who}-{number}", who, int(number))))


def prove_calls(part, world, directory, options):
    if options.only:
        scene, role, at = options.only.split(":")
        return play(part, world, directory, scene, role, [int(at)])
    for scene, role in every_call.PARTS:
        if f"{scene}:{role}" not in part.ended:
            part.ended[f"{scene}:{role}"] = play(part, world, directory, scene, role)


def play(part, world, directory, scene_name, role, numbers=None):
    """Enumerates; the number of calls that were hit."""
    scene, at, hits, misses = every_call.SCENES[scene_name], 0, 0, 0
    place = directory / f"{scene_name}-{role}"
    place.mkdir()
    base = every_call.prepared(place / "base", world, scene)
    while misses < every_call.MISSES if not numbers else at < len(numbers):
        at += 1
        number = numbers[at - 1] if numbers else at
        item = f"{scene_name}:{role}:{number}"
        if not part.has(item):
            part.add(item, one_call(scene, role, number, place, world, base, f"./dev prove calls --only {item}"))
        hit = part.items[item].get("hit", True)
        hits, misses = hits + hit, 0 if hit else misses + 1
    shutil.rmtree(place, ignore_errors=True)
    return hits


def one_call(scene, role, number, place, world, base, repeat):
    begin = time.monotonic()
    try:
        lines, hit, verdicts = every_call.one_case(scene, role, number, place / str(number), world, base, repeat=repeat)
        return result(begin, verdicts, hit=hit, call=lines[-1].split("\t")[1] if hit else "")
    except AssertionError as words:
        return result(begin, words=str(words), ok=False, hit=True, call="")


def prove_power(part, world, directory, options):
    if power.missing():
        return print(f"power: left out: {power.missing()}")
    if options.only:
        layout, mode, number, rounds = options.only.split(":")
        chosen = [(layout, mode, int(number), int(rounds))]
    else:
        ways = power.ways()
        chosen = [(*ways[n % len(ways)], n // len(ways), CUTS_A_HOUSE) for n in range(-(-options.rounds // CUTS_A_HOUSE))]
    for layout, mode, number, rounds in chosen:
        item = f"{layout}:{mode}:{number}:{rounds}"
        if not part.has(item):
            part.add(item, tried(lambda: power.batch(world, directory / item.replace(":", "-"), layout, mode, number, rounds)))


def prove_sabotage(part, world, directory, options):
    run_tests(part, directory, ["test_sabotage.py"], options)


# Of the end-to-end tests those that are about faults, and do more here than in CI: {file: -k}.
FAULTS_ELSEWHERE = {"test_outbound_hosts.py": "slow_name_servers"}


def prove_faults(part, world, directory, options):
    run_tests(part, directory, sorted(file.name for file in HERE.glob("test_*.py") if file.name not in OWN_TESTS) + [*FAULTS_ELSEWHERE], options)


def run_tests(part, directory, files, options):
    """Each test of these files is an item."""
    for file in files:
        if f"{file}:all" in part.ended and not options.only:
            continue
        chosen = options.only or FAULTS_ELSEWHERE.get(file)
        words = ["-k", chosen] if chosen else []
        results = directory / f"{file}.xml"
        place = HERE.parent / "e2e" if file in FAULTS_ELSEWHERE else HERE
        subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml", str(results), f"--basetemp={directory / 'tests'}", str(place / file), *words],
                       env=dict(os.environ, MANSIO_BUILD=str(BUILD), MANSIO_PROVE="1"), stdout=subprocess.DEVNULL)
        for case in xml.parse(results).getroot().iter("testcase"):
            trouble = [each for each in case if each.tag in ("failure", "error")]
            skipped = any(each.tag == "skipped" for each in case)
            part.add(f"{file[5:-3]}:{case.get('name')}", dict(ok=not trouble, skipped=skipped, seconds=round(float(case.get("time")), 2),
                                                            words="\n".join((each.text or "")[-4000:] for each in trouble)))
        part.ended[f"{file}:all"] = 1


PARTS = dict(sabotage=prove_sabotage, calls=prove_calls, random=prove_random, power=prove_power, faults=prove_faults)
ROUNDS = collections.defaultdict(int, random=1000, power=200)


def main():
    parser = argparse.ArgumentParser(prog="./dev prove", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*PARTS, "all", "page (only writes docs/proof.md)"]))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", metavar="ITEM")
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    names = list(PARTS) if not options.parts or "all" in options.parts else options.parts
    unknown = set(names) - {*PARTS, "page"}
    if unknown or (options.only and len(names) != 1):
        parser.error(f"no such part: {', '.join(unknown)}" if unknown else "--only needs one part")
    given, failed = options.rounds, 0
    for name in (name for name in names if name != "page"):
        options.rounds = given or ROUNDS[name]
        part = Part(name, options.fresh, keep=not options.only)
        with World() as world, tempfile.TemporaryDirectory(prefix="mansio-prove-") as directory:
            try:
                PARTS[name](part, world, pathlib.Path(directory), options)
            finally:
                part.close()
        failed += part.failures()
        if options.only:
            for item, found in part.items.items():
                print(item, json.dumps({k: v for k, v in found.items() if k != "words"}))
    if not options.only:
        write_proof()
    return 1 if failed else 0


def write_proof():
    """docs/proof.md, from what all parts have kept; ./dev soak keeps its own (soak.py)."""
    write_page(ROOT / "docs" / "proof.md", [json.loads(file.read_text()) | dict(name=name) for name in [*PARTS, "soak"] if (file := STATE / f"{name}.json").exists()])


if __name__ == "__main__":
    sys.exit(main())
