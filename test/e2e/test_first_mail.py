"""The walking skeleton: one message in by each door, found where it belongs."""
from harness import body_of


def test_a_message_over_smtp_lands_in_the_maildir_byte_for_byte(mansio):
    content = b"From: a@b.test\r\nSubject: one\r\n\r\n.dots\r\n..\r\nend\r\n"
    with mansio.connect() as client:
        code, lines = client.transaction("a@b.test", ["bob@ex.test"], content)
        assert code == 250, lines
    [message] = mansio.wait_mail(1)
    assert body_of(message) == content
    assert message.startswith(b"Return-Path: <a@b.test>\nDelivered-To: bob@ex.test\nReceived: from client.test ([127.0.0.1])\n")
    mansio.wait_log(r"Completed")


def test_a_message_through_sendmail_lands_in_the_maildir(mansio):
    done = mansio.sendmail("-t", "-i", input=b"To: bob@ex.test\nSubject: two\n\nbody\n")
    assert done.returncode == 0, done.stderr
    [message] = mansio.wait_mail(1)
    assert b"Subject: two\n" in message and message.endswith(b"\n\nbody\n")


def test_a_stopped_daemon_exits_with_zero_and_leaves_no_process(mansio):
    pids = [mansio.process.pid, *mansio.children().values()]
    assert mansio.stop() == 0
    from harness import alive
    assert not any(alive(pid) for pid in pids)
