"""What other hosts say and how they break off: the right fate for each recipient, no bounce while nobody is sure, and the mail for
others goes on meanwhile (R2, R4, R9, R15, D-087, S-019)."""
import re

import pytest

from harness import wait_for
from outbound import PLAIN, deferred, delivered, failed, internet, never_bounced, report_for, reports, send, without_trace  # noqa: F401
from sink import DROP, RESET, SILENT, Endless, Late, Partly, Then, by_recipient, in_turn

SHORT = ('timeouts = { connect = "2s"; greeting = "500ms"; hello = "500ms"; mail = "500ms"; rcpt = "500ms"; data_init = "500ms"; '
         'data_block = "500ms"; data_end = "5s"; };')
LARGE = b"Subject: large\r\n\r\n" + b"0123456789" * 7 + b"\r\n" + (b"x" * 70 + b"\r\n") * 16_000      # 1.15 MB


# ---- broken off at each stage: deferred, never bounced, and delivered once when the host behaves

STAGES = {"greeting": "GREETING", "EHLO": "EHLO", "MAIL": "MAIL", "RCPT": "RCPT", "DATA": "DATA", "the body": "BODY", "the final dot": "DOT"}


HOWS = (DROP, RESET, SILENT, "421 4.3.2 going down", b"garbage\r\n", b"\xff\0\x1b[2J\r\n", b"250")


def breaking(key, how):
    if key == "BODY":
        return Partly(1_000_000, how if how in (DROP, RESET) else SILENT)
    if key == "EHLO" and how == b"250":
        return Then(b"250-one\r\n250", DROP)
    return Then(how, DROP) if isinstance(how, bytes) else how


@pytest.mark.parametrize("stage", STAGES)
def test_a_host_that_breaks_off_gets_the_mail_later_and_nobody_a_bounce(internet, stage):
    """Seven hosts, each breaks off in a way of its own, and is healthy from then on. One that hangs up on EHLO gets HELO at once."""
    key, sinks = STAGES[stage], {}
    content = LARGE if key == "BODY" else PLAIN
    times = SHORT if key in ("DOT", "BODY") else SHORT.replace('data_end = "5s"', 'data_end = "30s"')    # a late 250 would rightly be a second copy
    for n, how in enumerate(HOWS):
        [sinks[n]] = internet.site(f"flaky{n}.test", f"127.0.1.{n + 1}", script={key: in_turn(breaking(key, how), None)},
                                   extensions=("PIPELINING", "SIZE", "8BITMIME"))
    mansio = internet.start(transport=times, retry="1s for 1h")
    ids = {n: send(mansio, f"x@flaky{n}.test", content=content) for n in sinks}
    at_once = [n for n, how in enumerate(HOWS) if key == "EHLO" and how in (DROP, RESET, b"250")]
    for n, id in ids.items():
        if n not in at_once:
            deferred(mansio, id, f"x@flaky{n}.test")
    assert "**" not in mansio.log()
    for n, id in ids.items():
        delivered(mansio, id, f"x@flaky{n}.test", 30)
    assert not [n for n in at_once if f"{ids[n]} ==" in mansio.log()]
    mansio.wait_idle()
    assert mansio.maildir() == []
    for n, sink in sinks.items():
        # What a sink says it took was whole, and it said so once.
        [taken] = sink.taken()
        assert without_trace(taken) == content, n
        assert (taken.sender, [r for r, _ in taken.recipients]) == ("bob@ex.test", [f"x@flaky{n}.test"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_host_that_falls_silent_holds_up_nobody_else(internet, stage):
    """Long time-outs: while it is waited for, the mail of others flows."""
    key = STAGES[stage]
    action = Partly(1_000_000, SILENT) if key == "BODY" else SILENT
    [sink] = internet.site("silent.test", "127.0.0.3", script={key: action}, extensions=("PIPELINING", "SIZE", "8BITMIME"))
    mansio = internet.start()
    ids = [send(mansio, f"x{n}@silent.test", content=LARGE if n == 0 else b"Subject: s\r\n\r\nx\r\n") for n in range(30)]
    wait_for(lambda: sink.sessions, what="a connection")
    internet.keeps_flowing(*ids)
    assert len(sink.sessions) == 1 and sink.taken() == []
    log = mansio.log()
    assert not [id for id in ids if f"{id} **" in log or f"{id} ==" in log]


def test_a_sink_without_end_in_its_replies_is_given_up(internet):
    """R-017: a line without end, and a reply of lines without end."""
    for n, octets in ((3, b"x" * 65536), (4, b"250-more\r\n" * 5000), (5, b"\r\n" * 30000)):
        internet.site(f"endless{n}.test", f"127.0.0.{n}", script={"EHLO": Endless(octets)})
    mansio = internet.start()
    ids = {n: send(mansio, f"x@endless{n}.test") for n in (3, 4, 5)}
    for n, id in ids.items():
        deferred(mansio, id, f"x@endless{n}.test")
        never_bounced(mansio, id)
    internet.keeps_flowing(*ids.values())
    floods = [session.flood for sink in internet.sinks for session in sink.sessions if session.flood]
    assert len(floods) == 3 and max(floods) < 16 << 20      # the buffers of both systems take some


def test_a_slow_host_is_waited_for(internet):
    """R-052: each reply just within its time, and the whole transaction far over any of them."""
    script = {key: Late(0.25, None) for key in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT")}
    [sink] = internet.site("slow.test", "127.0.0.3", script=script)
    mansio = internet.start(transport=SHORT.replace("500ms", "2s"))
    id = send(mansio, "x@slow.test")
    delivered(mansio, id, "x@slow.test")
    assert f"{id} ==" not in mansio.log() and len(sink.taken()) == 1


# ---- what was said about a recipient

def test_three_recipients_have_three_fates_in_one_attempt_and_a_crash_changes_none(internet):
    """D-087: 250, 450 and 550 in one transaction; kill -9 after it; the accepted one never comes again."""
    [sink] = internet.site("three.test", "127.0.0.3", script={"RCPT": by_recipient(
        {"later@three.test": "450 4.2.0 come back", "never@three.test": "550 5.1.1 who?"})})
    mansio = internet.start(retry="2s for 1h")
    id = send(mansio, "now@three.test", "later@three.test", "never@three.test")
    delivered(mansio, id, "now@three.test")
    assert "450 4.2.0 come back" in deferred(mansio, id, "later@three.test")
    assert "550 5.1.1 who?" in failed(mansio, id, "never@three.test")
    [(_, text, _, [recipient], _)] = reports(mansio)
    assert (recipient["Final-Recipient"], recipient["Status"]) == ("rfc822;never@three.test", "5.1.1")
    assert recipient["Remote-MTA"] == "dns; mx1.three.test" and recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 who?"
    assert "mx1.three.test" in text and "550 5.1.1 who?" in text
    wait_for(lambda: [m for m in mansio.queue() if m["id"] == id], what="the message in the queue")
    assert len(sink.sessions) <= 2
    mansio.kill()
    sink.script = {}
    mansio.start()
    delivered(mansio, id, "later@three.test", 30)
    mansio.wait_idle()
    assert [[r for r, _ in m.recipients] for m in sink.taken()] == [["now@three.test"], ["later@three.test"]]
    assert len(mansio.maildir()) == 1 and mansio.log().count(f"{id} Completed") == 1


def test_a_refused_recipient_is_not_offered_to_other_hosts(internet):
    """R-092."""
    best, other = internet.site("shop.test", "127.0.0.3", "127.0.0.4", script={"RCPT": "550 5.7.1 not you"})
    mansio = internet.start()
    id = send(mansio, "x@shop.test")
    assert report_for(mansio, id, "x@shop.test")["Status"] == "5.7.1"
    assert len(best.sessions) == 1 and other.sessions == []


def test_mail_refused_for_good_bounces_all_recipients_in_one_report_and_the_next_message_is_tried(internet):
    """R-063, R-077."""
    [sink] = internet.site("strict.test", "127.0.0.3", script={"MAIL": in_turn("553 5.1.8 bad sender", None)})
    mansio = internet.start()
    id = send(mansio, "a@strict.test", "b@strict.test")
    [(_, _, _, recipients, _)] = reports(mansio)
    assert [(r["Final-Recipient"], r["Status"]) for r in recipients] == [("rfc822;a@strict.test", "5.1.8"), ("rfc822;b@strict.test", "5.1.8")]
    mansio.wait_log(f"{id} Completed")
    second = send(mansio, "a@strict.test")
    delivered(mansio, second, "a@strict.test")
    assert len(sink.taken()) == 1 and len(mansio.maildir()) == 1


def test_content_refused_for_good_is_one_bounce_with_the_hosts_words(internet):
    [sink] = internet.site("picky.test", "127.0.0.3", script={"DOT": "554-5.7.1 spam\n554 5.7.1 says the filter"})
    mansio = internet.start()
    id = send(mansio, "x@picky.test")
    recipient = report_for(mansio, id, "x@picky.test")
    assert recipient["Status"] == "5.7.1" and "spam" in recipient["Diagnostic-Code"]
    assert len(sink.sessions) == 1 and sink.taken() == []


def test_a_greylisting_host_gets_it_at_the_second_try(internet):
    [sink] = internet.site("grey.test", "127.0.0.3", script={"RCPT": in_turn("450 4.2.0 greylisted", None)})
    mansio = internet.start(retry="1s for 1h")
    id = send(mansio, "x@grey.test")
    assert "defer (-44): 450 4.2.0 greylisted" in deferred(mansio, id, "x@grey.test")
    delivered(mansio, id, "x@grey.test", 30)
    mansio.wait_idle()
    assert len(sink.taken()) == 1 and mansio.maildir() == [] and mansio.log().count(f"{id} ==") == 1


def test_an_unknown_enhanced_class_is_not_believed(internet):
    """R-104: 550 with 2.1.5 gives Status 5.0.0."""
    internet.site("odd.test", "127.0.0.3", script={"RCPT": "550 2.1.5 no"})
    mansio = internet.start()
    assert report_for(mansio, send(mansio, "x@odd.test"), "x@odd.test")["Status"] == "5.0.0"


def test_every_host_refusing_by_its_greeting_defers(internet):
    """R-091: 554 in the greeting is about the host."""
    one, two = internet.site("shut.test", "127.0.0.3", "127.0.0.4", script={"GREETING": "554 5.3.2 go away"})
    mansio = internet.start()
    id = send(mansio, "x@shut.test")
    assert "go away" in deferred(mansio, id, "x@shut.test")
    never_bounced(mansio, id)
    assert (len(one.sessions), len(two.sessions)) == (1, 1)


def test_a_host_that_knows_only_helo_gets_mail(internet):
    """R-025."""
    [sink] = internet.site("old.test", "127.0.0.3", extensions=None)
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@old.test", rcpt=" NOTIFY=FAILURE", mail=" SIZE=40"), "x@old.test")
    assert sink.sessions[0].lines[:4] == ["EHLO mx.ex.test", "HELO mx.ex.test", "MAIL FROM:<bob@ex.test>", "RCPT TO:<x@old.test>"]


# ---- a host as attacker

HOSTILE = {
    "lines that look like other fields": b"550-a\r\n550-dispatcher: local\r\n550 b\r\n",
    "control octets": b"550 a\rb\0c\x1b[31mred\x07 %n%s%x \x80\xff\r\n",
    "200 lines": b"".join(b"550-line %d\r\n" % n for n in range(199)) + b"550 end\r\n",
    "a line of 64 kB": b"550 5.1.1 " + b"A" * 65000 + b"\r\n",
    "fields of a report": b"550-5.1.1 x\r\n550-\r\n550 Final-Recipient: rfc822;victim@ex.test\r\n",
}


@pytest.mark.parametrize("words", HOSTILE)
def test_what_a_hostile_host_says_is_one_line_in_the_log_and_one_field_in_the_report(internet, words):
    """S-019. The message waits first, so that the words are stored, and a restart reads them back."""
    octets = HOSTILE[words]
    internet.site("evil.test", "127.0.0.3", script={"RCPT": in_turn(octets.replace(b"550", b"450").replace(b"5.1.1", b"4.1.1"), octets)})
    mansio = internet.start(retry="2s for 1h")
    id = send(mansio, "x@evil.test")
    deferred(mansio, id, "x@evil.test")
    wait_for(lambda: mansio.queue(), what="the message in the queue")
    mansio.kill()
    mansio.start()
    failed(mansio, id, "x@evil.test", 30)
    raw = mansio.wait_mail(1)[0]
    recipient = report_for(mansio, id, "x@evil.test")
    assert set(recipient.keys()) <= {"Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"}
    assert raw.count(b"\nFinal-Recipient:") == 1 and b"\nFinal-Recipient: rfc822;victim" not in raw
    said = recipient["Diagnostic-Code"]
    assert said.startswith("smtp; 550") and len(said) < 2000
    assert re.fullmatch(rb"[\t\n -~]*", raw) and max(map(len, raw.split(b"\n"))) <= 998
    log = mansio.log()
    assert re.fullmatch(r"[\n -~]*", log) and all(re.match(r"\d{4}-\d\d-\d\d ", line) for line in log.splitlines())
    assert mansio.log("paniclog") == ""
