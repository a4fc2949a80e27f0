"""Aliases, ~/.forward, virtual users and catch-alls, through the whole daemon: aliases(5) line by line."""
import os
import pathlib
import re
import subprocess

import pytest

from harness import CONFIG, Mansio, wait_for
from system_users import IS_ROOT, NOBODY, as_user, make_system, needs_root, programs, public_path, users  # noqa: F401

ALIASES = """
# comment, and an empty line

postmaster:  bob
Info:        bob
team:        bob, alice,
             carol
both:        team, bob
nested:      both
self:        self, bob
loop:        pool
pool:        loop
half-loop:   loop, bob
nowhere:     :blackhole:
gone:        :fail: Alice has left, write to bob@ex.test
later:       :defer: not today, thanks
mixed:       bob, :fail: no more, really
missing:     no-such-user-anywhere
bob+special: alice
exact:       \\bob
quoted:      "bob"
sales@other.test: alice
@other.test: carol
list@ex.test: alice
"""


@pytest.fixture
def mansio(make_mansio):
    daemon = make_mansio(extra='aliases = "aliases";')
    daemon.config.write_text(daemon.config.read_text().replace(
        'local = [ "ex.test" ]', 'local = [ "ex.test", "other.test" ]; alias = ( { from = "alias.test"; to = "ex.test"; } )'))
    (daemon.directory / "aliases").write_text(ALIASES)
    return daemon.start()


def send(mansio, *recipients, content=b"Subject: x\r\n\r\nx\r\n", sender="a@b.test"):
    with mansio.connect() as client:
        return client.transaction(sender, recipients, content)


def counts(mansio):
    return {name: len(mansio.maildir(name)) for name in ("bob", "alice", "carol") if mansio.maildir(name)}


def completed(mansio, number=1):
    wait_for(lambda: mansio.log().count("Completed") >= number, what=mansio.log()[-2000:])


@pytest.mark.parametrize("recipient, delivered", [
    ("info@ex.test", {"bob": 1}),
    ("INFO@EX.TEST", {"bob": 1}),
    ("postmaster@ex.test", {"bob": 1}),
    ("PostMaster@ex.test", {"bob": 1}),
    ("postmaster", {"bob": 1}),                        # RFC 5321 §4.5.1: without a domain
    ("POSTMASTER", {"bob": 1}),
    ("team@ex.test", {"bob": 1, "alice": 1, "carol": 1}),
    ("nested@ex.test", {"bob": 1, "alice": 1, "carol": 1}),   # bob by three ways, one copy
    ("self@ex.test", {"bob": 1}),
    ("half-loop@ex.test", {"bob": 1}),
    ("nowhere@ex.test", {}),
    ("bob+anything@ex.test", {"bob": 1}),
    ("bob+special@ex.test", {"alice": 1}),
    ("Info+detail@ex.test", {"bob": 1}),
    ("exact@ex.test", {"bob": 1}),
    ("quoted@ex.test", {"bob": 1}),
    ("bob@alias.test", {"bob": 1}),
    ("info@alias.test", {"bob": 1}),
    ("sales@other.test", {"alice": 1}),
    ("whoever@other.test", {"carol": 1}),
    ("bob@other.test", {"bob": 1}),                    # a user comes before the catch-all
    ("list@ex.test", {"alice": 1}),
    ("list@other.test", {"carol": 1}),                 # an entry with a domain is meant there alone
])
def test_an_alias_leads_where_the_manual_says(mansio, recipient, delivered):
    code, lines = send(mansio, recipient)
    assert code == 250, lines
    if "loop" in recipient:
        mansio.wait_mail(1)
    completed(mansio)
    assert counts(mansio) == delivered


@pytest.mark.parametrize("recipient, code, text", [
    ("gone@ex.test", 550, "Alice has left, write to bob@ex.test"),
    ("later@ex.test", 450, "not today, thanks"),
    ("loop@ex.test", 550, "loop"),
    ("pool@alias.test", 550, "loop"),
    ("missing@ex.test", 550, "5.1.1"),
    ("nobody-here@ex.test", 550, "5.1.1"),
    ("sales@ex.test", 550, "5.1.1"),
    ("@ex.test", 501, ""),
    ("nobody-here@alias.test", 550, "5.1.1"),
])
def test_what_leads_nowhere_is_refused_at_rcpt(mansio, recipient, code, text):
    got, lines = send(mansio, recipient)
    assert got == code and text in lines[0], lines
    assert mansio.queue() == []


def test_one_mailbox_through_two_aliases_and_its_own_name_gets_one_copy(mansio):
    assert send(mansio, "info@ex.test", "exact@ex.test", "bob@ex.test", "BOB@alias.test", "bob+x@ex.test")[0] == 250
    completed(mansio)
    assert counts(mansio) == {"bob": 1}
    assert mansio.queue() == []


def test_who_can_not_be_reached_behind_an_alias_gets_a_report_and_the_others_their_mail(mansio):
    assert send(mansio, "mixed@ex.test", sender="alice@ex.test")[0] == 250
    mansio.wait_mail(1, "bob")
    [report] = mansio.wait_mail(1, "alice")
    assert b"no more, really" in report and b"Content-Type: multipart/report" in report
    assert counts(mansio) == {"alice": 1, "bob": 1}


def test_delivered_to_names_the_final_address(mansio):
    assert send(mansio, "info@alias.test")[0] == 250
    [message] = mansio.wait_mail(1)
    assert message.count(b"Delivered-To:") == 1 and b"Delivered-To: bob@ex.test\n" in message


def test_a_message_that_was_there_before_is_in_a_loop(mansio):
    assert send(mansio, "bob@ex.test", content=b"Delivered-To: bob@ex.test\r\nSubject: round\r\n\r\nx\r\n", sender="alice@ex.test")[0] == 250
    [report] = mansio.wait_mail(1, "alice")
    assert b"5.4.6" in report
    assert mansio.maildir("bob") == []


# ---- lists and files

def test_a_list_in_a_file_and_one_in_that_file(make_mansio):
    mansio = make_mansio(extra='aliases = "aliases";')
    (mansio.directory / "outer").write_text(f"# members\nbob@ex.test\n:include:{mansio.directory}/inner\n\n")
    (mansio.directory / "inner").write_text("alice, carol\n")
    (mansio.directory / "aliases").write_text(f"all: :include:{mansio.directory}/outer\nlost: :include:{mansio.directory}/none, bob\n")
    mansio.start()
    assert send(mansio, "all@ex.test")[0] == 250
    completed(mansio)
    assert counts(mansio) == {"alice": 1, "bob": 1, "carol": 1}
    # A list that can't be read: its mail waits, the others get theirs.
    assert send(mansio, "lost@ex.test")[0] == 250
    mansio.wait_mail(2, "bob")
    mansio.wait_log(r" == lost@ex.test .*can't be read")


def test_a_list_that_contains_itself_is_read_once(make_mansio):
    mansio = make_mansio(extra='aliases = "aliases";')
    path = mansio.directory / "members"
    path.write_text(f":include:{path}, bob\n:include:{path}\n")
    (mansio.directory / "aliases").write_text(f"all: :include:{path}\n")
    mansio.start()
    assert send(mansio, "all@ex.test")[0] == 250
    completed(mansio)
    assert counts(mansio) == {"bob": 1}


PROGRAM = """#!/bin/sh
{ id -u; printf '%s\\n' "$@"; cat; } > "$0.tmp.$$"
mv "$0.tmp.$$" "$0.out"
"""


@pytest.fixture
def open_place(public_path):
    """A directory where the user that commands and files of aliases belong to may write."""
    path = public_path / "place"
    path.mkdir()
    path.chmod(0o777)
    program = path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return path


def trusted(make_mansio, make_system):
    """As root: a daemon with a user of its own, so that commands run as nobody; else everything is the caller's."""
    mansio = make_system(extra='aliases = "aliases";') if IS_ROOT else make_mansio(extra='aliases = "aliases";')
    if IS_ROOT:
        os.chown(mansio.mail, mansio.service.pw_uid, mansio.service.pw_gid)
    return mansio


@pytest.mark.parametrize("quoting", ["|%s one 'two words' '$(id)' '; rm -rf /'", '"|%s one \'two words\' \'$(id)\' \'; rm -rf /\'"'])
def test_a_command_gets_the_message_and_no_shell_reads_its_words(make_mansio, make_system, open_place, quoting):
    mansio = trusted(make_mansio, make_system)
    (mansio.directory / "aliases").write_text(f"tickets: {quoting % (open_place / 'program')}\n")
    mansio.start()
    assert send(mansio, "tickets@ex.test", content=b"Subject: help\r\n\r\nplease\r\n")[0] == 250
    out = open_place / "program.out"
    wait_for(out.exists, what=mansio.log())
    lines = out.read_text().split("\n")
    assert lines[:5] == [str(NOBODY if IS_ROOT else os.getuid()), "one", "two words", "$(id)", "; rm -rf /"]
    assert "Subject: help" in lines and "please" in lines
    mansio.wait_log(r" => \|\S+program <tickets@ex.test> .*T=pipe")


def test_a_file_gets_the_message_as_an_mbox(make_mansio, make_system, open_place):
    mansio = trusted(make_mansio, make_system)
    (mansio.directory / "aliases").write_text(f"archive: {open_place}/archive, /dev/null\n")
    mansio.start()
    assert send(mansio, "archive@ex.test", content=b"Subject: keep\r\n\r\nFrom me\r\n")[0] == 250
    completed(mansio)
    text = (open_place / "archive").read_text()
    assert text.startswith("From a@b.test ") and "Subject: keep\n" in text and "\n>From me\n" in text
    assert (open_place / "archive").stat().st_uid == (NOBODY if IS_ROOT else os.getuid())


@pytest.mark.parametrize("case", ["group may write it", "others may write it", pytest.param("somebody else's", marks=needs_root)])
def test_commands_of_a_file_that_others_may_have_written_wait_and_are_not_run(make_mansio, make_system, open_place, case):
    mansio = trusted(make_mansio, make_system)
    aliases = mansio.directory / "aliases"
    aliases.write_text(f"tickets: |{open_place}/program\narchive: {open_place}/archive\ninfo: bob\n")
    if case == "somebody else's":
        os.chown(aliases, NOBODY, NOBODY)
    else:
        aliases.chmod(0o664 if "group" in case else 0o646)
    mansio.start()
    mansio.wait_log("commands and files are not used from this file", "paniclog")
    for name in ("tickets", "archive"):
        code, lines = send(mansio, f"{name}@ex.test")
        # Deferred, at once or in the queue: never bounced, never run.
        assert code == 450 or code == 451 or (code == 250 and mansio.wait_log(rf" == {name}@ex.test")), lines
    assert send(mansio, "info@ex.test")[0] == 250          # the rest of the file counts
    mansio.wait_log(r" => .*bob@ex.test")
    assert not (open_place / "program.out").exists() and not (open_place / "archive").exists()


def test_a_command_in_an_include_needs_an_owner_who_is_trusted_too(make_mansio, make_system, open_place):
    mansio = trusted(make_mansio, make_system)
    members = mansio.directory / "members"
    members.write_text(f"bob\n|{open_place}/program\n")
    members.chmod(0o666)
    (mansio.directory / "aliases").write_text(f"all: :include:{members}\n")
    mansio.start()
    assert send(mansio, "all@ex.test")[0] == 250
    mansio.wait_log(r" => .*bob@ex.test")
    mansio.wait_log(r" == all@ex.test")
    assert not (open_place / "program.out").exists()


@pytest.mark.parametrize("program, status, line", [("/bin/true", "done", "=> "), ("/bin/false", "waits", "== "), ("/no/such/program", "waits", "== ")])
def test_the_exit_status_of_a_command_decides(make_mansio, make_system, program, status, line):
    mansio = trusted(make_mansio, make_system)
    (mansio.directory / "aliases").write_text(f"tickets: |{program}\n")
    mansio.start()
    assert send(mansio, "tickets@ex.test")[0] == 250
    mansio.wait_log(rf" {line}\|{program}")
    wait_for(lambda: len(mansio.queue()) == (1 if status == "waits" else 0))


# ---- changes, newaliases, tests of addresses

def test_newaliases_tells_the_count_and_the_mistakes_with_file_and_line(mansio):
    done = mansio.sendmail("-bi")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"20 aliases\n"
    with (mansio.directory / "aliases").open("a") as aliases:
        aliases.write("new: alice\nbad: |relative\nnew: bob\nno colon here\n")
    done = mansio.sendmail("-bi")
    assert done.returncode == 65
    at = ALIASES.count("\n") + 1
    told = done.stderr.decode()
    for line in (at + 1, at + 2, at + 3):
        assert f"{mansio.directory}/aliases:{line}: " in told, told
    assert int(done.stdout.split()[0]) >= 21
    assert send(mansio, "new@ex.test")[0] == 250           # it counts at once, mistakes elsewhere or not
    completed(mansio)
    assert counts(mansio) == {"alice": 1}


def test_a_changed_file_counts_within_seconds_without_newaliases(mansio):
    aliases = mansio.directory / "aliases"
    aliases.write_text(aliases.read_text().replace("Info:        bob", "info: carol"))
    mansio.wait_log("tables reloaded: 20 aliases")
    assert send(mansio, "info@ex.test")[0] == 250
    completed(mansio)
    assert counts(mansio) == {"carol": 1}
    # A file that goes away has no entries; one that comes back has them again.
    text = aliases.read_text()
    aliases.unlink()
    mansio.wait_log("tables reloaded: 0 aliases")
    assert send(mansio, "info@ex.test")[0] == 550
    fresh = aliases.with_name("aliases.new")
    fresh.write_text(text)
    fresh.rename(aliases)
    wait_for(lambda: mansio.log().count("tables reloaded: 20 aliases") == 2)
    assert send(mansio, "info@ex.test")[0] == 250


def test_sendmail_tells_where_an_address_leads(mansio):
    done = mansio.sendmail("-bt", "team@ex.test", "gone@ex.test", "whoever@other.test", "far@away.test", "no such")
    out = done.stdout.decode()
    for user in ("bob", "alice", "carol"):
        assert re.search(rf"^team@ex.test -> {user}@ex.test R=local T=mailbox .*/mail/{user}$", out, re.M), out
    assert re.search(r"^gone@ex.test: 550 5.1.1 Alice has left", out, re.M)
    assert re.search(r"^whoever@other.test -> carol@other.test R=local", out, re.M)
    assert re.search(r"^far@away.test -> far@away.test R=everywhere T=internet", out, re.M)
    assert re.search(r"^no such: ", out, re.M)
    assert mansio.queue() == []


# ---- virtual users

@pytest.fixture
def virtual(public_path):
    home = public_path / "homes"
    home.mkdir()
    mansio = Mansio(public_path / "mansio", config=(CONFIG % dict(users='"passwd-file:users"', kind="maildir", path="~/Maildir", relay_from="[ ]",
                                                                  run_as="", extra="")).replace('[ "ex.test" ]', '[ "ex.test", "other.test" ]'))
    ids = f"{NOBODY}:{NOBODY}" if IS_ROOT else ":"
    lines = []
    for name in ("dora", "emil@other.test", "fritz"):
        path = home / name
        path.mkdir()
        if IS_ROOT:
            os.chown(path, NOBODY, NOBODY)
        lines.append(f"{name}:{{PLAIN}}secret:{ids}:gecos:{path}:/bin/false:quota=1G")
    lines += ["homeless::" + ids + "::" + str(home / "none") + "::", "broken::x:y::/tmp::", "# comment", "", "bad name::::::"]
    (mansio.directory / "users").write_text("\n".join(lines) + "\n")
    yield mansio.start(), home
    mansio.kill()


def new_in(path):
    folder = path / "Maildir" / "new"
    return list(folder.iterdir()) if folder.is_dir() else []


def test_virtual_users_have_mailboxes_in_their_homes(virtual):
    mansio, home = virtual
    assert send(mansio, "DORA@ex.test", "dora+x@other.test", "emil@other.test")[0] == 250
    completed(mansio)
    [message] = new_in(home / "emil@other.test")
    assert message.stat().st_uid == (NOBODY if IS_ROOT else os.getuid())
    assert len(new_in(home / "dora")) == 1
    assert send(mansio, "emil@ex.test")[0] == 550          # only in the other domain
    assert send(mansio, "bob@ex.test")[0] == 550
    code, lines = send(mansio, "broken@ex.test")           # unsure means defer
    assert code == 451, lines
    mansio.wait_log(rf"{mansio.directory}/users:5: ", "paniclog")
    assert "secret" not in mansio.log() + mansio.log("paniclog") + mansio.errors()


def test_a_virtual_user_without_a_home_waits(virtual):
    mansio, home = virtual
    assert send(mansio, "homeless@ex.test")[0] == 250
    mansio.wait_log(r" == homeless@ex.test .*home directory")
    assert len(mansio.queue()) == 1


def test_a_user_that_is_added_exists_within_seconds(virtual):
    mansio, home = virtual
    assert send(mansio, "gerda@ex.test")[0] == 550
    text = (mansio.directory / "users").read_text()
    (mansio.directory / "users").write_text(text.replace("\nfritz:", "\ngerda:"))
    wait_for(lambda: send(mansio, "gerda@ex.test")[0] == 250, what="the new user")
    wait_for(lambda: len(new_in(home / "fritz")) == 1)
    assert send(mansio, "fritz@ex.test")[0] == 550


# ---- ~/.forward

@pytest.fixture
def at_home(make_system):
    return make_system(users='"system"', path="~/Maildir", extra='aliases = "aliases";').start()


def new_of(user):
    return new_in(pathlib.Path(user.pw_dir))


@needs_root
def test_a_forward_sends_mail_on_and_the_own_name_in_it_means_the_mailbox(at_home, users):
    bob, alice, carol = users.make(), users.make(), users.make()
    users.write(bob, ".forward", f"# away\n{alice.pw_name}, \\{bob.pw_name}\n{carol.pw_name}@ex.test\n")
    users.write(carol, ".forward", f"{bob.pw_name}, {carol.pw_name}\n")        # back again: each has one copy
    assert send(at_home, f"{bob.pw_name}@ex.test")[0] == 250
    completed(at_home)
    assert [len(new_of(user)) for user in (bob, alice, carol)] == [1, 1, 1], at_home.log()


@needs_root
def test_forwards_that_lead_round_in_a_circle_end_in_a_mailbox_once(at_home, users):
    bob, alice = users.make(), users.make()
    users.write(bob, ".forward", alice.pw_name)
    users.write(alice, ".forward", bob.pw_name)
    assert send(at_home, f"{bob.pw_name}@ex.test")[0] == 250
    completed(at_home)
    assert len(new_of(bob)) + len(new_of(alice)) == 1, at_home.log()
    at_home.wait_idle()


@needs_root
@pytest.mark.parametrize("case", ["others may write it", "somebody else's", "a link", "a command", "a file", "a fifo", "an include"])
def test_a_forward_that_can_not_be_trusted_defers(at_home, users, public_path, case):
    bob, mallory = users.make(), users.make()
    home = pathlib.Path(bob.pw_dir)
    path = users.write(bob, ".forward", mallory.pw_name)
    if case == "others may write it":
        path.chmod(0o666)
    elif case == "somebody else's":
        os.chown(path, mallory.pw_uid, mallory.pw_gid)
    elif case == "a link":
        path.unlink()
        users.write(mallory, "secret", mallory.pw_name)
        path.symlink_to("/etc/passwd")
    elif case == "a fifo":
        path.unlink()
        os.mkfifo(path)
        os.chown(path, bob.pw_uid, bob.pw_gid)
    else:
        text = {"a command": f"|/usr/bin/touch {home}/ran", "a file": f"{home}/written", "an include": ":include:/etc/passwd"}[case]
        path.write_text(text)
    assert send(at_home, f"{bob.pw_name}@ex.test")[0] == 250
    at_home.wait_log(rf" == {bob.pw_name}@ex.test ")
    assert new_of(mallory) == [] and new_of(bob) == []
    assert sorted(entry.name for entry in home.iterdir()) == [".forward"]
    assert len(at_home.queue()) == 1
    path.unlink()                                          # mended: the mail comes
    wait_for(lambda: at_home.sendmail("-q").returncode == 0 and len(new_of(bob)) == 1, what=at_home.log())
    at_home.wait_idle()
    assert len(new_of(bob)) == 1


@needs_root
def test_a_forward_of_roots_is_not_read(make_system, users, tmp_path):
    """S-109: commands of root's are never run, and root's mail waits for an alias."""
    mansio = make_system(users='"system"', path="~/Maildir").start()
    assert send(mansio, "root@ex.test")[0] == 250
    mansio.wait_log(r" == root@ex.test ")
    assert len(mansio.queue()) == 1


@needs_root
def test_a_loop_between_an_alias_and_a_forward_ends_in_the_mailbox_or_in_one_report(at_home, users):
    bob, alice = users.make(), users.make()
    users.write(bob, ".forward", "desk@ex.test")
    (at_home.directory / "aliases").write_text(f"desk: {bob.pw_name}\n")
    at_home.wait_log("tables reloaded: 1 aliases")
    assert send(at_home, f"{bob.pw_name}@ex.test", sender=f"{alice.pw_name}@ex.test")[0] == 250
    completed(at_home)
    assert len(new_of(bob)) == 1                           # his own forward leads back to him
    assert send(at_home, "desk@ex.test", sender=f"{alice.pw_name}@ex.test")[0] == 250
    [report] = wait_for(lambda: new_of(alice), what=at_home.log())
    assert b"5.4.6" in report.read_bytes()                 # the desk has no mailbox
    at_home.wait_idle()
    assert (len(new_of(bob)), len(new_of(alice))) == (1, 1)


@needs_root
def test_an_ordinary_user_may_ask_where_an_address_leads_but_not_reload(at_home, users, programs):
    bob = users.make()
    sendmail = [*as_user(bob), str(programs / "sendmail"), "-C", str(at_home.config)]
    done = subprocess.run([*sendmail, "-bt", f"{bob.pw_name}@ex.test"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "R=local T=mailbox" in done.stdout, done
    assert subprocess.run([*sendmail, "-bi"], capture_output=True, timeout=30).returncode == 77
    assert subprocess.run([*sendmail, "-q"], capture_output=True, timeout=30).returncode == 77
