#!/usr/bin/env python3
"""Has systemd read the units: units.py SBIN_DIRECTORY UNIT…

`systemd-analyze verify` must say nothing at all (it exits 0 for keys that it doesn't know). The level of exposure that
`systemd-analyze security --offline=yes` finds is printed, and must not rise above LIMIT. The programs of the units are
not installed yet when this runs, so copies of the units name /bin/true in their place.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 3.0     # "OK"; what is left comes from delivering as any user, into any home, and from the network


def analyze(*words):
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, timeout=60)


def check(unit):
    verified = analyze("verify", "--man=no", str(unit))
    if verified.returncode != 0 or verified.stdout + verified.stderr != "":
        return f"{unit.name}: verify: exit {verified.returncode}\n{verified.stdout}{verified.stderr}"
    measured = analyze("security", "--offline=yes", str(unit))
    level = re.search(r"Overall exposure level for .*?: ([\d.]+) (\w+)", measured.stdout)
    if not level:
        return f"{unit.name}: no exposure level in\n{measured.stdout}{measured.stderr}"
    print(f"{unit.name}: exposure level {level[1]} {level[2]}")
    return f"{unit.name}: exposure level is over {LIMIT}" if float(level[1]) > LIMIT else None


def main():
    sbin, *units = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for unit in map(pathlib.Path, units):
            copies.append(pathlib.Path(folder) / unit.name.replace("@.", "@second."))
            copies[-1].write_text(unit.read_text().replace(f"{sbin}/mansiod", "/bin/true"))
        wrong = [text for text in map(check, copies) if text]
        # The check itself: a key that systemd doesn't know must be noticed.
        copies[0].write_text(copies[0].read_text().replace("[Service]\n", "[Service]\nNoSuchKey=1\n"))
        if not check(copies[0]):
            wrong.append("an unknown key went unnoticed")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
