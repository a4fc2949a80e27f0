#!/usr/bin/env python3
"""Adds up what test runs left behind, prints "N passed, N failed" as its last line, and what failed above it; exits 1 if anything did.

    sum.py FILE…    meson's test log (.json, a line a test) and pytest's results (.xml)

A program of unit tests counts with its test cases, which Catch2 tells at the end of its output; any other test counts
as one. A file that is missing or holds nothing is a failure: a run that did not happen has not passed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def count_program(test):
    """Passed, failed and skipped cases of one entry of meson's log."""
    if test["result"] == "SKIP":
        return 0, 0, 1
    output = test.get("stdout", "")
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    if good and (whole := re.findall(r"^All tests passed \(.* in (\d+) test cases?\)$", output, re.M)):
        return int(whole[-1]), 0, 0
    if not good and (part := re.findall(r"^test cases: *(\d+) .*?(\d+) failed", output, re.M)):
        total, failed = map(int, part[-1])
        return total - failed, failed, 0
    return (1, 0, 0) if good else (0, 1, 0)


def count_meson(path):
    tests = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    for test in tests:
        passed, failed, skipped = count_program(test)
        if failed:
            print(f"failed: {test['name']} ({test['result']})")
        yield passed, failed, skipped


def count_pytest(path):
    for suite in xml.parse(path).getroot().iter("testsuite"):
        total, skipped = int(suite.get("tests")), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        for case in suite.iter("testcase"):
            if (why := case.find("failure")) is not None or (why := case.find("error")) is not None:
                said = (why.get("message") or "").strip().splitlines() or [""]
                print(f"failed: {case.get('classname')}: {case.get('name')}: {said[0][:200]}")
        yield max(0, total - failed - skipped), failed, skipped


def main():
    sums = [0, 0, 0]
    for path in map(pathlib.Path, sys.argv[1:]):
        try:
            counts = list((count_meson if path.suffix == ".json" else count_pytest)(path))
        except (OSError, ValueError, KeyError, xml.ParseError) as error:
            print(f"failed: no results in {path.name}: {error}")
            counts = [(0, 1, 0)]
        if not any(map(sum, counts)):
            counts = [(0, 1, 0)]
            print(f"failed: nothing ran for {path.name}")
        for count in counts:
            sums = [a + b for a, b in zip(sums, count)]
    passed, failed, skipped = sums
    if skipped:
        print(f"({skipped} skipped; each is named above)")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
