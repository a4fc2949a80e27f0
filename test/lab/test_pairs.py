"""Mail between mansio and each of Debian's mail servers, both ways: all kinds of content arrive byte for byte, each
recipient gets one copy, what is refused comes back as a report that a stranger's parser understands."""
import hashlib

import pytest

from hosts import USERS
from letters import Letter, Report, return_path, same_body, split

PEERS = ("postfix", "exim", "opensmtpd")
INBOUND = [(peer, "mansio") for peer in PEERS]
OUTBOUND = [("mansio", peer) for peer in PEERS]
both_ways = pytest.mark.parametrize("sender,receiver", INBOUND + OUTBOUND, indirect=True)


@both_ways
def test_plain_text_arrives(sender, receiver):
    body = b"Good morning,\r\n\r\n.\r\n..\r\n. a dot and more\r\n   \r\n\tlast\r\n"
    letter = Letter(sender.address(), body)
    assert sender.submit(letter, receiver.address("alice")) == {}
    stored = receiver.wait_letter("alice", letter)
    assert same_body(stored, letter), stored
    assert f"Subject: letter {letter.token}".encode() in split(stored)[0]
    assert return_path(stored) == sender.address()


@both_ways
def test_8_bit_content_arrives_unchanged(sender, receiver):
    body = "Grüße aus Köln: 日本語 🐎\r\n".encode() + bytes(range(0x80, 0x100)) + b"\r\n"
    letter = Letter(sender.address(), body, fields=["X-Long: " + "x" * 900])
    assert sender.submit(letter, receiver.address("alice"), ["BODY=8BITMIME"]) == {}
    assert same_body(receiver.wait_letter("alice", letter), letter)


@both_ways
def test_20_megabytes_arrive_unchanged(sender, receiver):
    # Lines of many lengths, some of them dots alone; repeatable, and not to be compressed away.
    lines = [hashlib.sha512(str(number).encode()).hexdigest()[:number % 120] for number in range(16000)]
    block = "".join(line + "\r\n" + (".\r\n" if number % 7 == 0 else "") for number, line in enumerate(lines)).encode()
    letter = Letter(sender.address(), block * (20_000_000 // len(block) + 1))
    assert len(letter.body) >= 20_000_000
    assert sender.submit(letter, receiver.address("alice")) == {}
    assert same_body(receiver.wait_letter("alice", letter, 60), letter)


@both_ways
def test_50_recipients_get_one_copy_each(sender, receiver):
    users = [user for user in USERS if user.startswith("u")]
    assert len(users) == 50
    letter = Letter(sender.address(), b"To all of you.\r\n" * 20)
    assert sender.submit(letter, [receiver.address(user) for user in users]) == {}
    for user in users:
        assert same_body(receiver.wait_letter(user, letter), letter)
    assert [len(receiver.stored(user, letter.token)) for user in users] == [1] * 50


# ---- SMTPUTF8 (RFC 6531)

@pytest.mark.parametrize("sender,receiver", [pair for pair in INBOUND + OUTBOUND if "opensmtpd" not in pair],
                         indirect=True)
def test_addresses_in_utf8_are_kept(sender, receiver):
    letter = Letter(sender.address("jürgen"), "Grüße\r\n".encode(), to=receiver.address("jürgen"))
    assert sender.submit(letter, receiver.address("jürgen"), ["SMTPUTF8", "BODY=8BITMIME"]) == {}
    stored = receiver.wait_letter("jürgen", letter)
    assert same_body(stored, letter)
    assert return_path(stored) == sender.address("jürgen")
    assert f"To: <{receiver.address('jürgen')}>".encode() in split(stored)[0]


@pytest.mark.parametrize("sender,receiver", [("mansio", "opensmtpd")], indirect=True)
def test_an_address_in_utf8_comes_back_from_a_host_without_smtputf8(sender, receiver):
    letter = Letter(sender.address("bob"), b"Hello\r\n")
    assert sender.submit(letter, receiver.address("jürgen"), ["SMTPUTF8", "BODY=8BITMIME"]) == {}
    report = Report(sender.wait_report("bob", letter))
    assert [each["Status"] for each in report.recipients] == ["5.6.7"]
    assert [each["Action"] for each in report.recipients] == ["failed"]
    assert report.recipients[0]["Remote-MTA"] is None      # it was not asked
    assert report.recipients[0]["Diagnostic-Code"].startswith("X-Mansio;") and " said on " not in report.human


@both_ways
def test_an_internationalized_domain_is_found(sender, receiver):
    """Without SMTPUTF8 the address goes with A-labels; opensmtpd itself is given these (RFC 6531 §3.7.1)."""
    letter = Letter(sender.address(), b"Where?\r\n")
    kind, options = ("bücher.", ["SMTPUTF8"]) if sender.smtputf8 else ("xn--bcher-kva.", [])
    assert sender.submit(letter, receiver.address("alice", kind), options) == {}
    assert same_body(receiver.wait_letter("alice", letter), letter)


# ---- reports

@both_ways
def test_a_success_is_reported_when_asked_for(sender, receiver):
    letter = Letter(sender.address(), b"Did it arrive?\r\n")
    assert sender.submit(letter, receiver.address("alice"), ["RET=HDRS", f"ENVID={letter.token}"],
                         ["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{receiver.address('alice')}"]) == {}
    assert same_body(receiver.wait_letter("alice", letter), letter)
    report = Report(sender.wait_report("bob", letter))
    fields = report.of(receiver.address("alice"))
    assert fields["Action"] in ("delivered", "relayed") and fields["Status"].startswith("2."), report.text
    if "mansio" in report.message_fields["Reporting-MTA"]:
        assert report.message_fields["Original-Envelope-Id"] == letter.token
        assert fields["Original-Recipient"].replace(" ", "") == f"rfc822;{receiver.address('alice')}"
        assert str(sender.mail) not in report.text and str(receiver.mail) not in report.text
        assert fields["Action"] == ("relayed" if sender.name == "mansio" else "delivered")


@both_ways
def test_a_refused_recipient_comes_back_and_the_others_get_their_mail(sender, receiver):
    letter = Letter(sender.address(), b"Who is there?\r\n")
    nobody = receiver.address("nobody")
    assert sender.submit(letter, [receiver.address("alice"), nobody, receiver.address("u07")]) == {}
    for user in ("alice", "u07"):
        assert same_body(receiver.wait_letter(user, letter), letter)
    report = Report(sender.wait_report("bob", letter))
    fields = report.of(nobody)
    assert len(report.recipients) == 1 and fields["Action"] == "failed", report.text
    assert fields["Status"].startswith("5."), report.text
    if sender.name == "opensmtpd":      # tells no more
        return
    assert f"mx.{receiver.domain}" in fields["Remote-MTA"], report.text
    assert fields["Diagnostic-Code"].lower().startswith("smtp;") and "550" in fields["Diagnostic-Code"], report.text
    if sender.name == "mansio":
        check_our_report(report, letter, nobody, receiver)


def check_our_report(report, letter, recipient, receiver):
    """What a reader and a program need of a report that mansio made."""
    assert report.message_fields["Reporting-MTA"].replace(" ", "") == "dns;mx.mansio.lab.test"
    assert report.parsed["From"] and report.parsed["To"] and report.parsed["Date"] and report.parsed["Message-ID"]
    assert report.parsed["Auto-Submitted"] == "auto-replied", report.text
    assert recipient in report.human and receiver.domain in report.human
    returned = report.returned
    assert returned.get_content_type() in ("message/rfc822", "text/rfc822-headers")
    assert letter.token in returned.as_string()


@pytest.mark.parametrize("receiver", PEERS, indirect=True)
def test_many_messages_go_over_few_connections(lab, receiver):
    """Thirty letters handed in at once all arrive, each once."""
    letters = [Letter(lab.mansio.address(), f"number {number}\r\n".encode()) for number in range(30)]
    for letter in letters:
        lab.mansio.submit(letter, receiver.address("alice"))
    for letter in letters:
        assert same_body(receiver.wait_letter("alice", letter), letter)
    assert [len(receiver.stored("alice", letter.token)) for letter in letters] == [1] * 30
