"""mansioctl doctor: a real daemon, a name server with the test's zone, and the world outside as a sink."""
import contextlib
import json
import re
import socket

import pytest

from certificates import Authority
from names import SILENT, Names
from sink import Sink

CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = %(port)d; } );
domains = { local = [ "ex.test", "localhost" ]; relay_to = [ %(relay_to)s ]; };
relay_from = [ "%(relay_from)s" ];
aliases = "aliases";
dns = { servers = [ "127.0.0.1:%(dns)d" ]; timeout = "1s"; attempts = 1; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; }; };
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
%(tls)s
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def names():
    """The zone of a site as it should be; its public address is 127.0.0.1."""
    with contextlib.closing(Names()) as made:
        made.add("mx.ex.test", "A", "127.0.0.1").add("1.0.0.127.in-addr.arpa", "PTR", "mx.ex.test")
        made.add("ex.test", "MX", (10, "mx.ex.test")).add("ex.test", "TXT", "v=spf1 mx -all")
        made.add("_dmarc.ex.test", "TXT", "v=DMARC1; p=reject")
        yield made


@pytest.fixture
def outside():
    with contextlib.closing(Sink("127.0.0.2")) as made:
        yield made


def house(make_mansio, names, tls="", relay_from="192.0.2.0/24", relay_to="", aliases="postmaster: bob\nabuse: bob\n", **options):
    made = make_mansio(config=CONFIG % dict(port=free_port(), dns=names.port, tls=tls, relay_from=relay_from, relay_to=relay_to), **options)
    path = made.directory / "aliases"
    path.write_text(aliases)
    path.chmod(0o644)
    return made


def doctor(mansio, *words, outside=None):
    """(exit status, {name: [(state, seen)]})"""
    probe = ["--probe-host", f"[127.0.0.2]:{outside.port}"] if outside else []
    out = mansio.ctl("doctor", "--address", "127.0.0.1", *probe, *words, "--json")
    found = {}
    for line in out.stdout.splitlines():
        each = json.loads(line)
        found.setdefault(each["check"], []).append((each["state"], each["seen"]))
    assert found, out.stderr
    return out.returncode, found


def states(found, name):
    return [state for state, _ in found[name]]


def test_a_healthy_site(make_mansio, names, outside, tmp_path):
    authority = Authority(tmp_path / "tls")
    leaf = authority.leaf("mx", names=["mx.ex.test"])
    tls = f'tls = {{ certificate = "{leaf.certificate}"; key = "{leaf.key}"; }};'
    mansio = house(make_mansio, names, tls=tls, env={"SSL_CERT_FILE": str(authority.certificate)}).start()
    status, found = doctor(mansio, outside=outside)
    for name in ("dns_server", "public_address", "reverse_dns", "helo_name", "banner", "starttls", "open_relay", "mx", "spf", "dmarc", "port_25_out", "certificate",
                 "disk_sync"):
        assert states(found, name) == ["ok"], (name, found[name])
    assert found["banner"][0][1].startswith(f"127.0.0.1:{mansio.port}: mx.ex.test ESMTP")
    assert re.search(r": TLS1\.3 \S+, verified$", found["starttls"][0][1])
    assert re.search(r"refused all of 1\d tries from 127\.0\.0\.1$", found["open_relay"][0][1])
    assert found["postmaster"] == [("ok", "postmaster@ex.test is accepted"), ("ok", "abuse@ex.test is accepted")]
    assert "19 days left" in found["certificate"][0][1]
    assert found["port_25_out"][0][1].startswith(f"[127.0.0.2]:{outside.port} says ")
    clock = states(found, "clock")
    assert status == (0 if clock != ["warning"] else 1)
    # The probes left nothing behind: no message, no queue.
    assert not outside.messages and mansio.queue() == [] and " <= " not in mansio.log()
    text = mansio.ctl("doctor", "--address", "127.0.0.1", "--probe-host", f"[127.0.0.2]:{outside.port}").stdout
    assert "ok       spf: ex.test for 127.0.0.1: pass" in text and re.search(r"^\d+ ok, 1 note, \d warnings?, 0 bad", text, re.M)


def test_each_trouble_is_found_with_what_to_do(make_mansio, names, outside):
    names.remove("1.0.0.127.in-addr.arpa")
    names.remove("ex.test")
    names.add("ex.test", "MX", (10, "alias.ex.test")).add("ex.test", "TXT", "v=spf1 ip4:192.0.2.1 -all").add("alias.ex.test", "CNAME", "mx.ex.test")
    names.remove("_dmarc.ex.test")
    names.add("1.0.0.127.list.test", "A", "127.0.0.2")
    mansio = house(make_mansio, names, relay_to='"*"', aliases="postmaster: bob\n").start()
    outside.script["GREETING"] = "554 no service"
    status, found = doctor(mansio, "--blocklist", "list.test", outside=outside)
    assert status == 1
    assert found["reverse_dns"] == [("bad", "127.0.0.1 has no PTR record")]
    assert ("bad", "ex.test: its MX host alias.ex.test is an alias of mx.ex.test") in found["mx"]
    assert found["spf"] == [("bad", 'ex.test for 127.0.0.1: fail: "all" of ex.test')]
    assert found["dmarc"] == [("warning", "ex.test has no DMARC record")]
    assert states(found, "starttls") == ["warning"] and states(found, "certificate") == ["warning"]
    assert "bad" in states(found, "open_relay")
    assert ("bad", f"127.0.0.1:{mansio.port}: accepted <relay-test@relay-test.invalid> from <doctor@relay-test.invalid>") in found["open_relay"]
    assert found["postmaster"] == [("ok", "postmaster@ex.test is accepted"), ("warning", "abuse@ex.test is refused")]
    assert found["blocklist"] == [("bad", "127.0.0.1 is on list.test (127.0.0.2)")]
    assert found["port_25_out"][0][0] == "warning" and "554 no service" in found["port_25_out"][0][1]
    assert " <= " not in mansio.log()


def test_no_stranger_to_itself_means_no_verdict(make_mansio, names, outside):
    mansio = house(make_mansio, names, relay_from="127.0.0.0/8").start()
    _, found = doctor(mansio, outside=outside)
    [(state, seen)] = found["open_relay"]
    assert state == "skipped" and "is no stranger to itself" in seen
    assert "postmaster" not in found


def test_without_names_and_without_a_daemon_it_says_what_it_could_not_find_out(make_mansio, names):
    for name, type in (("mx.ex.test", "A"), ("mx.ex.test", "AAAA"), ("ex.test", "MX"), ("ex.test", "TXT"), ("1.0.0.127.in-addr.arpa", "PTR"), ("_dmarc.ex.test", "TXT"),
                       ("gmail.com", "MX"), ("gmail.com", "A"), ("gmail.com", "AAAA"), ("_mta-sts.ex.test", "TXT"), ("_smtp._tls.ex.test", "TXT")):
        names.trouble(name, type, SILENT)
    mansio = house(make_mansio, names)
    status, found = doctor(mansio)
    for name in ("reverse_dns", "helo_name", "mx", "spf", "dmarc", "port_25_out"):
        assert states(found, name) == ["skipped"], (name, found[name])
    assert states(found, "dns_server") == ["bad"] and states(found, "listener") == ["bad"] and status == 1


def test_port_25_that_nobody_answers_is_bad(make_mansio, names):
    mansio = house(make_mansio, names)
    out = mansio.ctl("doctor", "--address", "127.0.0.1", "--probe-host", f"[127.0.0.1]:{free_port()}", "--json")
    [found] = [each for each in map(json.loads, out.stdout.splitlines()) if each["check"] == "port_25_out"]
    assert found["state"] == "bad" and found["advice"].startswith("no mail can leave")


def test_the_records_to_publish(make_mansio, names):
    mansio = house(make_mansio, names)
    out = mansio.ctl("doctor", "--records", "--address", "127.0.0.1")
    assert out.returncode == 0, out.stdout
    assert out.stdout.splitlines()[:3] == ["mx.ex.test. IN A 127.0.0.1 ; there", "1.0.0.127.in-addr.arpa. IN PTR mx.ex.test. ; there",
                                           ";   the provider of 127.0.0.1 publishes it"]
    assert "ex.test. IN MX 10 mx.ex.test. ; there\n" in out.stdout and 'ex.test. IN TXT "v=spf1 mx -all" ; there\n' in out.stdout
    names.remove("ex.test")
    names.add("ex.test", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    out = mansio.ctl("doctor", "--records", "--address", "127.0.0.1", "--json")
    records = {(each["owner"], each["type"]): each for each in map(json.loads, out.stdout.splitlines())}
    assert out.returncode == 1
    assert records["ex.test.", "MX"]["published"] == "missing"
    spf = records["ex.test.", "TXT"]
    assert spf["published"] == "differs" and spf["data"] == '"v=spf1 ip4:127.0.0.1 ip4:192.0.2.1 -all"' and spf["seen"] == ['"v=spf1 ip4:192.0.2.1 -all"']
    assert mansio.ctl("doctor", "--address", "nonsense").returncode == 64
