"""Mail for real users of the machine, delivered as each of them; the processes' rights; hostile mail directories.

Needs root: users are made for each test and removed afterwards, their homes lie below /tmp.
"""
import ctypes
import fcntl
import grp
import mailbox
import os
import pathlib
import stat
import subprocess
import sys
import threading
import time

import pytest

from harness import Raw, wait_for
from system_users import IS_ROOT, as_user, make_system, programs, public_path, status_of, users  # noqa: F401

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="makes users and delivers as them, so it needs root")

NO_CAPS = ["0" * 16]
AGENT_CAPS = [f"{(1 << 0) | (1 << 6) | (1 << 7):016x}"]      # CHOWN, SETGID, SETUID


def send(mansio, *recipients, content=b"Subject: x\r\n\r\nx\r\n", sender="a@b.test"):
    with mansio.connect() as client:
        return client.transaction(sender, recipients, content)


def status(pid):
    return status_of(pathlib.Path(f"/proc/{pid}/status").read_text())


def grandchildren(mansio):
    """Processes of the agents: they have become a user."""
    agents = {str(pid) for title, pid in mansio.children().items() if "deliver" in title}
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] in agents:
                found.append(int(entry.name))
        except (OSError, IndexError):
            pass
    return found


def maildir_of(user):
    folder = pathlib.Path(user.pw_dir) / "Maildir" / "new"
    return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def at_home(make_system):
    """A daemon that delivers to ~/Maildir."""
    return make_system(users='"system"', path="~/Maildir").start()


@pytest.fixture
def boxes(public_path):
    """A directory like /var/mail, but of the kind where everybody may make files."""
    path = public_path / "boxes"
    path.mkdir()
    path.chmod(0o1777)
    return path


@pytest.fixture
def boxed(make_system, boxes):
    return make_system(users='"system"', kind="mbox", path=f"{boxes}/{{local}}").start()


# ---- who the processes are

def test_the_mail_process_is_the_run_as_user_with_no_rights_left(at_home):
    fields = status(at_home.mail_pid())
    uid, gid = str(at_home.service.pw_uid), str(at_home.service.pw_gid)
    assert set(fields["Uid"]) == {uid} and set(fields["Gid"]) == {gid} and fields["Groups"] == [gid]
    for each in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert fields[each] == NO_CAPS
    assert fields["NoNewPrivs"] == ["1"]
    limits = pathlib.Path(f"/proc/{at_home.mail_pid()}/limits").read_text()
    assert any(line.split()[:6] == ["Max", "core", "file", "size", "0", "0"] for line in limits.splitlines())     # S-115


def test_agents_hold_the_rights_to_become_another_user_and_no_others(at_home):
    agents = [pid for title, pid in at_home.children().items() if "deliver" in title]
    assert len(agents) == 9
    for pid in agents:
        fields = status(pid)
        assert fields["CapPrm"] == fields["CapEff"] == AGENT_CAPS
        assert fields["CapInh"] == fields["CapAmb"] == NO_CAPS
        assert int(fields["CapBnd"][0], 16) & ~int(AGENT_CAPS[0], 16) == 0
        assert fields["NoNewPrivs"] == ["1"]


def test_who_delivers_is_the_user_with_the_users_groups_alone(at_home, users):
    group = grp.getgrnam("games")
    bob = users.make(groups=["games"])
    assert send(at_home, f"{bob.pw_name}@ex.test")[0] == 250
    wait_for(lambda: maildir_of(bob), what=at_home.log())
    # One that looked for ~/.forward, one that delivered.
    children = [fields for fields in map(status, grandchildren(at_home)) if fields["Uid"][0] == str(bob.pw_uid)]
    assert children
    for fields in children:
        assert set(fields["Uid"]) == {str(bob.pw_uid)} and set(fields["Gid"]) == {str(bob.pw_gid)}
        assert sorted(fields["Groups"]) == sorted([str(bob.pw_gid), str(group.gr_gid)])
        assert all(fields[each] == NO_CAPS for each in ("CapInh", "CapPrm", "CapEff", "CapAmb"))


def test_a_command_runs_as_the_recipient(make_system, users, public_path):
    """S-107: uid, gid and groups of the user while the delivery is under way, and no capabilities."""
    bob = users.make(groups=["games"])
    script = public_path / "report"
    script.write_text('#!/bin/sh\ncat /proc/self/status > "$HOME/report.new"\nid -un >> "$HOME/report.new"\nmv "$HOME/report.new" "$HOME/report"\n')
    script.chmod(0o755)
    mansio = make_system(users='"system"')
    mansio.config.write_text(mansio.config.read_text().replace('kind = "maildir"; path = "mail/{local}";', f'kind = "pipe"; command = [ "{script}" ];'))
    mansio.start()
    assert send(mansio, f"{bob.pw_name}@ex.test")[0] == 250
    report = pathlib.Path(bob.pw_dir) / "report"
    wait_for(report.exists, what=mansio.log())
    fields = status_of(report.read_text())
    assert set(fields["Uid"]) == {str(bob.pw_uid)} and set(fields["Gid"]) == {str(bob.pw_gid)}
    assert sorted(fields["Groups"]) == sorted([str(bob.pw_gid), str(grp.getgrnam("games").gr_gid)])
    assert all(fields[each] == NO_CAPS for each in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
    assert report.stat().st_uid == bob.pw_uid


# ---- where mail goes

def test_mail_goes_to_the_maildir_in_the_home_which_is_the_users_own(at_home, users):
    bob = users.make()
    assert send(at_home, f"{bob.pw_name}@ex.test", content=b"Subject: home\r\n\r\nhello\r\n")[0] == 250
    [message] = wait_for(lambda: maildir_of(bob), what=at_home.log())
    assert message.read_bytes().endswith(b"Subject: home\n\nhello\n")
    assert (message.stat().st_uid, message.stat().st_gid, stat.S_IMODE(message.stat().st_mode)) == (bob.pw_uid, bob.pw_gid, 0o600)
    for folder in (message.parents[1], *message.parents[1].iterdir()):
        assert (folder.stat().st_uid, folder.stat().st_gid, stat.S_IMODE(folder.stat().st_mode)) == (bob.pw_uid, bob.pw_gid, 0o700)


def test_a_name_in_any_case_and_with_a_detail_is_the_same_user(at_home, users):
    bob = users.make()
    assert send(at_home, f"{bob.pw_name.upper()}@EX.test", f"{bob.pw_name}+lists@ex.test")[0] == 250
    at_home.wait_log("Completed")
    assert len(maildir_of(bob)) == 1          # one message to one place


@pytest.mark.parametrize("group, mode", [("root", 0o1777), ("mail", 0o2775)])
def test_an_mbox_in_a_mail_directory_is_made_for_its_owner_alone(make_system, users, public_path, group, mode):
    path = public_path / "boxes"
    path.mkdir()
    os.chown(path, 0, grp.getgrnam(group).gr_gid)
    path.chmod(mode)
    mansio = make_system(users='"system"', kind="mbox", path=f"{path}/{{local}}").start()
    bob = users.make()
    for number in range(2):
        assert send(mansio, f"{bob.pw_name}@ex.test", content=b"Subject: %d\r\n\r\nFrom here\r\nlast" % number)[0] == 250
        wait_for(lambda: len(mansio.log().split("Completed")) == number + 2, what=mansio.log())
    box = path / bob.pw_name
    assert (box.stat().st_uid, box.stat().st_gid, stat.S_IMODE(box.stat().st_mode)) == (bob.pw_uid, bob.pw_gid, 0o600)
    assert [message["Subject"] for message in mailbox.mbox(box)] == ["0", "1"]        # S-111
    assert [entry.name for entry in path.iterdir()] == [bob.pw_name]                  # no lock is left


def test_the_default_is_the_machines_own_mail_directory(make_system, users):
    mansio = make_system(users='"system"', kind="mbox", path="/var/mail/{local}").start()
    bob = users.make()
    box = pathlib.Path("/var/mail") / bob.pw_name
    try:
        assert send(mansio, f"{bob.pw_name}@ex.test", content=b"Subject: v\r\n\r\nv\r\n")[0] == 250
        mansio.wait_log("Completed")
        assert (box.stat().st_uid, stat.S_IMODE(box.stat().st_mode)) == (bob.pw_uid, 0o600)
        assert [message["Subject"] for message in mailbox.mbox(box)] == ["v"]
    finally:
        box.unlink(missing_ok=True)


def test_a_missing_home_defers_until_it_is_there(at_home, users):
    bob = users.make(home=False)
    assert send(at_home, f"{bob.pw_name}@ex.test")[0] == 250
    at_home.wait_log(r" == .*home directory")
    [waiting] = at_home.queue()
    assert [r["done"] for r in waiting["recipients"]] == [False]
    os.mkdir(bob.pw_dir, 0o700)
    os.chown(bob.pw_dir, bob.pw_uid, bob.pw_gid)
    assert at_home.sendmail("-q").returncode == 0
    assert len(wait_for(lambda: maildir_of(bob), what=at_home.log())) == 1
    at_home.wait_idle()


@pytest.mark.parametrize("name", ["no-such-user-here", "0", "65534", "-x", "root/../nobody", "%2e%2e", "nobody:x", "a\\ b", "x" * 65])
def test_nobodys_name_is_refused_at_rcpt(at_home, name):
    with at_home.connect() as client:
        client.command("EHLO c.test")
        assert client.command("MAIL FROM:<a@b.test>")[0] == 250
        code, lines = client.command(f"RCPT TO:<{name}@ex.test>")
        assert code in (550, 501, 553), lines
        assert code != 550 or "5.1.1" in lines[0]
    assert at_home.queue() == []


def test_mail_for_root_goes_where_the_alias_says(make_system, users):
    bob = users.make()
    mansio = make_system(users='"system"', path="~/Maildir", extra='aliases = "aliases";')
    (mansio.directory / "aliases").write_text(f"root: {bob.pw_name}\n")
    mansio.start()
    assert send(mansio, "root@ex.test", "postmaster@ex.test")[0] == 250
    mansio.wait_log("Completed")
    assert len(maildir_of(bob)) == 1


def test_mail_for_root_without_an_alias_waits_and_is_never_written_as_root(boxed, boxes, users):
    """S-109, and a second name of uid 0 is no way around it."""
    twin = users.make(home=False)
    subprocess.run(["/usr/sbin/usermod", "-o", "-u", "0", twin.pw_name], check=True, capture_output=True)
    try:
        for name in ("root", twin.pw_name):
            assert send(boxed, f"{name}@ex.test")[0] == 250
            boxed.wait_log(rf" == {name}@ex.test .*uid 0")
        assert list(boxes.iterdir()) == []
        assert len(boxed.queue()) == 2
    finally:
        subprocess.run(["/usr/sbin/usermod", "-u", str(twin.pw_uid), twin.pw_name], capture_output=True)


@pytest.mark.parametrize("name", ["mt.dot", "mt_under", "mt-dash"])
def test_names_with_dots_and_dashes_are_users(at_home, users, name):
    bob = users.make(name=name + os.urandom(3).hex())
    assert send(at_home, f"{bob.pw_name}@ex.test")[0] == 250
    assert len(wait_for(lambda: maildir_of(bob), what=at_home.log())) == 1


# ---- hostile mail directories

def drained(mansio):
    """A message that is being tried when -q comes may be deferred after it: asks again until nothing waits."""
    wait_for(lambda: mansio.sendmail("-q").returncode == 0 and not mansio.queue(), 40, mansio.log()[-3000:])


def deferred(mansio, user, why):
    mansio.wait_log(rf" == {user.pw_name}@ex.test .*{why}")
    [waiting] = mansio.queue()
    assert [r["done"] for r in waiting["recipients"]] == [False]


@pytest.mark.parametrize("owner", ["root", "user"])
def test_a_mailbox_that_is_a_link_is_not_followed(boxed, boxes, users, public_path, owner):
    """S-099: not even to a file of the user's own."""
    bob = users.make()
    target = public_path / "target"
    target.write_text("kept")
    if owner == "user":
        os.chown(target, bob.pw_uid, bob.pw_gid)
    (boxes / bob.pw_name).symlink_to(target)
    assert send(boxed, f"{bob.pw_name}@ex.test")[0] == 250
    deferred(boxed, bob, "symbolic links")
    assert target.read_text() == "kept"
    assert (boxes / bob.pw_name).is_symlink()


def test_a_mailbox_that_somebody_else_made_is_not_used(boxed, boxes, users):
    """S-101"""
    bob, mallory = users.make(), users.make()
    box = boxes / bob.pw_name
    box.write_text("")
    os.chown(box, mallory.pw_uid, mallory.pw_gid)
    box.chmod(0o666)
    assert send(boxed, f"{bob.pw_name}@ex.test")[0] == 250
    deferred(boxed, bob, f"owned by uid {mallory.pw_uid}")
    assert box.read_text() == ""
    box.unlink()                                            # the admin has seen the log
    assert boxed.sendmail("-q").returncode == 0
    boxed.wait_idle()
    assert box.stat().st_uid == bob.pw_uid and len(mailbox.mbox(box)) == 1


@pytest.mark.parametrize("kind, why", [("fifo", "not a regular file|No such device"), ("directory", "Is a directory|not a regular file"), ("hard link", "2 names")])
def test_a_mailbox_that_is_something_else_defers(boxed, boxes, users, kind, why):
    bob = users.make()
    box = boxes / bob.pw_name
    if kind == "fifo":
        os.mkfifo(box)
    elif kind == "directory":
        box.mkdir()
    else:
        box.write_text("")
        os.link(box, boxes / "other-name")
    os.chown(box, bob.pw_uid, bob.pw_gid)
    assert send(boxed, f"{bob.pw_name}@ex.test")[0] == 250
    deferred(boxed, bob, f"({why})")


def test_a_mailbox_that_only_a_group_of_root_may_reach_is_out_of_reach(make_system, users, public_path):
    """S-107: the groups that the daemon was started with are gone."""
    closed = public_path / "closed"
    closed.mkdir()
    os.chown(closed, 0, grp.getgrnam("adm").gr_gid)
    closed.chmod(0o770)
    mansio = make_system(users='"system"', path=f"{closed}/{{local}}").start()
    bob = users.make()
    assert send(mansio, f"{bob.pw_name}@ex.test")[0] == 250
    mansio.wait_log(r" == .*Permission denied")
    assert list(closed.iterdir()) == []


def test_who_holds_a_mailbox_locked_keeps_nobody_else_waiting(boxed, boxes, users):
    """S-105: more messages for the locked mailbox than there are agents, and then one for somebody else."""
    bob, carol = users.make(), users.make()
    box = boxes / bob.pw_name
    box.write_text("")
    os.chown(box, bob.pw_uid, bob.pw_gid)
    with box.open("r+") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        with boxed.connect() as client:
            for number in range(12):
                assert client.transaction("a@b.test", [f"{bob.pw_name}@ex.test"], b"Subject: b\r\n\r\nb\r\n", ehlo=None if number else "c.test")[0] == 250
            begin = time.monotonic()
            assert client.transaction("a@b.test", [f"{carol.pw_name}@ex.test"], b"Subject: c\r\n\r\nc\r\n", ehlo=None)[0] == 250
        wait_for(lambda: (boxes / carol.pw_name).exists() and len(mailbox.mbox(boxes / carol.pw_name)) == 1, 30, boxed.log())
        waited = time.monotonic() - begin
        boxed.wait_log(rf" == {bob.pw_name}@ex.test ", timeout=30)
    assert waited < 4, f"carol's message took {waited:.1f} s"
    drained(boxed)
    assert len(mailbox.mbox(box)) == 12


def test_a_mailbox_that_changes_under_the_delivery_leads_nowhere_else(boxed, boxes, users, public_path):
    """S-103: file and link take turns while mail comes in."""
    bob = users.make()
    box, link = boxes / bob.pw_name, boxes / "link"
    box.write_text("")
    os.chown(box, bob.pw_uid, bob.pw_gid)
    target = public_path / "target"
    target.write_text("kept")
    os.chown(target, bob.pw_uid, bob.pw_gid)          # one that the user could even write
    link.symlink_to(target)
    end = threading.Event()
    exchange = ctypes.CDLL(None, use_errno=True).renameat2      # at no moment is the name free

    def swap():
        while not end.is_set():
            assert exchange(-100, os.fsencode(box), -100, os.fsencode(link), 2) == 0
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        with boxed.connect() as client:
            for number in range(40):
                assert client.transaction("a@b.test", [f"{bob.pw_name}@ex.test"], b"Subject: %d\r\n\r\nb\r\n" % number, ehlo=None if number else "c.test")[0] == 250
        wait_for(lambda: boxed.log().count(" => ") + boxed.log().count(" == ") >= 40, 40, boxed.log())
    finally:
        end.set()
        thread.join()
    assert target.read_text() == "kept"
    if box.is_symlink():
        os.rename(link, box)
    drained(boxed)
    assert target.read_text() == "kept"
    assert sorted(int(message["Subject"]) for message in mailbox.mbox(box)) == list(range(40))


# ---- port 25

CLIENT = """
import smtplib, sys
client = smtplib.SMTP(sys.argv[1], 25, timeout=20)
client.sendmail("a@b.test", [sys.argv[2]], b"Subject: port\\r\\n\\r\\n25\\r\\n")
client.quit()
"""


def test_root_binds_port_25_and_the_mail_process_keeps_it_without_rights(make_system, users):
    """In a network of its own, where nobody else can have the port."""
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
        pytest.skip("no network name spaces here")
    bob = users.make()
    mansio = make_system(users='"system"', path="~/Maildir", wrapper=["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"])
    mansio.config.write_text(mansio.config.read_text().replace('address = "127.0.0.1"; port = 0;', 'address = "*"; port = 25;'))
    mansio.start()
    assert set(mansio.ports) == {25}
    assert set(status(mansio.mail_pid())["Uid"]) == {str(mansio.service.pw_uid)}
    for address in ("127.0.0.1", "::1"):
        if address == "::1" and len(mansio.ports) == 1:
            continue                                       # no IPv6 on this machine
        done = subprocess.run(["nsenter", "-t", str(mansio.parent_pid()), "-n", sys.executable, "-c", CLIENT, address, f"{bob.pw_name}@ex.test"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    wait_for(lambda: len(maildir_of(bob)) == len(mansio.ports), what=mansio.log())
    mansio.signal(1)                                       # a reload keeps the port, though nobody could bind it again
    mansio.wait_log("configuration reloaded")
    done = subprocess.run(["nsenter", "-t", str(mansio.parent_pid()), "-n", sys.executable, "-c", CLIENT, "127.0.0.1", f"{bob.pw_name}@ex.test"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# ---- files of the daemon

def test_the_daemons_directories_belong_to_the_service_user_and_show_strangers_nothing(at_home, users):
    stranger = users.make()
    service = at_home.service.pw_uid
    modes = {name: (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for name, path in
             ((name, at_home.directory / name) for name in ("spool", "log", "run", "spool/pickup", "spool/0"))}
    assert modes == {"spool": (service, 0o751), "log": (service, 0o750), "run": (service, 0o755), "spool/pickup": (service, 0o1733),
                     "spool/0": (service, 0o750)}
    for name in ("spool", "log", "spool/pickup", "spool/0", "spool/0/deferred"):
        done = subprocess.run([*as_user(stranger), "ls", str(at_home.directory / name)], capture_output=True, timeout=20)
        assert done.returncode != 0, name
    assert Raw(at_home.port).greeting[0] == 220
