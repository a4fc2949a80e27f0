"""The way is broken and the mail arrives: dead primary MX hosts, dead IPv6, greylisting, a domain without MX records;
and where there is no way, the sender learns why."""
import email
import email.policy

import pytest

from harness import wait_for
from letters import Letter, Report, digest, final_recipient, same_body

PEERS = ("postfix", "exim", "opensmtpd")
ALL = (*PEERS, "mansio")
PAIRS = [(peer, "mansio") for peer in PEERS] + [("mansio", peer) for peer in PEERS]
WAYS = ("bare.", "refuse.", "swallow.", "six.", "lost6.")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sender,receiver", PAIRS, indirect=True)
def test_mail_finds_a_way(sender, receiver, way):
    letter = Letter(sender.address(), f"by {way}\r\n".encode())
    assert sender.submit(letter, receiver.address("alice", way)) == {}
    assert same_body(receiver.wait_letter("alice", letter, 40), letter)
    assert len(receiver.stored("alice", letter.token)) == 1


@pytest.mark.parametrize("sender", ALL, indirect=True)
def test_a_greylisted_recipient_gets_the_mail_at_the_next_attempt(lab, sender):
    letter = Letter(sender.address(), b"Again?\r\n")
    grey, plain = f"grey-{sender.name}@grey.sink.lab.test", f"plain-{sender.name}@grey.sink.lab.test"
    assert sender.submit(letter, [grey, plain]) == {}

    def both_taken():
        sender.hurry()
        return sorted(lab.sink.recipients(letter.token)) == sorted([grey, plain])

    wait_for(both_taken, 40, "both recipients, once each")
    assert lab.sink.asked[sender.address(), grey] == 2
    assert all(same_body(each.content, letter) for each in lab.sink.messages(letter.token))
    assert sender.stored("bob", letter.token, reports=True) == []


def test_one_transaction_with_every_outcome_settles_each_recipient(lab):
    sender = lab.mansio
    letter = Letter(sender.address(), b"To all kinds.\r\n")
    names = ["yes-1", "no-1", "grey-1", "odd-1", "yes-2"]
    assert sender.submit(letter, [f"{name}@all.sink.lab.test" for name in names]) == {}
    wanted = {f"{name}@all.sink.lab.test" for name in ("yes-1", "yes-2", "grey-1")}
    wait_for(lambda: set(lab.sink.recipients(letter.token)) == wanted, 30, "three recipients")
    assert len(lab.sink.recipients(letter.token)) == 3
    failed = {}

    def both_reported():
        failed.clear()
        for path in sender.stored("bob", letter.token, reports=True):
            for fields in Report(path.read_bytes()).recipients:
                failed[final_recipient(fields)] = fields
        return len(failed) == 2

    wait_for(both_reported, 30, "two failures")
    no, odd = failed["no-1@all.sink.lab.test"], failed["odd-1@all.sink.lab.test"]
    assert no["Status"] == "5.1.1" and no["Remote-MTA"].replace(" ", "") == "dns;mx.sink.lab.test"
    assert "550 5.1.1 there is nobody of that name" in " ".join(no["Diagnostic-Code"].split())
    assert odd["Status"].startswith("5.") and "\x07" not in odd["Diagnostic-Code"]
    assert lab.sink.asked[sender.address(), "no-1@all.sink.lab.test"] == 1
    assert lab.sink.asked[sender.address(), "yes-1@all.sink.lab.test"] == 1


def test_content_that_is_refused_comes_back(lab):
    sender = lab.mansio
    letter = Letter(sender.address(), b"Unwanted.\r\n")
    assert sender.submit(letter, "somebody@data-no.sink.lab.test") == {}
    fields = Report(sender.wait_report("bob", letter)).of("somebody@data-no.sink.lab.test")
    assert (fields["Action"], fields["Status"]) == ("failed", "5.6.0")
    assert "554 5.6.0 not this content" in fields["Diagnostic-Code"]


@pytest.mark.parametrize("domain,status", [("null.lab.test", "5.1.10"), ("gone.lab.test", "5.1.2")])
def test_a_domain_that_can_not_get_mail_comes_back_at_once(lab, domain, status):
    sender = lab.mansio
    letter = Letter(sender.address(), b"Nowhere.\r\n")
    assert sender.submit(letter, f"somebody@{domain}") == {}
    fields = Report(sender.wait_report("bob", letter)).of(f"somebody@{domain}")
    assert (fields["Action"], fields["Status"]) == ("failed", status)
    assert fields["Remote-MTA"] is None


def test_8_bit_content_is_converted_for_an_old_host(lab):
    """old.lab.test knows HELO alone: no 8BITMIME, so what goes there is 7-bit and says the same (RFC 6152 §3)."""
    sender = lab.mansio
    letter = Letter(sender.address(), "Grüße aus Köln\r\n.\r\nund zurück\r\n".encode())
    assert sender.submit(letter, "somebody@old.lab.test", ["BODY=8BITMIME"]) == {}
    taken = wait_for(lambda: lab.old.messages(letter.token), 30, "the letter at the old host")
    assert len(taken) == 1 and taken[0].hello == "HELO"
    assert taken[0].content.isascii()
    parsed = email.message_from_bytes(taken[0].content, policy=email.policy.default)
    assert digest(parsed.get_content().encode()) == digest(letter.body)
