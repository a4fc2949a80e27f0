"""testssl.sh looks at mansio, and at postfix and exim with the TLS of their defaults: nothing that it finds at mansio may be worse
than at the better of the two. It takes a minute or two, so it runs when MANSIO_LAB_TLS is set, which ./dev lab tls does, and not else (conftest.py)."""
import json
import subprocess

import pytest

from names import NUMBERS, RESOLVER

SEVERITIES = ["OK", "INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"]      # by weight
# WARN says that a check could not be made: that of tickets is none in TLS 1.3, where they come after the handshake, and s_client
# may have ended by then. test/e2e/test_tls.py resumes sessions of both versions.
UNCHECKED = {"sessionresumption_ticket"}
CHECKS = ["--protocols", "--std", "--server-defaults", "--server-preference", "--fs", "--vulnerable"]
# Not about TLS but about the certificate, which the lab has made, and about what is said of findings together.
LEFT_OUT = ("scanTime", "service", "host_certificate", "cert_", "DROWN_hint", "id", "engine_problem")
TARGETS = {"mansio": ("mansio", 25, True), "mansio, implicit": ("mansio", 465, False), "postfix": ("postfix", 25, True), "exim": ("exim", 25, True)}


@pytest.fixture(scope="module")
def machine(lab, tmp_path_factory):
    tree = lab.trees.get_all(("testssl",))["testssl"]
    made = lab.join("testssl", tmp_path_factory.mktemp("testssl"), tree, NUMBERS["testssl"])
    (made.root / "opt").mkdir()
    (made.root / "opt/awk").symlink_to("/usr/bin/mawk")      # as the package's script would
    made.write("/etc/resolv.conf", f"nameserver {RESOLVER}\n")
    made.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    made.write("/etc/authority.crt", lab.authorities[0].certificate.read_text())
    return made


def begin(machine, lab, name, number):
    host, port, starttls = TARGETS[name]
    address = lab.host(host).machine.addresses[0]
    words = ["env", "PATH=/opt:/usr/bin:/usr/sbin", "LC_ALL=C", "testssl", *CHECKS, "--quiet", "--color", "0", "--warnings", "off", "--ip", address, "--nodns", "min", "--openssl", "/usr/bin/openssl",
             "--add-ca", "/etc/authority.crt", "--jsonfile", f"/tmp/{number}.json", "--logfile", f"/tmp/{number}.log", "--sneaky", *(["-t", "smtp"] if starttls else []),
             f"mx.{host}.lab.test:{port}"]
    return subprocess.Popen([*machine.enter(), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=open(machine.directory / f"{number}.errors", "wb"))


def findings(machine, number):
    """{id: (severity, text)}."""
    listed = json.loads((machine.root / f"tmp/{number}.json").read_text())
    listed = [entry for entry in listed if not entry["id"].startswith(LEFT_OUT)]
    unchecked = {entry["id"] for entry in listed if entry["severity"] == "WARN"}
    assert unchecked <= UNCHECKED, unchecked
    return {entry["id"]: (entry["severity"], entry["finding"]) for entry in listed if entry["id"] not in unchecked}


def test_testssl_finds_nothing_worse_than_at_the_best_of_the_others(lab, machine, capsys):
    processes = [begin(machine, lab, name, number) for number, name in enumerate(TARGETS)]
    for process in processes:
        process.wait(500)
    found = {name: findings(machine, number) for number, name in enumerate(TARGETS)}
    assert all(len(each) > 40 for each in found.values()), {name: len(each) for name, each in found.items()}
    weight = {name: {id: SEVERITIES.index(severity) for id, (severity, _) in each.items()} for name, each in found.items()}
    worse, table = [], []
    for id in sorted(set().union(*found.values())):
        best = min((weight[peer][id] for peer in ("postfix", "exim") if id in weight[peer]), default=SEVERITIES.index("INFO"))
        row = [found[name].get(id, ("-", ""))[0] for name in TARGETS]
        if len(set(row)) > 1 or weight["mansio"].get(id, 0) > SEVERITIES.index("INFO"):
            table.append(f"{id:30} " + " ".join(f"{each:16}" for each in row))
        for name in ("mansio", "mansio, implicit"):
            if weight[name].get(id, 0) > max(best, SEVERITIES.index("INFO")):
                worse.append((name, id, found[name][id]))
    with capsys.disabled():
        print("\n" + f"{'':30} " + " ".join(f"{name:16}" for name in TARGETS), *table, sep="\n")
    assert not worse, worse
