"""mansioctl setup: unattended for each kind of site, with a daemon that takes it, and as a dialogue in a terminal."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from certificates import Authority
from harness import BUILD, tool, wait_for
from sink import Sink, server_context
from system_users import IS_ROOT, make_system, public_path, users  # noqa: F401

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "etc" / "mansio.conf"
MAIN = """
# what set-up doesn't ask for
version = 1;
host_name = "mx.ex.test"; run_as = "%(run_as)s";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
dns = { servers = [ "127.0.0.1:9" ]; timeout = "300ms"; attempts = 1; };
aliases = "aliases";
"""


def house(make, **options):
    made = make(config="version = 1;", **options)
    made.config.write_text(MAIN % dict(run_as=getattr(made, "service", None).pw_name if hasattr(made, "service") else ""))
    aliases = made.directory / "aliases"
    aliases.write_text("")
    aliases.chmod(0o644)
    return made


def set_up(mansio, *words, **answers):
    """Runs it with these answers; the CompletedProcess."""
    file = mansio.directory / "answers"
    file.write_text("".join(f'{name} = "{value}";\n' for name, value in {"listen": "127.0.0.1:0", "mail_name": "ex.test", **answers}.items()))
    return mansio.ctl("setup", "--answers", file, "--yes", *words)


def test_internet_mail_for_a_user_lands_in_a_maildir_at_home(users, make_system):  # noqa: F811
    if not IS_ROOT:
        pytest.skip("delivers as a user made for it, so it needs root")
    user = users.make()
    mansio = house(make_system)
    out = set_up(mansio, site="internet", local_domains="ex.test", mailboxes="maildir")
    assert out.returncode == 0, out.stderr
    assert f"written: {mansio.directory}/conf.d/10-setup.conf" in out.stdout
    assert "No daemon runs with this configuration: systemctl start mansio" in out.stdout
    with mansio.start().connect() as client:
        assert client.transaction("a@b.test", [f"{user.pw_name}@ex.test"], b"Subject: x\r\n\r\nhello\r\n")[0] == 250
    folder = pathlib.Path(user.pw_dir) / "Maildir" / "new"
    [message] = wait_for(lambda: folder.is_dir() and list(folder.iterdir()), what="the message")
    assert b"hello" in message.read_bytes()


@pytest.mark.parametrize("site", ["smarthost", "satellite"])
def test_mail_leaves_through_the_smart_host_logged_in(make_mansio, tmp_path, site):
    authority = Authority(tmp_path / "tls")
    leaf = authority.leaf("smart", names=["localhost"], addresses=["127.0.0.1"])
    sink = Sink(tls=server_context(leaf), auth=("PLAIN",), logins={"me@provider.test": 'ge"heim'})
    try:
        mansio = house(make_mansio, env={"SSL_CERT_FILE": str(authority.certificate)})
        out = set_up(mansio, site=site, local_domains="ex.test", smart_host=f"[127.0.0.1]:{sink.port}", smart_host_user="me@provider.test",
                     smart_host_password='ge\\"heim')
        assert out.returncode == 0, out.stderr
        secret = mansio.directory / "smart_host.secret"
        assert secret.stat().st_mode & 0o777 == 0o600 and "geheim" not in out.stdout and 'ge"heim' not in out.stdout
        mansio.start()
        sent = mansio.sendmail("-f", "root@ex.test", "x@far.test", *(["root@ex.test"] if site == "satellite" else []),
                               input=b"Subject: out\n\nhello\n")
        assert sent.returncode == 0, sent.stderr
        message = wait_for(lambda: sink.messages and sink.messages[0], what="the message at the smart host:\n" + mansio.log())
        assert {address for address, _ in message.recipients} == {"x@far.test", *(["root@ex.test"] if site == "satellite" else [])}
        assert message.session.user == "PLAIN:me@provider.test"
    finally:
        sink.close()


def test_local_only_sends_nothing_away(make_mansio):
    mansio = house(make_mansio)
    box = mansio.directory / "box"
    aliases = mansio.directory / "aliases"
    aliases.write_text(f"bob: {box}\n")
    aliases.chmod(0o644)
    out = set_up(mansio, site="local", local_domains="ex.test, localhost")
    assert out.returncode == 0, out.stderr
    mansio.start()
    with mansio.connect() as client:
        assert client.transaction("root@ex.test", ["bob@ex.test"], b"Subject: x\r\n\r\nhello\r\n")[0] == 250
        client.transaction("bob@ex.test", ["x@far.test"], b"Subject: x\r\n\r\nhello\r\n", ehlo=None)
    mansio.wait_log(r"== x@far\.test .*no route leads to far\.test")
    wait_for(lambda: box.exists() and b"hello" in box.read_bytes(), what="bob's message:\n" + mansio.log())


def test_the_same_answers_again_change_nothing_and_say_so(make_mansio):
    mansio = house(make_mansio)
    answers = dict(site="smarthost", local_domains="ex.test", smart_host="smtp.far.test", smart_host_user="me", smart_host_password="x")
    assert set_up(mansio, **answers).returncode == 0
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in mansio.directory.rglob("*.*") if path.suffix in (".conf", ".secret")}
    again = set_up(mansio, **answers)
    assert again.returncode == 0 and again.stdout == "Nothing to change: all is as the answers say.\n"
    assert json.loads(set_up(mansio, "--json", **answers).stdout) == {"changes": []}
    # What it prints as answers is what it has.
    printed = mansio.ctl("setup", "--print-answers").stdout
    assert 'smart_host = "smtp.far.test:25";' in printed and 'smart_host_user = "me";' in printed and "#smart_host_password" in printed
    (mansio.directory / "answers").write_text(printed)
    assert mansio.ctl("setup", "--answers", mansio.directory / "answers").stdout == "Nothing to change: all is as the answers say.\n"
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}


def test_the_lines_of_the_sample_become_comments_and_anything_else_is_left(make_mansio):
    mansio = house(make_mansio)
    mansio.config.write_text(SAMPLE.read_text() + "\ndns = { timeout = \"1s\"; };\n")
    out = set_up(mansio, site="internet", local_domains="ex.test")
    assert out.returncode == 0, out.stderr
    assert '-relay_from = [ "127.0.0.0/8", "::1" ];\n' in out.stdout and '+#relay_from = [ "127.0.0.0/8", "::1" ];\n' in out.stdout
    text = mansio.config.read_text()
    assert "\n#routes = (\n" in text and '\ndns = { timeout = "1s"; };\n' in text
    assert subprocess.run([str(BUILD / "daemon" / "mansiod"), "check", "--config", str(mansio.config)], capture_output=True).returncode == 0
    # An author's own setting is in the way: nothing is written, both places are named.
    (mansio.directory / "conf.d" / "10-setup.conf").unlink()
    mansio.config.write_text(MAIN % dict(run_as="") + 'routes = ( { name = "all"; domains = [ "*" ]; transport = "x"; } );\ntransports = { x = { kind = "smtp"; }; };\n')
    before = mansio.config.read_text()
    out = set_up(mansio, site="internet", local_domains="ex.test")
    line = before.splitlines().index('routes = ( { name = "all"; domains = [ "*" ]; transport = "x"; } );') + 1
    assert out.returncode == 78 and f'"routes" is given twice: here and at {mansio.config}:{line}' in out.stderr and "nothing was changed" in out.stderr
    assert mansio.config.read_text() == before and not list((mansio.directory / "conf.d").iterdir())


def test_listeners_that_somebody_adds_later_stay_theirs(make_mansio):
    mansio = house(make_mansio)
    answers = dict(site="internet", local_domains="ex.test")
    assert set_up(mansio, **answers).returncode == 0
    mansio.config.write_text(mansio.config.read_text() + 'listeners = ( { address = "127.0.0.1"; port = 0; }, { address = "127.0.0.2"; port = 0; } );\n')
    line = len(mansio.config.read_text().splitlines())
    assert mansio.ctl("check").returncode == 78                # given twice
    out = set_up(mansio, **answers)
    assert out.returncode == 0 and out.stdout.startswith(f"listeners stay as {mansio.config}:{line} has them\n"), out.stdout + out.stderr
    assert "listeners" not in (mansio.directory / "conf.d" / "10-setup.conf").read_text()
    assert len(mansio.start().ports) == 2


def test_wrong_answers_are_told_with_their_lines(make_mansio):
    mansio = house(make_mansio)
    out = set_up(mansio, site="moon")
    assert out.returncode == 78 and f'{mansio.directory}/answers:3: site: "moon" is none of these' in out.stderr
    assert not (mansio.directory / "conf.d").exists()
    assert mansio.ctl("setup").returncode == 64            # nobody to ask


def test_a_running_daemon_takes_it_at_once(make_mansio):
    mansio = house(make_mansio)
    box = mansio.directory / "box"
    (mansio.directory / "aliases").write_text(f"bob: {box}\n")
    assert set_up(mansio, site="local", local_domains="ex.test").returncode == 0
    mansio.start()
    out = set_up(mansio, site="local", local_domains="ex.test, new.test")
    assert out.returncode == 0 and "The daemon runs with it now." in out.stdout, out.stdout + out.stderr
    with mansio.connect() as client:
        assert client.transaction("root@ex.test", ["bob@new.test"], b"Subject: x\r\n\r\nhello\r\n")[0] == 250
    wait_for(lambda: box.exists() and b"hello" in box.read_bytes(), what="bob's message:\n" + mansio.log())


class Terminal:
    """A program in a terminal of tmux, with a server of its own."""

    def __init__(self, directory, command):
        self.tmux = [tool("tmux"), "-S", str(directory / "tmux.sock"), "-f", "/dev/null"]
        env = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", TMUX="")
        subprocess.run([*self.tmux, "new-session", "-d", "-x", "160", "-y", "200", f"{command}; echo \"exit=$?\"; exec sleep 60"],
                       check=True, env=env, timeout=20)

    def screen(self, *options):
        return subprocess.run([*self.tmux, "capture-pane", "-p", *options], capture_output=True, text=True, timeout=20).stdout

    def wait(self, pattern):
        return wait_for(lambda: re.search(pattern, self.screen(), re.S), what=f"{pattern!r} on the screen:\n" + self.screen().rstrip())

    def type(self, text):
        subprocess.run([*self.tmux, "send-keys", "-l", text], check=True, timeout=20)
        subprocess.run([*self.tmux, "send-keys", "Enter"], check=True, timeout=20)

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], capture_output=True, timeout=20)


def test_the_dialogue_in_a_terminal(make_mansio, tmp_path):
    mansio = house(make_mansio)
    terminal = Terminal(tmp_path, f"{BUILD}/daemon/mansioctl setup --config {mansio.config}")
    try:
        terminal.wait(r"Kind of site.*\* 1\. internet.*\[internet\]: $|Kind of site.*\[internet\]:\s*$")
        terminal.type("2")
        terminal.wait(r"Mail name.*\]:\s*$")
        terminal.type("no domain")
        terminal.wait(r"no domain.*Mail name.*\]:\s*$")
        terminal.type("ex.test")
        terminal.wait(r"Listen on.*\]:\s*$")
        terminal.type("<")
        terminal.wait(r"Mail name.*\[ex\.test\]:\s*$")
        terminal.type("")
        terminal.wait(r"Listen on.*Listen on.*\]:\s*$")
        terminal.type("127.0.0.1:2525")
        terminal.wait(r"Local domains.*\]:\s*$")
        terminal.type("ex.test localhost")
        terminal.wait(r"Relay for domains.*\[\]:\s*$")
        terminal.type("")
        terminal.wait(r"Relay for networks.*\[\]:\s*$")
        terminal.type("192.0.2.0/24")
        terminal.wait(r"Smart host.*\[\]:\s*$")
        terminal.type("")
        terminal.wait(r"an answer is needed.*Smart host.*\[\]:\s*$")
        terminal.type("smtp.far.test:587")
        terminal.wait(r"User at the smart host.*\[\]:\s*$")
        terminal.type("me")
        terminal.wait(r"Password at the smart host:\s*$")
        terminal.type("geheim")
        terminal.wait(r"Mailboxes.*\[mbox\]:\s*$")
        terminal.type("maildir")
        terminal.wait(r"Write this\? \[y/N\]")
        coloured = terminal.screen("-e")
        assert re.search(r"\x1b\[32m\+", coloured) and "+listeners = (" in coloured
        assert "geheim" not in coloured
        assert not (mansio.directory / "conf.d").exists()
        terminal.type("y")
        terminal.wait(r"exit=0")
    finally:
        terminal.close()
    text = (mansio.directory / "conf.d" / "10-setup.conf").read_text()
    assert "# Kind of site: smarthost" in text and 'address = "127.0.0.1"; port = 2525;' in text and 'local = [ "ex.test", "localhost" ];' in text
    assert '"192.0.2.0/24" ];' in text and 'path = "~/Maildir";' in text and f'credentials = "{mansio.directory}/smart_host.secret";' in text
    assert 'user = "me";\npassword = "geheim";' in (mansio.directory / "smart_host.secret").read_text()


def test_giving_up_in_the_dialogue_changes_nothing(make_mansio, tmp_path):
    mansio = house(make_mansio)
    before = sorted(mansio.directory.rglob("*"))
    terminal = Terminal(tmp_path, f"{BUILD}/daemon/mansioctl setup --config {mansio.config}")
    try:
        terminal.wait(r"Kind of site.*\]:\s*$")
        subprocess.run([*terminal.tmux, "send-keys", "C-d"], check=True, timeout=20)
        terminal.wait(r"given up: nothing was changed.*exit=1")
    finally:
        terminal.close()
    assert sorted(mansio.directory.rglob("*")) == before
