"""HUP and USR1: a new configuration takes effect, a bad one changes nothing, and no session ever notices."""
import os
import re
import signal
import socket
import threading
import time

import pytest

from harness import Raw, body_of, wait_for


def send(client, number, recipients=("bob@ex.test",), ehlo=None):
    return client.transaction("a@b.test", recipients, b"Subject: %d\r\n\r\nx\r\n" % number, ehlo=ehlo)


def reload(mansio, times=1):
    """HUP, and waits until the daemon says that it is done."""
    done = mansio.log().count("configuration reloaded")
    mansio.signal(signal.SIGHUP)
    wait_for(lambda: mansio.log().count("configuration reloaded") == done + times, what=mansio.log() + mansio.errors())


def change(mansio, old, new):
    text = mansio.config.read_text()
    assert old in text
    mansio.config.write_text(text.replace(old, new))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(port):
    try:
        Raw(port, timeout=5).close()
        return True
    except (OSError, AssertionError):
        return False


# ---- a good configuration

def test_a_new_domain_counts_and_an_open_session_goes_on(mansio):
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250
        assert send(client, 2, ("bob@new.test",))[0] == 550          # not ours yet
        client.command("RSET")
        change(mansio, 'local = [ "ex.test" ]', 'local = [ "ex.test", "new.test" ]')
        reload(mansio)
        assert send(client, 3, ("bob@new.test",))[0] == 250          # the same session
    with mansio.connect() as client:
        assert send(client, 4, ("bob@new.test",), ehlo="c.test")[0] == 250
    assert len(mansio.wait_mail(3)) == 3


def test_a_transaction_keeps_the_configuration_that_it_began_with(mansio):
    with mansio.connect() as client:
        client.command("EHLO c.test")
        assert client.command("MAIL FROM:<a@b.test>")[0] == 250
        assert client.command("RCPT TO:<bob@ex.test>")[0] == 250
        change(mansio, 'local = [ "ex.test" ]', 'local = [ "other.test" ]')
        reload(mansio)
        assert client.command("RCPT TO:<alice@ex.test>")[0] == 250
        assert client.command("DATA")[0] == 354
        client.send(b"Subject: in the middle\r\n\r\nx\r\n.\r\n")
        assert client.reply()[0] == 250
        assert client.command("MAIL FROM:<a@b.test>")[0] == 250
        assert client.command("RCPT TO:<bob@ex.test>")[0] == 550


def test_listeners_come_and_go_and_those_that_stay_keep_their_sessions(mansio):
    first, second = mansio.port, free_port()
    listener = '{ address = "127.0.0.1"; port = 0; role = "relay"; }'
    with mansio.connect() as client:
        client.command("EHLO c.test")
        change(mansio, listener, listener + ', { address = "127.0.0.1"; port = %d; role = "relay"; }' % second)
        reload(mansio)
        wait_for(lambda: answers(second), what="the new listener")
        assert answers(first)
        with Raw(second) as other:
            assert send(other, 1, ehlo="c.test")[0] == 250
            change(mansio, listener + ", ", "")                      # the first one goes
            reload(mansio)
            wait_for(lambda: not answers(first), what="a closed port")
            assert answers(second)
            assert send(other, 2)[0] == 250
        assert send(client, 3)[0] == 250                             # its session does not
    assert len(mansio.wait_mail(3)) == 3


def test_more_agents_are_started(make_mansio):
    mansio = make_mansio(extra="deliver = { agents = 1; };").start()
    assert sum("deliver " in title for title in mansio.children()) == 2
    change(mansio, "agents = 1", "agents = 4")
    reload(mansio)
    wait_for(lambda: sorted(t for t in mansio.children() if re.search(r"deliver \d", t)) == [f"mansiod: deliver {n}" for n in range(1, 5)])
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250
    mansio.wait_mail(1)


def test_limits_and_the_host_name_change_for_new_sessions(mansio):
    change(mansio, 'host_name = "mx.ex.test"', 'host_name = "new.ex.test"')
    change(mansio, "relay_from", "limits = { message_size = \"1M\"; };\nrelay_from")
    reload(mansio)
    with mansio.connect() as client:
        assert "new.ex.test" in client.greeting[1][0]
        code, lines = client.command("EHLO c.test")
        assert any(line.endswith("SIZE 1048576") for line in lines), lines
        assert client.command("MAIL FROM:<a@b.test> SIZE=2000000")[0] == 552


# ---- a bad one

@pytest.mark.parametrize("text, told", [
    ("nonsense", "mansio.conf:1"),
    ('version = 1;\nhost_nam = "x";\nlimits = { hops = "many"; };\n', "mansio.conf:3"),
    (None, "mansio.conf"),
])
def test_a_bad_configuration_keeps_the_old_one_and_says_so_in_the_panic_log(mansio, text, told):
    good = mansio.config.read_text()
    with mansio.connect() as client:
        client.command("EHLO c.test")
        if text is None:
            mansio.config.unlink()
        else:
            mansio.config.write_text(text)
        mansio.signal(signal.SIGHUP)
        mansio.wait_log("the old configuration stays in use", "paniclog")
        assert told in mansio.log("paniclog")
        assert send(client, 1)[0] == 250
    with mansio.connect() as client:
        assert send(client, 2, ehlo="c.test")[0] == 250
    mansio.wait_mail(2)
    assert "configuration reloaded" not in mansio.log()
    mansio.config.write_text(good)
    reload(mansio)                                                   # mended


def test_a_listener_that_can_not_be_opened_leaves_all_as_it_was(mansio):
    with socket.create_server(("127.0.0.1", 0)) as other:
        listener = '{ address = "127.0.0.1"; port = 0; role = "relay"; }'
        change(mansio, listener, listener + ', { address = "127.0.0.1"; port = %d; role = "relay"; }' % other.getsockname()[1])
        change(mansio, 'local = [ "ex.test" ]', 'local = [ "other.test" ]')
        mansio.signal(signal.SIGHUP)
        mansio.wait_log(r"reload: listeners.*in use.*the old configuration stays in use", "paniclog")
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250              # ex.test is still ours
    mansio.wait_mail(1)


@pytest.mark.parametrize("setting", ["spool_directory", "run_directory"])
def test_what_only_a_restart_can_change_is_refused(mansio, setting):
    change(mansio, f'{setting} = "', f'{setting} = "other-')
    mansio.signal(signal.SIGHUP)
    mansio.wait_log(r"spool_directory, run_directory and run_as change only with a restart", "paniclog")
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250
    mansio.wait_mail(1)


def test_a_bad_configuration_and_then_the_death_of_the_mail_process(mansio):
    """What is started again has the configuration that was in use, not the one on disk."""
    mansio.config.write_text(mansio.config.read_text() + "\nnonsense")
    mansio.signal(signal.SIGHUP)
    mansio.wait_log("the old configuration stays in use", "paniclog")
    pid = mansio.mail_pid()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: any("mail 0" in t and p != pid for t, p in mansio.children().items()), what="another mail process")
    wait_for(lambda: answers(mansio.port), what="a greeting")
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250
    mansio.wait_mail(1)


# ---- under load

def test_reloads_under_load_drop_no_session_and_no_message(mansio):
    """100 messages in 10 sessions while HUP comes ten times: all acknowledged, all delivered once."""
    failed, rounds = [], threading.Barrier(11)

    def client(worker):
        try:
            with mansio.connect() as session:
                rounds.wait(20)
                for number in range(10):
                    code, lines = send(session, worker * 10 + number, ehlo=None if number else "c.test")
                    if code != 250:
                        failed.append(lines)
                    time.sleep(0.02)                                 # spreads them over the reloads, waits for nothing
        except Exception as trouble:                                 # noqa: BLE001
            failed.append(repr(trouble))
    threads = [threading.Thread(target=client, args=(worker,)) for worker in range(10)]
    for thread in threads:
        thread.start()
    rounds.wait(20)
    for _ in range(10):
        reload(mansio)
    for thread in threads:
        thread.join(60)
    assert failed == []
    messages = mansio.wait_mail(100)
    numbers = sorted(int(re.search(rb"^Subject: (\d+)", message, re.M)[1]) for message in messages)
    assert numbers == list(range(100))
    mansio.wait_idle()
    assert len(mansio.maildir()) == 100
    assert mansio.log("paniclog") == ""


def test_many_hups_at_once_are_as_good_as_one(mansio):
    with mansio.connect() as client:
        client.command("EHLO c.test")
        for _ in range(50):
            mansio.signal(signal.SIGHUP)
        assert send(client, 1)[0] == 250
    mansio.wait_log("configuration reloaded")
    mansio.wait_mail(1)
    assert mansio.stop() == 0


# ---- logs and tables

@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_the_logs_are_opened_again(mansio, number):
    """As logrotate does it: move, signal, and nothing is lost or written to the old file."""
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250
        mansio.wait_log("Completed")
        log = mansio.directory / "log"
        (log / "mainlog").rename(log / "mainlog.1")
        mansio.signal(number)
        # A line of each kind that comes after the signal was handled is in the new file.
        wait_for(lambda: client.command("RCPT TO:<x>")[0] == 503 and send(client, 2, ("nobody@ex.test",))[0] == 550 and client.command("RSET")[0] == 250
                 and "nobody@ex.test" in mansio.log(), what="a line in the new file")
        old = (log / "mainlog.1").read_text()
        assert send(client, 3)[0] == 250
        mansio.wait_mail(2)
        mansio.wait_log("Completed")
        assert (log / "mainlog.1").read_text() == old


def test_tables_are_read_again(make_mansio):
    """The lists that the configuration names count after HUP, at the latest."""
    mansio = make_mansio(extra='aliases = "aliases";', relay_from='[ "file:friends" ]')
    change(mansio, 'local = [ "ex.test" ]', 'local = [ "ex.test", "file:domains" ]')
    for name in ("friends", "domains", "aliases"):
        (mansio.directory / name).write_text("# nothing yet\n")
    mansio.start()
    with mansio.connect() as client:
        assert send(client, 1, ("bob@listed.test",), ehlo="c.test")[0] == 550
        client.command("RSET")
        assert send(client, 1, ("info@ex.test",))[0] == 550
        client.command("RSET")
        (mansio.directory / "friends").write_text("127.0.0.0/8\n")
        (mansio.directory / "domains").write_text("listed.test\n")
        (mansio.directory / "aliases").write_text("info: bob\n")
        reload(mansio)
        assert send(client, 2, ("bob@listed.test",))[0] == 250
        assert send(client, 3, ("info@ex.test",))[0] == 250
    with mansio.connect() as client:
        assert send(client, 4, ("far@away.test",), ehlo="c.test")[0] == 250      # a friend now
    mansio.wait_mail(2)


def test_a_large_message_that_arrives_during_reloads_is_whole(mansio):
    content = b"Subject: large\r\n\r\n" + b"".join(b"%07d\r\n" % n for n in range(120_000))
    with mansio.connect() as client:
        client.command("EHLO c.test")
        assert client.command("MAIL FROM:<a@b.test>")[0] == 250
        assert client.command("RCPT TO:<bob@ex.test>")[0] == 250
        assert client.command("DATA")[0] == 354
        step = len(content) // 5
        for at in range(0, len(content), step):
            client.send(content[at:at + step])
            reload(mansio)
        client.send(b".\r\n")
        assert client.reply()[0] == 250
    [message] = mansio.wait_mail(1)
    assert body_of(message) == content
