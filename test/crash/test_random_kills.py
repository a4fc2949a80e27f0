"""kill -9 at random moments under load, of the whole daemon or of one of its processes (D-027). A round is a house of its own, so
that its seed is all it needs to be repeated. MANSIO_CRASH_ROUNDS says how many rounds of each kind."""
import os

import pytest

from random_kills import WHO, one_round

ROUNDS = int(os.environ.get("MANSIO_CRASH_ROUNDS", "5"))


@pytest.mark.parametrize("who", WHO)
def test_killed_at_random_moments_under_load_every_letter_is_accounted_for(world, tmp_path, who):
    for number in range(ROUNDS):
        one_round(world, tmp_path / f"{who}-{number}", who, number)
