"""Programs that people use deliver through mansiod, and programs that people read with find what was sent.

One daemon serves the whole file; each test knows its message by a subject of its own.
"""
import email
import email.policy
import mailbox
import os
import pty
import pwd
import select
import shutil
import smtplib
import subprocess
import tempfile
from email.message import EmailMessage

import pytest

from harness import SENDMAIL, Mansio, body_of, tool, wait_for

USERS = '[ "bob", "alice", "carol", "dörte" ]'
MBOX_ROUTE = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; role = "relay"; } );
domains = { local = [ "ex.test", "mbox.test" ]; };
relay_from = [ "192.0.2.0/24" ];
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; file = { kind = "mbox"; path = "mail/{local}.mbox"; }; };
routes = (
  { name = "file"; domains = [ "mbox.test" ]; users = %(users)s; transport = "file"; },
  { name = "local"; domains = [ "ex.test" ]; users = %(users)s; transport = "mailbox"; }
);
""" % dict(users=USERS)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with Mansio(tmp_path_factory.mktemp("clients") / "mansio", config=MBOX_ROUTE) as mansio:
        yield mansio


@pytest.fixture
def home(tmp_path):
    """An environment in which no client finds settings of the caller's."""
    return {"HOME": str(tmp_path), "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin", "USER": "tester",
            "LOGNAME": "tester", "LANG": "C.UTF-8", "TERM": "xterm", "MAILRC": "/dev/null", "EMAIL": "me@b.test"}


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=60, **more)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def arrived(house, subject, user="bob", count=1):
    """The messages with that subject in a user's Maildir, parsed."""
    def matching():
        parsed = [email.message_from_bytes(raw, policy=email.policy.default) for raw in house.maildir(user)]
        found = [message for message in parsed if message["Subject"] == subject]
        return found if len(found) >= count else None
    found = wait_for(matching, what=f"{subject!r} for {user}; log:\n{house.log()[-2000:]}")
    assert len(found) == count
    return found[0] if count == 1 else found


def wrapper(house, tmp_path):
    """Our sendmail as a program without options of its own, for clients that call one."""
    script = tmp_path / "sendmail"
    script.write_text(f'#!/bin/sh\nexec "{SENDMAIL}" -C "{house.config}" "$@"\n')
    script.chmod(0o755)
    return script


# ---- senders


def test_swaks_delivers_a_message_with_an_attachment(house, home, tmp_path):
    attached = bytes(range(256)) * 20
    (tmp_path / "data.bin").write_bytes(attached)
    out = run(tool("swaks"), "--server", f"127.0.0.1:{house.port}", "--from", "a@b.test", "--to", "bob@ex.test,alice@ex.test",
              "--header", "Subject: from swaks", "--body", ".starts with a dot\n..and two\n", "--attach", f"@{tmp_path}/data.bin",
              env=home, cwd=tmp_path)
    assert b"queued as" in out
    for user in ("bob", "alice"):
        message = arrived(house, "from swaks", user)
        parts = [part for part in message.walk() if not part.is_multipart()]
        assert parts[0].get_content().startswith(".starts with a dot\n..and two\n")
        assert parts[1].get_payload(decode=True) == attached
        assert message["Return-Path"] == "<a@b.test>"


def test_swaks_with_pipelining_is_refused_for_an_unknown_user(house, home, tmp_path):
    done = subprocess.run([tool("swaks"), "--server", f"127.0.0.1:{house.port}", "--pipeline", "--from", "a@b.test", "--to", "nobody@ex.test"],
                          env=home, cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 24, done.stdout       # swaks: no recipient was accepted
    assert b"550 5.1.1" in done.stdout


def test_smtplib_sends_several_messages_in_one_connection(house):
    with smtplib.SMTP("127.0.0.1", house.port, timeout=20) as client:
        for i in range(3):
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "a@b.test", "bob@ex.test", "from smtplib"
            message.set_content(f"line {i}\n.\nend\n")
            assert client.send_message(message) == {}
    found = arrived(house, "from smtplib", count=3)
    assert sorted(message.get_content() for message in found) == [f"line {i}\n.\nend\n" for i in range(3)]


def test_smtplib_delivers_to_an_international_address(house):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "jürgen@b.test", "dörte@ex.test", "Grüße von smtplib"
    message.set_content("schöne Grüße\n", cte="8bit")
    with smtplib.SMTP("127.0.0.1", house.port, timeout=20) as client:
        client.send_message(message)
    found = arrived(house, "Grüße von smtplib", "dörte")
    assert found.get_content() == "schöne Grüße\n"
    assert found["Return-Path"] == "<jürgen@b.test>"
    assert "with UTF8SMTP" in found["Received"]


def test_msmtp_delivers(house, home, tmp_path):
    text = b"From: a@b.test\nTo: bob@ex.test\nSubject: from msmtp\n\n.\nbody\n"
    run(tool("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={house.port}", "--from=a@b.test", "--auth=off", "--tls=off",
        "bob@ex.test", input=text, env=home, cwd=tmp_path)
    assert arrived(house, "from msmtp").get_content() == ".\nbody\n"


def test_mail_delivers_over_smtp(house, home, tmp_path):
    run(tool("s-nail"), "-n", "-S", "v15-compat", "-S", f"mta=smtp://127.0.0.1:{house.port}", "-S", "smtp-auth=none",
        "-S", "from=me@b.test", "-s", "from mail by smtp", "bob@ex.test", input=b"hello\n.\n..x\n", env=home, cwd=tmp_path)
    assert arrived(house, "from mail by smtp").get_content() == "hello\n.\n..x\n"


def test_mail_delivers_through_sendmail(house, home, tmp_path):
    run(tool("s-nail"), "-n", "-S", "v15-compat", "-S", f"mta={wrapper(house, tmp_path)}", "-S", "from=me@b.test",
        "-s", "from mail by sendmail", "-c", "alice@ex.test", "bob@ex.test", input=b"hello\n.\nlast\n", env=home, cwd=tmp_path)
    for user in ("bob", "alice"):
        assert arrived(house, "from mail by sendmail", user).get_content() == "hello\n.\nlast\n"


@pytest.fixture
def patch(home, tmp_path):
    """One commit of a repository as git format-patch writes it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    git = [tool("git"), "-c", "user.name=A U Thor", "-c", "user.email=a@b.test"]
    run(*git, "init", "-q", env=home, cwd=tree)
    (tree / "file").write_text(".\n..\nFrom here\nümlaut\n")
    run(*git, "add", "file", env=home, cwd=tree)
    run(*git, "commit", "-q", "-m", "A file with dots", env=home, cwd=tree)
    run(*git, "format-patch", "-q", "-1", "-o", tmp_path / "out", env=home, cwd=tree)
    [path] = (tmp_path / "out").iterdir()
    return tree, path


def send_patch(home, tree, path, *options):
    tool("git-send-email")
    run(tool("git"), "send-email", "--from=a@b.test", "--to=bob@ex.test", "--confirm=never", "--suppress-cc=all", "--quiet", "--8bit-encoding=UTF-8", *options, path,
        env=home, cwd=tree)


@pytest.mark.parametrize("way", ["smtp", "sendmail"])
def test_git_send_email_delivers_a_patch_that_applies(house, home, tmp_path, patch, way):
    tree, path = patch
    if way == "smtp":
        send_patch(home, tree, path, "--smtp-server=127.0.0.1", f"--smtp-server-port={house.port}", "--smtp-domain=client.test")
    else:
        send_patch(home, tree, path, f"--smtp-server={wrapper(house, tmp_path)}")
    wait_for(lambda: any(way_of(raw) == way and b"A file with dots" in raw for raw in house.maildir()), what="the patch; " + house.log()[-2000:])
    [raw] = [raw for raw in house.maildir() if b"A file with dots" in raw and way_of(raw) == way]
    other = tmp_path / "other"
    other.mkdir()
    run(tool("git"), "init", "-q", env=home, cwd=other)
    run(tool("git"), "-c", "user.name=b", "-c", "user.email=b@b.test", "am", "-q", input=raw, env=home, cwd=other)
    assert (other / "file").read_text() == ".\n..\nFrom here\nümlaut\n"


def way_of(raw):
    return "smtp" if b"\n\tby mx.ex.test with ESMTP id " in raw else "sendmail"


def test_curl_delivers(house, home, tmp_path):
    (tmp_path / "message").write_bytes(b"From: a@b.test\r\nTo: bob@ex.test\r\nSubject: from curl\r\n\r\n.\r\nbody\r\n")
    run(tool("curl"), "-sS", f"smtp://127.0.0.1:{house.port}/client.test", "--mail-from", "a@b.test", "--mail-rcpt", "bob@ex.test",
        "--upload-file", tmp_path / "message", env=home, cwd=tmp_path)
    assert arrived(house, "from curl").get_content() == ".\nbody\n"


def test_mutt_delivers_through_sendmail(house, home, tmp_path):
    (tmp_path / "bild.bin").write_bytes(bytes(range(256)))
    run(tool("mutt"), "-n", "-F", "/dev/null", "-e", f"set sendmail='{wrapper(house, tmp_path)} -oi' from=me@b.test use_from copy=no",
        "-s", "from mutt", "-a", tmp_path / "bild.bin", "--", "bob@ex.test", input="schöne Grüße\n".encode(), env=home, cwd=tmp_path)
    text, attached = arrived(house, "from mutt").iter_parts()
    assert text.get_content() == "schöne Grüße\n"
    assert attached.get_payload(decode=True) == bytes(range(256))


def test_a_whole_session_in_one_segment_is_answered_in_step(house):
    content = b"Subject: pipelined\r\n\r\n.\r\nx\r\n"
    with house.connect() as client:
        client.send(b"EHLO client.test\r\n")
        assert client.reply()[0] == 250
        client.send(b"MAIL FROM:<a@b.test>\r\nRCPT TO:<bob@ex.test>\r\nRCPT TO:<nobody@ex.test>\r\nRCPT TO:<alice@ex.test>\r\nDATA\r\n")
        assert [client.reply()[0] for _ in range(5)] == [250, 250, 550, 250, 354]
        client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\nMAIL FROM:<a@b.test>\r\nRSET\r\nQUIT\r\n")
        assert [client.reply()[0] for _ in range(5)] == [250, 250, 250, 221, 0]
    for user in ("bob", "alice"):
        assert arrived(house, "pipelined", user).get_content() == ".\nx\n"


# ---- readers

BODIES = ["plain\n", "From the start\n>From quoted already\n\nFrom after an empty line\n", ".\n..\n", "last line without more\n\n"]


@pytest.fixture(scope="module")
def read_by_all(house):
    """The same messages in carol's Maildir and in her mbox."""
    with house.connect() as client:
        for i, body in enumerate(BODIES):
            content = f"From: a@b.test\nTo: carol@ex.test\nSubject: to be read {i}\nMessage-ID: <{i}@b.test>\n\n{body}".replace("\n", "\r\n").encode()
            code, lines = client.transaction(f"sender{i}@b.test", ["carol@ex.test", "carol@mbox.test"], content, ehlo="client.test" if i == 0 else None)
            assert code == 250, lines
            # One after the other, so that the mbox has them in this order.
            house.wait_log(rf"-> carol@mbox.test .*F=<sender{i}@b.test>|=> carol@mbox.test .*F=<sender{i}@b.test>")
            house.wait_mail(i + 1, "carol")
    wait_for(lambda: (house.mail / "carol.mbox").read_bytes().count(b"\nSubject: to be read") == len(BODIES), what="the mbox")
    return house.mail / "carol", house.mail / "carol.mbox"


def test_the_mailbox_module_of_python_reads_the_maildir(read_by_all):
    box = mailbox.Maildir(str(read_by_all[0]), create=False)
    found = {message["Subject"]: message.get_payload() for message in box}
    assert found == {f"to be read {i}": body for i, body in enumerate(BODIES)}


def test_the_mailbox_module_of_python_reads_the_mbox(read_by_all):
    box = mailbox.mbox(str(read_by_all[1]), create=False)
    messages = list(box)
    assert [message["Subject"] for message in messages] == [f"to be read {i}" for i in range(len(BODIES))]
    assert [message.get_from().split()[0] for message in messages] == [f"sender{i}@b.test" for i in range(len(BODIES))]
    quoted = [body.replace("\n>From ", "\n>>From ").replace("\nFrom ", "\n>From ") for body in BODIES]
    quoted[1] = ">" + quoted[1]
    assert [message.get_payload() for message in messages] == quoted


def at_a_screen(words, **more):
    """Runs a program that wants a terminal; what it wrote there."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, **more)
    os.close(terminal)
    shown = b""
    try:
        while select.select([controller], [], [], 20)[0]:
            shown += os.read(controller, 65536)
        process.kill()                              # silent for so long: it waits for somebody at the keys
    except OSError:
        pass                                        # EIO: it ended
    finally:
        os.close(controller)
    assert process.wait(timeout=20) == 0, shown
    return shown


@pytest.mark.parametrize("kind", [0, 1], ids=["maildir", "mbox"])
def test_mutt_reads_every_message(read_by_all, home, tmp_path, kind):
    out = tmp_path / "out"
    box = tmp_path / "box"                           # a copy: mutt notes what was read
    shutil.copytree(read_by_all[0], box) if kind == 0 else shutil.copyfile(read_by_all[1], box)
    settings = "set confirmcreate=no confirmappend=no mbox_type=mbox sort=mailbox-order quit=yes move=no mark_old=no"
    for number in range(1, len(BODIES) + 1):
        keys = f'push "{number}<enter><copy-message>{out}<enter><quit>"'
        shown = at_a_screen([tool("mutt"), "-n", "-F", "/dev/null", "-f", str(box), "-e", settings, "-e", keys], env=home, cwd=tmp_path)
    text = out.read_bytes()
    for i, body in enumerate(BODIES):
        assert text.count(b"\nSubject: to be read %d\n" % i) == 1, shown
        assert all(line.encode() in text for line in body.splitlines())


def test_dovecot_reads_the_maildir(read_by_all):
    doveadm = tool("doveadm")
    with tempfile.TemporaryDirectory(prefix="mansio-dovecot-") as place:
        box, who = f"{place}/box", {}
        shutil.copytree(read_by_all[0], box)
        if os.geteuid() == 0:                        # Dovecot never reads mail as root
            who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            run("chown", "-R", "nobody:nogroup", place)
        with open(f"{place}/dovecot.conf", "w") as config:
            config.write(f"base_dir = {place}/run\nlog_path = {place}/log\nssl = no\nprotocols =\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n"
                         f"mail_location = maildir:{box}:INDEX=MEMORY\n")
        uid = pwd.getpwnam("nobody").pw_uid if who else os.geteuid()
        env = {"PATH": "/usr/bin:/usr/sbin", "HOME": place, "USER": pwd.getpwuid(uid).pw_name}
        out = run(doveadm, "-c", f"{place}/dovecot.conf", "-f", "flow", "fetch", "hdr.subject body", "ALL", env=env, **who)
    for i, body in enumerate(BODIES):
        assert out.count(b"hdr.subject=to be read %d" % i) == 1, out
        assert body.encode() in out.replace(b"\r\n", b"\n")


def test_nothing_went_wrong_meanwhile(house):
    assert house.log("paniclog") == ""
    assert house.queue() == []
