"""mansioctl top on a terminal: a session appears and goes, keys and sizes work, and the terminal is as before at the end."""
import json
import re
import shlex
import subprocess

import pytest

from harness import BUILD, tool, wait_for


class Terminal:
    """A shell in tmux, with a server of its own."""

    def __init__(self, directory, width=80, height=24):
        self.socket = str(directory / "tmux")
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), "env PS1='ready> ' TERM=screen sh")
        wait_for(lambda: "ready>" in self.screen(), what="the shell")

    def run(self, *words):
        done = subprocess.run([tool("tmux"), "-S", self.socket, *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def type(self, *keys):
        self.run("send-keys", *keys)

    def command(self, *words):
        self.type(" ".join(shlex.quote(str(w)) for w in words), "Enter")

    def screen(self):
        return self.run("capture-pane", "-p")

    def wait(self, pattern, what=None):
        return wait_for(lambda: re.search(pattern, self.screen(), re.M), what=what or f"{pattern!r} on the screen:\n{self.screen()}")

    def resize(self, width, height):
        self.run("resize-window", "-x", str(width), "-y", str(height))

    def is_sane(self):
        """The cursor is there, it echoes, and whole lines are read."""
        self.wait(r"^ready>$", "the shell's prompt")          # or what is typed mixes with it
        self.type("stty -a | grep -c -- '-icanon\\|-echo '; echo the $((40+2))", "Enter")
        self.wait(r"^the 42$")
        assert re.search(r"^0$", self.screen(), re.M), self.screen()
        assert self.run("display-message", "-p", "#{cursor_flag} #{alternate_on}").split() == ["1", "0"]

    def close(self):
        subprocess.run([tool("tmux"), "-S", self.socket, "kill-server"], capture_output=True, timeout=20)


@pytest.fixture
def terminal(tmp_path):
    made = Terminal(tmp_path)
    yield made
    made.close()


def start_top(terminal, mansio, *words):
    terminal.command(BUILD / "daemon" / "mansioctl", "top", "-d", "0.2", "--config", mansio.config, *words)
    terminal.wait(r"^mansio .*sorted by newest")
    terminal.wait(r"^no sessions")


def test_a_session_appears_and_goes_and_q_leaves_a_sane_terminal(mansio, terminal):
    start_top(terminal, mansio)
    with mansio.connect() as client:
        client.command("EHLO visitor.test")
        terminal.wait(r"^i\d+ +127\.0\.0\.1:\d+ +visitor\.test +relay ")
        assert len(terminal.screen().splitlines()) <= 24
        terminal.type("s")
        terminal.wait("sorted by idle")
        terminal.resize(120, 40)
        client.command("MAIL FROM:<a@b.test>")
        terminal.wait(r"visitor\.test .* MAIL")
        terminal.resize(60, 12)
        terminal.wait(r"^mansio .{0,55}$")
        terminal.wait(r"visitor\.test")
    terminal.wait(r"^no sessions", "the session's end")
    terminal.type("p")
    terminal.wait("held")
    terminal.type("q")
    terminal.wait(r"ready> *$")
    terminal.is_sane()


@pytest.mark.parametrize("number", ["INT", "TERM", "HUP"])
def test_a_signal_leaves_a_sane_terminal(mansio, terminal, number):
    start_top(terminal, mansio)
    if number == "INT":
        terminal.type("C-c")
    else:
        pid = wait_for(lambda: subprocess.run(["pgrep", "-f", f"mansioctl top .*{re.escape(str(mansio.config))}"], capture_output=True, text=True).stdout.split(),
                       what="its pid")
        subprocess.run(["kill", f"-{number}", *pid], check=True)
    terminal.wait(r"ready> *$")
    terminal.is_sane()


def test_when_the_daemon_ends_top_says_so_on_a_sane_terminal(mansio, terminal):
    start_top(terminal, mansio)
    mansio.stop()
    terminal.wait("the daemon doesn't run")
    terminal.is_sane()


def test_without_a_terminal_it_prints_frames(mansio):
    with mansio.connect() as client:
        client.command("EHLO visitor.test")
        one = mansio.ctl("top")
        assert one.returncode == 0 and "\x1b" not in one.stdout
        assert one.stdout.startswith("mansio ") and "visitor.test" in one.stdout and "sessions 1 in, 0 out" in one.stdout
        two = mansio.ctl("top", "-n", "2", "-d", "0.1")
        assert two.stdout.count("sorted by newest") == 2
        (frame,) = [json.loads(line) for line in mansio.ctl("top", "--once", "--json").stdout.splitlines()]
        assert frame["sessions"][0]["name"] == "visitor.test" and frame["status"]["sessions"]["in"] == 1
    assert mansio.ctl("top", "-d", "0").returncode == 64
