import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Mansio  # noqa: E402


@pytest.fixture
def make_mansio(tmp_path):
    """Makes daemons that are gone when the test is over."""
    made = []

    def make(name="mansio", **options):
        made.append(Mansio(tmp_path / name, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def mansio(make_mansio):
    return make_mansio().start()
