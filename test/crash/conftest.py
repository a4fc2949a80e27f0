import pathlib
import sys

E2E = pathlib.Path(__file__).resolve().parent.parent / "e2e"
sys.path[:0] = [str(pathlib.Path(__file__).parent), str(E2E)]

import pytest  # noqa: E402

from house import House, World  # noqa: E402
from making import pytest_runtest_makereport, tmp_path  # noqa: E402, F401


@pytest.fixture
def world():
    """Other hosts and the names that lead to them."""
    with World() as made:
        yield made


@pytest.fixture
def make_house(tmp_path, world):
    """Makes houses whose daemons are gone when the test is over."""
    made = []

    def make(name="house", **options):
        made.append(House(tmp_path / name, world, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
