"""Fixtures that end-to-end tests and those of crashes share: one that makes daemons, and directories that go when their test has passed."""
import shutil

import pytest

from harness import Mansio

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.stash[PASSED] = item.stash.get(PASSED, True) and report.passed


@pytest.fixture
def tmp_path(tmp_path, request):
    """pytest's own directory of a test, removed when the test has passed: a spool is some MiB, and there are over a thousand tests.
    What a failed test leaves stays, to be looked at."""
    yield tmp_path
    if request.node.stash.get(PASSED, False):
        shutil.rmtree(tmp_path, ignore_errors=True)


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
