import os
import pathlib
import sys
import time

import pytest
from _pytest.runner import runtestprotocol

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from making import make_mansio, pytest_runtest_makereport, tmp_path  # noqa: E402, F401


@pytest.fixture
def mansio(make_mansio):
    return make_mansio().start()


# In continuous integration, on two busy cores, a test whose wait was too short may run once more: at most three of a
# run, and each is named at the end with what it said first. Elsewhere a failure is a failure at once, and everywhere for
# the tests whose failure may mean lost, doubled or changed mail: a second run would hide what happens now and then.
AGAIN_AT_MOST = 3
NEVER_AGAIN = {"test_kill", "test_order", "test_durability", "test_faults", "test_reload", "test_content", "test_bounces", "test_first_mail",
               "test_outbound_kill", "test_outbound_replies", "test_outbound_dead", "test_outbound_content", "test_outbound_ways",
               "test_tls", "test_outbound_tls", "test_outbound_auth", "test_pickup", "test_pickup_load", "test_drop", "test_etrn", "test_processes"}
run_again = []
not_begun = []


def pytest_runtest_protocol(item, nextitem):
    if not os.environ.get("CI") or item.path.stem in NEVER_AGAIN:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports) and len(run_again) < AGAIN_AT_MOST:
        first = next(report for report in reports if report.failed)
        run_again.append((item.nodeid, str(first.longrepr)[-3000:]))
        item._initrequest()      # fresh fixtures
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


# For a run in bounded time (.ci/run's second one, with sanitizers): seconds since 1970 from which on no test begins.
def pytest_runtest_setup(item):
    if time.time() > float(os.environ.get("MANSIO_UNTIL", "inf")):
        not_begun.append(item.nodeid)
        if len(not_begun) > item.session.testscollected // 2:
            pytest.fail("no time is left for more than half of all tests")
        pytest.skip("no time is left for it")


def pytest_terminal_summary(terminalreporter):
    if not_begun:
        terminalreporter.section("not begun, for want of time")
        terminalreporter.write_line("\n".join(not_begun))
    for name, said in run_again:
        terminalreporter.section(f"run a second time: {name}")
        terminalreporter.write_line(said)
