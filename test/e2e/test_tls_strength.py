"""What is weak in TLS is refused, asked for by handshakes made by hand, since no library of today would ask (RFC 9325): old versions,
ciphers without encryption, authentication or forward secrecy, CBC, RC4, 3DES; compression, renegotiation and early data."""
import struct
import subprocess

import pytest

from certificates import Authority
from harness import Mansio, Raw, tool

CONFIG = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; }, { address = "127.0.0.1"; port = 0; tls = "implicit"; } );
tls = { certificate = "tls/mx.crt"; key = "tls/mx.key"; certificates = ( { certificate = "tls/rsa.crt"; key = "tls/rsa.key"; } ); };
domains = { local = [ "ex.test" ]; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; } );
"""
HANDSHAKE_FAILURE, PROTOCOL_VERSION = 40, 70
STRONG = {"ECDHE-ECDSA-AES128-GCM": 0xC02B, "ECDHE-RSA-AES128-GCM": 0xC02F}
WEAK = {
    "NULL": [0x0001, 0x0002, 0x003B, 0xC006, 0xC010], "anonymous": [0x0018, 0x001B, 0x0034, 0x003A, 0x006C, 0x006D, 0x00A6, 0xC018, 0xC019],
    "export": [0x0003, 0x0006, 0x0008, 0x0014], "DES": [0x0009, 0x0015], "RC4": [0x0004, 0x0005, 0xC007, 0xC011], "3DES": [0x000A, 0x0016, 0xC008, 0xC012],
    "CBC": [0x002F, 0x0035, 0x003C, 0x003D, 0x0033, 0x0039, 0x0067, 0x006B, 0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028],
    "no forward secrecy": [0x009C, 0x009D, 0xC09C, 0xC09D],
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    directory = tmp_path_factory.mktemp("house")
    authority = Authority(directory / "tls")
    authority.leaf("mx", names=["mx.ex.test"])
    authority.leaf("rsa", names=["mx.ex.test"], key="rsa")
    with Mansio(directory, config=CONFIG) as made:
        yield made


def vector(size, *parts):
    """What TLS calls a vector: its length in `size` bytes, then the parts."""
    content = b"".join(parts)
    return len(content).to_bytes(size, "big") + content


def client_hello(version, ciphers, compression=b"\0"):
    extensions = vector(2,
                        struct.pack(">H", 10), vector(2, vector(2, struct.pack(">3H", 29, 23, 24))),           # groups
                        struct.pack(">H", 11), vector(2, vector(1, b"\0")),                                     # point formats
                        struct.pack(">H", 13), vector(2, vector(2, struct.pack(">7H", 0x0403, 0x0503, 0x0804, 0x0401, 0x0501, 0x0201, 0x0203))))
    hello = struct.pack(">H", version) + bytes(32) + vector(1) + vector(2, struct.pack(f">{len(ciphers)}H", *ciphers)) + vector(1, compression) + extensions
    return b"\x16\x03\x01" + vector(2, b"\x01" + vector(3, hello))


def answer(house, listener, hello):
    """("alert", its number), or ("hello", version, cipher, compression)."""
    with Raw(house.ports[listener], greeting=listener == 0) as client:
        if listener == 0:
            assert client.command("EHLO client.test")[0] == 250 and client.command("STARTTLS")[0] == 220
        client.send(hello)
        kind, _, length = struct.unpack(">BHH", client.file.read(5))
        content = client.file.read(length)
        if kind == 21:
            return "alert", content[1]
        assert kind == 22 and content[0] == 2, content
        at = 4 + 2 + 32
        at += 1 + content[at]
        return "hello", struct.unpack(">H", content[4:6])[0], struct.unpack(">H", content[at:at + 2])[0], content[at + 2]


@pytest.mark.parametrize("listener", [0, 1])
def test_strong_ciphers_are_taken_by_this_handshake(house, listener):
    """So that the refusals below mean something. Compression is offered, and not used (RFC 9325 §3.3)."""
    for cipher in STRONG.values():
        assert answer(house, listener, client_hello(0x0303, [cipher], compression=b"\1\0")) == ("hello", 0x0303, cipher, 0)


@pytest.mark.parametrize("listener", [0, 1])
@pytest.mark.parametrize("kind", WEAK)
def test_weak_ciphers_are_refused(house, listener, kind):
    assert answer(house, listener, client_hello(0x0303, WEAK[kind])) == ("alert", HANDSHAKE_FAILURE)


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302])
def test_versions_before_tls_1_2_are_refused(house, version):
    ciphers = [*STRONG.values(), *WEAK["CBC"]]
    assert answer(house, 1, client_hello(version, ciphers)) in (("alert", PROTOCOL_VERSION), ("alert", HANDSHAKE_FAILURE))


def s_client(house, commands, *words):
    return subprocess.run([tool("openssl"), "s_client", "-connect", f"127.0.0.1:{house.ports[1]}", "-crlf", *words], input=commands,
                          capture_output=True, text=True, timeout=30)


def test_a_client_may_not_renegotiate_and_secure_renegotiation_is_known(house):
    # By STARTTLS: a greeting that comes while it waits for the answer would end openssl's own try.
    done = subprocess.run([tool("openssl"), "s_client", "-connect", f"127.0.0.1:{house.ports[0]}", "-starttls", "smtp", "-crlf", "-tls1_2"],
                          input="R\n", capture_output=True, text=True, timeout=30)
    assert "Secure Renegotiation IS supported" in done.stdout and "Compression: NONE" in done.stdout
    assert "RENEGOTIATING" in done.stderr and "no renegotiation" in done.stderr, done.stderr


def test_tickets_allow_no_early_data(house):
    done = s_client(house, "QUIT\n", "-tls1_3", "-ign_eof")
    assert "Post-Handshake New Session Ticket" in done.stdout and "Max Early Data: 0" in done.stdout, done.stdout
