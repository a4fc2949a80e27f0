"""The limits of a session, with settings small enough to meet: what is told, what goes on, and that nobody else waits."""
import os
import signal
import socket
import time

import pytest

from harness import Mansio

LIMITS = """
limits = { message_size = "64K"; session_size = "150K"; recipients = 5; messages_per_connection = 4; errors = 3; command_line = 600;
           command_timeout = "2s"; data_timeout = "1s"; chunks = 20; };
"""
SMALL = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    users = "[ " + ", ".join(f'"{user}"' for user in ["bob", "alice", "carol", *(f"u{n}" for n in range(20))]) + " ]"
    with Mansio(tmp_path_factory.mktemp("limits") / "mansio", users=users, extra=LIMITS) as mansio:
        yield mansio


def hello(client):
    client.send(b"EHLO client.test\r\n")
    code, lines = client.reply()
    assert code == 250
    return [line[4:] for line in lines]


def mail(client, *recipients):
    client.send(b"MAIL FROM:<a@b.test>\r\n" + b"".join(b"RCPT TO:<%b@ex.test>\r\n" % user.encode() for user in recipients))
    return [client.reply()[0] for _ in range(1 + len(recipients))]


def test_ehlo_tells_the_limits_that_hold(house):
    with house.connect() as client:
        words = hello(client)
    assert "SIZE 65536" in words
    assert "LIMITS MAILMAX=4 RCPTMAX=5" in words


def test_an_idle_client_gets_421_and_is_logged(house):
    with house.connect() as client:
        hello(client)
        began = time.monotonic()
        code, lines = client.reply()
        assert code == 421 and lines[0].startswith("421 4.4.2"), lines
        assert 1.5 < time.monotonic() - began < 10
        assert client.reply()[0] == 0
    house.wait_log(r"SMTP command timeout on connection from H=\(client\.test\) \[127\.0\.0\.1\]")


def test_a_command_that_comes_letter_by_letter_has_no_more_time_than_one_that_does_not(house):
    with house.connect() as client:
        hello(client)
        began, code = time.monotonic(), None
        client.socket.settimeout(0.3)
        while time.monotonic() - began < 10:
            try:
                client.send(b"N")
                if client.socket.recv(3) == b"421":
                    code = 421
                    break
            except TimeoutError:
                pass
        assert code == 421 and 1.5 < time.monotonic() - began < 8


def test_a_client_silent_inside_data_gets_421_and_leaves_nothing(house):
    with house.connect() as client:
        hello(client)
        assert mail(client, "carol") == [250, 250]
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: never finished\r\n\r\nhalf")
        code, lines = client.reply()
        assert code == 421 and lines[0].startswith("421 4.4.2"), lines
    house.wait_log(r"SMTP data timeout \(message abandoned\) on connection from H=\(client\.test\) \[127\.0\.0\.1\].* F=<a@b\.test>")
    assert house.maildir("carol") == []


def test_slow_clients_hold_nobody_up(house):
    slow = [house.connect() for _ in range(30)]
    try:
        for client in slow:
            hello(client)
            assert mail(client, "bob") == [250, 250]
            assert client.command("DATA")[0] == 354
            client.send(b"Subject: slow\r\n")
        began = time.monotonic()
        with house.connect() as client:
            assert client.transaction("quick@b.test", ["u19@ex.test"], SMALL)[0] == 250
        house.wait_mail(1, "u19")
        assert time.monotonic() - began < 2
    finally:
        for client in slow:
            client.close()


def test_recipients_past_the_limit_get_452_and_the_others_get_the_message(house):
    with house.connect() as client:
        hello(client)
        codes = mail(client, *(f"u{n}" for n in range(8)))
        assert codes == [250] + [250] * 5 + [452] * 3
        client.send(b"RCPT TO:<u9@ex.test>\r\n")
        assert client.reply()[1][0].startswith("452 4.5.3")
        assert client.command("DATA")[0] == 354
        client.send(SMALL + b".\r\n")
        assert client.reply()[0] == 250
    for n in range(5):
        assert len(house.wait_mail(1, f"u{n}")) == 1
    assert house.maildir("u5") == []


def test_a_size_that_is_told_is_refused_at_mail_and_one_that_is_not_after_the_data(house):
    with house.connect() as client:
        hello(client)
        code, lines = client.command("MAIL FROM:<a@b.test> SIZE=65537")
        assert code == 552 and lines[0].startswith("552 5.3.4")
        assert mail(client, "bob") == [250, 250]
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: x\r\n\r\n" + b"x" * 98 + b"\r\n")
        client.send((b"x" * 98 + b"\r\n") * 700 + b".\r\n")
        code, lines = client.reply()
        assert code == 552 and lines[0].startswith("552 5.3.4")
        assert client.command("NOOP")[0] == 250


def test_a_message_of_exactly_the_limit_is_taken_with_its_stuffed_dots_uncounted(house):
    content = b"Subject: x\r\n\r\n" + b".\r\n" * 10000
    content += b"y" * (65536 - len(content) - 2) + b"\r\n"
    assert len(content) == 65536
    with house.connect() as client:
        code, lines = client.transaction("exact@b.test", ["u10@ex.test"], content, mail_parameters=" SIZE=65536")
        assert code == 250, lines
        assert client.transaction("more@b.test", ["u10@ex.test"], content[:-2] + b"z\r\n", ehlo=None)[0] == 552
    [raw] = house.wait_mail(1, "u10")
    assert raw.endswith(b"y\n")


def test_messages_past_the_number_for_a_connection_get_421_and_a_new_one_is_served(house):
    with house.connect() as client:
        hello(client)
        for _ in range(4):
            assert client.transaction("a@b.test", ["u11@ex.test"], SMALL, ehlo=None)[0] == 250
        code, lines = client.command("MAIL FROM:<a@b.test>")
        assert code == 421 and lines[0].startswith("421 4.7.0"), lines
        assert client.reply()[0] == 0
    with house.connect() as client:
        assert client.transaction("a@b.test", ["u11@ex.test"], SMALL)[0] == 250
    house.wait_mail(5, "u11")


def test_octets_past_the_limit_of_a_connection_wait_for_another_one(house):
    content = b"Subject: x\r\n\r\n" + (b"x" * 98 + b"\r\n") * 600
    with house.connect() as client:
        hello(client)
        codes = [client.transaction("a@b.test", ["u12@ex.test"], content, ehlo=None)[0] for _ in range(3)]
        assert codes == [250, 250, 452]
    assert len(house.wait_mail(2, "u12")) == 2


def test_a_line_too_long_is_one_500_and_the_session_goes_on(house):
    with house.connect() as client:
        hello(client)
        assert client.command("NOOP " + "x" * 593)[0] == 250                    # 600 with its CRLF
        code, lines = client.command("NOOP " + "x" * 594)
        assert code == 500 and lines[0].startswith("500 5.5.2"), lines
        assert client.command("RCPT TO:<" + "x" * 100000 + ">")[0] == 500
        assert mail(client, "bob") == [250, 250]


def test_too_many_errors_end_the_session(house):
    with house.connect() as client:
        hello(client)
        client.send(b"FOO\r\n" * 10)
        codes = []
        while True:
            code, _ = client.reply()
            if not code:
                break
            codes.append(code)
    assert codes == [500, 500, 500, 421]
    house.wait_log(r"SMTP call from H=\(client\.test\) \[127\.0\.0\.1\]\S* dropped: too many syntax or protocol errors \(last command was \"FOO\"\)")


def test_too_many_chunks_end_the_message_not_the_session(house):
    with house.connect() as client:
        hello(client)
        assert mail(client, "u13") == [250, 250]
        client.send(b"BDAT 1\r\nx" * 21)
        codes = [client.reply()[0] for _ in range(21)]
        assert codes == [250] * 20 + [552]
        assert client.command("NOOP")[0] == 250
    assert house.maildir("u13") == []


def test_who_talks_before_the_greeting_is_turned_away(house):
    """The daemon is stopped for the moment in which the client connects and talks, so that the order is sure."""
    pid = house.mail_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        early = socket.create_connection(("127.0.0.1", house.port), 20)
        early.sendall(b"EHLO spam.test\r\nMAIL FROM:<a@b.test>\r\n")
    finally:
        os.kill(pid, signal.SIGCONT)
    with early, early.makefile("rb") as replies:
        assert [line[:3] for line in replies.read().splitlines()] == [b"554"]
    house.wait_log(r"SMTP protocol synchronization error \(input sent without waiting for greeting\): rejected connection from H=\[127\.0\.0\.1\]\S* input=\"EHLO spam\.test")


def test_nothing_went_wrong_meanwhile(house):
    assert house.log("paniclog") == ""
