"""TLS towards clients: STARTTLS and implicit TLS, certificates by name and key type, renewed under load, and refused files."""
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest

from certificates import Authority
from harness import MANSIOD, Mansio, Raw, tool, wait_for

CONFIG = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = (
  { address = "127.0.0.1"; port = 0; },
  { address = "127.0.0.1"; port = 0; tls = "required"; },
  { address = "127.0.0.1"; port = 0; tls = "implicit"; },
  { address = "127.0.0.1"; port = 0; tls_min_version = "1.3"; ask_certificate = true; }
);
tls = { certificate = "tls/mx.crt"; key = "tls/mx.key"; %(tls)s };
domains = { local = [ "ex.test" ]; };
relay_from = [ "192.0.2.0/24" ];
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob", "alice" ]; transport = "mailbox"; } );
%(extra)s
"""
OFFERED, REQUIRED, IMPLICIT, NEWEST = range(4)
LETTER = b"Subject: x\r\n\r\nhello\r\n"


@pytest.fixture
def authority(tmp_path):
    """Makes tls/ beside the configuration of make_house()."""
    return Authority(tmp_path / "house" / "tls")


@pytest.fixture
def make_house(tmp_path, authority):
    started = []
    authority.leaf("mx", names=["mx.ex.test", "*.wild.test"])

    def make(tls="", extra="", start=True):
        house = Mansio(tmp_path / "house", config=CONFIG % dict(tls=tls, extra=extra))
        started.append(house)
        return house.start() if start else house
    yield make
    for house in started:
        house.kill()


def context(authority, **settings):
    made = ssl.create_default_context(cafile=str(authority.certificate))
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def starttls(house, authority, name="mx.ex.test", listener=OFFERED, **settings):
    """A session that has begun TLS with the certificate verified for `name`; Raw again."""
    client = Raw(house.ports[listener])
    assert client.command("EHLO client.test")[0] == 250
    assert client.command("STARTTLS")[0] == 220
    client.socket = context(authority, **settings).wrap_socket(client.socket, server_hostname=name)
    client.file = client.socket.makefile("rb")
    return client


def certificate_of(client):
    return client.socket.getpeercert()["serialNumber"]


def test_mail_by_starttls_is_delivered_and_the_log_tells_of_the_session(make_house, authority):
    house = make_house()
    with smtplib.SMTP("127.0.0.1", house.ports[OFFERED], "client.test", timeout=20) as client:
        client.ehlo()
        assert client.has_extn("starttls") and not client.has_extn("auth")
        client._host = "mx.ex.test"
        client.starttls(context=context(authority))
        client.ehlo()
        assert not client.has_extn("starttls") and client.has_extn("pipelining")
        client.sendmail("me@b.test", ["bob@ex.test"], LETTER)
    [raw] = house.wait_mail(1)
    assert b"with ESMTPS id " in raw and raw.endswith(b"\n\nhello\n")
    house.wait_log(r" <= me@b\.test H=\(client\.test\) \[127\.0\.0\.1\]:\d+ I=\S+ P=esmtps X=TLS1\.3:\S*AES_256_GCM_SHA384:256 "
                   r"SNI=mx\.ex\.test S=")


def test_implicit_tls_greets_inside_and_answers_clear_text_with_nothing(make_house, authority):
    house = make_house()
    with smtplib.SMTP_SSL("127.0.0.1", house.ports[IMPLICIT], "client.test", timeout=20, context=context(authority, check_hostname=False)) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        client.sendmail("me@b.test", ["bob@ex.test"], LETTER)
    house.wait_mail(1)
    with socket.create_connection(("127.0.0.1", house.ports[IMPLICIT]), 20) as plain:
        plain.sendall(b"EHLO client.test\r\n")
        said = b""
        while chunk := plain.recv(4096):
            said += chunk
    assert b"220" not in said and b"250" not in said and b"mx.ex.test" not in said       # S-057: an alert at most
    house.wait_log(r"TLS error on connection from H=\[127\.0\.0\.1\]:\d+: TLS handshake: ")


def test_required_tls_takes_no_mail_in_clear(make_house, authority):
    house = make_house()
    with Raw(house.ports[REQUIRED]) as client:
        assert client.command("NOOP")[0] == 250
        assert client.command("MAIL FROM:<me@b.test>")[0] == 530
        assert client.command("EHLO client.test")[0] == 250
        code, lines = client.command("MAIL FROM:<me@b.test>")
        assert code == 530 and lines[0].startswith("530 5.7.0 ")
        assert client.command("QUIT")[0] == 221
    with starttls(house, authority, listener=REQUIRED) as client:
        assert client.transaction("me@b.test", ["bob@ex.test"], LETTER)[0] == 250
    house.wait_mail(1)


def test_commands_behind_starttls_are_not_carried_into_tls(make_house, authority):
    house = make_house()
    for injected in (b"RSET\r\n", b"MAIL FROM:<inj@evil.test>\r\n", b"NO"):
        with Raw(house.ports[OFFERED]) as client:
            assert client.command("EHLO client.test")[0] == 250
            client.send(b"STARTTLS\r\n" + injected)
            code, _ = client.reply()
            assert code in (554, 0), code
            assert client.reply()[0] == 0
    assert "inj@evil.test" not in "".join(line for line in house.log().splitlines() if " <= " in line)


def test_the_certificate_is_chosen_by_the_name_and_by_what_the_client_can(make_house, authority):
    other = authority.leaf("other", names=["other.test"])
    authority.leaf("rsa", names=["mx.ex.test"], key="rsa")
    house = make_house(tls='certificates = ( { certificate = "tls/other.crt"; key = "tls/other.key"; }, { certificate = "tls/rsa.crt"; key = "tls/rsa.key"; } );')
    with starttls(house, authority, "mx.ex.test") as first, starttls(house, authority, "a.wild.test") as wild, \
         starttls(house, authority, "other.test") as second, starttls(house, authority, "unknown.test", check_hostname=False) as unknown:
        assert certificate_of(first) == certificate_of(wild) == certificate_of(unknown) != certificate_of(second)
        assert other.fingerprint() == hex_digest(second)
    old = context(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    old.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with Raw(house.ports[OFFERED]) as client:
        client.command("EHLO client.test")
        client.command("STARTTLS")
        with old.wrap_socket(client.socket, server_hostname="mx.ex.test") as secured:
            assert secured.cipher()[0] == "ECDHE-RSA-AES128-GCM-SHA256" and secured.version() == "TLSv1.2"


def hex_digest(client):
    import hashlib
    return hashlib.sha256(client.socket.getpeercert(binary_form=True)).hexdigest()


def test_a_listener_may_ask_for_more_than_the_others(make_house, authority):
    mine = authority.leaf("me", names=["client.test"], client=True)
    house = make_house(tls='authorities = "tls/authority.crt";')
    with Raw(house.ports[NEWEST]) as client:
        client.command("EHLO client.test")
        client.command("STARTTLS")
        with pytest.raises(ssl.SSLError):
            context(authority, maximum_version=ssl.TLSVersion.TLSv1_2).wrap_socket(client.socket, server_hostname="mx.ex.test")
    with_certificate = context(authority)
    with_certificate.load_cert_chain(mine.certificate, mine.key)
    for settings, verified in ((with_certificate, ' CV=yes DN="CN=client.test" '), (context(authority), " SNI=")):
        with Raw(house.ports[NEWEST]) as client:
            client.command("EHLO client.test")
            client.command("STARTTLS")
            client.socket = settings.wrap_socket(client.socket, server_hostname="mx.ex.test")
            client.file = client.socket.makefile("rb")
            assert client.transaction(f"me{len(verified)}@b.test", ["bob@ex.test"], LETTER)[0] == 250
    house.wait_mail(2)
    lines = wait_for(lambda: (found := [line for line in house.log().splitlines() if " <= me" in line])[1:] and found, what="both lines")
    assert ' CV=yes DN="CN=client.test" ' in lines[0] and " CV=" not in lines[1], lines


def test_sessions_are_resumed_with_their_own_listener_alone(make_house, authority, tmp_path):
    house = make_house()

    def s_client(listener, *words):
        command = [tool("openssl"), "s_client", "-connect", f"127.0.0.1:{house.ports[listener]}", "-CAfile", str(authority.certificate),
                   "-servername", "mx.ex.test", *(["-starttls", "smtp"] if listener != IMPLICIT else []), *words]
        return subprocess.run(command, input="QUIT\r\n", capture_output=True, text=True, timeout=30).stdout
    for version in ("-tls1_2", "-tls1_3"):
        kept = tmp_path / f"session{version}"
        first = subprocess.run(
            [tool("openssl"), "s_client", "-connect", f"127.0.0.1:{house.ports[OFFERED]}", "-starttls", "smtp", "-servername", "mx.ex.test",
             version, "-sess_out", str(kept), "-ign_eof"], input="EHLO client.test\r\nQUIT\r\n", capture_output=True, text=True, timeout=30).stdout
        assert "New, TLSv1" in first and kept.exists()
        assert "Reused, TLSv1" in s_client(OFFERED, version, "-sess_in", str(kept))
        assert "New, TLSv1" in s_client(IMPLICIT, version, "-sess_in", str(kept))


def test_a_renewed_certificate_is_taken_under_load_and_drops_nothing(make_house, authority):
    house = make_house()
    stop, errors, sent, seen = threading.Event(), [], [], set()

    def keep_sending(number):
        count = 0
        while not stop.is_set():
            try:
                with starttls(house, authority) as client:
                    seen.add(certificate_of(client))
                    for _ in range(5):
                        count += 1
                        code, lines = client.transaction(f"c{number}-{count}@b.test", ["bob@ex.test"], LETTER)
                        assert code == 250, lines
                        sent.append(f"c{number}-{count}@b.test")
            except Exception as trouble:      # counted: the test fails below
                errors.append(repr(trouble))
                return
    # One session that lives on over the renewal.
    with starttls(house, authority) as patient:
        before = certificate_of(patient)
        threads = [threading.Thread(target=keep_sending, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(sent) > 50, what="some mail")
        fresh = authority.leaf("fresh", names=["mx.ex.test", "*.wild.test"])
        os.replace(fresh.certificate, authority.directory / "mx.crt")      # as certbot does: one after the other
        os.replace(fresh.key, authority.directory / "mx.key")
        wait_for(lambda: len(seen) == 2 or errors, what="the new certificate")
        at = len(sent)
        wait_for(lambda: len(sent) > at + 50 or errors, what="mail after it")
        stop.set()
        for thread in threads:
            thread.join()
        assert patient.transaction("patient@b.test", ["bob@ex.test"], LETTER)[0] == 250
    assert not errors and before in seen
    house.wait_mail(len(sent) + 1, timeout=60)
    senders = re.findall(r" <= (\S+@b\.test) ", house.log())
    assert sorted(senders) == sorted(sent + ["patient@b.test"])
    assert "stay in use" not in house.log()


def test_a_broken_renewal_keeps_the_old_certificate_and_says_so(make_house, authority):
    house = make_house()
    with starttls(house, authority) as client:
        before = certificate_of(client)
    (authority.directory / "mx.crt").write_text("no certificate\n")
    house.wait_log(r"mx\.crt: .*: the certificates of before stay in use")
    house.wait_log(r"mx\.crt: .*: the certificates of before stay in use", "paniclog")
    with starttls(house, authority) as client:
        assert certificate_of(client) == before
    house.signal(signal.SIGHUP)                     # a reload is no reason to do without it either
    house.wait_log("configuration reloaded")
    with starttls(house, authority) as client:
        assert certificate_of(client) == before
    fresh = authority.leaf("fresh", names=["mx.ex.test"])
    shutil.copy(fresh.certificate, authority.directory / "mx.crt")
    os.replace(fresh.key, authority.directory / "mx.key")

    def renewed():
        with starttls(house, authority) as again:
            return certificate_of(again) != before
    wait_for(renewed, what="the mended certificate")


@pytest.mark.parametrize("break_it, said", [
    (lambda tls: (tls / "mx.key").chmod(0o644), r"tls\.key: \S*/tls/mx\.key: everybody may read it \(mode 0644\): chmod o-rwx"),
    (lambda tls: (tls / "mx.key").chmod(0o660), r"tls\.key: \S*/tls/mx\.key: others may change it \(mode 0660\): chmod go-w"),
    (lambda tls: (tls / "mx.crt").unlink(), r"tls\.certificate: \S*/tls/mx\.crt: .*[Nn]o such file"),
    (lambda tls: (tls / "mx.key").write_text("nothing\n"), r"mx\.key|mx\.crt: "),
    (lambda tls: (os.remove(tls / "mx.key"), os.mkfifo(tls / "mx.key", 0o600)), r"tls\.key: \S*mx\.key: it is no regular file"),
    (lambda tls: shutil.copy(tls / "authority.key", tls / "mx.key"), r"mx\.crt: .*key"),
])
def test_a_file_that_must_not_be_used_hinders_the_start_and_is_named(make_house, authority, break_it, said):
    house = make_house(start=False)
    break_it(authority.directory)
    done = subprocess.run([str(MANSIOD), "--config", str(house.config), "--foreground"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 75 and re.search(said, done.stderr), (done.returncode, done.stderr)
    checked = subprocess.run([str(MANSIOD), "check", "--config", str(house.config)], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 78 and re.search(said, checked.stderr), (checked.returncode, checked.stderr)


def test_the_log_tells_how_long_certificates_last_and_warns_when_it_is_not_long(make_house, authority):
    authority.leaf("short", names=["short.test"], days=5)
    authority.leaf("gone", names=["gone.test"], expired=True)
    house = make_house(tls='certificates = ( { certificate = "tls/short.crt"; key = "tls/short.key"; }, { certificate = "tls/gone.crt"; key = "tls/gone.key"; } );')
    house.wait_log("gone.crt", "paniclog")
    log, panic = house.log(), house.log("paniclog")
    assert re.search(r"certificate \S*/tls/mx\.crt \(mx\.ex\.test, \*\.wild\.test\): 19 days left$", log, re.M), log
    assert re.search(r"certificate \S*/tls/short\.crt \(short\.test\): 4 days left: renew it$", panic, re.M), panic
    assert re.search(r"certificate \S*/tls/gone\.crt \(gone\.test\) has expired: ", panic) and "mx.crt" not in panic


def test_a_client_that_never_begins_its_handshake_does_not_hold_others_up(make_house, authority):
    house = make_house()
    silent = [socket.create_connection(("127.0.0.1", house.ports[IMPLICIT]), 20) for _ in range(20)]
    halves = []
    for _ in range(20):
        half = Raw(house.ports[OFFERED])
        half.command("EHLO client.test")
        half.command("STARTTLS")
        half.send(b"\x16\x03\x01")
        halves.append(half)
    with starttls(house, authority) as client:
        assert client.transaction("me@b.test", ["bob@ex.test"], LETTER)[0] == 250
    house.wait_mail(1)
    for one in silent + halves:
        one.close()


def test_a_tls_connection_cut_in_mid_message_delivers_nothing(make_house, authority):
    house = make_house()
    for clean in (True, False):
        with starttls(house, authority) as client:
            for line in ("EHLO client.test", "MAIL FROM:<me@b.test>", "RCPT TO:<bob@ex.test>"):
                assert client.command(line)[0] == 250
            client.send(b"BDAT 1000 LAST\r\n" + b"x" * 500)
            if clean:
                client.socket.unwrap()         # close_notify in mid-chunk (S-055): not to be taken for an end of data
    lost = "SMTP connection lost while reading message data"
    house.wait_log(lost)
    wait_for(lambda: len(re.findall(lost, house.log())) == 2, what="both ends")
    assert house.maildir() == [] and " <= " not in house.log()


def test_a_connection_too_many_hears_nothing_in_clear_where_tls_comes_first(make_house, authority):
    house = make_house(extra="limits = { connections_per_client = 1; };")
    with Raw(house.ports[OFFERED]):
        with socket.create_connection(("127.0.0.1", house.ports[IMPLICIT]), 20) as second:
            assert second.recv(4096) == b""
        with Raw(house.ports[OFFERED], greeting=False) as third:
            assert third.reply()[0] == 421
    house.wait_log("too many connections from your address")
