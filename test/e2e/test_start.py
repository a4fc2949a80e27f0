"""Starting and ending: every mistake names the setting, nothing leaks into the processes, nothing is left behind."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from harness import CONFIG, MANSIOD, Mansio, Raw, alive, wait_for
from system_users import AS_NOBODY, IS_ROOT, NOBODY, make_system, needs_root, programs, public_path, status_of, users  # noqa: F401


def run(mansio, *arguments, wrapper=(), timeout=60, **more):
    command = [*wrapper, str(MANSIOD), *(arguments or ("--config", str(mansio.config), "--foreground"))]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, **more)


def change(mansio, old, new):
    text = mansio.config.read_text()
    assert old in text
    mansio.config.write_text(text.replace(old, new))


# ---- mistakes in the configuration

MISTAKES = """version = 1;
host_nam = "mx.ex.test";
limits = { message_size = "lots"; hops = "many"; };
listeners = ( { address = "127.0.0.1"; port = 70000; } );
run_as = "";
"""


@pytest.mark.parametrize("command", [["--foreground"], ["check"], []])
def test_all_mistakes_of_a_configuration_are_told_in_one_run_with_file_and_line(make_mansio, command):
    mansio = make_mansio(config=MISTAKES)
    (mansio.directory / "conf.d").mkdir()
    more = mansio.directory / "conf.d" / "10-more.conf"
    more.write_text('\nrun_as = "somebody";\n')
    done = run(mansio, "--config", str(mansio.config), *command)
    assert done.returncode == 78
    assert done.stdout == ""
    told = done.stderr.splitlines()
    for at, word in ((2, "host_nam"), (3, "message_size"), (3, "hops"), (4, "port")):
        assert any(line.startswith(f"{mansio.config}:{at}: ") and word in line for line in told), (at, word, told)
    assert "host_name" in next(line for line in told if "host_nam" in line)      # did you mean
    twice = next(line for line in told if "run_as" in line)
    assert f"{mansio.config}:5" in twice and f"{more}:2" in twice                # a setting given twice names both places


@pytest.mark.parametrize("text, line", [('version = 1;\nrun_as = "x\n', 2), ("version = 1;\n\nlimits = { hops = ; };\n", 3), ("\x7fELF\0\0\1", 1)])
def test_a_configuration_that_does_not_parse_is_78_with_the_line(make_mansio, text, line):
    mansio = make_mansio(config=text)
    done = run(mansio)
    assert done.returncode == 78
    assert re.search(rf"^{re.escape(str(mansio.config))}:\d+: ", done.stderr, re.M), done.stderr
    assert not (mansio.directory / "spool").exists()


def test_a_configuration_that_is_not_there_is_78_and_named(tmp_path):
    done = subprocess.run([str(MANSIOD), "--config", str(tmp_path / "none.conf"), "--foreground"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert str(tmp_path / "none.conf") in done.stderr


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["no-such-command"], ["--config"]])
def test_a_wrong_command_line_is_64(arguments):
    assert subprocess.run([str(MANSIOD), *arguments], capture_output=True, timeout=60).returncode == 64


def test_check_says_so_when_all_is_well_and_prints_what_it_reads_back(make_mansio, tmp_path):
    mansio = make_mansio(extra='aliases = "aliases"; limits = { message_size = "7M"; hops = 33; }; shutdown_grace = "90s";')
    (mansio.directory / "aliases").write_text("info: bob\n")
    done = run(mansio, "check", "--config", str(mansio.config))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    printed = run(mansio, "check", "--print", "--config", str(mansio.config))
    assert printed.returncode == 0, printed.stderr
    assert 'message_size = "7M"' in printed.stdout and "hops = 33" in printed.stdout
    again = make_mansio("again", config=printed.stdout)
    reprinted = run(again, "check", "--print", "--config", str(again.config))
    assert (reprinted.returncode, reprinted.stdout) == (0, printed.stdout), reprinted.stderr
    assert not (mansio.directory / "spool").exists()       # a check makes nothing


def test_check_tells_mistakes_of_the_aliases_with_file_and_line(make_mansio):
    mansio = make_mansio(extra='aliases = "aliases";')
    aliases = mansio.directory / "aliases"
    aliases.write_text("good: bob\nbad: |relative/program\n\n: nobody\n")
    done = run(mansio, "check", "--config", str(mansio.config))
    assert done.returncode == 78
    assert f"{aliases}:2: " in done.stderr and f"{aliases}:4: " in done.stderr


# ---- what the machine refuses

def test_a_port_in_use_is_75_and_names_the_setting(make_mansio):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        mansio = make_mansio(config=(CONFIG % dict(users='[ "bob" ]', kind="maildir", path="mail/{local}", relay_from="[ ]", run_as="", extra=""))
                             .replace("port = 0", f"port = {port}"))
        done = run(mansio)
    assert done.returncode == 75
    assert "listeners" in done.stderr and f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr, done.stderr


def test_an_address_that_is_not_ours_is_75_and_names_the_setting(make_mansio):
    mansio = make_mansio()
    change(mansio, '"127.0.0.1"', '"192.0.2.77"')
    done = run(mansio)
    assert done.returncode == 75
    assert "listeners" in done.stderr and "192.0.2.77" in done.stderr


@pytest.mark.parametrize("setting", ["spool", "log", "run"])
def test_a_directory_whose_parent_is_missing_is_75_and_names_the_setting(make_mansio, setting):
    mansio = make_mansio()
    change(mansio, f'{setting}_directory = "{setting}"', f'{setting}_directory = "no/such/{setting}"')
    done = run(mansio)
    assert done.returncode == 75
    assert f"{setting}_directory: " in done.stderr and f"no/such/{setting}" in done.stderr and "No such file" in done.stderr


@pytest.mark.parametrize("setting", ["spool", "log", "run"])
def test_a_file_in_the_place_of_a_directory_is_75_and_stays(make_mansio, setting):
    mansio = make_mansio()
    (mansio.directory / setting).write_text("mine")
    done = run(mansio)
    assert done.returncode == 75
    assert f"{setting}_directory: " in done.stderr
    assert (mansio.directory / setting).read_text() == "mine"


@pytest.mark.parametrize("setting", ["spool", "log", "run"])
def test_a_directory_that_may_not_be_written_is_75_and_names_the_setting(public_path, programs, setting):
    """As an ordinary user: root may write anywhere."""
    mansio = Mansio(public_path / "mansio")
    if IS_ROOT:
        os.chown(mansio.directory, NOBODY, NOBODY)
    closed = mansio.directory / setting
    closed.mkdir()
    closed.chmod(0o555)
    done = subprocess.run([*AS_NOBODY, str(programs / "mansiod"), "--config", str(mansio.config), "--foreground"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 75, done.stderr
    assert f"{setting}_directory: " in done.stderr and str(closed) in done.stderr, done.stderr
    assert "Permission denied" in done.stderr


@needs_root
@pytest.mark.parametrize("setting", ["spool", "log", "run"])
def test_a_directory_that_the_mail_process_may_not_write_is_75_and_names_the_setting(make_system, setting):
    mansio = make_system()
    (mansio.directory / setting).mkdir(mode=0o755)
    done = run(mansio)
    assert done.returncode == 75
    assert f"{setting}_directory: " in done.stderr and "Permission denied" in done.stderr, done.stderr


@needs_root
def test_a_missing_run_as_user_is_78_and_named(make_mansio):
    done = run(make_mansio(run_as="no-such-user-here"))
    assert done.returncode == 78
    assert 'run_as: there is no user "no-such-user-here"' in done.stderr


# ---- one daemon a spool, one a run directory

def second(mansio, **changes):
    """Another configuration beside `mansio`'s that shares all of its directories but those in `changes`."""
    text = mansio.config.read_text()
    for setting, place in changes.items():
        text = re.sub(rf'{setting}_directory = "[^"]*"', f'{setting}_directory = "{place}"', text)
    path = mansio.directory / "second.conf"
    path.write_text(text)
    return path


def still_works(mansio):
    with mansio.connect() as client:
        assert client.transaction("a@b.test", ["bob@ex.test"], b"Subject: x\r\n\r\nx\r\n")[0] == 250
    mansio.wait_mail(1)
    mansio.wait_idle()
    assert int((mansio.directory / "run" / "mansiod.pid").read_text()) == mansio.process.pid


def test_a_second_daemon_on_the_same_spool_says_so_and_exits(mansio):
    config = second(mansio, run="run2", log="log2")
    done = run(mansio, "--config", str(config), "--foreground")
    assert done.returncode == 75
    assert "spool_directory: " in done.stderr and f"another mansiod (pid {mansio.mail_pid()})" in done.stderr, done.stderr
    still_works(mansio)


def test_a_second_daemon_in_the_same_run_directory_is_refused_and_takes_nothing_away(mansio):
    config = second(mansio, spool="spool2", log="log2")
    done = run(mansio, "--config", str(config), "--foreground")
    assert done.returncode == 75
    assert "run_directory: " in done.stderr and ".sock: Address already in use" in done.stderr, done.stderr
    still_works(mansio)


def test_sockets_of_a_dead_daemon_are_replaced(make_mansio):
    mansio = make_mansio()
    (mansio.directory / "run").mkdir()
    for name in ("submit.sock", "control.sock"):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(mansio.directory / "run" / name))
            dead.listen(1)
        assert (mansio.directory / "run" / name).is_socket()
    mansio.start()
    still_works(mansio)
    assert mansio.sendmail("bob", input=b"Subject: y\n\ny\n").returncode == 0
    mansio.wait_mail(2)


def test_a_file_that_is_no_socket_is_not_replaced(make_mansio):
    mansio = make_mansio()
    (mansio.directory / "run").mkdir()
    (mansio.directory / "run" / "control.sock").write_text("precious")
    done = run(mansio)
    assert done.returncode == 75
    assert "run_directory: " in done.stderr and "control.sock" in done.stderr
    assert (mansio.directory / "run" / "control.sock").read_text() == "precious"


def test_a_pid_file_that_is_a_link_does_not_lead_elsewhere(make_mansio):
    """S-113: a stale or planted pid file is replaced, never written through."""
    mansio = make_mansio()
    victim = mansio.directory / "victim"
    victim.write_text("kept")
    (mansio.directory / "run").mkdir()
    (mansio.directory / "run" / "mansiod.pid").symlink_to(victim)
    mansio.start()
    assert victim.read_text() == "kept"
    pid_file = mansio.directory / "run" / "mansiod.pid"
    assert not pid_file.is_symlink() and int(pid_file.read_text()) == mansio.process.pid


# ---- to the background, and under systemd

@pytest.fixture
def background(make_mansio):
    """Starts mansiod without --foreground; whatever it left behind is ended by its pid."""
    started = []

    def start(**options):
        mansio = make_mansio(**options)
        started.append(mansio)
        environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
        mansio.done = run(mansio, "--config", str(mansio.config), env=environment)
        return mansio

    yield start
    for mansio in started:
        try:
            pid = int((mansio.directory / "run" / "mansiod.pid").read_text())
        except (OSError, ValueError):
            continue
        os.kill(pid, signal.SIGTERM)
        try:
            wait_for(lambda: not alive(pid), 20)
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            raise


def test_without_foreground_it_returns_when_it_answers_and_lets_go_of_the_terminal(background):
    """`capture_output` reads to the end of stdout and stderr: a daemon that kept them would never let it return."""
    mansio = background()
    assert (mansio.done.returncode, mansio.done.stdout, mansio.done.stderr) == (0, "", "")
    with Raw(0, path=mansio.directory / "run" / "submit.sock") as client:      # at once, without waiting
        assert client.greeting[0] == 220
        assert client.transaction("", ["bob@ex.test"], b"Subject: b\r\n\r\nb\r\n")[0] == 250
    mansio.wait_mail(1)
    pid = int((mansio.directory / "run" / "mansiod.pid").read_text())
    assert os.getsid(pid) == pid != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert all(os.readlink(f"/proc/{pid}/fd/{n}") == "/dev/null" for n in (0, 1, 2))


def test_the_status_of_a_start_that_failed_is_passed_on(background):
    with socket.create_server(("127.0.0.1", 0)) as other:
        text = (CONFIG % dict(users='[ "bob" ]', kind="maildir", path="mail/{local}", relay_from="[ ]", run_as="", extra=""))
        mansio = background(config=text.replace("port = 0", f"port = {other.getsockname()[1]}"))
    assert mansio.done.returncode == 75
    assert "in use" in mansio.done.stderr


def test_a_failure_of_the_mail_process_is_passed_on_too(background):
    first = background()
    assert first.done.returncode == 0
    config = second(first, run="run2", log="log2")
    done = run(first, "--config", str(config))
    assert done.returncode == 75
    assert "spool_directory: " in done.stderr


def notified(sock, wanted, timeout=20):
    """Reads datagrams until one has the line `wanted`; all lines that came."""
    sock.settimeout(timeout)
    lines = []
    while wanted not in lines:
        lines += sock.recv(4096).decode().splitlines()
    return lines


@pytest.mark.parametrize("arguments, abstract", [(["--foreground"], False), ([], False), ([], True)])
def test_systemd_is_told_of_start_reload_and_end(make_mansio, tmp_path, arguments, abstract):
    path = f"@mansio-test-{os.getpid()}" if abstract else tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + path[1:] if abstract else str(path))
        mansio = make_mansio()
        process = subprocess.Popen([str(MANSIOD), "--config", str(mansio.config), *arguments], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, NOTIFY_SOCKET=str(path)))
        try:
            lines = notified(sock, "READY=1")
            assert any(line.startswith("STATUS=") for line in lines)
            assert int((mansio.directory / "run" / "mansiod.pid").read_text()) == process.pid     # Type=notify: no fork
            process.send_signal(signal.SIGHUP)
            assert notified(sock, "READY=1")[0] == "RELOADING=1"
            mansio.config.write_text("nonsense")
            process.send_signal(signal.SIGHUP)
            assert notified(sock, "READY=1")[0] == "RELOADING=1"       # also when the old configuration stays
            process.send_signal(signal.SIGTERM)
            notified(sock, "STOPPING=1")
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


# ---- what the processes have, and don't

def descriptors(pid):
    out = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            out[int(entry.name)] = os.readlink(entry)
        except OSError:
            pass
    return out


@pytest.mark.skipif(not IS_ROOT, reason="the processes are not dumpable, so only root may look at their descriptors")
def test_an_agent_holds_its_channel_and_nothing_else(make_mansio):
    """S-151: no listener, no journal, no log, no other agent's channel."""
    mansio = make_mansio(extra="deliver = { agents = 3; };").start()
    agents = {title: pid for title, pid in mansio.children().items() if "deliver" in title}
    assert len(agents) == 4
    for title, pid in agents.items():
        held = descriptors(pid)
        others = [target for number, target in held.items() if number > 2]
        assert len(others) == 1 and others[0].startswith("socket:"), (title, held)


REPORT = """#!/bin/sh
exec > "$1.new" 2>&1
cat /proc/self/status
echo ---
ls -l /proc/self/fd
echo ---
env
echo ---
pwd
ulimit -c
echo ---
cat <&0 | wc -c
mv "$1.new" "$1"
"""


@pytest.fixture
def piped(public_path):
    """A daemon whose bob is a program that reports what it was given, run as nobody when the tests run as root."""
    made = []

    def start(wrapper=(), env=None):
        script = public_path / "report"
        script.write_text(REPORT)
        script.chmod(0o755)
        out = public_path / "out"
        out.mkdir()
        out.chmod(0o777)
        text = (CONFIG % dict(users='"passwd-file:users"', kind="maildir", path="mail/{local}", relay_from="[ ]", run_as="", extra="")).replace(
            'kind = "maildir"; path = "mail/{local}";', f'kind = "pipe"; command = [ "{script}", "{out}/report" ];')
        mansio = Mansio(public_path / "mansio", config=text, wrapper=wrapper, env=env)
        ids = f"{NOBODY}:{NOBODY}" if IS_ROOT else f"{os.getuid()}:{os.getgid()}"
        (mansio.directory / "users").write_text(f"bob::{ids}::/:\n")
        made.append(mansio)
        mansio.start()
        with mansio.connect() as client:
            assert client.transaction("a@b.test", ["bob+d@ex.test"], b"Subject: x\r\n\r\nx\r\n")[0] == 250
        path = out / "report"
        wait_for(path.exists, what="the report; log: " + mansio.log())
        return [part.strip("\n") for part in path.read_text().split("---\n")]

    yield start
    for mansio in made:
        mansio.kill()


def test_a_command_gets_three_descriptors_a_small_environment_and_no_rights(piped):
    status, held, environment, place, size = piped(env={"SECRET": "of the parent", "LD_LIBRARY_PATH": "/nowhere", "BASH_ENV": "/tmp/x"})
    fields = status_of(status)
    links = [line.split()[8:] for line in held.splitlines() if "->" in line]
    extra = [link for link in links if int(link[0]) > 2 and "/proc/" not in link[-1]]
    assert extra == [], held                               # ls has the directory itself open
    names = {line.split("=")[0] for line in environment.splitlines()}
    assert names <= {"PATH", "SHELL", "HOME", "USER", "LOGNAME", "LANG", "SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT", "LOCAL",
                     "DOMAIN", "DETAIL", "PWD", "OLDPWD", "SHLVL", "_"}, names
    assert "DETAIL=d" in environment and "SENDER=a@b.test" in environment
    assert place.splitlines() == ["/", "0"]                # its directory; no core dumps
    assert int(size) > 100                                 # the message on stdin, with its trace fields
    assert set(fields["SigIgn"]) == {"0" * 16} and set(fields["SigBlk"]) == {"0" * 16}
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapInh"] == fields["CapAmb"] == ["0" * 16]
    assert fields["NoNewPrivs"] == ["1"]
    if IS_ROOT:
        assert set(fields["Uid"]) == set(fields["Gid"]) == {str(NOBODY)} and fields["Groups"] == [str(NOBODY)]


def test_processes_have_titles_and_the_parent_a_pid_file(make_mansio):
    mansio = make_mansio(extra="deliver = { agents = 2; };").start()
    parent = pathlib.Path(f"/proc/{mansio.process.pid}/cmdline").read_bytes().split(b"\0")[0]
    assert parent == b"mansiod: parent"
    assert sorted(mansio.children()) == ["mansiod: deliver (users)", "mansiod: deliver 1", "mansiod: deliver 2", "mansiod: mail 0"]
    pid_file = mansio.directory / "run" / "mansiod.pid"
    assert pid_file.read_text() == f"{mansio.process.pid}\n"
    assert mansio.stop() == 0
    assert [path.name for path in pid_file.parent.iterdir()] == []      # sockets and pid file are gone


# ---- the end

def test_term_ends_idle_sessions_at_once_and_lets_a_transaction_finish(mansio):
    idle, busy = mansio.connect(), mansio.connect()
    assert busy.command("EHLO c.test")[0] == 250
    assert busy.command("MAIL FROM:<a@b.test>")[0] == 250
    assert busy.command("RCPT TO:<bob@ex.test>")[0] == 250
    assert busy.command("DATA")[0] == 354
    mansio.signal(signal.SIGTERM)
    assert idle.reply()[0] == 421
    wait_for(lambda: not answers(mansio), what="a closed port")
    busy.send(b"Subject: late\r\n\r\nlate\r\n.\r\n")
    code, lines = busy.reply()
    assert code == 250, lines
    assert mansio.process.wait(30) == 0
    assert mansio.stop() == 0
    assert len(mansio.maildir()) == 1 or any((mansio.directory / "spool").rglob("*"))
    mansio.start()
    [message] = mansio.wait_mail(1)
    assert b"Subject: late" in message


def test_a_second_term_does_not_wait_for_anybody(make_mansio):
    mansio = make_mansio(extra='shutdown_grace = "10m";').start()
    pids = [mansio.process.pid, *mansio.children().values()]
    client = mansio.connect()
    client.command("EHLO c.test")
    client.command("MAIL FROM:<a@b.test>")
    client.command("RCPT TO:<bob@ex.test>")
    assert client.command("DATA")[0] == 354
    mansio.signal(signal.SIGTERM)
    mansio.wait_log("stopping")
    assert mansio.process.poll() is None
    begin = time.monotonic()
    mansio.signal(signal.SIGTERM)
    mansio.process.wait(10)
    assert time.monotonic() - begin < 5
    wait_for(lambda: not any(alive(pid) for pid in pids), 10, "the end of all processes")
    mansio.stop()


def test_ctrl_c_in_a_terminal_reaches_all_processes_and_stops_cleanly(make_mansio):
    mansio = make_mansio(wrapper=["setsid"]).start()
    parent = mansio.parent_pid()
    with mansio.connect() as client:
        assert client.transaction("a@b.test", ["bob@ex.test"], b"Subject: x\r\n\r\nx\r\n")[0] == 250
    mansio.wait_mail(1)
    os.killpg(parent, signal.SIGINT)
    assert mansio.process.wait(30) == 0
    assert "killed" not in mansio.errors() and mansio.log("paniclog") == ""


def test_when_the_parent_is_killed_the_others_end_and_a_new_one_may_start(mansio):
    children = list(mansio.children().values())
    assert len(children) > 2
    os.kill(mansio.process.pid, signal.SIGKILL)
    mansio.process.wait(10)
    wait_for(lambda: not any(alive(pid) for pid in children), 20, "the end of the children")
    mansio.kill()
    mansio.start()
    still_works(mansio)


@pytest.mark.parametrize("which", ["mail 0", "deliver 1", "deliver (users)"])
def test_a_process_that_dies_is_started_again_and_the_panic_log_says_so(make_mansio, which):
    mansio = make_mansio(extra="deliver = { agents = 1; };").start()
    pid = mansio.children()[f"mansiod: {which}"]
    os.kill(pid, signal.SIGKILL)
    mansio.wait_log(r"was killed by signal 9", "paniclog")
    wait_for(lambda: mansio.children().get(f"mansiod: {which}", pid) != pid, what="another process")
    wait_for(lambda: answers(mansio), what="a greeting")
    still_works(mansio)


def answers(mansio):
    try:
        mansio.connect(timeout=2).close()
        return True
    except OSError:
        return False
