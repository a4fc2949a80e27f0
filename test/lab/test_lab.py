"""The lab itself: its peers reach each other by MX, so what fails elsewhere is not the lab's fault."""
import itertools

import pytest

from letters import Letter, Report, same_body

PEERS = ("postfix", "exim", "opensmtpd")
PAIRS = list(itertools.permutations(PEERS, 2))


@pytest.mark.parametrize("sender,receiver", PAIRS, indirect=True)
def test_peers_exchange_mail_by_mx(sender, receiver):
    letter = Letter(sender.address(), "Grüße\r\n.\r\n..zwei Punkte\r\n".encode())
    assert sender.submit(letter, receiver.address("alice"), ["BODY=8BITMIME"]) == {}
    assert same_body(receiver.wait_letter("alice", letter), letter)


@pytest.mark.parametrize("sender,receiver", [("postfix", "exim"), ("exim", "postfix")], indirect=True)
def test_peers_bounce_what_the_other_refuses(sender, receiver):
    letter = Letter(sender.address())
    sender.submit(letter, receiver.address("nobody"))
    report = Report(sender.wait_report("bob", letter))
    assert report.of(receiver.address("nobody"))["Action"] == "failed"


@pytest.mark.parametrize("sender", PEERS, indirect=True)
def test_a_peer_relays_for_nobody_from_outside(lab, sender):
    from hosts import Client
    with Client(lab.sink_machine, sender.machine.addresses[0]) as client:
        client.ehlo()
        client.mail("bob@sink.lab.test")
        assert client.rcpt("somebody@old.lab.test")[0] in (550, 554, 454)
