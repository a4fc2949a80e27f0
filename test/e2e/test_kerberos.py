"""GSSAPI against a real KDC: who gets in, who doesn't, and what the logs say."""
import os
import re
import subprocess
import time

import pytest

pytest.importorskip("gssapi")
import gssapi  # noqa: E402

from harness import MANSIOD, NO_NAMES, Mansio, Raw, tool, wait_for  # noqa: E402
from kerberos_house import (OTHER, REALM, SERVICE, Realm, b64, challenge_of, context, log_in, mechanisms_of, speak, until)  # noqa: E402

IN, REFUSED = (235, ["235 2.7.0 authentication succeeded"]), (535, ["535 5.7.8 authentication credentials invalid"])
RELAY, TICKETS, PASSWORDS, OPEN = range(4)        # as a daemon names them: by role
CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = (
  { address = "127.0.0.1"; port = 0; role = "submission"; auth_mechanisms = [ "gssapi" ]; },
  { address = "127.0.0.1"; port = 0; role = "submission"; %(passwords)s },
  { address = "127.0.0.1"; port = 0; auth_required = true; },
  { address = "127.0.0.1"; port = 0; role = "submission"; auth_required = false; }
);
auth = { %(users)s clear_text = true; tries = 100; delay = "0s"; kerberos = { keytab = "smtp.keytab"; %(kerberos)s }; };
domains = { local = [ "ex.test" ]; };
relay_from = [ "127.0.0.9" ];
""" + NO_NAMES + """
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; }; };
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ "bob", "alice", "carol" ]; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
"""


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    made = Realm(tmp_path_factory.mktemp("realm"))
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def make_house(realm, tmp_path):
    made = []

    def make(users=True, kerberos="", krb5=None):
        """`users`: passwords beside the tickets. Not started."""
        directory = tmp_path / f"mansio{len(made)}"
        directory.mkdir()
        (directory / "users").write_text("alice:{PLAIN}secret\n")
        (directory / "users").chmod(0o600)
        text = CONFIG % dict(users='users = "passwd-file:users";' if users else "", kerberos=kerberos,
                             passwords='auth_mechanisms = [ "PLAIN", "LOGIN" ];' if users else "")
        house = Mansio(directory, config=text, env={"KRB5_CONFIG": str(krb5 or realm.config)})
        realm.make_keytab(directory / "smtp.keytab")
        made.append(house)
        return house

    yield make
    for each in made:
        each.kill()


@pytest.fixture(scope="module")
def wallet(realm):
    """Tickets for the machine that the tests share; a test that makes a new key has to fetch its own."""
    return lambda user="bob", **how: realm.kinit(user, **how)


def refusals(house, count):
    """What the log says of the tickets that were refused."""
    return wait_for(lambda: len(found := re.findall(r"GSSAPI: \[127\.0\.0\.1\] refused: (.*)", house.log())) >= count and found,
                    what=f"{count} refusals in\n{house.log()}")


def test_a_ticket_is_enough_to_send(make_house, wallet):
    house = make_house().start()
    with speak(house.ports[TICKETS]) as client:
        assert mechanisms_of(client) == ["GSSAPI"]
        assert log_in(client, wallet()) == IN
        assert client.command("AUTH GSSAPI")[0] == 503
        assert client.transaction("bob@ex.test", ["alice@ex.test"], b"Subject: x\r\n\r\nhello\r\n", ehlo=None)[0] == 250
    message = house.wait_mail(user="alice")[0]
    assert b"ESMTPA" in message
    house.wait_log(r" <= bob@ex\.test .* A=GSSAPI:bob ")
    # A client that waits for the server's word, one that names itself, one that does so in full, one whose name has capitals.
    for how in (dict(initial=False), dict(choice=b"\1\0\0\0bob"), dict(choice=b"\1\0\0\0bob@EX.TEST"), dict(choice=b"\1\0\xff\xff")):
        with speak(house.ports[TICKETS]) as client:
            assert log_in(client, wallet(), **how) == IN, how
    with speak(house.ports[TICKETS]) as client:
        assert log_in(client, wallet("Carol")) == IN
        assert client.transaction("carol@ex.test", ["alice@ex.test"], b"Subject: y\r\n\r\nhello\r\n", ehlo=None)[0] == 250
    house.wait_log(r" <= carol@ex\.test .* A=GSSAPI:carol ")
    # No proof of ours wanted: then our side says nothing before the layers.
    with speak(house.ports[TICKETS]) as client:
        assert log_in(client, wallet(), flags=gssapi.RequirementFlag.integrity) == IN


def test_who_is_nobody_here_is_refused_and_the_log_says_why(make_house, wallet):
    house = make_house().start()
    with speak(house.ports[TICKETS]) as client:
        assert log_in(client, wallet("eve", realm=OTHER)) == REFUSED
        assert log_in(client, wallet("bob/admin")) == REFUSED
        assert log_in(client, wallet(), choice=b"\1\0\0\0alice") == REFUSED
        assert log_in(client, wallet(), choice=b"\2\0\0\0")[0] == 501
        assert log_in(client, wallet(), choice=b"\1\0")[0] == 501
        assert log_in(client, wallet()) == IN
    assert refusals(house, 2) == ["eve@OTHER.TEST is no user of EX.TEST", "bob/admin@EX.TEST is no user of EX.TEST"]
    house.wait_log(r"GSSAPI authenticator failed for .* 535 Incorrect authentication data \(set_id=eve@OTHER\.TEST\)")
    house.wait_log(r"GSSAPI authenticator failed for .* 535 Incorrect authentication data \(set_id=bob\)")


def test_realms_and_the_principal_are_as_the_configuration_says(make_house, realm, wallet):
    house = make_house(kerberos=f'realms = [ "{OTHER}" ]; principal = "{SERVICE}";')
    realm.make_keytab(house.directory / "smtp.keytab", SERVICE, f"HTTP/mx.ex.test@{REALM}")
    house.start()
    with speak(house.ports[TICKETS]) as client:
        assert log_in(client, wallet()) == REFUSED
        assert log_in(client, wallet("eve", realm=OTHER), service=f"HTTP/mx.ex.test@{REALM}") == REFUSED
        assert log_in(client, wallet("eve", realm=OTHER)) == IN
    assert refusals(house, 2)[0] == f"bob@{REALM} is no user of {OTHER}"


def test_garbage_is_an_answer_never_an_end(make_house, realm, wallet):
    house = make_house().start()
    spnego = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
    token = context(wallet()).step()
    with speak(house.ports[TICKETS]) as client:
        bad = [b"x", b"\0" * 9000, os.urandom(1000), token[:-1], token[:100], token[:-20] + bytes(20), b"\x60\x84\xff\xff\xff\xff" + token, token + b"x",
               context(wallet(), mech=spnego).step()]
        for each in bad:
            assert client.command("AUTH GSSAPI " + b64(each)) == REFUSED, each[:40]
        for command, code in (("AUTH GSSAPI =", 501), ("AUTH GSSAPI !", 501), ("AUTH GSSAPI " + b64(bytes(9217)), 500)):
            assert client.command(command)[0] == code, command
        assert client.command("AUTH GSSAPI")[0] == 334
        assert client.command("*")[0] == 501
        # Within the dialogue: no answer to the layers, one that isn't wrapped, a token after the last one.
        for last in ("", b64(b"\1\0\0\0"), b64(os.urandom(60))):
            mine = context(wallet())
            mine.step(challenge_of(client.command("AUTH GSSAPI " + b64(mine.step()))))
            assert client.command("")[0] == 334
            assert client.command(last) == REFUSED
        mine = context(wallet())
        assert client.command("AUTH GSSAPI " + b64(mine.step()))[0] == 334
        assert client.command(b64(b"more"))[0] == 501
        assert log_in(client, wallet()) == IN
    assert len(refusals(house, len(bad))) == len(bad)
    assert house.log("paniclog") == ""


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
def test_what_somebody_overheard_opens_nothing(make_house, wallet, restart):
    house = make_house().start()
    mine = context(wallet(), flags=gssapi.RequirementFlag.integrity)
    token = mine.step()
    with speak(house.ports[TICKETS]) as client:
        offer = challenge_of(client.command("AUTH GSSAPI " + b64(token)))
        mine.unwrap(offer)
        last = mine.wrap(b"\1\0\0\0", False).message
        assert client.command(b64(last)) == IN
    if restart:
        assert house.stop() == 0
        house.start()
    with speak(house.ports[TICKETS]) as client:
        assert client.command("AUTH GSSAPI " + b64(token)) == REFUSED
    assert "replay" in refusals(house, 1)[0].lower()


def test_a_ticket_that_is_too_old(make_house, realm, wallet):
    house = make_house(krb5=realm.write_config("strict.conf", clockskew=1)).start()
    made = time.time()
    token = context(wallet(life="2s")).step()
    until(made + 4)
    with speak(house.ports[TICKETS]) as client:
        assert client.command("AUTH GSSAPI " + b64(token)) == REFUSED
        assert log_in(client, wallet()) == IN
    assert re.search("expired|skew", refusals(house, 1)[0])


def test_new_keys_count_when_the_file_has_them(make_house, realm, wallet):
    house = make_house().start()
    with speak(house.ports[TICKETS]) as client:
        assert log_in(client, wallet()) == IN
    realm.make_keytab(house.directory / "elsewhere.keytab")            # the KDC has a new key now, this server has not
    cache = wallet()
    with speak(house.ports[TICKETS]) as client:
        assert log_in(client, cache) == REFUSED
    assert re.search("kvno|version|key", refusals(house, 1)[0], re.I)
    (house.directory / "elsewhere.keytab").rename(house.directory / "smtp.keytab")

    def opens():
        with speak(house.ports[TICKETS]) as client:
            return log_in(client, cache) == IN
    wait_for(opens, what="the new key")
    # One that is broken leaves the one before in use, and is told; reload says so, too.
    (house.directory / "smtp.keytab").write_bytes(b"nothing of the kind")
    house.wait_log(r"smtp\.keytab: this is no keytab", "paniclog")
    assert opens()
    assert "this is no keytab" in house.ctl("reload").stderr + house.ctl("reload").stdout
    assert opens()


def test_each_listener_has_its_mechanisms_and_its_duties(make_house, wallet):
    house = make_house().start()
    with speak(house.ports[PASSWORDS]) as client:
        assert mechanisms_of(client) == ["PLAIN", "LOGIN"]
        assert client.command("AUTH GSSAPI")[0] == 504
        assert client.command("AUTH PLAIN " + b64(b"\0alice\0secret")) == IN
    with speak(house.ports[TICKETS]) as client:
        assert client.command("AUTH PLAIN " + b64(b"\0alice\0secret"))[0] == 504
    # A relay that wants a log-in before anything.
    with speak(house.ports[RELAY]) as client:
        assert mechanisms_of(client)[0] == "GSSAPI" and "PLAIN" in mechanisms_of(client)
        assert client.command("MAIL FROM:<x@far.test>") == (530, ["530 5.7.0 Authentication required"])
        assert log_in(client, wallet()) == IN
        assert client.transaction("x@far.test", ["alice@ex.test"], b"Subject: r\r\n\r\nx\r\n", ehlo=None)[0] == 250
    # Submission for those who are known by their address, and for those who log in.
    with speak(house.ports[OPEN]) as client:
        assert client.command("MAIL FROM:<bob@ex.test>") == (530, ["530 5.7.0 Authentication required"])
        assert log_in(client, wallet()) == IN
        assert client.command("MAIL FROM:<bob@ex.test>")[0] == 250
    with Raw(house.ports[OPEN], source="127.0.0.9") as client:
        assert client.transaction("alice@ex.test", ["bob@ex.test"], b"Subject: a\r\n\r\nx\r\n")[0] == 250
    with Raw(house.ports[TICKETS], source="127.0.0.9") as client:
        assert client.transaction("alice@ex.test", ["bob@ex.test"], b"Subject: a\r\n\r\nx\r\n")[0] == 530
    house.wait_log(r"rejected MAIL|530")


def test_kerberos_alone(make_house, wallet):
    house = make_house(users=False).start()
    for listener in (TICKETS, PASSWORDS, RELAY, OPEN):
        with speak(house.ports[listener]) as client:
            assert mechanisms_of(client) == ["GSSAPI"]
            assert log_in(client, wallet()) == IN


def test_curl_and_gsasl_log_in(make_house, realm, tmp_path):
    """Two other libraries' GSSAPI. Both look the service up by the host's name."""
    house = make_house().start()
    cache = realm.kinit("bob")
    env = dict(os.environ, KRB5CCNAME=cache)
    mail = tmp_path / "mail"
    mail.write_bytes(b"Subject: by curl\r\n\r\nhello\r\n")
    port = house.ports[TICKETS]
    done = subprocess.run([tool("curl"), "-sSv", f"smtp://mx.ex.test:{port}/client.test", "--resolve", f"mx.ex.test:{port}:127.0.0.1",
                           "--login-options", "AUTH=GSSAPI", "-u", f"bob@{REALM}:", "--mail-from", "bob@ex.test", "--mail-rcpt", "alice@ex.test",
                           "-T", str(mail)], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    house.wait_log(r" <= bob@ex\.test .* A=GSSAPI:bob ")
    done = subprocess.run([tool("gsasl"), "--client", "--smtp", f"--connect=127.0.0.1:{port}", "--mechanism=GSSAPI", "--service=smtp",
                           "--hostname=mx.ex.test", "--authentication-id=bob", "--authorization-id=", "--no-starttls"], env=env, input="QUIT\r\n",
                          capture_output=True, text=True, timeout=60)
    assert "235 2.7.0" in done.stdout, (done.stdout, done.stderr)


def test_a_keytab_that_anybody_may_read_or_that_is_none_is_told_by_the_check(make_house):
    house = make_house()
    keytab = house.directory / "smtp.keytab"

    def check():
        return subprocess.run([str(MANSIOD), "check", "--config", str(house.config)], env=house.env, capture_output=True, text=True, timeout=60)

    assert check().returncode == 0, check().stderr
    keytab.chmod(0o644)
    assert check().returncode == 78 and "auth.kerberos.keytab" in check().stderr and "everybody may read it" in check().stderr
    keytab.chmod(0o600)
    keytab.write_bytes(b"\5\2")
    assert check().returncode == 78 and "there is no key in it" in check().stderr
    keytab.unlink()
    assert check().returncode == 78 and "auth.kerberos.keytab" in check().stderr
    assert not (house.directory / "spool" / "state" / "kerberos.replays").exists()

