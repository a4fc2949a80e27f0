"""Killed at the system calls of a message's way (D-011, D-029 to D-035). Here of each kind of call that changes a file or says
something the first and the last; `./dev prove calls` takes every one."""
import contextlib
import os
import random

import pytest

from harness import wait_for

from every_call import PARTS, SCENES, STOP_AT, counted, dead, enumerate_calls, new_house, prepared, record_calls, selection, under_stop_at

pytestmark = pytest.mark.skipif(not STOP_AT.exists(), reason="stop_at is not built")
AT_MOST = int(os.environ.get("MANSIO_CRASH_CALLS", "7"))      # of each scene and process


def spread(numbers, most):
    """So many of them, from the first to the last."""
    if len(numbers) <= most:
        return numbers
    return sorted({numbers[round(n * (len(numbers) - 1) / (most - 1))] for n in range(most)})


@pytest.mark.parametrize("scene, role", PARTS, ids=[f"{scene}-{role.replace(' ', '-')}" for scene, role in PARTS])
def test_killed_at_any_step_every_letter_is_accounted_for(world, tmp_path, scene, role):
    numbers = spread(selection(record_calls(scene, role, tmp_path / "record", world)), AT_MOST)
    assert numbers
    hits = enumerate_calls(scene, role, tmp_path / "cases", world, numbers)
    assert len(hits) >= len(numbers) * 2 // 3      # a run may have some calls less than the one that was recorded


def test_the_selection_is_the_first_and_the_last_of_each_kind():
    place = "/tmp/x/record/daemon/spool/0/"
    lines = ["1 mail 0\twrite\tsocket:[1]", f"2 mail 0\tpwrite64\t{place}journal/000001.seg", f"3 mail 0\tpwrite64\t{place}journal/000001.seg",
             "4 mail 0\trecvfrom\tsocket:[1]", f"5 mail 0\tpwrite64\t{place}journal/000002.seg", "6 mail 0\twrite\tsocket:[2]",
             f"7 mail 0\tunlink\t{place}deferred/4u/1xVFCO-000YAn-4u", "8 mail 0\twrite\t/tmp/x/record/daemon/stderr"]
    assert selection(lines) == [1, 2, 5, 6, 7]


def test_a_few_are_taken_from_all_over():
    assert spread(list(range(1, 31)), 4) == [1, 11, 20, 30] and spread([1, 5], 4) == [1, 5]


def test_killed_twenty_times_at_random_calls_of_the_start_every_letter_is_accounted_for(world, tmp_path):
    """D-035: the recovery of a recovery of a recovery."""
    generator = random.Random("again and again")
    prepared(tmp_path / "house", world, SCENES["recovery"])
    house = new_house(tmp_path / "house", world, "recovery-again")
    try:
        hits = 0
        for _ in range(20):
            under_stop_at(house, "", generator.randrange(1, 300), armed=True)
            with contextlib.suppress(AssertionError):
                house.mansio.start(20)
                wait_for(lambda: dead(house), 1, "the kill")       # or there were less calls
            hits += "killed" in counted(house)
            house.mansio.kill()
            house.crashed()
        house.mansio.wrapper = []
        house.crashes += 1                  # the one in which the scene was prepared
        verdicts = house.start().account("this test", drain=60)
    finally:
        house.close()
    assert hits >= 5 and verdicts.answers == {"ACK": 4}
