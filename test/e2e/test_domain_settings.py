"""Domains with settings of their own, the smart host, HELO: what other hosts see, and what becomes of mail when they are gone."""
import json
import os
import threading

import pytest

from certificates import Authority
from harness import wait_for
from outbound import deferred, delivered, internet, report_for, send  # noqa: F401
from sink import DROP, FULL, Held, in_turn, server_context


def settings(*groups):
    return "domain_settings = ( " + ", ".join("{ " + group + " }" for group in groups) + " );"


def hello_of(sink):
    return [session.lines[0] for session in sink.sessions]


def test_name_address_and_port_are_those_of_the_domain_and_others_keep_theirs(internet):
    internet.names.site("partner.test", "127.0.0.3").site("sub.partner.test", "127.0.0.3")
    own_port = internet.sink("127.0.0.3", port=0)
    usual = internet.sink("127.0.0.3")
    mansio = internet.start(extra=settings(
        f'domains = [ "partner.test" ]; port = {own_port.port}; helo_name = "we.partner.test"; source_address = "127.0.0.88";'))
    for domain in ("partner.test", "sub.partner.test", "good.test"):
        line = delivered(mansio, send(mansio, f"x@{domain}"), f"x@{domain}")
        assert " T=internet " in line, line
    assert (hello_of(own_port), own_port.sessions[0].peer[0]) == (["EHLO we.partner.test"], "127.0.0.88")
    assert (hello_of(usual), hello_of(internet.good)) == (["EHLO mx.ex.test"], ["EHLO mx.ex.test"])


def test_hosts_of_the_domain_take_its_mail_and_an_empty_list_is_its_mx(internet):
    """Route domain; and a domain whose mail goes directly where all other goes to the smart host."""
    routed, smart = internet.sink("127.0.0.3"), internet.sink("127.0.0.4")
    mansio = internet.start(extra='smart_host = [ "[127.0.0.4]" ];' + settings(
        'domains = [ "*.routed.test" ]; hosts = [ "[127.0.0.3]" ];', 'domains = [ "good.test" ]; hosts = [ ];'))
    for address in ("x@a.routed.test", "x@routed.test", "x@good.test", "x@far.test"):
        delivered(mansio, send(mansio, address), address)
    assert [[m.recipients[0][0] for m in sink.taken()] for sink in (routed, smart, internet.good)] == [
        ["x@a.routed.test"], ["x@routed.test", "x@far.test"], ["x@good.test"]]


def test_two_domains_on_one_host_with_settings_of_their_own_share_no_connection(internet):
    """One MX host for three domains: what is said there depends on the domain, whatever is kept open."""
    for domain in ("a.test", "b.test", "c.test"):
        internet.names.add(domain, "MX", (10, "mx.host.test"))
    internet.names.add("mx.host.test", "A", "127.0.0.3")
    sink = internet.sink("127.0.0.3")
    mansio = internet.start(transport='connection_idle = "1m";', extra=settings(
        'domains = [ "a.test" ]; helo_name = "for-a.ex.test"; messages_per_connection = 1;', 'domains = [ "b.test" ]; helo_name = "for-b.ex.test";'))
    id = send(mansio, "x@a.test", "x@b.test", "x@c.test")
    mansio.wait_log(f"{id} Completed")
    for _ in range(2):
        for domain in ("a.test", "b.test", "c.test"):
            delivered(mansio, send(mansio, f"y@{domain}"), f"y@{domain}")
    names = {m.recipients[0][0].split("@")[1]: m.session.lines[0] for m in sink.taken()}
    assert names == {"a.test": "EHLO for-a.ex.test", "b.test": "EHLO for-b.ex.test", "c.test": "EHLO mx.ex.test"}
    assert sorted(hello_of(sink)) == ["EHLO for-a.ex.test"] * 3 + ["EHLO for-b.ex.test", "EHLO mx.ex.test"]


def test_recipients_of_a_transaction_and_connections_at_once_are_limited_for_the_domain(internet):
    [sink] = internet.site("narrow.test", "127.0.0.3")
    gate = threading.Event()
    sink.script = {"DOT": lambda session, line: Held(gate, None)}
    mansio = internet.start(transport="connections = 10;", extra=settings('domains = [ "narrow.test" ]; connections = 1; recipients_per_message = 2;'))
    ids = [send(mansio, *[f"r{n}-{m}@narrow.test" for m in range(5)]) for n in range(4)]
    wait_for(lambda: sink.sessions and any(line.startswith(("DATA", "BDAT")) for line in sink.sessions[0].lines), what="the first transaction")
    internet.keeps_flowing(*ids)
    assert len(sink.sessions) == 1
    gate.set()
    for id in ids:
        mansio.wait_log(f"{id} Completed")
    assert len(sink.sessions) == 1 and sorted(len(m.recipients) for m in sink.taken()) == [1] * 4 + [2] * 8


def test_the_time_out_of_the_domain(internet):
    from sink import SILENT
    internet.site("silent.test", "127.0.0.3", script={"MAIL": SILENT})
    mansio = internet.start(extra=settings('domains = [ "silent.test" ]; timeout = "300ms";'))
    assert "timed out" in deferred(mansio, send(mansio, "x@silent.test"), "x@silent.test")


# ---- TLS and log-ins

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_and_credentials_of_the_domain(internet, authority, tmp_path):
    leaf = authority.leaf("partner", names=["mx1.partner.test"])
    login = {"tls": server_context(leaf), "auth": ("PLAIN",), "logins": {"we": "geheim-4711"}}
    [partner] = internet.site("partner.test", "127.0.0.3", **login)
    [other] = internet.site("other.test", "127.0.0.4", **login)
    [clear] = internet.site("clear.test", "127.0.0.5", tls=server_context(leaf))
    [without] = internet.site("without.test", "127.0.0.6")
    file = tmp_path / "partner.secret"
    file.touch(mode=0o600)
    file.write_text('user = "we"; password = "geheim-4711";')
    mansio = internet.start(transport=f'tls_authorities = "{authority.certificate}";', extra=settings(
        f'domains = [ "partner.test" ]; credentials = "{file}";', 'domains = [ "clear.test" ]; tls = "none";',
        'domains = [ "without.test" ]; tls = "required";'))
    line = delivered(mansio, send(mansio, "x@partner.test"), "x@partner.test")
    assert " A=PLAIN:we " in line and " CV=yes " in line, line
    line = delivered(mansio, send(mansio, "x@other.test"), "x@other.test")
    assert " A=" not in line and " X=TLS" in line, line
    assert " X=" not in delivered(mansio, send(mansio, "x@clear.test"), "x@clear.test")
    assert "TLS is required" in deferred(mansio, send(mansio, "x@without.test"), "x@without.test")
    assert [s.user for s in partner.sessions + other.sessions] == ["PLAIN:we", None] and clear.sessions and not without.taken()
    assert "geheim-4711" not in mansio.log()


def test_a_file_of_credentials_that_is_wrong_is_told_by_check(internet, tmp_path):
    file = tmp_path / "partner.secret"
    file.touch(mode=0o600)
    file.write_text("nonsense")
    mansio = internet.start(extra=settings('domains = [ "partner.test" ]; port = 26;'))
    mansio.config.write_text(mansio.config.read_text().replace("port = 26;", f'credentials = "{file}";'))
    out = mansio.ctl("check")
    assert out.returncode != 0 and str(file) in out.stdout + out.stderr


# ---- the smart host and direct delivery

def test_direct_first_then_the_smart_host_when_no_mx_host_is_there(internet):
    smart = internet.sink("127.0.0.5")
    internet.names.site("dead.test", "127.0.0.9")
    internet.names.trouble("lost.test", "MX", "servfail")
    internet.site("no.test", "127.0.0.6", script={"RCPT": "550 5.1.1 nobody"})
    mansio = internet.start(extra='smart_host = [ "[127.0.0.5]" ]; direct_first = true;')
    for address in ("x@good.test", "x@dead.test", "x@lost.test"):
        id = send(mansio, address)
        delivered(mansio, id, address)
        assert f"{id} ==" not in mansio.log()
    assert [m.recipients[0][0] for m in smart.taken()] == ["x@dead.test", "x@lost.test"] and len(internet.good.taken()) == 1
    # A host that refuses has spoken for its domain.
    assert report_for(mansio, send(mansio, "x@no.test"), "x@no.test")["Status"] == "5.1.1"
    assert len(smart.taken()) == 2


def test_the_smart_host_alone_is_logged_in_at_when_direct_delivery_comes_first(internet, authority, tmp_path):
    leaf = authority.leaf("smart", names=["smart.test"])
    login = {"tls": server_context(leaf), "auth": ("PLAIN",), "logins": {"we": "geheim"}}
    internet.names.add("smart.test", "A", "127.0.0.5").site("dead.test", "127.0.0.9")
    smart = internet.sink("127.0.0.5", **login)
    [near] = internet.site("near.test", "127.0.0.4", **login)
    file = tmp_path / "smart.secret"
    file.touch(mode=0o600)
    file.write_text('user = "we"; password = "geheim";')
    mansio = internet.start(transport=f'hosts = [ "smart.test" ]; direct_first = true; credentials = "{file}"; tls_authorities = "{authority.certificate}"; '
                                      'connection_idle = "1m";')
    for n in range(2):
        delivered(mansio, send(mansio, f"x{n}@near.test"), f"x{n}@near.test")
    assert " A=PLAIN:we " in delivered(mansio, send(mansio, "x@dead.test"), "x@dead.test")
    assert [s.user for s in near.sessions] == [None] and [s.user for s in smart.sessions] == ["PLAIN:we"]


# ---- HELO

def test_helo_at_once_for_hosts_that_cannot_stand_ehlo(internet):
    [old] = internet.site("old.test", "127.0.0.3", script={"EHLO": DROP}, extensions=FULL)
    mansio = internet.start(extra=settings('domains = [ "old.test" ]; hello = "helo";'))
    delivered(mansio, send(mansio, "x@old.test"), "x@old.test")
    delivered(mansio, send(mansio, "x@good.test"), "x@good.test")
    assert hello_of(old) == ["HELO mx.ex.test"] and hello_of(internet.good) == ["EHLO mx.ex.test"]
    assert not [line for line in old.sessions[0].lines if "SIZE=" in line or line.startswith(("STARTTLS", "BDAT"))]


@pytest.mark.parametrize("times", [1, 100])
def test_a_host_that_hangs_up_on_ehlo_gets_helo(internet, times):
    """RFC 5321 §3.2: known of very old servers."""
    [old] = internet.site("old.test", "127.0.0.3", script={"EHLO": in_turn(*[DROP] * times, None)})
    mansio = internet.start()
    id = send(mansio, "x@old.test")
    delivered(mansio, id, "x@old.test")
    assert hello_of(old) == ["EHLO mx.ex.test", "HELO mx.ex.test"] and f"{id} ==" not in mansio.log()


def test_where_tls_is_demanded_a_lost_ehlo_is_not_followed_by_helo(internet):
    [old] = internet.site("old.test", "127.0.0.3", script={"EHLO": DROP})
    mansio = internet.start(extra=settings('domains = [ "old.test" ]; tls = "required";'))
    deferred(mansio, send(mansio, "x@old.test"), "x@old.test")
    assert set(hello_of(old)) == {"EHLO mx.ex.test"} and not old.taken()


# ---- relaying, and what is shown

def code_for(mansio, address):
    from harness import Raw
    with Raw(mansio.port, source="127.0.0.77") as client:
        for line in ("EHLO c.test", "MAIL FROM:<me@x.test>"):
            assert client.command(line)[0] == 250
        return client.command(f"RCPT TO:<{address}>")[0]


def test_relay_opens_and_closes_domains_for_strangers(internet):
    internet.names.site("open.test", "127.0.0.2")
    mansio = internet.start(name="m", extra=settings(
        'domains = [ "open.test" ]; relay = true;', 'domains = [ "secret.old.test" ]; relay = false;', 'domains = [ "plain.test" ]; port = 26;'))
    mansio.stop()
    text = mansio.config.read_text().replace('relay_from = [ "127.0.0.0/8" ]', 'relay_from = [ "127.0.0.1" ]')
    mansio.config.write_text(text.replace('local = [ "ex.test" ];', 'local = [ "ex.test" ]; relay_to = [ "*.old.test", "plain.test" ];'))
    mansio.start()
    codes = {address: code_for(mansio, address) for address in
             ("x@open.test", "x@sub.open.test", "x@a.old.test", "x@secret.old.test", "x@plain.test", "x@far.test")}
    assert codes == {"x@open.test": 250, "x@sub.open.test": 550, "x@a.old.test": 250, "x@secret.old.test": 550, "x@plain.test": 250, "x@far.test": 550}
    lines = mansio.config.read_text().splitlines()
    for address, words in (("x@open.test", "relay = true"), ("x@a.old.test", "relay_to = ["), ("x@plain.test", "relay_to = [")):
        at = next(n for n, line in enumerate(lines, 1) if words in line)
        said = json.loads(mansio.ctl("why", address, "--json").stdout)      # some of these domains lead nowhere
        assert said["rcpt"]["others"]["place"] == f"{mansio.config}:{at}", address


def test_why_names_the_group_and_the_lines_that_decide(internet):
    internet.site("partner.test", "127.0.0.3")
    mansio = internet.start(extra=settings('domains = [ "partner.test" ];\n  tls = "required";\n  retry = "7m for 7h";\n  delay_warning = "77m";'))
    lines = mansio.config.read_text().splitlines()

    def place(words):
        return next(f"{mansio.config}:{n}" for n, line in enumerate(lines, 1) if words in line)
    [said] = mansio.ctl_json("why", "x@partner.test", "--from", "bob@ex.test")
    [site] = said["sites"]
    assert site["key"].startswith("internet(partner.test) ") and site["transport"] == "internet"
    assert (site["settings_place"], site["tls"]["place"], site["tls"]["level"]) == (place("domain_settings"), place('tls = "required"'), "required")
    retry = said["retry"]
    assert (retry["schedule"], retry["setting"], retry["place"]) == ("7m until 7h", "domain_settings[0].retry", place("7m for 7h"))
    assert (retry["delay_warning"], retry["warning_place"]) == (77 * 60, place("77m"))
    text = mansio.ctl("why", "x@partner.test", "--from", "bob@ex.test").stdout
    assert "7m until 7h, as the domain's settings say" in text and "the sender is told after 1h 17m" in text


def test_a_list_of_domains_in_a_file_that_cannot_be_read_puts_mail_off(internet, tmp_path):
    """It might leave in clear, or without its log-in."""
    file = tmp_path / "partners"
    file.write_text("good.test\n")
    mansio = internet.start(extra=settings(f'domains = [ "file:{file}" ]; helo_name = "for-partners.ex.test";'), retry="1s for 1h")
    delivered(mansio, send(mansio, "x@good.test"), "x@good.test")
    assert hello_of(internet.good) == ["EHLO for-partners.ex.test"]
    internet.good.script = {"RCPT": "450 4.2.0 later"}
    id = send(mansio, "y@good.test")
    deferred(mansio, id, "y@good.test")
    os.rename(file, tmp_path / "gone")
    mansio.ctl("reload")
    internet.good.script = {}
    mansio.wait_log(rf"{id} == y@good\.test.* can't be ")
    assert code_for(mansio, "z@good.test") == 451
    os.rename(tmp_path / "gone", file)
    mansio.ctl("reload")
    delivered(mansio, id, "y@good.test")
    assert set(hello_of(internet.good)) == {"EHLO for-partners.ex.test"}
