"""Where mail goes: MX hosts in their order, their addresses, and what the name servers say or don't (R9, D-083, D-093)."""
import collections
import os
import threading
import time

import outbound
import pytest

from harness import wait_for
from names import REFUSED, SERVFAIL, SILENT, TRUNCATED, Delayed
from outbound import deferred, delivered, failed, internet, never_bounced, report_for, send  # noqa: F401

FAST = 'timeouts = { connect = "2s"; };'


def test_mx_hosts_are_tried_by_preference_and_the_first_that_answers_gets_the_mail(internet):
    """R-083, R-091: a dead host, one that says 421, one that says 554, then one that takes it."""
    first, second, third, last = (f"127.0.0.{n}" for n in (3, 4, 5, 6))
    internet.names.site("a.test", first, second, third, last)
    busy = internet.sink(second, script={"GREETING": "421 4.3.2 come later"})
    closed = internet.sink(third, script={"GREETING": "554 5.3.2 no mail here"})
    taker = internet.sink(last)
    mansio = internet.start()
    id = send(mansio, "x@a.test")
    line = delivered(mansio, id, "x@a.test")
    assert f"H=mx4.a.test [{last}]:{internet.port}" in line and 'C="250 2.0.0 taken"' in line
    assert (len(busy.sessions), len(closed.sessions), len(taker.taken())) == (1, 1, 1)
    assert closed.sessions[0].heard in (b"", b"QUIT\r\n") and busy.sessions[0].heard == b""
    mansio.wait_idle()
    assert mansio.maildir() == []


def test_hosts_of_equal_preference_share_the_mail(internet):
    """R-083. 60 messages, a connection each: both hosts get some (one alone would come by chance in 2^59)."""
    sinks = [internet.sink(address) for address in ("127.0.0.3", "127.0.0.4")]
    spare = internet.sink("127.0.0.5")
    for n in (3, 4, 5):
        internet.names.add("equal.test", "MX", (20 if n == 5 else 10, f"h{n}.equal.test")).add(f"h{n}.equal.test", "A", f"127.0.0.{n}")
    mansio = internet.start(transport="messages_per_connection = 1;")
    for _ in range(60):
        send(mansio, "x@equal.test")
    wait_for(lambda: sum(len(s.taken()) for s in sinks) == 60, 40, "60 messages")
    assert all(len(s.taken()) >= 3 for s in sinks) and spare.sessions == []


def test_a_domain_without_mx_is_its_own_host(internet):
    """R-081: implicit MX."""
    sink = internet.sink("127.0.0.3")
    internet.names.add("plain.test", "A", "127.0.0.3")
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@plain.test"), "x@plain.test")
    assert len(sink.taken()) == 1 and internet.names.asked("plain.test", "MX") == 1


def test_the_domains_own_address_is_never_used_when_it_has_mx(internet):
    """R-082: its only MX is dead, its own address would take the mail."""
    own = internet.sink("127.0.0.3")
    internet.names.add("mx.test", "MX", (10, "dead.mx.test")).add("dead.mx.test", "A", "127.0.0.9").add("mx.test", "A", "127.0.0.3")
    mansio = internet.start(transport=FAST)
    id = send(mansio, "x@mx.test")
    assert "dead.mx.test" in deferred(mansio, id, "x@mx.test")
    never_bounced(mansio, id)
    assert own.sessions == []
    internet.keeps_flowing(id)


@pytest.mark.parametrize("records, status", [
    ([(0, ".")], "5.1.10"), (None, "5.1.2"), ([(10, "mx.ex.test"), (20, "spare.lost.test")], "5.4.6"), ([(10, "nowhere.lost.test")], "5.4.4"),
], ids=["null MX", "no such domain", "this host is the best MX", "no MX host has an address"])
def test_what_is_proven_bounces_at_once_and_once(internet, records, status):
    """R-073, R-081, R-086."""
    spare = internet.sink("127.0.0.3")
    internet.names.add("spare.lost.test", "A", "127.0.0.3")
    if records:
        internet.names.add("lost.test", "MX", *records).add("lost.test", "A", "127.0.0.3")
    else:
        internet.names.remove("spare.lost.test")
    mansio = internet.start()
    id = send(mansio, "x@lost.test")
    assert report_for(mansio, id, "x@lost.test")["Status"] == status
    failed(mansio, id, "x@lost.test")
    mansio.wait_idle()
    assert spare.sessions == [] and internet.names.asked("lost.test", "A") == 0


def test_this_host_in_the_mx_list_cuts_off_the_worse_ones(internet):
    """R-073. The better one is dead: the mail waits, and never goes to the worse one."""
    worse = internet.sink("127.0.0.4")
    internet.names.add("cut.test", "MX", (5, "better.cut.test"), (10, "mx.ex.test"), (20, "worse.cut.test"))
    internet.names.add("better.cut.test", "A", "127.0.0.9").add("worse.cut.test", "A", "127.0.0.4")
    mansio = internet.start(retry="1s for 1h")
    id = send(mansio, "x@cut.test")
    deferred(mansio, id, "x@cut.test")
    never_bounced(mansio, id)
    better = internet.sink("127.0.0.9")
    delivered(mansio, id, "x@cut.test")
    assert worse.sessions == [] and len(better.taken()) == 1


@pytest.mark.parametrize("address", ["[127.0.0.3]", "[IPv6:::ffff:127.0.0.3]"])
def test_an_address_literal_is_connected_to_without_a_question(internet, address):
    """R-088."""
    sink = internet.sink("127.0.0.3")
    mansio = internet.start()
    delivered(mansio, send(mansio, f"x@{address}"), f"x@{address}")
    assert len(sink.taken()) == 1 and internet.names.questions == []
    assert sink.taken()[0].recipients[0][0].lower() == f"x@{address}".lower()


def test_an_alias_of_a_domain_or_of_a_host_is_followed(internet):
    """R-085: the address on the wire stays as it was given."""
    sink = internet.sink("127.0.0.3")
    internet.names.add("alias.test", "CNAME", "real.test").add("real.test", "MX", (10, "nick.real.test"))
    internet.names.add("nick.real.test", "CNAME", "host.real.test").add("host.real.test", "A", "127.0.0.3")
    mansio = internet.start()
    delivered(mansio, send(mansio, "Mixed.Case@alias.test"), "Mixed.Case@alias.test")
    assert [m.recipients[0][0] for m in sink.taken()] == ["Mixed.Case@alias.test"]


def test_aliases_that_never_end_defer(internet):
    """S-093."""
    internet.names.add("one.test", "CNAME", "two.test").add("two.test", "CNAME", "one.test")
    mansio = internet.start()
    id = send(mansio, "x@one.test")
    deferred(mansio, id, "x@one.test")
    never_bounced(mansio, id)


def test_an_ipv6_way_that_is_broken_falls_to_ipv4_in_the_same_attempt(internet):
    """D-093, R9."""
    sink = internet.sink("127.0.0.3")
    internet.names.add("six.test", "MX", (10, "both.six.test")).add("both.six.test", "AAAA", "100::1", "::1").add("both.six.test", "A", "127.0.0.3")
    mansio = internet.start(transport=FAST)
    id = send(mansio, "x@six.test")
    assert "[127.0.0.3]" in delivered(mansio, id, "x@six.test")
    assert f"{id} ==" not in mansio.log() and len(sink.taken()) == 1


def test_both_families_serve_and_ipv6_goes_first(internet):
    six, four = internet.sink("::1"), internet.sink("127.0.0.3")
    internet.names.add("both.test", "MX", (10, "h.both.test")).add("h.both.test", "AAAA", "::1").add("h.both.test", "A", "127.0.0.3")
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@both.test"), "x@both.test")
    assert (len(six.taken()), len(four.sessions)) == (1, 0)


@pytest.mark.parametrize("trouble", [("A", "ok", "AAAA", SERVFAIL), ("A", SERVFAIL, "AAAA", "ok"), ("A", SILENT, "AAAA", "ok"), ("A", "ok", "AAAA", SILENT)],
                         ids=lambda t: " ".join(t))
def test_one_family_that_is_known_is_enough(internet, trouble):
    """D-083."""
    sink = internet.sink("127.0.0.3" if trouble[1] == "ok" else "::1")
    internet.names.add("half.test", "MX", (10, "h.half.test")).add("h.half.test", "TXT", "there")
    for type, what in (trouble[:2], trouble[2:]):
        if what == "ok":
            internet.names.add("h.half.test", type, sink.address)
        else:
            internet.names.trouble("h.half.test", type, what)
    mansio = internet.start(dns_timeout="200ms")
    delivered(mansio, send(mansio, "x@half.test"), "x@half.test")
    assert len(sink.taken()) == 1


@pytest.mark.parametrize("what", [SERVFAIL, REFUSED, SILENT])
def test_mx_that_cannot_be_asked_for_defers_and_never_falls_back_to_the_address(internet, what):
    """R-081: and when the name servers come back, it goes."""
    own, host = internet.sink("127.0.0.3"), internet.sink("127.0.0.4")
    internet.names.site("unsure.test", "127.0.0.4").add("unsure.test", "A", "127.0.0.3")
    internet.names.trouble("unsure.test", "MX", what)
    mansio = internet.start(dns_timeout="200ms", retry="1s for 1h")
    id = send(mansio, "x@unsure.test")
    assert "451 4.4.3" in deferred(mansio, id, "x@unsure.test")
    never_bounced(mansio, id)
    internet.keeps_flowing(id)
    internet.names.trouble("unsure.test", "MX", None)
    delivered(mansio, id, "x@unsure.test", 40)
    assert own.sessions == [] and len(host.taken()) == 1


@pytest.mark.parametrize("second", [SERVFAIL, "nothing"])
def test_hosts_whose_addresses_are_unknown_defer_even_when_others_are_proven_not_to_exist(internet, second):
    """D-083: all SERVFAIL, and a mix."""
    internet.names.add("dark.test", "MX", (10, "one.dark.test"), (20, "two.dark.test"))
    for type in ("A", "AAAA"):
        internet.names.trouble("one.dark.test", type, SERVFAIL)
        internet.names.trouble("two.dark.test", type, second if second != "nothing" else None)
    if second == "nothing":
        internet.names.troubles = {k: v for k, v in internet.names.troubles.items() if v}
    mansio = internet.start()
    id = send(mansio, "x@dark.test")
    assert "451 4.4.3" in deferred(mansio, id, "x@dark.test")
    never_bounced(mansio, id)
    internet.keeps_flowing(id)


def test_an_answer_that_is_cut_off_is_asked_for_over_tcp(internet):
    sink = internet.sink("127.0.0.3")
    internet.names.site("long.test", "127.0.0.3").trouble("long.test", "MX", TRUNCATED)
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@long.test"), "x@long.test")
    assert ("long.test", "MX", "tcp") in internet.names.questions and len(sink.taken()) == 1


def test_slow_name_servers_of_one_domain_hold_nobody_else_up_and_are_asked_once(internet):
    """D-085: a thousand messages. The answer comes when the test says so; in ./dev prove after 29 seconds, one before it is given up."""
    count = 1000
    sink = internet.sink("127.0.0.3")
    answer = threading.Event()
    internet.names.site("slow.test", "127.0.0.3").trouble("slow.test", "MX", Delayed(answer))
    mansio = internet.start(dns_timeout="30s")
    begin = time.monotonic()
    with mansio.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        ids = [send(mansio, f"x{n}@slow.test", session=client) for n in range(count)]
    internet.keeps_flowing(*ids)
    if os.environ.get("MANSIO_PROVE"):
        wait_for(lambda: internet.names.asked("slow.test", "MX"), 10, "the question")
        time.sleep(max(begin + 29 - time.monotonic(), 0))
    assert internet.names.asked("slow.test", "MX") == 1
    answer.set()
    wait_for(lambda: len(sink.taken()) == count, 60, "the mail that waited")
    assert internet.names.asked("slow.test", "MX") == 1
    assert collections.Counter(m.recipients[0][0] for m in sink.taken()) == {f"x{n}@slow.test": 1 for n in range(count)}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "169.254.169.254", "255.255.255.255", "224.0.0.1", "::"])
def test_an_mx_of_somebody_else_never_leads_to_where_no_mail_host_is(internet, address):
    """S-093: at the port of this daemon's own listener, 127.0.0.1 is itself."""
    mansio = internet.start("first")
    own = mansio.port
    mansio.stop()
    config = mansio.config.read_text().replace("port = 0;", f"port = {own};").replace(f'port = {internet.port};', f"port = {own};")
    mansio.config.write_text(config)
    mansio.start()
    internet.names.add("evil.test", "MX", (10, "h.evil.test")).add("h.evil.test", "AAAA" if ":" in address else "A", address)
    id = send(mansio, "x@evil.test")
    assert report_for(mansio, id, "x@evil.test")["Status"] == ("5.4.6" if address in ("127.0.0.1",) else "5.4.4")
    assert mansio.log().count(" <= ") == 2      # the message and its report


def test_mail_for_several_destinations_does_not_wait_for_the_one_that_is_out_of_reach(internet):
    """The first recipient's host is known to be dead: the others get theirs at once, here and far, each once."""
    internet.names.site("dead.test", "127.0.0.9")
    mansio = internet.start()
    deferred(mansio, send(mansio, "x@dead.test"), "x@dead.test")
    id = send(mansio, "x@dead.test", "bob@ex.test", "y@good.test")
    deferred(mansio, id, "x@dead.test")
    delivered(mansio, id, "bob@ex.test")
    delivered(mansio, id, "y@good.test")
    never_bounced(mansio, id)
    internet.sink("127.0.0.9")
    assert mansio.sendmail("-q").returncode == 0
    mansio.wait_idle()
    assert len(mansio.maildir()) == 1 and [len(sink.taken()) for sink in internet.sinks] == [1, 2]


def test_a_local_recipient_that_waits_keeps_its_own_time_beside_a_site_out_of_reach(internet, monkeypatch):
    own_time = 'retry = ( { domains = [ "ex.test" ]; schedule = "1s for 1h"; }, {'
    monkeypatch.setattr(outbound, "CONFIG", outbound.CONFIG.replace("retry = ( {", own_time))
    internet.names.site("dead.test", "127.0.0.9")
    mansio = internet.start()
    mailbox = mansio.directory / "mail" / "bob"
    mailbox.parent.mkdir(exist_ok=True)
    mailbox.write_text("no Maildir")
    id = send(mansio, "bob@ex.test", "far@dead.test")
    wait_for(lambda: f"{id} == far@dead.test" in mansio.log() and f"{id} == bob@ex.test" in mansio.log(), what="both wait")
    mailbox.unlink()
    wait_for(lambda: f"{id} => bob@ex.test" in mansio.log(), what="the local delivery")
    assert f"{id} Completed" not in mansio.log()


@pytest.mark.parametrize("through", ["an alias", "several recipients", "an admin's -M"])
def test_a_domain_that_cannot_be_looked_up_holds_no_other_mail_up(internet, through):
    """The message stands in a lane that others share: its trouble with the name servers closes nothing of theirs."""
    internet.names.trouble("mute.test", "MX", SERVFAIL)
    mansio = internet.start(extra='aliases = "aliases";')
    aliases = mansio.directory / "aliases"
    aliases.write_text("away: x@mute.test\n")
    aliases.chmod(0o644)
    wait_for(lambda: "tables reloaded: 1 aliases" in mansio.log(), what="the aliases")
    recipients = {"an alias": ["away@ex.test"], "several recipients": ["x@mute.test", "y@mute.test"], "an admin's -M": ["x@mute.test"]}[through]
    id = send(mansio, *recipients)
    wait_for(lambda: f"{id} == x@mute.test" in mansio.log(), what="the deferral")
    if through == "an admin's -M":
        assert mansio.sendmail("-M", id).returncode == 0
        wait_for(lambda: mansio.log().count(f"{id} == x@mute.test") >= 2, what="the second deferral")
    delivered(mansio, send(mansio, "bob@ex.test"), "bob@ex.test")
    both = send(mansio, "alice@ex.test", "z@good.test")
    delivered(mansio, both, "alice@ex.test")
    delivered(mansio, both, "z@good.test")
    never_bounced(mansio, id)


def test_mail_for_several_recipients_of_one_host_does_not_tie_other_mail_to_that_host(internet):
    """All of it goes to one host, which then dies: mail for several others still leaves."""
    [once] = internet.site("once.test", "127.0.0.3")
    mansio = internet.start()
    delivered(mansio, send(mansio, "a@once.test", "b@once.test"), "a@once.test")
    internet.names.site("twice.test", "127.0.0.3")
    delivered(mansio, send(mansio, "a@once.test", "b@twice.test"), "b@twice.test")
    internet.sinks.remove(once)
    once.close()
    deferred(mansio, send(mansio, "a@once.test", "b@twice.test"), "b@twice.test")
    both = send(mansio, "bob@ex.test", "z@good.test")
    delivered(mansio, both, "bob@ex.test")
    delivered(mansio, both, "z@good.test")
