"""Connections and who they are made to: kept ones, their bounds, recipients in chunks, smart hosts, routes, our name and address."""
import collections

import pytest

from harness import wait_for
from outbound import deferred, delivered, internet, report_for, send  # noqa: F401
from sink import DROP, FULL


def send_many(mansio, count, domain):
    with mansio.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        return [send(mansio, f"x{n}@{domain}", session=client) for n in range(count)]


def test_two_hundred_messages_take_few_connections_and_idle_ones_end_with_quit(internet):
    mansio = internet.start(transport="messages_per_connection = 30;")
    send_many(mansio, 200, "good.test")
    wait_for(lambda: len(internet.good.taken()) == 200, what="200 messages")
    wait_for(lambda: all(s.ended.is_set() for s in internet.good.sessions), what="the idle connections to end")
    sessions = internet.good.sessions
    assert 200 / 30 <= len(sessions) <= 27
    assert all(s.quit for s in sessions)
    taken = collections.Counter(id(m.session) for m in internet.good.taken())
    assert max(taken.values()) <= 30 and sum(taken.values()) == 200
    assert all(sum(line.startswith("EHLO") for line in s.lines) == 1 for s in sessions)


def test_a_connection_that_its_host_closed_while_idle_costs_nothing(internet):
    internet.good.script = {"RSET": DROP}
    mansio = internet.start(transport='connection_idle = "1m";')
    delivered(mansio, send(mansio, "x@good.test"), "x@good.test")
    internet.good.sessions[0].leave()
    internet.good.sessions[0].ended.wait(10)
    id = send(mansio, "y@good.test")
    delivered(mansio, id, "y@good.test")
    assert f"{id} ==" not in mansio.log() and len(internet.good.sessions) == 2 and len(internet.good.taken()) == 2


def test_shutting_down_says_goodbye(internet):
    mansio = internet.start(transport='connection_idle = "1m";')
    delivered(mansio, send(mansio, "x@good.test"), "x@good.test")
    assert mansio.stop() == 0
    wait_for(lambda: internet.good.sessions[0].quit, what="QUIT")


@pytest.mark.parametrize("count, most, extensions, chunks", [
    (50, 100, FULL, [50]), (50, 20, FULL, [20, 20, 10]), (50, 100, (*FULL, "LIMITS RCPTMAX=7"), [7] * 7 + [1]), (1000, 100, FULL, [100] * 10),
], ids=["fifty at once", "the transport's bound", "the host's own limit", "a thousand"])
def test_many_recipients_go_in_chunks_each_recipient_once(internet, count, most, extensions, chunks):
    """R-046, R-184."""
    [sink] = internet.site("many.test", "127.0.0.3", extensions=extensions)
    mansio = internet.start(transport=f"recipients_per_message = {most};")
    recipients = [f"r{n}@many.test" for n in range(count)]
    id = send(mansio, *recipients)
    mansio.wait_log(f"{id} Completed", timeout=40)
    assert [len(m.recipients) for m in sink.taken()] == chunks
    assert sorted(r for m in sink.taken() for r, _ in m.recipients) == sorted(recipients)
    assert mansio.log().count("QT=") >= count


@pytest.mark.parametrize("code", ["452 4.5.3 too many", "552 5.5.3 too many"])
def test_a_host_that_takes_only_some_recipients_at_once_gets_the_others_next(internet, code):
    """R-046: 552 to RCPT is 452."""
    count = collections.Counter()

    def choose(session, line):
        count[id(session.envelope)] += 1
        return code if len(session.envelope[2]) >= 10 else None
    [sink] = internet.site("few.test", "127.0.0.3", script={"RCPT": choose})
    mansio = internet.start()
    id_ = send(mansio, *[f"r{n}@few.test" for n in range(35)])
    mansio.wait_log(f"{id_} Completed", timeout=40)
    assert [len(m.recipients) for m in sink.taken()] == [10, 10, 10, 5] and mansio.maildir() == []
    assert len({r for m in sink.taken() for r, _ in m.recipients}) == 35


# ---- smart hosts and routes

def test_smart_hosts_in_the_order_given_and_the_name_servers_are_not_asked_for_the_domain(internet):
    internet.names.add("smart.isp.test", "A", "127.0.0.4").add("dead.isp.test", "A", "127.0.0.9")
    second = internet.sink("127.0.0.4")
    third = internet.sink("127.0.0.5")
    mansio = internet.start(transport='hosts = [ "dead.isp.test", "smart.isp.test", "[127.0.0.5]" ];')
    for n in range(5):
        delivered(mansio, send(mansio, f"x@far{n}.test"), f"x@far{n}.test")
    assert (len(second.taken()), third.sessions, internet.names.asked("far0.test", "MX")) == (5, [], 0)


def test_smart_hosts_in_random_order_share_the_mail(internet):
    sinks = [internet.sink(f"127.0.0.{n}") for n in (3, 4)]
    mansio = internet.start(transport='hosts = [ "[127.0.0.3]", "[127.0.0.4]" ]; hosts_order = "random"; messages_per_connection = 1;')
    send_many(mansio, 60, "far.test")
    wait_for(lambda: sum(len(s.taken()) for s in sinks) == 60, 40, "60 messages")
    assert all(len(s.taken()) >= 3 for s in sinks)


def test_the_fallback_takes_what_the_domains_hosts_cannot(internet):
    fallback = internet.sink("127.0.0.5")
    internet.names.site("dead.test", "127.0.0.9")
    mansio = internet.start(transport='fallback = [ "[127.0.0.5]" ];')
    id = send(mansio, "x@dead.test")
    delivered(mansio, id, "x@dead.test")
    delivered(mansio, send(mansio, "x@good.test"), "x@good.test")
    assert (len(fallback.taken()), len(internet.good.taken())) == (1, 1) and f"{id} ==" not in mansio.log()
    # What is proven not to exist is not given to it.
    assert report_for(mansio, send(mansio, "x@nowhere.test"), "x@nowhere.test")["Status"] == "5.1.2"
    assert len(fallback.taken()) == 1


def test_the_route_may_depend_on_the_sender(internet):
    special = internet.sink("127.0.0.6")
    mansio = internet.start(transports='special = { kind = "smtp"; hosts = [ "[127.0.0.6]:%d" ]; };' % internet.port,
                            routes='{ name = "special"; domains = [ "*" ]; senders = [ "alice@ex.test" ]; transport = "special"; },')
    delivered(mansio, send(mansio, "x@good.test", sender="alice@ex.test"), "x@good.test")
    delivered(mansio, send(mansio, "y@good.test"), "y@good.test")
    assert [m.sender for m in special.taken()] == ["alice@ex.test"] and [m.sender for m in internet.good.taken()] == ["bob@ex.test"]


def test_our_address_and_our_name_are_those_of_the_transport(internet):
    mansio = internet.start(transport='source_address = "127.0.0.77"; helo_name = "out.ex.test";')
    delivered(mansio, send(mansio, "x@good.test"), "x@good.test")
    [session] = internet.good.sessions
    assert session.peer[0] == "127.0.0.77" and session.lines[0] == "EHLO out.ex.test"


# ---- LMTP

LMTP = 'mailboxes = { kind = "lmtp"; hosts = [ "unix:%s" ]; };'
ROUTE = '{ name = "boxes"; domains = [ "boxes.test" ]; transport = "mailboxes"; },'


def lmtp(internet, tmp_path, script):
    sink = internet.sink("", path=tmp_path / "lmtp", lmtp=True, script=script, extensions=("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"))
    return sink, internet.start(transports=LMTP % (tmp_path / "lmtp"), routes=ROUTE, retry="1s for 1h")


def test_each_lmtp_recipient_has_the_fate_of_its_own_reply(internet, tmp_path):
    """R-179, R-182."""
    fates = {"two": "450 4.2.2 full", "three": "550 5.2.1 gone"}
    first = []

    def choose(session, line):
        name = line.strip("<>").split("@")[0]
        if name in fates and (name == "three" or name not in first):
            first.append(name)
            return fates[name]
    sink, mansio = lmtp(internet, tmp_path, {"DOT": choose})
    id = send(mansio, *[f"{name}@boxes.test" for name in ("one", "two", "three")])
    delivered(mansio, id, "one@boxes.test")
    deferred(mansio, id, "two@boxes.test")
    delivered(mansio, id, "two@boxes.test")
    assert report_for(mansio, id, "three@boxes.test")["Status"] == "5.2.1"
    assert [sorted(r for r, _ in m.recipients) for m in sink.messages] == [["one@boxes.test", "three@boxes.test", "two@boxes.test"], ["two@boxes.test"]]
    assert all(line.split()[0] != "EHLO" for s in sink.sessions for line in s.lines)


def test_lmtp_that_dies_after_two_of_five_replies_settles_those_two(internet, tmp_path):
    """D-089."""
    said = []

    def choose(session, line):
        said.append(line)
        return DROP if len(said) == 3 else None
    sink, mansio = lmtp(internet, tmp_path, {"DOT": choose})
    names = [f"r{n}@boxes.test" for n in range(5)]
    id = send(mansio, *names)
    for name in names[2:]:
        deferred(mansio, id, name)
    mansio.wait_log(f"{id} Completed")
    assert [[r for r, _ in m.recipients] for m in sink.messages] == [names, names[2:]]
    assert mansio.maildir() == [] and "**" not in mansio.log()
