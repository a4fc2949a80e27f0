import os
import pathlib
import shutil
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "e2e")]
from certificates import Authority  # noqa: E402
from harness import wait_for  # noqa: E402
from hosts import ACCOUNTS  # noqa: E402
from logins import Dovecot  # noqa: E402
from mansio_host import MansioHost  # noqa: E402
from names import NUMBERS, NameServers  # noqa: E402
from namespaces import CannotRun, Machine, Switch, check_rights  # noqa: E402
from peers import Exim, OpenSmtpd, Postfix  # noqa: E402
from sink import Sink  # noqa: E402
from trees import ALWAYS, NoTrees, Trees  # noqa: E402

KINDS = {"postfix": Postfix, "exim": Exim, "opensmtpd": OpenSmtpd, "mansio": MansioHost}
collect_ignore = [] if os.environ.get("MANSIO_LAB_TLS") else ["test_testssl.py"]
not_run = []


class Lab:
    """The whole network. lab.postfix, lab.mansio, … or lab.host(name); lab.sink, lab.old, lab.dovecot."""

    def __init__(self, directory):
        self.trees, self.machines, self.hosts, self.daemon = Trees(), [], {}, None
        trees = self.trees.get_all(ALWAYS)
        self.switch = self.add(Switch(directory / "switch"))
        dns = NameServers(self.join("dns", directory, trees["dns"]))
        dns.start()
        self.authorities = [Authority(directory / "tls"), Authority(directory / "tls" / "stranger", "Stranger")]
        self.dovecot = Dovecot(self.join("dovecot", directory, trees["dovecot"]), ACCOUNTS)
        for name, kind in KINDS.items():
            more = [self.dovecot.socket] if name == "mansio" else []
            self.hosts[name] = kind(name, self.join(name, directory, trees.get(name)), self.authorities, *more)
        machine = self.join("sink", directory, None, NUMBERS["sink"], NUMBERS["refuser"], NUMBERS["old"])
        self.sink_machine = machine
        self.sink = Sink(machine, machine.addresses[0:2])
        self.old = Sink(machine, machine.addresses[4:6], extensions=())
        wait_for(dns.is_ready, 20, "the name servers")

    def start(self):
        self.dovecot.start()
        for host in self.hosts.values():
            host.start()
        for host in self.hosts.values():
            try:
                wait_for(host.is_ready, 30, f"{host.name} to answer")
            except AssertionError as error:
                raise AssertionError(f"{error}\n{host.log()[-3000:]}") from None

    def add(self, machine):
        self.machines.append(machine)
        return machine

    def join(self, name, directory, tree, *numbers):
        machine = self.add(Machine(name, directory / name, tree))
        self.switch.join(machine, *(numbers or [NUMBERS[name]]))
        return machine

    def host(self, name):
        return self.hosts[name]

    def __getattr__(self, name):
        try:
            return self.__dict__["hosts"][name]
        except KeyError:
            raise AttributeError(name) from None

    def stop(self):
        if mansio := self.hosts.get("mansio"):
            mansio.daemon.kill()
        for machine in reversed(self.machines):
            machine.stop()
        self.trees.close()


@pytest.fixture(scope="session")
def lab(request, tmp_path_factory):
    """One lab for the whole run. Where it can't be had the tests are skipped, and the end of the run says so; with
    MANSIO_LAB=required they fail."""
    made = None
    directory = tmp_path_factory.mktemp("lab")
    try:
        check_rights()
        made = Lab.__new__(Lab)
        made.__init__(directory)
    except (CannotRun, NoTrees) as error:
        if made:
            made.stop()
        not_run.append(str(error))
        (pytest.fail if os.environ.get("MANSIO_LAB") == "required" else pytest.skip)(f"no lab: {error}")
    request.config.lab = made
    try:
        made.start()
        yield made
    finally:
        made.stop()
        if not request.session.testsfailed:
            shutil.rmtree(directory)


@pytest.fixture
def sender(request, lab):
    return lab.host(request.param)


@pytest.fixture
def receiver(request, lab):
    return lab.host(request.param)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the logs of the hosts in the test's name."""
    outcome = yield
    report = outcome.get_result()
    lab = getattr(item.config, "lab", None)
    if report.failed and lab:
        for name, host in lab.hosts.items():
            if name in item.name:
                report.sections.append((f"log of {name}", host.log()))


def pytest_terminal_summary(terminalreporter):
    for reason in not_run:
        terminalreporter.section("THE LAB DID NOT RUN", sep="!")
        terminalreporter.write_line(reason)
