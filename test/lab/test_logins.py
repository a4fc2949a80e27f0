"""Logging in: Dovecot knows the users of mansio's submission listeners, peers and clients log in there, and mansio logs in to
postfix (which asks Dovecot or Cyrus) and exim as smart hosts. No password is ever written down."""
import base64
import re
import smtplib
import ssl

import pytest

from harness import wait_for
from letters import Letter, same_body, split
from logins import PASSWORD, SCHEMES, USER, password_of
from mansio_host import LOGINS
from ours import our_id, our_line, remove, send

CLIENTS = ("postfix", "exim", "opensmtpd")


class Submitter(smtplib.SMTP):
    """smtplib from the sink's machine, after STARTTLS with mansio's certificate verified."""

    def __init__(self, lab, port=587):
        self.lab = lab
        super().__init__("mx.mansio.lab.test", port, local_hostname="client.lab.test", timeout=30)
        self.starttls(context=ssl.create_default_context(cafile=str(lab.authorities[0].certificate)))
        self.ehlo()

    def _get_socket(self, host, port, timeout):
        return self.lab.sink_machine.connect(self.lab.mansio.machine.addresses[0], port, timeout)


def login(lab, user, password, mechanism="PLAIN"):
    """The code and text of the answer. smtplib's own login() takes ASCII alone."""
    with Submitter(lab) as client:
        if mechanism == "PLAIN":
            word = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            return client.docmd("AUTH", f"PLAIN {word}")
        assert client.docmd("AUTH", "LOGIN")[0] == 334
        assert client.docmd(base64.b64encode(user.encode()).decode())[0] == 334
        return client.docmd(base64.b64encode(password.encode()).decode())


# ---- Dovecot as mansio's auth server

@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_dovecot_knows_the_password_of_a_user_whatever_its_scheme(lab, scheme, mechanism):
    user = f"{scheme.lower()}@lab.test"
    assert login(lab, user, password_of(scheme), mechanism)[0] == 235
    assert login(lab, user, password_of(scheme) + "x", mechanism)[0] == 535


def test_mail_of_a_user_is_taken_and_the_log_has_the_name(lab):
    letter = Letter(lab.mansio.address(), b"from outside\r\n")
    with Submitter(lab) as client:
        assert client.has_extn("auth") and "PLAIN" in client.esmtp_features["auth"]
        client.login(USER, PASSWORD)
        client.sendmail(letter.sender, [lab.exim.address("alice")], letter.content)
    assert same_body(lab.exim.wait_letter("alice", letter), letter)
    assert re.search(rf" P=esmtpsa X=TLS1\.3:\S+ SNI=mx\.mansio\.lab\.test A=PLAIN:{USER} ", our_line(lab, letter, "<="))


def test_who_is_not_known_gets_the_same_answer_as_a_wrong_password(lab):
    wrong = login(lab, USER, "x")
    assert wrong[0] == 535 and wrong[1].startswith(b"5.7.8 ")
    assert login(lab, "nobody@lab.test", PASSWORD) == login(lab, "bob", PASSWORD) == wrong
    assert login(lab, USER.upper(), PASSWORD)[0] == 235      # Dovecot has names in lower case


def test_when_dovecot_cannot_look_up_users_nobody_is_told_that_the_password_is_wrong(lab):
    lab.dovecot.hide_users(True)
    try:
        code, text = wait_for(lambda: (said := login(lab, USER, PASSWORD)) and said[0] != 235 and said, 10, "Dovecot to notice")
        assert (code, text.split()[0]) == (454, b"4.7.0"), text
    finally:
        lab.dovecot.hide_users(False)
    wait_for(lambda: login(lab, USER, PASSWORD)[0] == 235, 10, "Dovecot to have its users back")


def test_dovecot_may_go_and_come_back(lab):
    """A session that began before goes on, log-ins are put off while it is away, and work again without a restart of mansio."""
    with Submitter(lab) as client:
        client.login(USER, PASSWORD)
        lab.dovecot.stop()
        try:
            assert client.mail(lab.mansio.address())[0] == 250
            assert client.rcpt(lab.mansio.address("alice"))[0] == 250
            code, text = login(lab, USER, PASSWORD)
            assert (code, text.split()[0]) == (454, b"4.7.0"), text
        finally:
            lab.dovecot.start()
    wait_for(lambda: login(lab, USER, PASSWORD)[0] == 235, 20, "a log-in after Dovecot's return")
    assert login(lab, USER, "wrong")[0] == 535


# ---- mansio logs in

POSTFIX = {"smart": r"SCRAM-SHA-256", "implicit": r"SCRAM-SHA-256", "plain": "PLAIN", "login": "LOGIN", "scram": "SCRAM-SHA-256",
           "cyrus": r"SCRAM-SHA-256", "cyrusplain": "PLAIN"}
EXIM = {"smart": "PLAIN", "implicit": "PLAIN", "plain": "PLAIN", "login": "LOGIN"}


@pytest.mark.parametrize("sender,receiver,kind,mechanism", [("mansio", "postfix", *way) for way in POSTFIX.items()] +
                         [("mansio", "exim", *way) for way in EXIM.items()], indirect=["sender", "receiver"])
def test_mansio_logs_in_to_a_smart_host(lab, sender, receiver, kind, mechanism):
    letter = send(sender, receiver, f"{kind}.")
    stored = receiver.wait_letter("alice", letter)
    user = LOGINS[kind][1]
    assert same_body(stored, letter)
    assert re.search(rf" X=TLS1\.3:\S+ CV=yes A={mechanism}:{user} ", our_line(lab, letter, "=>"))
    said = {"postfix": rf"\(Authenticated sender: {user}\)", "exim": r"with esmtpsa\s"}[receiver.name]
    assert re.search(said, split(stored)[0].decode()), stored


@pytest.mark.parametrize("sender,receiver", [("mansio", "exim")], indirect=True)
def test_a_smart_host_relays_for_mansio_alone(lab, sender, receiver):
    """postfix sends it on to exim, since mansio has logged in; it relays for nobody else (test_lab.py)."""
    letter = send(sender, receiver, "relayed.")
    stored = receiver.wait_letter("alice", letter)
    assert same_body(stored, letter)
    received = re.findall(r"^Received: .*(?:\n[ \t].*)*", split(stored)[0].decode(), re.M)
    assert [re.search(r"\bby (mx\.\w+)", each)[1] for each in received] == ["mx.exim", "mx.postfix", "mx.mansio"], received
    assert f"Authenticated sender: {USER}" in received[1]


@pytest.mark.parametrize("sender,receiver", [("mansio", "postfix"), ("mansio", "exim")], indirect=True)
def test_a_password_that_a_smart_host_refuses_puts_mail_off(lab, sender, receiver):
    letter = send(sender, receiver, "badpass.")
    line = our_line(lab, letter, "==")
    mechanism = {"postfix": "SCRAM-SHA-256", "exim": "PLAIN"}[receiver.name]
    assert re.search(rf"logging in as {USER} with {mechanism} was refused: 535 ", line), line
    id = our_id(lab, letter)
    wait_for(lambda: [x for x in sender.daemon.queue() if x["id"] == id and "was refused: 535" in x["reason"]], 20, "mailq to say so")
    assert receiver.stored("alice", letter.token) == [] and sender.stored("bob", letter.token, reports=True) == []
    remove(lab, letter)


# ---- the others log in to mansio

@pytest.mark.parametrize("kind", ["smart.", "implicit."])
@pytest.mark.parametrize("sender,receiver", [(peer, "mansio") for peer in CLIENTS], indirect=True)
def test_a_peer_logs_in_to_mansio_as_its_smart_host(lab, sender, receiver, kind):
    letter = send(sender, receiver, kind)
    assert same_body(receiver.wait_letter("alice", letter), letter)
    assert re.search(rf" I=\S+:{465 if kind == 'implicit.' else 587} P=esmtpsa X=TLS1\.3:\S+ .*A=(PLAIN|LOGIN):{USER} ", our_line(lab, letter, "<="))


def test_nobody_sends_there_without_a_log_in(lab):
    with Submitter(lab) as client:
        assert client.mail("bob@lab.test")[0] == 530


# ---- after all of them

def test_no_password_was_written_down(lab):
    """Neither as it is nor as SASL messages have it, in no file of mansio's but the credentials."""
    secrets = [password for _, _, password, _ in LOGINS.values()] + [password_of(scheme) for scheme in SCHEMES]
    forms = [secret.encode() for secret in secrets]
    for secret in secrets:      # in base64, at each of the places where it may begin, without the ends that depend on what is beside it
        forms += [base64.b64encode(b"x" * pad + secret.encode())[4:-4] for pad in range(3)]
    files = [path for path in lab.mansio.directory.rglob("*") if path.is_file() and path.suffix != ".credentials"]
    assert any(path.name == "mainlog" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [form for form in forms if form in content], path
