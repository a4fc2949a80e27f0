"""TLS towards other hosts: used where it works, in clear where it may be when it does not, never in clear where it must not be
(R-134, R-136, S-047, S-051)."""
import re
import ssl

import pytest

from certificates import Authority
from harness import wait_for
from outbound import PLAIN, deferred, delivered, internet, never_bounced, send, without_trace  # noqa: F401
from sink import DROP, FULL, RESET, Sink, Then, server_context


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def leaves(authority):
    other = Authority(authority.directory / "other", "Another Authority")
    return {
        "good": authority.leaf("good", names=["mx1.good.tls.test", "smart.test"]),
        "rsa": authority.leaf("rsa", names=["mx1.rsa.tls.test"], key="rsa"),
        "address": authority.leaf("address", names=["elsewhere.test"], addresses=["127.0.0.9"]),
        "wild": authority.leaf("wild", names=["*.wild.tls.test"]),
        "named": authority.leaf("named", names=["mail.provider.test"]),
        "common": authority.leaf("common", subject="mx1.common.tls.test"),
        "wrong": authority.leaf("wrong", names=["mx1.other.test"]),
        "expired": authority.leaf("expired", names=["mx1.expired.tls.test"], expired=True),
        "stranger": other.leaf("stranger", names=["mx1.stranger.tls.test"]),
    }


def tls_fields(line):
    found = re.search(r" X=(\S+):(\S+):(\d+) CV=(yes|no) ", line)
    return found and (found[1], found[4])


def test_tls_is_used_where_it_is_offered_and_the_log_says_how(internet, authority, leaves):
    """The name is asked for by SNI, EHLO is said again (R-134), and connections are kept."""
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=server_context(leaves["good"]))
    mansio = internet.start(transport=f'tls_authorities = "{authority.certificate}";')
    with mansio.connect() as client:
        assert client.command("EHLO client.test")[0] == 250
        ids = [send(mansio, f"x{n}@good.tls.test", session=client) for n in range(3)]
    lines = [delivered(mansio, id, f"x{n}@good.tls.test") for n, id in enumerate(ids)]
    assert [tls_fields(line) for line in lines] == [("TLS1.3", "yes")] * 3, lines
    assert len(sink.sessions) < 3 and len(sink.taken()) == 3
    session = sink.sessions[0]
    assert session.sni == "mx1.good.tls.test" and session.secured.version() == "TLSv1.3"
    assert [line.split()[0] for line in session.lines[:4]] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]
    assert without_trace(sink.taken()[0]) == PLAIN
    assert " X=" not in delivered(mansio, send(mansio, "x@good.test"), "x@good.test")


def test_a_host_without_a_good_certificate_is_as_good_as_one_in_clear(internet, leaves):
    """Opportunistic: anybody's certificate will do, and the log says that it was not verified."""
    [sink] = internet.site("expired.tls.test", "127.0.0.3", tls=server_context(leaves["expired"], newest=ssl.TLSVersion.TLSv1_2))
    mansio = internet.start()
    line = delivered(mansio, send(mansio, "x@expired.tls.test"), "x@expired.tls.test")
    assert tls_fields(line) == ("TLS1.2", "no")
    assert sink.sessions[0].secured


def test_what_was_offered_before_tls_alone_is_not_used(internet, leaves):
    """S-051: the second EHLO counts."""
    def hello(session, line):
        return "250-sink.test\n250-SIZE 100\n250-8BITMIME\n250-DSN\n250-CHUNKING\n250 STARTTLS" if not session.secured else "250 sink.test"
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=server_context(leaves["good"]), script={"EHLO": hello})
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@good.tls.test", content=PLAIN + b"x" * 200 + b"\r\n", rcpt=" NOTIFY=FAILURE"), "x@good.tls.test")
    assert sink.commands("MAIL") == ["MAIL FROM:<bob@ex.test>"] and sink.commands("RCPT") == ["RCPT TO:<x@good.tls.test>"]
    assert sink.commands("BDAT") == [] and len(sink.taken()) == 1


# ---- a handshake that fails

BROKEN = {
    "garbage": dict(script={"HANDSHAKE": Then(b"HTTP/1.1 400 Bad Request\r\n\r\n", DROP)}),
    "closes": dict(script={"HANDSHAKE": DROP}),
    "resets": dict(script={"HANDSHAKE": RESET}),
    "closes before 220": dict(script={"STARTTLS": DROP}),
    "says 421": dict(script={"STARTTLS": "421 4.3.2 not now"}),
    "too old": dict(newest=ssl.TLSVersion.TLSv1),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_handshake_that_fails_is_followed_by_clear_text_on_a_new_connection(internet, leaves, how):
    """R-136. And the next messages go in clear at once."""
    options = dict(BROKEN[how])
    context = server_context(leaves["good"], newest=options.pop("newest", None))
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=context, **options)
    mansio = internet.start(transport='connection_idle = "0s";')
    id = send(mansio, "x@good.tls.test")
    line = delivered(mansio, id, "x@good.tls.test")
    assert " X=" not in line and f"{id} ==" not in mansio.log()
    assert re.search(rf"{id} mx1\.good\.tls\.test \[127\.0\.0\.3\]:{internet.port}: .* it gets mail in clear now", mansio.log()), mansio.log()
    assert len(sink.sessions) == 2
    assert [x.split()[0] for x in sink.sessions[0].lines] == ["EHLO", "STARTTLS"]
    assert [x.split()[0] for x in sink.sessions[1].lines[:2]] == ["EHLO", "MAIL"]
    delivered(mansio, send(mansio, "y@good.tls.test"), "y@good.tls.test")
    assert len(sink.sessions) == 3 and len(sink.commands("STARTTLS")) == 1


@pytest.mark.parametrize("level", ["required", "verify"])
@pytest.mark.parametrize("how", ["garbage", "closes", "says 421", "too old"])
def test_a_handshake_that_fails_puts_the_mail_off_where_tls_must_be(internet, authority, leaves, how, level):
    options = dict(BROKEN[how])
    context = server_context(leaves["good"], newest=options.pop("newest", None))
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=context, **options)
    mansio = internet.start(transport=f'tls = "{level}"; tls_authorities = "{authority.certificate}";')
    id = send(mansio, "x@good.tls.test")
    deferred(mansio, id, "x@good.tls.test")
    never_bounced(mansio, id)
    assert len(sink.sessions) == 1 and sink.commands("MAIL") == []


def test_what_is_put_in_behind_220_is_not_taken_for_an_answer(internet, leaves):
    """S-047 towards a client: the connection is given up, and nothing is sent in clear for it."""
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=server_context(leaves["good"]),
                           script={"STARTTLS": b"220 go on\r\n250-sink.test\r\n250 SIZE\r\n"})
    mansio = internet.start()
    id = send(mansio, "x@good.tls.test")
    assert "the server spoke unasked while beginning TLS" in deferred(mansio, id, "x@good.tls.test")
    never_bounced(mansio, id)
    assert len(sink.sessions) == 1 and sink.commands("MAIL") == []


# ---- required and verify

@pytest.mark.parametrize("level", ["opportunistic", "required", "verify"])
def test_a_host_without_starttls(internet, level):
    mansio = internet.start(transport=f'tls = "{level}";')
    id = send(mansio, "x@good.test")
    if level == "opportunistic":
        delivered(mansio, id, "x@good.test")
    else:
        assert "451 4.7.10 TLS is required, and the host does not offer STARTTLS" in deferred(mansio, id, "x@good.test")
        never_bounced(mansio, id)
        assert internet.good.commands("MAIL") == []


@pytest.mark.parametrize("level", ["opportunistic", "required"])
@pytest.mark.parametrize("reply", ["454 4.7.0 no certificate", "502 5.5.1 what"])
def test_starttls_refused(internet, leaves, level, reply):
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=server_context(leaves["good"]), script={"STARTTLS": reply})
    mansio = internet.start(transport=f'tls = "{level}";')
    id = send(mansio, "x@good.tls.test")
    if level == "opportunistic":
        assert " X=" not in delivered(mansio, id, "x@good.tls.test")
    else:
        assert f"TLS is required, and STARTTLS was refused: {reply}" in deferred(mansio, id, "x@good.tls.test")
        never_bounced(mansio, id)
    assert len(sink.sessions) == 1


VERIFIED = {            # certificate: (right, what the log says)
    "good": "", "rsa": "", "wild": "", "wrong": "hostname mismatch", "expired": "certificate has expired", "stranger": "",
    "common": "hostname mismatch",
}


def test_a_certificate_must_be_valid_and_have_the_hosts_name_where_it_is_verified(internet, authority, leaves):
    """A name in the subject alone is none (RFC 6125 §6.4.4 calls it a last resort, RFC 9525 §1.2 ends it). One that is only required
    may be any."""
    sinks = {}
    for n, name in enumerate(VERIFIED):
        [sinks[name]] = internet.site(f"{name}.tls.test", f"127.0.1.{n + 1}", tls=server_context(leaves[name]))
    mansio = internet.start(transport=f'tls = "verify"; tls_authorities = "{authority.certificate}";')
    for name, problem in VERIFIED.items():
        id, address = send(mansio, f"x@{name}.tls.test"), f"x@{name}.tls.test"
        if problem or name == "stranger":
            line = deferred(mansio, id, address)
            assert "451 4.7.5" in line and "certificate verify failed" in line and problem in line, line
            never_bounced(mansio, id)
            assert sinks[name].commands("MAIL") == [] and len(sinks[name].sessions) == 1
        else:
            assert tls_fields(delivered(mansio, id, address)) == ("TLS1.3", "yes")


def test_a_required_certificate_may_be_anybodys(internet, authority, leaves):
    for n, name in enumerate(VERIFIED):
        internet.site(f"{name}.tls.test", f"127.0.1.{n + 1}", tls=server_context(leaves[name]))
    mansio = internet.start(transport=f'tls = "required"; tls_authorities = "{authority.certificate}";')
    for name, problem in VERIFIED.items():
        line = delivered(mansio, send(mansio, f"x@{name}.tls.test"), f"x@{name}.tls.test")
        assert tls_fields(line) == ("TLS1.3", "no" if problem or name == "stranger" else "yes")


def test_smart_hosts_are_verified_by_the_name_or_address_that_the_configuration_has(internet, authority, leaves):
    internet.names.add("smart.test", "A", "127.0.0.3")
    internet.names.add("unlike.test", "A", "127.0.0.3")
    internet.sink("127.0.0.3", tls=server_context(leaves["good"]))
    internet.sink("127.0.0.9", tls=server_context(leaves["address"]))
    hosts = {"name": "smart.test", "other": "unlike.test", "address": "127.0.0.9"}
    common = f'kind = "smtp"; tls = "verify"; tls_authorities = "{authority.certificate}"; port = {internet.port};'
    mansio = internet.start(
        transports="".join(f'{key} = {{ {common} hosts = [ "{host}" ]; }};' for key, host in hosts.items()),
        routes="".join(f'{{ name = "{key}"; domains = [ "{key}.test" ]; transport = "{key}"; }},' for key in hosts))
    assert tls_fields(delivered(mansio, send(mansio, "x@name.test"), "x@name.test")) == ("TLS1.3", "yes")
    assert tls_fields(delivered(mansio, send(mansio, "x@address.test"), "x@address.test")) == ("TLS1.3", "yes")
    assert "hostname mismatch" in deferred(mansio, send(mansio, "x@other.test"), "x@other.test")


def test_a_domains_policy_counts_before_the_transports_and_connections_are_not_shared(internet, authority, leaves):
    """Three domains with the same host, one connection each, in one message."""
    sink = internet.sink("127.0.0.3", tls=server_context(leaves["named"]))
    for domain in ("any.test", "named.test", "strict.test", "clear.test"):
        internet.names.add(domain, "MX", (10, "mx.shared.test"))
    internet.names.add("mx.shared.test", "A", "127.0.0.3")
    mansio = internet.start(transport=f'tls_authorities = "{authority.certificate}"; connection_idle = "1m";', extra="""
        tls_policy = ( { domains = [ "named.test" ]; names = [ "mail.provider.test" ]; },
                       { domains = [ "strict.test" ]; },
                       { domains = [ "clear.test" ]; tls = "none"; } );""")
    addresses = [f"x@{domain}.test" for domain in ("any", "named", "strict", "clear")]
    id = send(mansio, *addresses)
    lines = [delivered(mansio, id, address) for address in addresses if "strict" not in address]
    assert [tls_fields(line) for line in lines] == [("TLS1.3", "no"), ("TLS1.3", "yes"), None], lines
    assert "hostname mismatch" in deferred(mansio, id, "x@strict.test")
    assert sorted([r for r, _ in m.recipients] for m in sink.taken()) == [["x@any.test"], ["x@clear.test"], ["x@named.test"]]
    # The strict domain's failure closes the host for nobody else.
    second = send(mansio, "y@any.test")
    assert tls_fields(delivered(mansio, second, "y@any.test")) == ("TLS1.3", "no")
    assert len(sink.sessions) == 4


def test_tls_from_the_first_byte(internet, authority, leaves):
    internet.names.add("smart.test", "A", "127.0.0.3")
    sink = internet.sink("127.0.0.3", tls=server_context(leaves["good"]), implicit=True)
    mansio = internet.start(
        transports=f"""smart = {{ kind = "smtp"; hosts = [ "smart.test:{internet.port}" ]; tls_implicit = true; tls = "verify";
                                 tls_authorities = "{authority.certificate}"; }};""",
        routes='{ name = "smart"; domains = [ "far.test" ]; transport = "smart"; },')
    assert tls_fields(delivered(mansio, send(mansio, "x@far.test"), "x@far.test")) == ("TLS1.3", "yes")
    assert [x.split()[0] for x in sink.sessions[0].lines[:2]] == ["EHLO", "MAIL"] and sink.sessions[0].sni == "smart.test"


def test_our_own_certificate_is_shown_to_a_host_that_asks(internet, authority, leaves):
    mine = authority.leaf("mine", names=["mx.ex.test"], client=True)
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=server_context(leaves["good"], authority=authority))
    mansio = internet.start(transport=f'tls_certificate = "{mine.certificate}"; tls_key = "{mine.key}";')
    delivered(mansio, send(mansio, "x@good.tls.test"), "x@good.tls.test")
    assert ("DNS", "mx.ex.test") in sink.sessions[0].secured.getpeercert()["subjectAltName"]


def test_a_certificate_of_ours_that_cannot_be_used_puts_mail_off_and_is_told_once(internet, authority, leaves):
    """And the mail goes once the file is mended, without a restart."""
    mine = authority.leaf("broken", names=["mx.ex.test"], client=True)
    good = mine.certificate.read_text()
    mine.certificate.write_text("this is no certificate\n")
    [sink] = internet.site("good.tls.test", "127.0.0.3", tls=server_context(leaves["good"]))
    mansio = internet.start(transport=f'tls_certificate = "{mine.certificate}"; tls_key = "{mine.key}";', retry="1s for 1h")
    ids = [send(mansio, f"x{n}@good.tls.test") for n in range(3)]
    for n, id in enumerate(ids):
        assert str(mine.certificate) in deferred(mansio, id, f"x{n}@good.tls.test")
    assert mansio.log("paniclog").count(str(mine.certificate)) == 1, mansio.log("paniclog")
    assert sink.sessions == []
    mine.certificate.write_text(good)
    for n, id in enumerate(ids):
        delivered(mansio, id, f"x{n}@good.tls.test", timeout=60)
    wait_for(lambda: len(sink.taken()) == 3, what="the mail")
