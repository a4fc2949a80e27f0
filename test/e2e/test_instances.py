"""Further mail servers of one machine: mansio@NAME. Two real daemons side by side, each with what is its own."""
import json
import os
import pathlib
import pwd
import re
import secrets
import shutil
import subprocess
import threading

import pytest

from harness import BUILD, MANSIOD, NO_NAMES, SENDMAIL, Mansio, Raw, wait_for
from system_users import needs_root

CTL = BUILD / "daemon" / "mansioctl"
ETC = pathlib.Path("/etc/mansio")


def run(*words, **options):
    return subprocess.run([str(one) for one in words], capture_output=True, text=True, timeout=60, **options)


class Instance(Mansio):
    """Started with --instance and a file of its own place, so that any user may."""

    def __init__(self, directory, name, **options):
        super().__init__(directory, **options)
        self.name = name

    def start(self, timeout=30):
        self.wrapper = []
        self.stderr = open(self.directory / "stderr", "ab")
        self.process = subprocess.Popen([str(MANSIOD), "--instance", self.name, "--config", str(self.config), "--foreground"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.stderr, text=True, env=self.env)
        line = []
        reader = threading.Thread(target=lambda: line.append(self.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(timeout)
        assert line and line[0].startswith("ready"), self.errors()
        self.ports = [int(port) for port in re.findall(r":(\d+)", line[0])]
        return self

    def ctl(self, *words, **options):
        return super().ctl("-i", self.name, *words, **options)


@pytest.fixture
def pair(tmp_path):
    """The machine's mail server and one named "second", which has other users."""
    first = Mansio(tmp_path / "first")
    second = Instance(tmp_path / "second", "second", users='[ "dora" ]')
    yield first.start(), second.start()
    for each in (first, second):
        each.kill()


def send(house, recipient, subject):
    with Raw(house.port) as client:
        return client.transaction("x@far.test", [recipient], f"Subject: {subject}\r\n\r\nx\r\n".encode())


def test_mail_goes_through_each_and_neither_knows_of_the_other(pair):
    first, second = pair
    assert send(first, "bob@ex.test", "one")[0] == 250
    assert send(second, "dora@ex.test", "two")[0] == 250
    assert b"Subject: one" in first.wait_mail(user="bob")[0] and b"Subject: two" in second.wait_mail(user="dora")[0]
    assert send(first, "dora@ex.test", "x")[0] == 550 and send(second, "bob@ex.test", "x")[0] == 550
    assert second.sendmail("dora@ex.test", input=b"Subject: three\n\nx\n").returncode == 0
    second.wait_mail(2, user="dora")
    assert "dora" not in first.log().replace("rejected RCPT <dora@ex.test>", "") and first.ctl_json("status")[0].get("instance") is None
    assert second.ctl_json("status")[0]["instance"] == "second"
    assert re.search(r"^instance +second$", second.ctl("status").stdout, re.M)
    assert any(title.endswith("mail 0 (second)") for title in second.children()), second.children()


def test_a_reload_and_a_stop_of_one_leave_the_other_alone(pair):
    first, second = pair
    with Raw(second.port) as open_session:
        assert open_session.command("EHLO client.test")[0] == 250
        before = second.log()
        first.config.write_text(first.config.read_text() + 'limits = { recipients = 7; };\n')
        assert first.ctl("reload").returncode == 0
        first.wait_log("configuration reloaded")
        assert first.stop() == 0
        assert second.log() == before
        assert open_session.command("NOOP")[0] == 250
    assert first.ctl("status").returncode == 69 and second.ctl("status").returncode == 0
    assert send(second, "dora@ex.test", "still here")[0] == 250
    second.wait_mail(user="dora")
    second.config.write_text(second.config.read_text() + 'limits = { recipients = 9; };\n')
    assert second.ctl("reload").returncode == 0
    second.wait_log("configuration reloaded")


def test_one_spool_for_two_is_refused_and_says_so(pair, tmp_path):
    first, _ = pair
    third = Mansio(tmp_path / "third")
    third.config.write_text(third.config.read_text().replace('spool_directory = "spool"', f'spool_directory = "{first.directory}/spool"'))
    done = run(MANSIOD, "--instance", "third", "--config", third.config, "--foreground")
    assert done.returncode == 75
    assert re.search(r"is in use by another mansiod \(pid \d+\): stop it first, or give this one its own spool_directory", done.stderr), done.stderr
    assert send(first, "bob@ex.test", "unharmed")[0] == 250


def printed(*words):
    done = run(MANSIOD, *words, "check", "--print")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_directories_follow_the_name_where_the_file_is_silent(tmp_path):
    file = tmp_path / "mansio.conf"
    file.write_text('version = 1; run_as = ""; host_name = "h.ex.test"; log_directory = "log";\n')
    text = printed("--config", file)
    assert 'spool_directory = "/var/spool/mansio";' in text and 'run_directory = "/run/mansio";' in text
    text = printed("-i", "branch-2_B", "--config", file)
    assert 'spool_directory = "/var/spool/mansio-branch-2_B";' in text and 'run_directory = "/run/mansio-branch-2_B";' in text
    assert f'log_directory = "{tmp_path}/log";' in text and '"/var/spool/mansio-branch-2_B/badmail"' in text


@pytest.mark.parametrize("name", ["..", "a/b", "a b", ".", "ä", "x" * 65, "%i"])
def test_what_is_no_name_is_refused(name):
    for program, words in ((MANSIOD, ["check"]), (CTL, ["status"])):
        done = run(program, "--instance", name, *words)
        assert done.returncode == 64 and "is no name of an instance" in done.stderr, done


def test_a_name_and_the_file_of_another_contradict_each_other():
    for program, words in ((MANSIOD, ["check"]), (CTL, ["status"])):
        done = run(program, "-i", "one", "--config", "/etc/mansio/two/mansio.conf", *words)
        assert done.returncode == 64 and "the configuration of the instance two, not of one" in done.stderr, done


def test_mansioctl_looks_for_the_daemon_of_that_name():
    name = "mt" + secrets.token_hex(4)
    done = run(CTL, "-i", name, "status")
    assert done.returncode == 69 and f"/run/mansio-{name}/control.sock" in done.stderr, done
    assert f"/etc/mansio/{name}/mansio.conf" in run(CTL, "-i", name, "check").stderr


@pytest.fixture
def installed():
    """The name of an instance with a configuration below /etc, and nothing else yet."""
    name = "mt" + secrets.token_hex(4)
    had_etc = ETC.is_dir()
    (ETC / name).mkdir(parents=True)
    yield name
    shutil.rmtree(ETC / name, ignore_errors=True)
    for directory in (f"/var/spool/mansio-{name}", f"/var/log/mansio-{name}", f"/run/mansio-{name}"):
        shutil.rmtree(directory, ignore_errors=True)
    if not had_etc:
        shutil.rmtree(ETC, ignore_errors=True)


@needs_root
def test_a_second_one_starts_on_a_machine_that_knows_nothing_of_it(installed, tmp_path):
    """As the unit mansio@NAME does: root, the name, and no directory but that of the configuration."""
    name = installed
    service = pwd.getpwuid(65534).pw_name
    file = ETC / name / "mansio.conf"
    file.write_text(f'version = 1; host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "{service}";\n'
                    'listeners = ( { address = "127.0.0.1"; port = 0; } ); domains = { local = [ "ex.test" ]; }; aliases = "";\n' + NO_NAMES +
                    f'transports = {{ mailbox = {{ kind = "maildir"; path = "/var/spool/mansio-{name}/mail-{{local}}"; }}; internet = {{ kind = "smtp"; }}; }};\n'
                    'routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; } );\n')
    daemon = subprocess.Popen([str(MANSIOD), "--instance", name, "--foreground"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=open(tmp_path / "stderr", "wb"), text=True)
    try:
        ready = daemon.stdout.readline()
        assert ready.startswith("ready"), (tmp_path / "stderr").read_text()
        for directory in (f"/var/spool/mansio-{name}", f"/var/log/mansio-{name}", f"/run/mansio-{name}"):
            assert pathlib.Path(directory).owner() == service
        with Raw(int(ready.strip().rsplit(":", 1)[1])) as client:
            assert client.transaction("x@far.test", ["bob@ex.test"], b"Subject: x\r\n\r\nx\r\n")[0] == 250
        log = pathlib.Path(f"/var/log/mansio-{name}/mainlog")
        wait_for(lambda: " Completed" in log.read_text(), what="the delivery")
        # By its name and by its file, it is the same one.
        for words in (["-i", name], ["--config", file]):
            done = run(CTL, *words, "status", "--json")
            assert done.returncode == 0 and json.loads(done.stdout)["instance"] == name, done
        assert run(SENDMAIL, "-C", file, "bob@ex.test", input="Subject: y\n\ny\n").returncode == 0
        wait_for(lambda: log.read_text().count(" Completed") == 2, what="the second delivery")
        os.kill(daemon.pid, 1)
        wait_for(lambda: "configuration reloaded" in log.read_text(), what="the reload")
        # The shell knows its name.
        script = tmp_path / "completion"
        script.write_text(run(CTL, "completion").stdout)
        said = run("bash", "-c", f'. {script}; COMP_WORDS=(mansioctl -i {name[:4]}); COMP_CWORD=2; _mansioctl; echo "${{COMPREPLY[@]}}"')
        assert name in said.stdout.split(), said
    finally:
        daemon.terminate()
        assert daemon.wait(40) == 0
        daemon.stdout.close()


@needs_root
def test_setup_makes_the_configuration_of_an_instance(installed, tmp_path):
    name = installed
    shutil.rmtree(ETC / name)
    answers = tmp_path / "answers"
    answers.write_text(run(CTL, "-i", name, "setup", "--print-answers").stdout)
    done = run(CTL, "-i", name, "setup", "--answers", answers, "--yes")
    assert done.returncode == 0, done
    assert f"systemctl start mansio@{name}" in done.stdout
    assert (ETC / name / "mansio.conf").exists()
    assert f'"/var/spool/mansio-{name}"' in run(MANSIOD, "-i", name, "check", "--print").stdout
