#!/usr/bin/python3
"""Does the time of a refusal tell which users exist (S-087)? Prints the medians, in milliseconds, for users that exist, that don't and
that are locked, by mechanism. The kinds take turns, so that what else the machine does falls on all of them.

    test/bench/auth_timing.py [tries]            # MANSIO_BUILD as for the end-to-end tests; 200 tries of each unless told
"""
import pathlib
import random
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from login_house import SMTPS, Scram, add_user, house_at, plain  # noqa: E402

SCHEMES = ["SCRAM-SHA-256", "SHA512-CRYPT"]


def try_plain(client, user):
    begun = time.perf_counter()
    code, _ = client.command("AUTH PLAIN " + plain(user, "not this one"))
    assert code == 535, code
    return time.perf_counter() - begun


def try_scram(client, user):
    """Both answers: the first has to make salt and count for users that are not there."""
    scram = Scram(user, "not this one")
    begun = time.perf_counter()
    code, lines = client.command("AUTH SCRAM-SHA-256 " + scram.first())
    first = time.perf_counter() - begun
    final = scram.final(lines[0][4:])
    begun = time.perf_counter()
    code, _ = client.command(final)
    assert code == 535, code
    return first + time.perf_counter() - begun


def measure(house, attempt, tries):
    times = {"existing": [], "missing": [], "locked": []}
    with house.secured(SMTPS) as client:
        for number in range(tries + 5):
            if number % 30 == 29:                  # before the session's limit of failures
                client.close()
                client = house.secured(SMTPS)
            for kind in random.sample(list(times), 3):
                user = {"existing": f"user{number % 20}", "missing": f"none{number % 20}", "locked": f"gone{number % 20}"}[kind]
                took = attempt(client, user)
                if number >= 5:
                    times[kind].append(took * 1000)
    return times


def main():
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for scheme in SCHEMES:
        with tempfile.TemporaryDirectory(prefix="mansio-timing-") as place:
            file = pathlib.Path(place) / "users"
            for number in range(20):
                add_user(file, f"user{number}", f"secret {number}", scheme)
            text = file.read_text() + "".join(f"gone{number}:!\n" for number in range(20))
            with house_at(pathlib.Path(place) / "mansio", users=text, auth="tries = 100", delay="0s") as house:
                ways = {"PLAIN": try_plain, **({"SCRAM-SHA-256": try_scram} if scheme == "SCRAM-SHA-256" else {})}
                for name, attempt in ways.items():
                    for kind, values in measure(house, attempt, tries).items():
                        low, middle, high = statistics.quantiles(values, n=4)
                        print(f"{scheme:14} entries  AUTH {name:14} {kind:9} median {middle:8.3f} ms   quartiles {low:8.3f} {high:8.3f}   n={len(values)}")


main()
