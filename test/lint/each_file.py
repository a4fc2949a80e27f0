#!/usr/bin/env python3
"""Compiles each source by itself, as a normal build does, as far as errors and warnings need; no code is made of it. It finds what
a unity build forgives: an #include that is missing, a helper that stands in another file.

    each_file.py BUILD RESULTS [--until SECONDS]   the sources of a build directory of meson's that is configured, not unity;
                                                   RESULTS is written as pytest writes its own, for test/sum.py
    each_file.py --self-test

lib/ and daemon/ come first. What would begin later than --until (of the epoch) counts as skipped and is named."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml


def of_each_source(entries):
    """[(source, directory, command)] without object files; a source that stands in several targets only once."""
    found = {}
    for entry in entries:
        words = [word for word in shlex.split(entry["command"]) if word != "ccache"]
        for option in ("-o", "-MF", "-MQ"):
            at = words.index(option)
            del words[at:at + 2]
        words.remove("-MD")
        source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        found.setdefault(source, (source, entry["directory"], words + ["-fsyntax-only", "-fdiagnostics-color=never"]))
    return sorted(found.values(), key=lambda one: f"{os.sep}test{os.sep}" in one[0])


def compile_all(entries, until, jobs):
    """[(source, what the compiler said against it, or None when time was over)]"""
    def compile_one(one):
        source, directory, command = one
        if time.time() > until:
            return source, None
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
        return source, (done.stderr or f"ended with {done.returncode}") if done.returncode else ""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(compile_one, of_each_source(entries)))


def results(told):
    """One test, which fails when any file does, and one that is skipped for each that no time was left for."""
    failed, late = [one for one in told if one[1]], [source for source, said in told if said is None]
    suite = xml.Element("testsuite", name="each file", tests=str(1 + len(late)), failures=str(min(1, len(failed))), skipped=str(len(late)))
    whole = xml.SubElement(suite, "testcase", classname="each file", name=f"{len(told) - len(late)} files compiled by themselves")
    if failed:
        errors = [next((line for line in said.splitlines() if "error" in line), said.strip()) for _, said in failed]
        xml.SubElement(whole, "failure", message="; ".join(errors))
    for source in late:
        xml.SubElement(xml.SubElement(suite, "testcase", classname="each file", name=os.path.relpath(source)), "skipped", message="no time left")
    suites = xml.Element("testsuites")
    suites.append(suite)
    return suites


def self_test():
    """A unity build takes both files for good: b.cpp has all it needs from a.cpp."""
    with tempfile.TemporaryDirectory() as place:
        sources = {"a.cpp": "#include <string>\nstatic int helper() { return 1; }\nint a() { return helper() + int(std::string().size()); }\n",
                   "b.cpp": "int b() { return helper(); }\n", "c.cpp": "int c(int unused) { return 3; }\n", "test/d.cpp": "int main() {}\n"}
        for name, text in sources.items():
            (pathlib.Path(place) / name).parent.mkdir(exist_ok=True)
            (pathlib.Path(place) / name).write_text(text)
        entries = [dict(directory=place, file=name, command=f"ccache c++ -Wall -Wextra -Werror -MD -MQ {name}.o -MF x.d -o {name}.o -c {name}")
                   for name in ["test/d.cpp", *sources]]
        told = compile_all(entries, time.time() + 300, 2)
        assert [os.path.relpath(source, place) for source, _ in told] == list(sources), told
        assert [bool(said) for _, said in told] == [False, True, True, False], told
        assert "was not declared" in told[1][1] and "unused parameter" in told[2][1], told
        assert {file.name for file in pathlib.Path(place).rglob("*.*")} == {pathlib.Path(name).name for name in sources}
        counts = lambda told: [results(told).find("testsuite").get(name) for name in ("tests", "failures", "skipped")]     # noqa: E731
        assert counts(told) == ["1", "1", "0"] and "b.cpp:1:" in results(told).find(".//failure").get("message")
        late = compile_all(entries, 0, 2)
        assert [said for _, said in late] == [None] * 4 and counts(late) == ["5", "0", "4"]
        assert counts([told[0], told[3]]) == ["1", "0", "0"]
    print("each_file.py: two of four examples refused, as they should be")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--until", type=float, default=float("inf"))
    options = parser.parse_args()
    entries = json.loads((options.build / "compile_commands.json").read_text())
    if any("-unity" in pathlib.Path(entry["file"]).name for entry in entries):
        sys.exit(f"each_file.py: {options.build} is a unity build; configure one with -Dunity=off")
    told = compile_all(entries, options.until, os.cpu_count())
    xml.ElementTree(results(told)).write(options.results)
    for source, said in told:
        if said:
            print(said, end="" if said.endswith("\n") else "\n")
    late = [os.path.relpath(source) for source, said in told if said is None]
    if late:
        print("no time was left for:", *late, sep="\n  ")
    failed = sum(bool(said) for _, said in told)
    print(f"each_file.py: {len(told) - len(late)} files compiled, {failed} of them with errors, {len(late)} not begun")
    return failed or len(late) > len(told) / 2


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
