"""Logging in to smart hosts: each mechanism, whose credentials are used where, tokens, and that nothing secret is written down."""
import base64
import os

import pytest

from certificates import Authority
from outbound import deferred, delivered, internet, never_bounced, send  # noqa: F401
from sink import server_context

ALL = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "XOAUTH2", "EXTERNAL")
PASSWORD = "pass-word-4711"
TOKEN = "ya29.token-0815"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def leaf(authority):
    return authority.leaf("smart", names=["smart.test", "other.test"])


class Smart:
    """A daemon that sends all mail but that for good.test to smart.test, which wants everybody to log in."""

    def __init__(self, internet, authority, leaf, directory):
        self.internet, self.authority, self.leaf, self.directory = internet, authority, leaf, directory
        for name in ("smart.test", "other.test"):
            internet.names.add(name, "A", "127.0.0.3")
        directory.mkdir(exist_ok=True)
        self.file = directory / "credentials"

    def sink(self, **options):
        def mail(session, line):
            return None if session.user else "530 5.7.0 log in first"
        options = {"tls": server_context(self.leaf), "auth": ALL, "script": {"MAIL": mail}, **options}
        self.there = self.internet.sink("127.0.0.3", **options)
        return self.there

    def credentials(self, text, mode=0o600):
        self.file.touch(mode=0o600)
        self.file.write_text(text)
        os.chmod(self.file, mode)

    def start(self, settings="", host="smart.test", **options):
        self.mansio = self.internet.start(
            transports=f"""smart = {{ kind = "smtp"; hosts = [ "{host}" ]; port = {self.internet.port}; credentials = "{self.file}";
                                     tls_authorities = "{self.authority.certificate}"; {settings} }};""",
            routes='{ name = "good"; domains = [ "good.test" ]; transport = "internet"; }, { name = "smart"; domains = [ "*" ]; transport = "smart"; },',
            **options)
        return self.mansio

    def went(self, auth, sender="bob@ex.test"):
        id = send(self.mansio, "x@far.test", sender=sender)
        line = delivered(self.mansio, id, "x@far.test")
        assert f" A={auth} " in line and " CV=yes " in line, line
        return id

    def nothing_secret(self, *secrets):
        """In no file that the daemon writes, nor as a SASL message has it."""
        self.mansio.stop()
        forms = [s.encode() for s in secrets]
        for secret in secrets:      # in base64, at each of the places where it may begin; without its ends, which depend on what is beside it
            forms += [base64.b64encode(b"x" * pad + secret.encode())[4:-4] for pad in range(3)]
        files = [path for path in self.mansio.directory.rglob("*") if path.is_file()]
        assert len(files) > 3
        for path in files:
            content = path.read_bytes()
            assert not [form for form in forms if form in content], path


@pytest.fixture
def smart(internet, authority, leaf, tmp_path):
    return Smart(internet, authority, leaf, tmp_path / "secret")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_a_password_logs_in_by_each_mechanism(smart, mechanism):
    sink = smart.sink(auth=(mechanism,), logins={"me@ex.test": PASSWORD})
    smart.credentials(f'user = "me@ex.test"; password = "{PASSWORD}";')
    smart.start()
    smart.went(f"{mechanism}:me@ex.test")
    session = sink.sessions[0]
    assert session.user == f"{mechanism}:me@ex.test" and session.secured
    assert [x.split()[0] for x in session.lines[:4]] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert sink.commands("MAIL") == ["MAIL FROM:<bob@ex.test> SIZE=%d" % len(sink.taken()[0].content)]       # AUTH= was not asked for
    smart.nothing_secret(PASSWORD)


def test_the_best_mechanism_is_taken_and_the_configuration_narrows_it(smart):
    sink = smart.sink(logins={"me": PASSWORD})
    smart.credentials(f'user = "me"; password = "{PASSWORD}";')
    smart.start()
    smart.went("SCRAM-SHA-256:me")
    smart.mansio.stop()
    smart.start('auth_mechanisms = [ "LOGIN", "PLAIN" ];', name="second")
    sink.auth = ("LOGIN", "SCRAM-SHA-256")
    smart.went("LOGIN:me")
    assert [s.user for s in sink.sessions] == ["SCRAM-SHA-256:me", "LOGIN:me"]


def test_a_server_that_cannot_prove_that_it_knows_the_password_gets_no_mail(smart):
    sink = smart.sink(auth=("SCRAM-SHA-256",), logins={"me": PASSWORD + "liar"}, script={})
    smart.credentials(f'user = "me"; password = "{PASSWORD}";')
    smart.start()
    id = send(smart.mansio, "x@far.test")
    assert "logging in with SCRAM-SHA-256 failed" in deferred(smart.mansio, id, "x@far.test")
    never_bounced(smart.mansio, id)
    assert sink.commands("MAIL") == []


def test_a_certificate_logs_in(smart, authority):
    mine = authority.leaf("mine", names=["me.ex.test"], client=True)
    sink = smart.sink(tls=server_context(smart.leaf, authority=authority))
    smart.credentials('user = "me.ex.test"; password = "";')
    smart.start(f'tls_certificate = "{mine.certificate}"; tls_key = "{mine.key}"; auth_mechanisms = [ "EXTERNAL" ];')
    smart.went("EXTERNAL:me.ex.test")
    assert sink.sessions[0].user == "EXTERNAL:me.ex.test"


# ---- whose credentials

def test_credentials_are_chosen_by_sender_and_connections_not_shared_between_them(smart):
    """Five messages of three senders: each by its own login, over a connection of that login that is used again."""
    sink = smart.sink(logins={"bob": PASSWORD, "everybody": PASSWORD + "x", "nobody": PASSWORD + "y"})
    smart.credentials(f"""credentials = (
        {{ host = "other.test"; user = "wrong"; password = "z"; }},
        {{ host = "smart.test"; sender = "bob@ex.test"; user = "bob"; password = "{PASSWORD}"; }},
        {{ sender = "<>"; user = "nobody"; password = "{PASSWORD}y"; }},
        {{ host = "*.test"; user = "everybody"; password = "{PASSWORD}x"; }} );""")
    smart.start('connection_idle = "1m";')
    for sender, user in (("bob@ex.test", "bob"), ("alice@ex.test", "everybody"), ("", "nobody"), ("bob@ex.test", "bob"), ("carol@ex.test", "everybody")):
        smart.went(f"SCRAM-SHA-256:{user}", sender)
    assert [s.user.split(":")[1] for s in sink.sessions] == ["bob", "everybody", "nobody"]
    got = {(m.sender, m.session.user.split(":")[1]) for m in sink.taken()}
    assert got == {("bob@ex.test", "bob"), ("alice@ex.test", "everybody"), ("", "nobody"), ("carol@ex.test", "everybody")}


def test_credentials_are_chosen_by_host_and_without_any_nobody_logs_in(smart):
    sink = smart.sink(logins={"me": PASSWORD}, script={})
    smart.credentials(f'credentials = ( {{ host = "smart.test"; user = "me"; password = "{PASSWORD}"; }} );')
    smart.start(host="other.test")
    line = delivered(smart.mansio, send(smart.mansio, "x@far.test"), "x@far.test")
    assert " A=" not in line and sink.commands("AUTH") == []


# ---- what goes wrong

def test_a_refused_password_defers_says_so_and_is_not_tried_again_at_once(smart):
    sink = smart.sink(auth=("PLAIN",), logins={"me": "another"})
    smart.credentials(f'user = "me"; password = "{PASSWORD}";')
    smart.start(retry="1s for 1h")
    id = send(smart.mansio, "x@far.test")
    assert "logging in as me with PLAIN was refused: 535 5.7.8 wrong credentials" in deferred(smart.mansio, id, "x@far.test")
    second = send(smart.mansio, "y@far.test")
    assert "not logging in for a while" in deferred(smart.mansio, second, "y@far.test")
    smart.mansio.wait_log(rf"(?s){id} ==.*{id} ==")
    never_bounced(smart.mansio, id)
    assert len(sink.commands("AUTH")) == 1
    # Mended, it goes, without a restart.
    smart.credentials('user = "me"; password = "another";')
    delivered(smart.mansio, id, "x@far.test", timeout=60)
    delivered(smart.mansio, second, "y@far.test", timeout=60)
    smart.nothing_secret(PASSWORD)


def test_a_host_that_refuses_a_password_hinders_no_log_in_to_another(smart):
    """One file for two hosts; the account of one of them is locked."""
    first = smart.sink(auth=("PLAIN",), logins={"me": "another"})
    second = smart.internet.sink("127.0.0.4", tls=server_context(smart.leaf), auth=("PLAIN",), logins={"me": PASSWORD})
    smart.internet.names.remove("other.test")
    smart.internet.names.add("other.test", "A", "127.0.0.4")
    smart.credentials(f'user = "me"; password = "{PASSWORD}";')
    smart.start(host='smart.test", "other.test')
    smart.went("PLAIN:me")
    smart.went("PLAIN:me")
    assert len(first.commands("AUTH")) == 1 and len(second.taken()) == 2


@pytest.mark.parametrize("case", ["no mechanism", "no AUTH", "454", "not verified", "loose mode", "broken file"])
def test_what_keeps_us_from_logging_in_is_told_and_bounces_nothing(smart, case):
    sinks = {"no mechanism": dict(auth=("GSSAPI", "NTLM")), "no AUTH": dict(auth=()), "454": dict(script={"AUTH": "454 4.7.0 later"})}
    words = {"no mechanism": "offers AUTH GSSAPI NTLM only", "no AUTH": "the host offers no AUTH", "454": "was refused: 454 4.7.0 later",
             "not verified": "its certificate was not verified", "loose mode": str(smart.file), "broken file": str(smart.file)}
    sink = smart.sink(**{"logins": {"me": PASSWORD}, "auth": ("PLAIN",), **sinks.get(case, {})})
    smart.credentials(f'user = "me"; password = "{PASSWORD}";' if case != "broken file" else f'user = "me" password "{PASSWORD}"',
                      0o644 if case == "loose mode" else 0o600)
    host = "127.0.0.3" if case == "not verified" else "smart.test"
    smart.start('tls = "required";' if case == "not verified" else "", host=host)
    id = send(smart.mansio, "x@far.test")
    line = deferred(smart.mansio, id, "x@far.test")
    assert words[case] in line, line
    never_bounced(smart.mansio, id)
    assert sink.commands("MAIL") == [] and PASSWORD not in "".join(x for s in sink.sessions for x in s.lines)
    smart.nothing_secret(PASSWORD)


def test_an_unverified_host_gets_the_password_when_that_is_allowed(smart):
    sink = smart.sink(logins={"me": PASSWORD}, auth=("PLAIN",), tls=None, auth_in_clear=True)
    smart.credentials(f'user = "me"; password = "{PASSWORD}";')
    smart.start('tls = "none"; auth_unverified = true;')
    line = delivered(smart.mansio, send(smart.mansio, "x@far.test"), "x@far.test")
    assert " A=PLAIN:me " in line and " X=" not in line and sink.sessions[0].secured is None


def test_a_failed_login_of_one_sender_holds_up_nobody_else(smart):
    smart.sink(auth=("PLAIN",), logins={"good": PASSWORD})
    smart.credentials(f"""credentials = ( {{ sender = "alice@ex.test"; user = "bad"; password = "{PASSWORD}"; }},
                                          {{ user = "good"; password = "{PASSWORD}"; }} );""")
    smart.start()
    id = send(smart.mansio, "x@far.test", sender="alice@ex.test")
    deferred(smart.mansio, id, "x@far.test")
    smart.went("PLAIN:good")


# ---- tokens

def test_a_token_is_read_from_its_file_when_it_is_needed(smart):
    """A stale one is refused; the file is read again at the next try."""
    sink = smart.sink(tokens={"me@ex.test": TOKEN})
    token = smart.directory / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN + "\n")
    smart.credentials(f'user = "me@ex.test"; token_file = "{token}";')
    smart.start('connection_idle = "0s";')
    smart.went("XOAUTH2:me@ex.test")
    sink.tokens = {"me@ex.test": TOKEN + "-2"}
    token.write_text(TOKEN + "-2\n")
    smart.went("XOAUTH2:me@ex.test")
    os.chmod(token, 0o644)
    id = send(smart.mansio, "y@far.test")
    assert f"{token}: everybody may read or change it" in deferred(smart.mansio, id, "y@far.test")
    smart.nothing_secret(TOKEN)


def command(smart, body):
    """A program that counts its runs."""
    program = smart.directory / "program"
    program.write_text(f"#!/bin/sh\necho run >> {smart.directory}/runs\n{body}\n")
    program.chmod(0o700)
    return program


def runs(smart):
    return len((smart.directory / "runs").read_text().splitlines())


def test_a_command_prints_the_token_once_for_all_and_again_when_it_is_refused(smart):
    sink = smart.sink(tokens={"me": TOKEN})
    stored = smart.directory / "stored"
    stored.write_text(TOKEN)
    program = command(smart, f'[ "$1" = "an argument; rm" ] && cat {stored}')
    smart.credentials(f'user = "me"; token_command = [ "{program}", "an argument; rm" ];')
    smart.start('connection_idle = "0s"; connections = 10;')
    ids = [send(smart.mansio, f"x{n}@far.test") for n in range(8)]
    for n, id in enumerate(ids):
        assert " A=XOAUTH2:me " in delivered(smart.mansio, id, f"x{n}@far.test")
    assert runs(smart) == 1 and len(sink.commands("AUTH")) == len(sink.sessions)
    smart.nothing_secret(TOKEN)


def test_a_token_that_has_run_out_is_got_anew_within_the_delivery(smart):
    sink = smart.sink(tokens={"me": TOKEN})
    token = smart.directory / "token"
    token.touch(mode=0o600)
    token.write_text("an-old-one")
    smart.credentials(f'user = "me"; token_file = "{token}";')

    def refuse_and_renew(session, line):
        if token.read_text() == "an-old-one":
            token.write_text(TOKEN)
            return "535 5.7.8 expired"
        return None
    sink.script["AUTH"] = refuse_and_renew
    smart.start()
    id = smart.went("XOAUTH2:me")
    assert f"{id} ==" not in smart.mansio.log() and len(sink.commands("AUTH")) == 2


@pytest.mark.parametrize("body, words", [
    ("exit 3", "exit status 3"), ("exec head -c 100000 /dev/zero", "too long"), ("echo two words", "that is no token"), ("true", "no token"),
    ("kill -9 $$", "signal 9"),
])
def test_a_command_that_gives_no_token_defers_and_is_not_run_for_each_message(smart, body, words):
    sink = smart.sink(tokens={"me": TOKEN})
    program = command(smart, f"echo {TOKEN} >&2\n{body}")
    smart.credentials(f'user = "me"; token_command = [ "{program}" ];')
    smart.start()
    for n in range(3):
        id = send(smart.mansio, f"x{n}@far.test")
        line = deferred(smart.mansio, id, f"x{n}@far.test")
        assert str(program) in line and words in line, line
    assert runs(smart) == 1 and sink.commands("AUTH") == []
    smart.nothing_secret(TOKEN)
