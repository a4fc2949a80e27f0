"""Pickup directories: files that programs put there are sent, once and whole; what can't be sent is badmail; nobody sends
another's files. The odd-numbered cases of A16 (S-175 to S-185)."""
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness import wait_for
from system_users import IS_ROOT, as_user, make_system, needs_root, public_path, users  # noqa: F401

LETTER = b"From: anna@a.test\nTo: bob@ex.test\nSubject: hello\n\nhello\n"


def setting(directory, more=""):
    return f'pickup = ( {{ directory = "{directory}"; settle = "300ms"; {more} }} );'


@pytest.fixture
def out(make_mansio):
    """A daemon with a pickup directory, `out.pickup`."""
    daemon = make_mansio(extra=setting("pickup") + 'trusted_users = [ "nobody" ];')
    daemon.pickup = daemon.directory / "pickup"
    return daemon.start()


def drop(directory, name, content):
    """Under another name, then renamed: as a careful program does it."""
    directory = pathlib.Path(directory)
    temporary = directory / f".{os.getpid()}.{threading.get_ident()}.{time.monotonic_ns()}"
    temporary.write_bytes(content)
    temporary.rename(directory / name)


def waiting(directory):
    return sorted(path.name for path in pathlib.Path(directory).iterdir() if path.name != ".mansio")


def gone(directory):
    return wait_for(lambda: not waiting(directory), what=f"an empty directory, not {waiting(directory)}")


def badmail(daemon):
    """{id: (content, reason)} of those that are whole: the reason is written last."""
    found = {}
    for path in (daemon.directory / "spool" / "badmail").glob("*.eml"):
        try:
            found[path.stem] = path.read_bytes(), path.with_suffix(".reason").read_text()
        except FileNotFoundError:
            pass
    return found


def fields(message):
    """The header's lines, unfolded, of a message as a mailbox holds it."""
    head = re.sub(rb"\n[ \t]+", b" ", message.partition(b"\n\n")[0])
    return head.decode().split("\n")


def test_a_letter_is_sent_to_those_its_header_names_and_bcc_is_not_sent(out):
    drop(out.pickup, "letter.eml", b"From: anna@a.test\r\nTo: bob@ex.test\r\nCc: alice\r\nBcc: carol@ex.test\r\nSubject: x\r\n\r\nbody\r\n.\r\n..two\r\n")
    for user in ("bob", "alice", "carol"):
        [message] = out.wait_mail(1, user)
        lines = fields(message)
        assert lines[0] == "Return-Path: <anna@a.test>"
        assert message.endswith(b"\n\nbody\n.\n..two\n")
        assert not [line for line in lines if line.lower().startswith("bcc")] and b"carol" not in message.replace(b"Delivered-To: carol@ex.test", b"")
        assert [line for line in lines if line.startswith("Date: ")] and [line for line in lines if line.startswith("Message-ID: <")]
        assert "Cc: alice@ex.test" in lines
    gone(out.pickup)
    out.wait_log(r' <= anna@a\.test U=\S+ P=pickup S=\d+ ')
    out.wait_log(r' was "letter\.eml" in \S+/pickup$')
    assert out.log("paniclog") == ""


def test_x_lines_come_before_the_header_and_are_not_sent(out):
    text = b"x-sender: <bounces@a.test>\r\nx-receiver: alice@ex.test\r\nX-Receiver: carol@ex.test\r\nFrom: anna@a.test\r\nTo: list@a.test\r\nSubject: x\r\n\r\nbody\r\n"
    (out.pickup / "a.txt").write_bytes(text)
    for user in ("alice", "carol"):
        [message] = out.wait_mail(1, user)
        assert fields(message)[0] == "Return-Path: <bounces@a.test>"
        assert b"x-receiver" not in message.lower() and b"x-sender" not in message.lower() and b"To: list@a.test" in message
    assert out.maildir("bob") == []


def test_8bit_and_utf8_addresses_are_taken_as_they_are(out):
    (out.pickup / "8").write_bytes("\ufeffX-Receiver: bob@ex.test\nSubject: gr\u00fc\u00dfe\nFrom: anna@a.test\n\nZw\u00f6lf\n".encode())
    [message] = out.wait_mail(1)
    assert message.endswith("\n\nZwölf\n".encode()) and "Subject: grüße".encode() in message


def test_a_half_written_file_is_not_taken(out):
    with open(out.pickup / "slow.eml", "wb") as file:
        for piece in (b"From: anna@a.test\nTo: bob@ex.test\n", b"Subject: x\n\n", b"one\n", b"two\n", b"three\n"):
            file.write(piece)
            file.flush()
            time.sleep(0.15)
            assert waiting(out.pickup) == ["slow.eml"]
    [message] = out.wait_mail(1)
    assert message.endswith(b"\n\none\ntwo\nthree\n")


def test_a_file_that_is_never_closed_counts_as_whole_when_it_rests(out):
    with open(out.pickup / "open.eml", "wb") as file:
        file.write(LETTER)
        file.flush()
        assert len(out.wait_mail(1)) == 1


def test_names_of_files_that_are_being_written_are_left_until_they_are_renamed(out):
    for name in (".hidden.eml", "a.tmp", "b.eml.part", "c~", ".d.swp"):
        (out.pickup / name).write_bytes(LETTER)
    (out.pickup / "last.eml").write_bytes(LETTER)
    out.wait_mail(1)
    time.sleep(0.5)                            # longer than settle
    assert waiting(out.pickup) == [".d.swp", ".hidden.eml", "a.tmp", "b.eml.part", "c~"]
    (out.pickup / "a.tmp").rename(out.pickup / "a.eml")
    assert len(out.wait_mail(2)) == 2


def test_what_was_there_before_the_start_is_sent(make_mansio):
    daemon = make_mansio(extra=setting("pickup"))
    (daemon.directory / "pickup").mkdir(mode=0o700)
    for number in range(3):
        (daemon.directory / "pickup" / f"{number}.eml").write_bytes(LETTER)
    daemon.start()
    assert len(daemon.wait_mail(3)) == 3


def test_other_kinds_of_files_stay_and_are_told_once(out):                  # S-175
    secret = out.directory / "secret"
    secret.write_bytes(LETTER)
    (out.pickup / "link").symlink_to(secret)
    (out.pickup / "dangling").symlink_to("/nowhere")
    (out.pickup / "memory").symlink_to("/proc/self/mem")
    os.mkfifo(out.pickup / "fifo")
    (out.pickup / "directory").mkdir()
    (out.pickup / "directory" / "inner.eml").write_bytes(LETTER)
    os.link(secret, out.pickup / "hard")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(out.pickup / "socket"))
    (out.pickup / "good.eml").write_bytes(LETTER)
    assert len(out.wait_mail(1)) == 1
    names = ("link", "dangling", "memory", "fifo", "directory", "hard", "socket")
    for name in names:
        out.wait_log(f'"{name}" in .* is not taken and stays there', "paniclog")
    # Walked through again: nothing is told a second time.
    out.ctl("reload")
    (out.pickup / "again.eml").write_bytes(LETTER)
    assert len(out.wait_mail(2)) == 2
    for name in names:
        assert out.log("paniclog").count(f'"{name}" in ') == 1
    assert waiting(out.pickup) == sorted(names) and secret.read_bytes() == LETTER


def test_what_is_no_letter_becomes_badmail_and_the_others_go_out(out):      # S-177
    broken = {
        "empty": (b"", "empty"),
        "noise": (bytes(range(256)) * 16, "NUL"),
        "prose": (b"Dear all,\n\nhello\n", "no header"),
        "nobody": (b"From: anna@a.test\n\nhello\n", "no recipients"),
        "address": (b"From: anna@a.test\nTo: <bob@ex.test\n\nhello\n", "To: "),
        "two": (b"X-Sender: a@a.test\nX-Sender: b@a.test\nX-Receiver: bob@ex.test\n\nhello\n", "more than one X-Sender"),
        "many": (b"".join(b"X-Receiver: r%d@ex.test\n" % n for n in range(1001)) + b"\nhello\n", "1001 recipients"),
        "header": (b"X: " + b"x" * (5 << 20), "4 MiB"),
        "loop": (b"Received: x\n" * 101 + LETTER, "Received"),
    }
    for name, (content, _) in broken.items():
        (out.pickup / name).write_bytes(content)
    with open(out.pickup / "sparse", "wb") as file:
        file.write(LETTER)
        file.truncate(10 << 30)
    (out.pickup / "good.eml").write_bytes(LETTER)
    (out.pickup / "trailing.eml").write_bytes(LETTER + b"mansio-end 0000 x\n\xff\xfe")
    assert len(out.wait_mail(2)) == 2
    gone(out.pickup)
    kept = wait_for(lambda: len(badmail_names(out)) == len(broken) + 1 and badmail_names(out), what="badmail")
    assert stat.S_IMODE((out.directory / "spool" / "badmail").stat().st_mode) == 0o700
    for name, (content, why) in broken.items():
        path, reason = kept[name]
        assert path.read_bytes() == content and why in reason
    assert kept["sparse"][0].stat().st_size == 10 << 30 and "limits.message_size" in kept["sparse"][1]


def badmail_names(daemon):
    """{name of the file: (path, reason)}"""
    found = {}
    for path in (daemon.directory / "spool" / "badmail").glob("*.reason"):
        reason = path.read_text()
        name = re.search(r"^Its file: .*/pickup/(.*)$", reason, re.M)
        message = path.with_suffix(".eml")
        if name and message.exists():
            found[name.group(1)] = (message, reason)
    return found


def test_names_are_bytes_that_lead_nowhere(out):                            # S-179
    names = [b"n" * 255, b"a\nb", b"\x1b[2Jx", b"-rf", b"\xff\xfe\x80", b"A.EML", b"a.eml", b"$(touch pwned)", b"0123Ab-00000c-01"]
    for name in names:
        with open(os.path.join(os.fsencode(out.pickup), name), "wb") as file:
            file.write(LETTER)
    assert len(out.wait_mail(len(names))) == len(names)
    gone(out.pickup)
    wait_for(lambda: out.log().count(" <= ") == len(names), what="a line for each message")       # they are written together, later
    log = out.log()
    assert '"a\\nb"' in log and '"\\x1b[2Jx"' in log and '"-rf"' in log and "\x1b" not in log
    ids = re.findall(r"^\S+ \S+ (\S{16}) <= ", log, re.M) or re.findall(r"(\S{16}) <= anna", log)
    assert len(set(ids)) == len(names)


@pytest.mark.parametrize("mode, wrong", [(0o777, "chmod \\+t"), (0o755, None), (0o1777, None), (0o2770, None)])
def test_a_directory_that_everybody_may_empty_is_not_used(make_mansio, mode, wrong):      # S-181
    daemon = make_mansio(extra=setting("pickup"))
    pickup = daemon.directory / "pickup"
    pickup.mkdir()
    pickup.chmod(mode)
    (pickup / "a.eml").write_bytes(LETTER)
    daemon.start()
    if not wrong:
        assert len(daemon.wait_mail(1)) == 1
        return
    daemon.wait_log(f"pickup: .* is not used: .*{wrong}", "paniclog")
    assert daemon.sendmail("bob", input=b"Subject: the rest works\n\n").returncode == 0
    assert len(daemon.wait_mail(1)) == 1 and waiting(pickup) == ["a.eml"]
    pickup.chmod(0o1777)
    assert len(daemon.wait_mail(2)) == 2


def test_a_directory_that_is_replaced_is_let_go_and_the_right_one_taken_again(out):       # S-181
    (out.pickup / "a.eml").write_bytes(LETTER)
    out.wait_mail(1)
    other = out.directory / "other"
    other.mkdir()
    (other / "b.eml").write_bytes(LETTER)
    out.pickup.rename(out.directory / "moved")
    out.pickup.symlink_to(other)
    out.wait_log("is not used: it is a symbolic link", "paniclog")
    assert waiting(other) == ["b.eml"]
    out.pickup.unlink()
    (out.directory / "moved").rename(out.pickup)
    (out.pickup / "c.eml").write_bytes(LETTER)
    assert len(out.wait_mail(2)) == 2
    assert waiting(other) == ["b.eml"]


def test_events_that_were_lost_are_made_up_for(out):                        # S-181
    count = 3000
    out_queue = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    os.kill(out.mail_pid(), signal.SIGSTOP)
    for number in range(count):
        (out.pickup / f"{number}.eml").write_bytes(b"From: anna@a.test\nTo: bob@ex.test\nSubject: %d\n\n" % number)
    for _ in range(out_queue // 2 + 10):        # two events each
        (out.pickup / "x.tmp").write_bytes(b"")
    os.kill(out.mail_pid(), signal.SIGCONT)
    messages = out.wait_mail(count, timeout=60)
    assert len(messages) == count == len({re.search(rb"Subject: (\d+)", m).group(1) for m in messages})


def test_a_full_or_missing_badmail_directory_keeps_the_file_where_it_is(make_mansio):
    daemon = make_mansio(extra=setting("pickup") + 'badmail_directory = "missing/badmail";').start()
    (daemon.directory / "pickup" / "x").write_bytes(b"no letter")
    (daemon.directory / "pickup" / "y.eml").write_bytes(LETTER)
    daemon.wait_log("pickup: .*missing/badmail", "paniclog")
    assert len(daemon.wait_mail(1)) == 1
    (daemon.directory / "missing").mkdir()
    gone(daemon.directory / "pickup")
    kept = daemon.directory / "missing" / "badmail"
    wait_for(lambda: kept.is_dir() and sorted(path.suffix for path in kept.iterdir()) == [".eml", ".reason"], what="badmail")


@pytest.mark.skipif(not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev, reason="needs a second file system")
def test_badmail_on_another_file_system_is_copied(make_mansio, tmp_path):   # S-181
    shared = pathlib.Path("/dev/shm") / f"mansio-{os.getpid()}-{time.monotonic_ns()}"
    shared.mkdir(mode=0o700)
    try:
        daemon = make_mansio(extra=setting("pickup") + f'badmail_directory = "{shared}/badmail";').start()
        with open(daemon.directory / "pickup" / "sparse", "wb") as file:
            file.truncate(1 << 30)
        (daemon.directory / "pickup" / "x").write_bytes(b"no letter")
        wait_for(lambda: waiting(daemon.directory / "pickup") == ["sparse"], what="only what is too large to be copied")
        wait_for(lambda: list((shared / "badmail").glob("*.eml")), what="the copy")     # the file is taken first, then copied
        [message] = (shared / "badmail").glob("*.eml")
        assert message.read_bytes() == b"no letter"
        daemon.wait_log('"sparse" in .* stays there: .*too large', "paniclog")
    finally:
        shutil.rmtree(shared)


def test_two_daemons_share_no_directory(make_mansio):                       # S-183
    first = make_mansio("one", extra=setting("pickup")).start()
    pickup = first.directory / "pickup"
    second = make_mansio("two", extra=setting(pickup)).start()
    second.wait_log("is not used: another mansiod", "paniclog")
    for number in range(50):
        drop(pickup, f"{number}.eml", LETTER)
    assert len(first.wait_mail(50)) == 50
    first.stop()
    drop(pickup, "last.eml", LETTER)
    assert len(second.wait_mail(1)) == 1


def test_a_paused_submission_pauses_the_pickup(out):
    assert out.ctl("pause", "accepting", "--local").returncode == 0
    drop(out.pickup, "a.eml", LETTER)
    time.sleep(1.2)
    assert waiting(out.pickup) == ["a.eml"] and out.maildir() == []
    out.ctl("resume", "--all")
    assert len(out.wait_mail(1)) == 1


def test_a_reload_adds_and_takes_away_directories(out):
    text = out.config.read_text()
    out.config.write_text(text.replace('directory = "pickup";', 'directory = "second";'))
    assert out.ctl("reload").returncode == 0
    drop(out.directory / "second", "a.eml", LETTER)
    assert len(out.wait_mail(1)) == 1
    drop(out.pickup, "b.eml", LETTER)
    out.config.write_text(text.replace('directory = "pickup";', 'directory = "missing/second";'))
    reloaded = out.ctl("reload")
    assert "missing/second is not used: it does not exist" in reloaded.stdout + reloaded.stderr
    assert waiting(out.pickup) == ["b.eml"]
    out.config.write_text(text)
    assert out.ctl("reload").returncode == 0
    assert len(out.wait_mail(2)) == 2


def test_what_was_being_taken_when_the_daemon_ended_goes_back_and_is_sent(out):
    drop(out.pickup, "a.eml", LETTER)
    out.wait_mail(1)
    out.stop()
    id = re.search(r"(\S{16}) <= anna", out.log()).group(1)
    (out.pickup / ".mansio" / f"0{id[1:]}.b.eml").write_bytes(LETTER)        # of a message that the spool doesn't know
    out.start()
    assert len(out.wait_mail(2)) == 2
    out.wait_log(r' was "b\.eml" in ')
    assert badmail(out) == {}


def test_what_nobody_can_decide_about_is_badmail_and_not_sent_by_itself(out):
    drop(out.pickup, "a.eml", LETTER)
    out.wait_mail(1)
    out.stop()
    id = re.search(r"(\S{16}) <= anna", out.log()).group(1)
    (out.directory / "spool" / "state" / "pickup-directories").unlink()                  # as if the directory had been out of use for a while
    (out.pickup / ".mansio" / f"{id}.b.eml").write_bytes(LETTER)
    out.start()
    kept = wait_for(lambda: badmail(out), what="badmail")
    assert list(kept) == [id] and "can't be told" in kept[id][1]
    out.wait_log(f"kept as badmail {id}", "paniclog")
    assert len(out.maildir()) == 1
    assert out.ctl("badmail", "retry", id).returncode == 0
    assert len(out.wait_mail(2)) == 2


@pytest.mark.parametrize("more, words", [
    ('}, { directory = "pickup";', "a second pickup"), ('}, { directory = "spool/x";', "spool_directory"), ('users = [ "@" ];', "no name of a user"),
    ('}, { directory = "/";', "nor hold it"),
])
def test_the_configuration_is_checked(make_mansio, more, words):
    daemon = make_mansio(extra=setting("pickup", more))
    checked = daemon.ctl("check")
    assert checked.returncode != 0 and words in checked.stdout + checked.stderr


# ---- owners


@pytest.fixture
def office(make_system, users):
    """A daemon run as a user of its own, started by root, with a directory for anna and the members of a group."""
    def make(more):
        daemon = make_system(extra=setting("pickup", more) + "trusted_users = [];")
        daemon.pickup = daemon.directory / "pickup"
        daemon.start()
        return daemon
    return make


def write_as(user, path, content, mode=0o644):
    """As that user's program: written, then renamed."""
    script = f'umask {0o777 & ~mode:04o}; cat > "$1.tmp" && mv "$1.tmp" "$1"'
    return subprocess.run([*as_user(user), "sh", "-c", script, "sh", str(path)], input=content, capture_output=True, timeout=30)


@needs_root
def test_anybody_may_put_files_there_and_nobody_sees_or_takes_anothers(office, users):      # S-185
    daemon = office("")
    anna, bert = users.make(), users.make()
    status = daemon.pickup.stat()
    assert stat.S_IMODE(status.st_mode) == 0o3733 and status.st_uid == daemon.service.pw_uid and status.st_gid == daemon.service.pw_gid
    assert daemon.ctl("pause", "accepting", "--local").returncode == 0
    assert write_as(anna, daemon.pickup / "a.eml", LETTER, 0o640).returncode == 0
    for command in (f"ls {daemon.pickup}", f"cat {daemon.pickup}/a.eml", f"rm -f {daemon.pickup}/a.eml", f"mv {daemon.pickup}/a.eml {daemon.pickup}/b.eml",
                    f"ls {daemon.pickup}/.mansio"):
        assert subprocess.run([*as_user(bert), "sh", "-c", command], capture_output=True).returncode != 0, command
    daemon.ctl("resume", "--all")
    daemon.wait_log(f" <= anna@a.test U={anna.pw_name} P=pickup ")
    gone(daemon.pickup)


@needs_root
def test_files_of_others_than_the_users_are_badmail(office, users):
    anna, bert, dora = users.make(), users.make(), users.make()
    group = "mg" + bert.pw_name[2:]
    subprocess.run(["/usr/sbin/groupadd", group], check=True, capture_output=True)
    try:
        subprocess.run(["/usr/sbin/usermod", "-a", "-G", group, bert.pw_name], check=True, capture_output=True)
        daemon = office(f'users = [ "{anna.pw_name}", "@{group}" ];')
        for user in (anna, bert, dora):
            assert write_as(user, daemon.pickup / f"{user.pw_name}.eml", LETTER).returncode == 0
        daemon.wait_log(f"U={anna.pw_name} P=pickup")
        daemon.wait_log(f"U={bert.pw_name} P=pickup")
        daemon.wait_log(f'"{dora.pw_name}.eml" of {dora.pw_name} in .* can\'t be sent: its owner .* is not among the users')
        gone(daemon.pickup)
        assert f"U={dora.pw_name}" not in daemon.log()
    finally:
        subprocess.run(["/usr/sbin/groupdel", group], capture_output=True)


@needs_root
def test_an_owner_may_be_held_to_his_own_address(office, users):
    daemon = office('senders = "own";')
    anna = users.make()
    daemon.stop()
    text = daemon.config.read_text()
    path = re.search(r'path = "mail/', text)
    assert path
    daemon.config.write_text(text.replace('transport = "mailbox"', 'transport = "hold"').replace("transports = {", 'transports = { hold = { kind = "smtp"; hosts = [ "127.0.0.1:9" ]; };'))
    daemon.start()
    write_as(anna, daemon.pickup / "a.eml", b"X-Sender: boss@ex.test\nFrom: boss@ex.test\nTo: bob@ex.test\n\nx\n")
    daemon.wait_log(f" <= {anna.pw_name}@ex.test U={anna.pw_name} P=pickup ")
    [entry] = wait_for(lambda: daemon.queue(), what="it in the queue")
    shown = daemon.ctl("queue", "headers", entry["id"]).stdout
    assert f"Sender: {anna.pw_name}@ex.test" in shown and "From: boss@ex.test" in shown


@needs_root
def test_a_file_that_can_not_be_read_is_told_once_with_what_to_do(office, users):
    daemon = office("")
    anna = users.make()
    write_as(anna, daemon.pickup / "secret.eml", LETTER, 0o600)
    daemon.wait_log(f'"secret.eml" in .* stays there: mansiod may not read it: let {anna.pw_name}', "paniclog")
    (daemon.pickup / "secret.eml").chmod(0o644)
    daemon.ctl("reload")
    os.utime(daemon.pickup / "secret.eml")
    write_as(anna, daemon.pickup / "other.eml", LETTER)
    daemon.wait_log('was "other.eml"')
    assert daemon.log("paniclog").count("secret.eml") == 1


@needs_root
def test_a_hard_link_to_anothers_file_is_not_sent(office, users):
    daemon = office("")
    anna, bert = users.make(), users.make()
    secret = users.write(anna, "diary", LETTER.decode())
    pathlib.Path(anna.pw_dir).chmod(0o755)
    os.link(secret, daemon.pickup / "diary.eml")            # as a user may where fs.protected_hardlinks is off
    write_as(bert, daemon.pickup / "own.eml", LETTER)
    daemon.wait_log('"diary.eml" in .* stays there: it has another name', "paniclog")
    daemon.wait_log(f"U={bert.pw_name} P=pickup")
    assert f"U={anna.pw_name}" not in daemon.log() and secret.exists()


@needs_root
def test_a_directory_of_another_user_is_not_used(make_system, users):
    anna = users.make()
    daemon = make_system(extra=setting("pickup"))
    pickup = daemon.directory / "pickup"
    pickup.mkdir(mode=0o755)
    os.chown(pickup, anna.pw_uid, anna.pw_gid)
    daemon.start()
    daemon.wait_log(f"pickup is not used: its owner is uid {anna.pw_uid}.*chown", "paniclog")
