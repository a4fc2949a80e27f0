"""Who may not log in, what that looks like from outside and in the log, and where credentials must not be found (R17, A8)."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from harness import MANSIOD, SENDMAIL, Raw, tool, wait_for
from login_house import (CLEAR, PASSWORDS, RELAY, SMTPS, SUBMIT, Scram, add_user, b64, end_point, house_at, plain, run)
from test_hostile import ONE_MESSAGE, SMUGGLED, all_replies
from test_log_tools import FILTER

INVALID = (535, ["535 5.7.8 authentication credentials invalid"])
TOO_MANY = (421, ["421 4.7.0 mx.ex.test closing: too many failed logins"])
MANY_TRIES = "tries = 100"
LETTER = b"Subject: x\r\n\r\nhello\r\n"
LOCKED = "locked:!\nstarred:*::::::\nempty:\nout:{PLAIN}out pw::::::nologin\nelsewhere:{PLAIN}net pw::::::allow_nets=192.0.2.0/24\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = house_at(tmp_path_factory.mktemp("refused") / "mansio", auth=MANY_TRIES, delay="0s",
                     listeners=', { address = "127.0.0.1"; port = 0; role = "submission"; tls = "required"; }')
    with open(house.users, "a") as out:
        out.write(LOCKED)
    with house:
        yield house


@pytest.fixture
def make_house(tmp_path):
    made = []

    def make(**settings):
        made.append(house_at(tmp_path / "mansio", **settings))
        return made[-1]
    yield make
    for each in made:
        each.kill()


BAD_LOGINS = {
    "wrong password": ("bob", "nope"), "another user's": ("bob", PASSWORDS["carol"]), "longer": ("bob", PASSWORDS["bob"] + "x"),
    "shorter": ("bob", PASSWORDS["bob"][:-1]), "unknown user": ("nobody", "nope"), "unknown domain": ("bob@far.test", PASSWORDS["bob"]),
    "locked by !": ("locked", "!"), "locked by *": ("starred", "*"), "no password at all": ("empty", "x"), "nologin": ("out", "out pw"),
    "from elsewhere": ("elsewhere", "net pw"), "the hash as password": ("alice", "{PLAIN}" + PASSWORDS["alice"]),
}


@pytest.mark.parametrize("why", BAD_LOGINS)
def test_all_that_is_wrong_gets_one_answer(house, why):
    user, password = BAD_LOGINS[why]
    with house.secured() as client:
        assert client.command("AUTH PLAIN " + plain(user, password)) == INVALID
        assert client.command("AUTH LOGIN " + b64(user))[0] == 334
        assert client.command(b64(password)) == INVALID
        code, lines = Scram(user, password).log_in(client)
        assert (code, lines) == INVALID
        assert Scram(user, password, end_point(client)).log_in(client, "SCRAM-SHA-256-PLUS") == INVALID
        assert client.command("MAIL FROM:<bob@ex.test>")[0] == 530
        assert client.command("AUTH PLAIN " + plain("carol", PASSWORDS["carol"]))[0] == 235      # nothing of it is left
    wanted = "".join(rf"\n.{{19}} {mechanism} authenticator failed for \(client\.test\) \[127\.0\.0\.1\]:\d+: 535 Incorrect authentication data \(set_id={re.escape(user)}\)"
                     for mechanism in ("PLAIN", "LOGIN", "SCRAM_SHA_256", "SCRAM_SHA_256_PLUS"))
    house.wait_log(wanted)


@pytest.mark.parametrize("mechanism, said, code", [
    ("PLAIN", "@@@@", 501), ("PLAIN", "=", 501), ("PLAIN", b64("bob"), 501), ("PLAIN", b64("\0bob\0"), 501), ("PLAIN", b64("\0\0x"), 501),
    ("PLAIN", b64("a\0b\0c\0d"), 501), ("PLAIN", plain("bob", PASSWORDS["bob"], "alice"), 535), ("PLAIN", b64("\0bob\0a\x00"), 501),
    ("PLAIN", plain("bob", "a\nb"), 501), ("PLAIN", "*", 501), ("LOGIN", "*", 501), ("CRAM-MD5", None, 504), ("NTLM", "=", 504), ("X" * 21, None, (501, 504)), ("", None, 501),
    ("EXTERNAL", "=", 504), ("XOAUTH2", "=", 504), ("PLAIN", plain("bob", PASSWORDS["bob"]) + " more", 501), ("SCRAM-SHA-256", b64("x,,"), 501),
])
def test_what_is_no_login_is_an_error(house, mechanism, said, code):
    """R-153, R-154."""
    with house.secured() as client:
        reply = client.command(f"AUTH {mechanism}" + (f" {said}" if said else ""))
        assert reply[0] in (code if isinstance(code, tuple) else (code,)), reply
        assert client.command("NOOP")[0] == 250


def test_the_dialogue(house):
    """R-151 to R-155."""
    with Raw(house.ports[SUBMIT]) as client:
        assert client.command("AUTH PLAIN " + plain("bob", PASSWORDS["bob"]))[0] in (503, 538)     # before EHLO
        code, lines = client.command("EHLO client.test")
        assert "250-AUTH SCRAM-SHA-256" in lines and "250-STARTTLS" in lines
        for mechanism in ("PLAIN " + plain("bob", PASSWORDS["bob"]), "LOGIN"):
            code, lines = client.command("AUTH " + mechanism)
            assert code == 538 and lines[0].startswith("538 5.7.11 ")
        assert client.command("MAIL FROM:<bob@ex.test>")[1][0] == "530 5.7.0 Authentication required"
        assert client.command("RCPT TO:<alice@ex.test>")[0] in (503, 530)
        assert client.command("QUIT")[0] == 221
    with house.secured() as client:
        assert client.command("MAIL FROM:<bob@ex.test>")[1][0] == "530 5.7.0 Authentication required"
        assert client.command("AUTH PLAIN") == (334, ["334 "])
        assert client.command("*")[0] == 501
        assert client.command("auth login") == (334, ["334 " + b64("Username:")])
        assert client.command(b64("bob")) == (334, ["334 " + b64("Password:")])
        assert client.command("A" * 16000)[0] == 500
        assert client.command("AUTH PLAIN") == (334, ["334 "])
        assert client.command(plain("bob", PASSWORDS["bob"])) == (235, ["235 2.7.0 authentication succeeded"])
        code, lines = client.command("AUTH PLAIN " + plain("bob", PASSWORDS["bob"]))
        assert code == 503
        assert client.command("MAIL FROM:<bob@ex.test>")[0] == 250
        assert client.command("AUTH LOGIN")[0] == 503
        assert client.command("RCPT TO:<alice@ex.test>")[0] == 250          # the transaction is still there
        code, lines = client.command("EHLO again.test")
        assert code == 250
        assert client.command("MAIL FROM:<bob@ex.test>")[0] == 250            # and so is who he is
    with house.log_in("bob") as client:
        assert client.command("STARTTLS")[0] in (502, 503)
    with Raw(house.ports[-1]) as client:                                      # tls = "required"
        code, lines = client.command("EHLO client.test")
        assert not any("AUTH" in line for line in lines)
        assert client.command("AUTH SCRAM-SHA-256 " + Scram("bob", "x").first())[0] == 530
        assert client.command("MAIL FROM:<bob@ex.test>")[0] == 530
    with Raw(house.ports[CLEAR]) as client:                                   # no AUTH here
        code, lines = client.command("EHLO client.test")
        assert not any("AUTH" in line for line in lines)
        assert client.command("AUTH PLAIN " + plain("bob", PASSWORDS["bob"]))[0] in (502, 503)


def test_three_tries_and_out_slower_each_time(make_house):
    house = make_house(delay="100ms").start()
    with house.secured() as client:
        begun = time.monotonic()
        client.send("".join(f"AUTH PLAIN {plain('bob', f'try {n}')}\r\n" for n in range(2)).encode())
        assert client.reply() == INVALID and client.reply() == INVALID
        client.send(b"AUTH LOGIN\r\n")
        assert client.reply()[0] == 334
        assert client.command(b64("nobody"))[0] == 334
        assert client.command(b64("x")) == INVALID
        assert client.reply() == TOO_MANY and client.reply() == (0, [])
        assert time.monotonic() - begun > 0.25      # 100 and 200 ms for bob at least, less what timers are off
    wait_for(lambda: re.findall(r"set_id=(\w+)", house.log()) == ["bob", "bob", "nobody"], what="the three failures; " + house.log())
    with house.log_in("bob") as client:              # who knows the password is not kept out
        assert client.command("NOOP")[0] == 250


def test_others_are_served_while_a_failure_waits(make_house):
    house = make_house(delay="16s").start()
    with house.secured() as slow, house.secured() as quick:
        slow.send(f"AUTH PLAIN {plain('bob', 'x')}\r\n".encode())
        house.wait_log("authenticator failed")
        assert quick.command("AUTH PLAIN " + plain("alice", PASSWORDS["alice"]))[0] == 235
        assert quick.transaction("quick@ex.test", ["alice@ex.test"], LETTER)[0] == 250
    house.wait_mail(1, "alice")


def test_fail2ban_finds_every_failure_and_nothing_else(make_house):
    house = make_house(auth=MANY_TRIES, delay="0s").start()
    users = ["bob", "nobody", "x) [192.0.2.9]: 535", "a b\u00e4", "%n'\";"]
    with house.secured() as client:
        for user in users:
            assert client.command("AUTH PLAIN " + plain(user, "x")) == INVALID
        assert client.command("AUTH PLAIN " + plain("bob", PASSWORDS["bob"]))[0] == 235
        assert client.transaction("bob@ex.test", ["alice@ex.test"], LETTER)[0] == 250
        client.command("QUIT")
    house.wait_mail(1, "alice")
    house.wait_log(" Completed ")
    out = run(tool("fail2ban-regex"), "--print-all-matched", "--verbose", house.directory / "log" / "mainlog", FILTER, env={**os.environ, "TZ": time.tzname[0]}).decode()
    matched = re.findall(r"^\|  (\d{4}-.*)$", out.split("Matched line(s):")[1].split("`-")[0], re.M)
    assert len(matched) == len(users) and all("authenticator failed" in line for line in matched), out[-3000:]
    assert set(re.findall(r"^\|\s+(\d+\.\d+\.\d+\.\d+)\s", out, re.M)) == {"127.0.0.1"}


# ---- what a login opens, and what not

def test_a_relay_is_open_to_those_who_logged_in(house):
    far = "x@far.test"
    with house.secured(RELAY) as client:
        code, lines = client.transaction("s@ex.test", [far], LETTER, ehlo=None)
        assert code == 550 and lines[0].startswith("550 5.7.1")
        client.command("RSET")
        assert client.command("AUTH PLAIN " + plain("bob", "wrong"))[0] == 535
        assert client.transaction("s@ex.test", [far], LETTER, ehlo=None)[0] == 550
        client.command("RSET")
        assert client.command("AUTH PLAIN " + plain("bob", PASSWORDS["bob"]))[0] == 235
        code, lines = client.transaction("relayed@ex.test", [far], LETTER, ehlo=None)
        assert code == 250, lines
    assert " A=PLAIN:bob " in house.arrival("relayed@ex.test")
    id = re.search(r"queued as (\S+)", lines[0])[1]
    with house.secured(RELAY) as client:           # the next connection is nobody's again
        assert client.transaction("s@ex.test", [far], LETTER, ehlo=None)[0] == 550
    with house.connect() as client:                # mail for here needs no login on a relay
        assert client.transaction("local@b.test", ["alice@ex.test"], LETTER)[0] == 250
    content = subprocess.run([str(SENDMAIL), "-C", str(house.config), "-bp", "--json"], capture_output=True, text=True, timeout=60).stdout
    assert id in content


@pytest.mark.parametrize("variant", ONE_MESSAGE, ids=repr)
def test_s071_only_crlf_dot_crlf_ends_a_message_of_somebody_who_logged_in(house, variant):
    with house.log_in("bob", SMTPS) as client:
        client.send(b"MAIL FROM:<bob@ex.test>\r\nRCPT TO:<carol@ex.test>\r\n")
        assert [client.reply()[0] for _ in range(2)] == [250, 250]
        assert client.command("DATA")[0] == 354
        before = len(house.maildir("carol"))
        client.send(b"From: bob@ex.test\r\nSubject: first\r\n\r\nbody" + variant + SMUGGLED + b"\r\n.\r\nQUIT\r\n")
        codes = all_replies(client)
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", b"body" + variant + b"M")
    assert codes == [550 if bare else 250, 221]
    if not bare:
        house.wait_mail(before + 1, "carol")
    assert "<= smug@evil.test" not in house.log()


@pytest.mark.parametrize("logged_in", [False, True])
def test_s011_the_parameter_auth_makes_no_lines(make_house, logged_in):
    house = make_house().start()
    accepted = 0
    with (house.log_in("bob", RELAY) if logged_in else house.secured(RELAY)) as client:
        for number, value in enumerate(("x+0AX", "x+0D+0AX-Evil:+20y", "e+3Dmc2@ex.test", "<>", "+0A", "x+00y", "x+", "x+0", "x+GG", "a b")):
            sender = f"s011-{number}@ex.test"
            code, lines = client.command(f"MAIL FROM:<{sender}> AUTH={value}")
            assert code in (250, 501, 555), lines
            if code == 250:
                assert client.command("RCPT TO:<alice@ex.test>")[0] == 250
                if logged_in:
                    assert client.command("RCPT TO:<x@far.test>")[0] == 250       # stays in the queue
                assert client.command("DATA")[0] == 354
                assert client.command(b"Subject: x\r\n\r\nhello\r\n.")[0] == 250
                accepted += 1
            else:
                client.command("RSET")
    assert accepted >= 2
    house.wait_mail(accepted, "alice")
    if not logged_in:
        house.wait_idle()
    before = sorted(entry["id"] for entry in house.queue())
    house.stop()
    assert not re.search(r"^X", house.log(), re.M)
    house.start()
    wait_for(lambda: house.list_queue()[1], what="the whole queue")
    assert sorted(entry["id"] for entry in house.queue()) == before and len(before) == (accepted if logged_in else 0)
    for raw in house.maildir("alice"):
        assert b"\nX" not in raw and raw.endswith(b"hello\n")
    assert house.log("paniclog") == ""


# ---- where credentials are not

def traces(password, user):
    """What a password looks like on its ways."""
    forms = {password, b64(password), plain(user, password), plain(user, password, user), json.dumps(password)[1:-1]}
    return [form.encode() for form in forms]


def test_credentials_are_found_nowhere(make_house):
    house = make_house(auth=MANY_TRIES, delay="0s").start()
    wrong = "wr0ng-Secret-77"
    for user, password in PASSWORDS.items():
        for listener in (SUBMIT, SMTPS):
            for given in (password, wrong):
                with house.secured(listener) as client:
                    client.command("AUTH PLAIN " + plain(user, given))
                with house.secured(listener) as client:
                    client.command("AUTH LOGIN " + b64(user))
                    client.command(b64(given))
                with house.secured(listener) as client:
                    Scram(user, given).log_in(client)
    with Raw(house.ports[SUBMIT]) as client:                  # not encrypted, refused, cut short, out of turn, too long
        client.command("AUTH PLAIN " + plain("bob", wrong))
        client.command("EHLO client.test")
        client.command("AUTH PLAIN " + plain("bob", wrong))
        client.command("AUTH LOGIN")
        client.command(b64(wrong))
        client.command("AUTH PLAIN " + plain("bob", wrong) + " " + plain("bob", wrong))
        client.command("AUTH XUNKNOWN " + plain("bob", wrong))
    with house.secured() as client:
        client.command("AUTH LOGIN " + plain("bob", wrong) + "=@")
        client.command(b64(wrong) + "@")
        client.command("AUTH PLAIN " + plain("bob", wrong) + "A" * 13000)
        client.send(b"AUTH PLAIN " + plain("bob", wrong).encode())
    with house.log_in("bob") as client:
        assert client.transaction("bob@ex.test", ["alice@ex.test"], LETTER)[0] == 250
        client.command("AUTH PLAIN " + plain("bob", wrong))
    with house.secured(SUBMIT) as client:                     # he took the name's prompt for the password's
        client.command("AUTH LOGIN")
        client.command(b64("bob"))
        client.command("AUTH PLAIN " + plain("bob", wrong))
    house.wait_mail(1, "alice")
    printed = subprocess.run([str(MANSIOD), "check", "--print", "--config", str(house.config)], capture_output=True, timeout=30)
    assert printed.returncode == 0 and b"passwd-file" in printed.stdout
    hashes = [line.split(":")[1] for line in house.users.read_text().splitlines() if "SCRAM" in line]
    secrets = [form for user, password in PASSWORDS.items() for form in traces(password, user)] + traces(wrong, "bob")
    secrets += [entry.split("}")[1].encode() for entry in hashes] + [entry.rsplit(",", 1)[1].encode() for entry in hashes]
    key = (house.authority.directory / "mx.key").read_bytes().splitlines()[1]
    house.stop()
    looked_at = 0
    for path in house.directory.rglob("*"):
        if path == house.users or house.authority.directory in path.parents or not path.is_file():
            continue
        looked_at += 1
        found = [secret for secret in [*secrets, key] if secret in path.read_bytes()]
        assert not found, (path, found)
    assert looked_at > 3
    assert not [secret for secret in [*secrets, key] if secret in printed.stdout + printed.stderr]


def test_no_process_that_knows_credentials_leaves_a_core_or_shows_its_memory(make_house):
    house = make_house().start()
    with house.log_in("bob"):
        pids = {"parent": house.parent_pid(), **house.children()}
        for title, pid in pids.items():
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            assert any(line.split()[:5] == ["Max", "core", "file", "size", "0"] for line in limits.splitlines()), (title, limits)
            for name in ("cmdline", "environ"):
                try:
                    shown = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
                except PermissionError:
                    continue
                assert not any(form in shown for user in PASSWORDS for form in traces(PASSWORDS[user], user)), title
        # Not dumpable: then the kernel gives /proc/PID/* to root, whoever the process is, and others may not trace it.
        if os.geteuid() != 0:
            assert os.stat(f"/proc/{house.mail_pid()}/environ").st_uid == 0
            with pytest.raises(PermissionError):
                open(f"/proc/{house.mail_pid()}/mem", "rb").read(1)


# ---- the users file changes

def logs_in(house, user, password):
    with house.secured(SMTPS) as client:
        return client.command("AUTH PLAIN " + plain(user, password))[0] == 235


def test_changes_of_the_users_file_are_taken_without_a_restart(make_house):
    house = make_house(auth=MANY_TRIES, delay="0s").start()
    pid = house.mail_pid()
    assert logs_in(house, "bob", PASSWORDS["bob"]) and not logs_in(house, "new", "new pw")
    with house.log_in("bob") as staying:
        add_user(house.users, "new", "new pw")
        add_user(house.users, "bob", "another")
        wait_for(lambda: logs_in(house, "new", "new pw"), what="the new user")
        assert logs_in(house, "bob", "another") and not logs_in(house, "bob", PASSWORDS["bob"])
        assert staying.transaction("staying@ex.test", ["alice@ex.test"], LETTER, ehlo=None)[0] == 250
    house.users.write_text("\n".join(line for line in house.users.read_text().splitlines() if not line.startswith("new:")) + "\n")
    wait_for(lambda: not logs_in(house, "new", "new pw"), what="the end of the new user")
    assert logs_in(house, "alice", PASSWORDS["alice"])
    assert house.mail_pid() == pid and house.log("paniclog") == ""


@pytest.mark.parametrize("spoil, said", [
    (lambda path: path.write_text(""), "nobody could log in any more: what it held before stays in use"),
    (lambda path: path.write_text("# nobody\nbob:!\nalice:{NOSUCH}x\n"), "nobody could log in any more: what it held before stays in use"),
    (lambda path: path.chmod(0o644), r"everybody may read it \(mode 0644\): chmod o-rwx"),
    (lambda path: path.unlink(), "[Nn]o such file"),
    (lambda path: (path.unlink(), path.mkdir()), "it is no regular file"),
], ids=["emptied", "all locked", "readable", "gone", "a directory"])
def test_a_users_file_that_can_not_be_used_keeps_the_old_one_and_says_so(make_house, spoil, said):
    house = make_house(auth=MANY_TRIES, delay="0s").start()
    text = house.users.read_text()
    spoil(house.users)
    house.wait_log(rf"users: .*{said}", "paniclog")
    assert logs_in(house, "bob", PASSWORDS["bob"]) and logs_in(house, "alice", PASSWORDS["alice"])
    house.signal(signal.SIGHUP)
    house.wait_log("configuration reloaded|reload")
    assert logs_in(house, "bob", PASSWORDS["bob"])
    if house.users.is_dir():
        house.users.rmdir()
    fresh = house.users.with_name("fresh")
    fresh.write_text(text + "late:{PLAIN}late pw\n")
    fresh.chmod(0o600)
    os.replace(fresh, house.users)
    wait_for(lambda: logs_in(house, "late", "late pw"), what="the mended file")


@pytest.mark.parametrize("mode, said", [(0o644, r"auth\.users: \S*users: everybody may read it \(mode 0644\): chmod o-rwx"),
                                        (0o660, r"auth\.users: \S*users: others may change it")])
def test_with_a_loose_mode_nobody_logs_in_from_the_start(make_house, mode, said):
    house = make_house(delay="0s")
    house.users.chmod(mode)
    checked = subprocess.run([str(MANSIOD), "check", "--config", str(house.config)], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 78 and re.search(said, checked.stderr), checked.stderr
    house.start()
    house.wait_log(said, "paniclog")
    with house.secured(SMTPS) as client:
        assert client.command("AUTH PLAIN " + plain("bob", PASSWORDS["bob"]))[0] == 502
        assert client.command("MAIL FROM:<bob@ex.test>")[1] == ["454 4.7.0 temporary authentication failure"]
    with house.connect() as client:                # mail from outside does not depend on it
        assert client.transaction("a@b.test", ["alice@ex.test"], LETTER)[0] == 250
    house.users.chmod(0o600)
    wait_for(lambda: logs_in(house, "bob", PASSWORDS["bob"]), what="the mended file")
