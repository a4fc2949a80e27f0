"""TLS between mansio and each of Debian's mail servers, both ways: used wherever it can be, each version, and where it is
required or verified nothing leaves in clear (R-134, R-136). The authority of the lab gives out the certificates."""
import re

import pytest

from harness import wait_for
from letters import Letter, same_body, split
from ours import our_id, our_line, remove, send

# opensmtpd 6.8 with OpenSSL 3 begins no TLS as a server: the private key is in another of its processes, and OpenSSL 3 does not
# ask that one. Each handshake ends with "EVP lib" in its log (OpenSMTPD/OpenSMTPD issues 1171 and 1239). As a client it is well;
# its TLS has no settings but those of "relay".
SERVERS = ("postfix", "exim")
CLIENTS = (*SERVERS, "opensmtpd")
INBOUND = [(peer, "mansio") for peer in CLIENTS]
OUTBOUND = [("mansio", peer) for peer in SERVERS]
# What each puts into Received for a session with TLS.
RECEIVED = {"postfix": rb"\(using TLSv1\.[23] with cipher", "exim": rb"with esmtps\s+\(TLS1\.[23]\)", "opensmtpd": rb"\(TLSv1\.[23]:",
            "mansio": rb"with (UTF8)?ESMTPS id"}


def arrived_by_tls(stored, receiver):
    return re.search(RECEIVED[receiver.name], split(stored)[0]) is not None


# ---- where nothing is set

@pytest.mark.parametrize("sender,receiver", OUTBOUND, indirect=True)
def test_mail_to_a_peer_goes_by_tls_and_its_certificate_is_known(lab, sender, receiver):
    letter = send(sender, receiver)
    stored = receiver.wait_letter("alice", letter)
    assert same_body(stored, letter) and arrived_by_tls(stored, receiver), stored
    assert re.search(r" X=TLS1\.3:\S+:(128|256) CV=yes ", our_line(lab, letter, "=>"))


@pytest.mark.parametrize("sender,receiver", INBOUND, indirect=True)
def test_mail_from_a_peer_comes_by_tls(lab, sender, receiver):
    letter = send(sender, receiver)
    stored = receiver.wait_letter("alice", letter)
    assert same_body(stored, letter) and arrived_by_tls(stored, receiver), stored
    line = our_line(lab, letter, "<=")
    assert re.search(r" P=esmtps X=TLS1\.3:\S+:(128|256) ", line), line


# ---- how mansio treats a host, by policy

@pytest.mark.parametrize("kind", ["required.", "verify."])
@pytest.mark.parametrize("sender,receiver", OUTBOUND, indirect=True)
def test_required_and_verified_tls_is_had(lab, sender, receiver, kind):
    letter = send(sender, receiver, kind)
    assert arrived_by_tls(receiver.wait_letter("alice", letter), receiver)
    assert " CV=yes " in our_line(lab, letter, "=>")


@pytest.mark.parametrize("kind,said", [("wrong.", "hostname mismatch"), ("stranger.", "unable to get local issuer certificate|self.signed")])
@pytest.mark.parametrize("sender,receiver", OUTBOUND, indirect=True)
def test_a_certificate_that_is_not_good_holds_mail_back(lab, sender, receiver, kind, said):
    letter = send(sender, receiver, kind)
    line = our_line(lab, letter, "==")
    assert "451 4.7.5" in line and re.search(said, line), line
    id = our_id(lab, letter)
    wait_for(lambda: [x for x in lab.mansio.daemon.queue() if x["id"] == id and re.search(said, x["reason"])], 20, f"mailq to say {said}")
    assert receiver.stored("alice", letter.token) == []
    remove(lab, letter)


@pytest.mark.parametrize("sender,receiver", OUTBOUND, indirect=True)
def test_no_tls_by_policy_is_no_tls(lab, sender, receiver):
    letter = send(sender, receiver, "clear.")
    assert not arrived_by_tls(receiver.wait_letter("alice", letter), receiver)
    assert " X=" not in our_line(lab, letter, "=>")


@pytest.mark.parametrize("kind", ["required.", "verify."])
def test_a_host_without_starttls_gets_nothing_where_tls_must_be(lab, kind):
    letter = Letter(lab.mansio.address())
    lab.mansio.submit(letter, f"somebody@{kind}sink.lab.test")
    assert "451 4.7.10 TLS is required, and the host does not offer STARTTLS" in our_line(lab, letter, "==")
    assert lab.sink.messages(letter.token) == []
    remove(lab, letter)


def test_a_host_without_starttls_gets_mail_in_clear_otherwise(lab):
    letter = Letter(lab.mansio.address())
    lab.mansio.submit(letter, "somebody@clear-or-not.sink.lab.test")
    wait_for(lambda: lab.sink.messages(letter.token), 20, "the letter")
    assert " X=" not in our_line(lab, letter, "=>")


# ---- versions

@pytest.mark.parametrize("version", ["12", "13"])
@pytest.mark.parametrize("sender,receiver", OUTBOUND, indirect=True)
def test_a_host_that_speaks_one_version_gets_it(lab, sender, receiver, version):
    letter = send(sender, receiver, f"tls{version}.")
    assert arrived_by_tls(receiver.wait_letter("alice", letter), receiver)
    assert f" X=TLS1.{version[1]}:" in our_line(lab, letter, "=>")


@pytest.mark.parametrize("version", ["12", "13"])
@pytest.mark.parametrize("sender,receiver", [(peer, "mansio") for peer in SERVERS], indirect=True)
def test_a_client_that_speaks_one_version_gets_it(lab, sender, receiver, version):
    letter = send(sender, receiver, f"tls{version}.")
    receiver.wait_letter("alice", letter)
    assert f" P=esmtps X=TLS1.{version[1]}:" in our_line(lab, letter, "<=")


@pytest.mark.parametrize("sender,receiver", [("mansio", "postfix")], indirect=True)
def test_a_host_whose_tls_is_too_old_gets_mail_in_clear_over_a_new_connection(lab, sender, receiver):
    """Its handshake fails with an alert; where TLS need not be, the log says what happened."""
    letter = send(sender, receiver, "outdated.")
    stored = receiver.wait_letter("alice", letter)
    assert same_body(stored, letter) and not arrived_by_tls(stored, receiver)
    assert " X=" not in our_line(lab, letter, "=>")
    assert re.search(rf"{our_id(lab, letter)} mx\.postfix\.lab\.test \S+:2511: .*it gets mail in clear now", lab.mansio.daemon.log())


@pytest.mark.parametrize("sender,receiver", [("mansio", "opensmtpd")], indirect=True)
def test_a_host_that_fails_at_each_handshake_gets_mail_in_clear(lab, sender, receiver):
    letters = [send(sender, receiver) for _ in range(3)]
    for letter in letters:
        stored = receiver.wait_letter("alice", letter)
        assert same_body(stored, letter) and not arrived_by_tls(stored, receiver)
        assert " X=" not in our_line(lab, letter, "=>")
    said = re.findall(r"mx\.opensmtpd\.lab\.test \[\S+: TLS handshake: tlsv1 alert internal error; it gets mail in clear now.*", lab.mansio.daemon.log())
    assert 1 <= len(said) <= 2, said      # once for each of its addresses, not for each letter


@pytest.mark.parametrize("kind", ["required.", "verify."])
@pytest.mark.parametrize("sender,receiver", [("mansio", "opensmtpd")], indirect=True)
def test_a_host_that_fails_at_each_handshake_gets_no_mail_where_tls_must_be(lab, sender, receiver, kind):
    """Also after the log has said that it gets mail in clear."""
    letter = send(sender, receiver, kind)
    assert "TLS handshake: tlsv1 alert internal error" in our_line(lab, letter, "==")
    assert receiver.stored("alice", letter.token) == []
    remove(lab, letter)


# ---- how the peers treat mansio

@pytest.mark.parametrize("sender,receiver", INBOUND, indirect=True)
def test_a_peer_that_requires_tls_gets_it(lab, sender, receiver):
    letter = send(sender, receiver, "required.")
    assert arrived_by_tls(receiver.wait_letter("alice", letter), receiver)


@pytest.mark.parametrize("sender,receiver", INBOUND, indirect=True)
def test_a_peer_that_verifies_mansio_is_content(lab, sender, receiver):
    letter = send(sender, receiver, "verify.")
    assert arrived_by_tls(receiver.wait_letter("alice", letter), receiver)
    content = {"exim": r"T=verify .* X=TLS1\.3:\S+ CV=yes ", "postfix": r"Verified TLS connection established to mx\.mansio",
               "opensmtpd": r'mta server-cert-check result="success"'}[sender.name]
    wait_for(lambda: re.search(content, sender.whole_log()), 20, f"{content} in the log of {sender.name}")


@pytest.mark.parametrize("sender,receiver", [(peer, "mansio") for peer in SERVERS], indirect=True)
def test_a_peer_that_wants_no_tls_gets_none(lab, sender, receiver):
    letter = send(sender, receiver, "clear.")
    assert not arrived_by_tls(receiver.wait_letter("alice", letter), receiver)
    assert " P=esmtp S=" in our_line(lab, letter, "<=")


@pytest.mark.parametrize("kind", ["wrong.", "stranger."])
@pytest.mark.parametrize("sender", SERVERS, indirect=True)
def test_a_peer_notices_when_mansio_is_not_whom_it_wants(lab, sender, kind):
    """The lab's own check: what the certificates should show is seen by others too."""
    letter = send(sender, lab.mansio, kind)
    noticed = {"postfix": r"Server certificate not (verified|trusted)", "exim": "certificate verification failed|certificate invalid"}[sender.name]
    wait_for(lambda: re.search(noticed, sender.whole_log()), 20, f"a complaint in the log of {sender.name}")
    assert lab.mansio.stored("alice", letter.token) == []

    def is_empty():
        sender.empty_queue()
        return not sender.queue()

    wait_for(is_empty, 20, f"the end of the queue of {sender.name}")
