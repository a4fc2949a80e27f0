#!/usr/bin/python3
"""Measures a long queue: measure.py [EXPERIMENT [COUNT]]. Without arguments all experiments in their full size, in some ten minutes.
The figures of docs/performance.md come from here; test/e2e/test_scale.py does the same in small."""
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import long_queue  # noqa: E402
from harness import Mansio  # noqa: E402

FULL = {"restart": 1_000_000, "listing": 100_000, "bulk": 20_000, "dead_destination": 100_000, "fairness": 100_000, "dead_domains": 10_000, "journal_relief": 30_000}


def measure(experiment, count):
    made, directory = [], pathlib.Path(tempfile.mkdtemp(prefix="mansio-scale-"))

    def make_mansio(name, **options):
        made.append(Mansio(directory / name, **options))
        return made[-1]

    print(f"{experiment} {count}", flush=True)
    try:
        long_queue.tell(getattr(long_queue, experiment)(make_mansio, count))
    finally:
        for each in made:
            each.kill()
        shutil.rmtree(directory, ignore_errors=True)


def main(words):
    if words and words[0] not in FULL:
        sys.exit(f"measure.py: experiments are {', '.join(FULL)}")
    for experiment in words[:1] or FULL:
        measure(experiment, int(words[1]) if len(words) > 1 else FULL[experiment])


main(sys.argv[1:])
