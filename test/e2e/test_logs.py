"""The logs of a real run, read by the tools that people have: exigrep, eximstats, fail2ban, logrotate."""
import json
import pathlib
import re
import signal
import subprocess

import pytest

from harness import Mansio, tool, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXTRA = """
log = { format = "both"; };
limits = { errors = 3; };
delay_warning = "0s";
retry = ( { domains = [ "*" ]; schedule = "1h for 4d"; } );
"""
STRANGER = "127.0.0.66"


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """One run with some of everything: two messages delivered, one that waits, refusals of a stranger's."""
    with Mansio(tmp_path_factory.mktemp("logs") / "mansio", relay_from='[ "127.0.0.1" ]', extra=EXTRA) as mansio:
        with mansio.connect() as client:
            assert client.transaction("a@b.test", ["bob@ex.test", "alice@ex.test"], b"Message-ID: <one@b.test>\r\nSubject: x\r\n\r\n")[0] == 250
            assert client.transaction("", ["carol@ex.test"], b"Subject: y\r\n\r\n", ehlo=None)[0] == 250
            assert client.transaction("a@b.test", ["far@remote.test"], b"Subject: z\r\n\r\n", ehlo=None)[0] == 250
            assert client.command("QUIT")[0] == 221
        with mansio.connect(source=STRANGER) as client:
            client.send(b"EHLO x)[198.51.100.1]\r\nEHLO liar.test\r\nMAIL FROM:<spam@b.test>\r\nRCPT TO:<victim@remote.test>\r\nRCPT TO:<nobody@ex.test>\r\n")
            assert [client.reply()[0] for _ in range(5)][2:] == [250, 550, 550]
            client.send(b"FOO [198.51.100.2]\r\nFOO rejected RCPT <x>: H=a [198.51.100.3]\r\nFOO\r\nFOO\r\nFOO\r\n")
            while client.reply()[0]:
                pass
        wait_for(lambda: mansio.log().count(" Completed") == 2 and "== far@remote.test" in mansio.log() and "dropped: too many" in mansio.log(),
                 what="the lines:\n" + mansio.log())
        yield mansio


# Queue ids have Exim 4.97's long form (6-11-4); the tools of Debian 12 (4.96) know 6-6-2 alone and count nothing.
# Strict: when the ids are short, this mark has to go.
def path_of(house, name="mainlog"):
    return house.directory / "log" / name


def test_exigrep_puts_the_lines_of_a_message_together(house):
    out = run(tool("exigrep"), "alice@ex.test", path_of(house))
    assert [re.split(r"\s+", line)[3] for line in out.splitlines() if line] == ["<=", "=>", "->", "Completed"]
    assert len(set(re.findall(r"^\S+ \S+ (\S+)", out, re.M))) == 1


def test_exigrep_finds_a_refusal(house):
    assert len([line for line in run(tool("exigrep"), "victim@remote", path_of(house)).splitlines() if line]) == 1


def test_eximstats_counts_the_run(house):
    out = run(tool("eximstats"), path_of(house))
    received = re.search(r"^ +Received +(\d+) +(\d+)", out, re.M)
    delivered = re.search(r"^ +Delivered +(\d+) +(\d+) +(\d+)", out, re.M)
    assert received and received[2] == "3"
    assert delivered and delivered.groups()[1:] == ("2", "3")         # messages, addresses
    rejects = re.search(r"^ +Rejects +(\d+)", out, re.M)
    assert rejects and int(rejects[1]) >= 2, out


def test_fail2ban_bans_the_stranger_for_its_refused_recipients_and_nobody_else(house):
    out = run(tool("fail2ban-regex"), "--verbose", "--print-all-matched", path_of(house), "/etc/fail2ban/filter.d/exim.conf")
    matched = re.findall(r"^\|  (\d{4}-.*)$", out.split("Missed line")[0], re.M)
    assert sum("rejected RCPT <" in line and f"[{STRANGER}]" in line for line in matched) == 2
    assert sum("dropped: too many" in line for line in matched) == 1
    assert all(f"[{STRANGER}]" in line for line in matched)
    assert re.search(r"^\| +127\.0\.0\.66 ", out, re.M) and not re.search(r"^\| +198\.51\.100\.\d ", out, re.M)


def test_the_reject_log_has_the_refusals_alone(house):
    lines = path_of(house, "rejectlog").read_text().splitlines()
    assert sum("rejected RCPT <victim@remote.test>: " in line for line in lines) == 1
    assert sum("rejected RCPT <nobody@ex.test>: " in line for line in lines) == 1
    assert not any(" <= " in line or " => " in line for line in lines)
    assert house.log("paniclog") == ""


def test_the_json_log_tells_the_same_events_one_object_a_line(house):
    objects = [json.loads(line) for line in path_of(house, "mainlog.json").read_text().splitlines()]
    text = house.log().splitlines()
    assert len(objects) == len(text)
    assert all(isinstance(each, dict) and each for each in objects)
    [queue_id] = re.findall(r"(\S+) <= a@b\.test .* id=one@b\.test", house.log())
    assert sum(queue_id in json.dumps(each) for each in objects) == sum(queue_id in line for line in text) == 4


def test_every_line_is_one_event_with_a_time(house):
    for name in ("mainlog", "rejectlog"):
        for line in path_of(house, name).read_text().splitlines():
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S|  \S", line) and line.isprintable(), line


def test_usr1_opens_the_logs_anew_after_they_were_moved(house):
    def deliver(mark):
        with house.connect() as client:
            assert client.transaction(f"{mark}@b.test", ["bob@ex.test"], b"Subject: x\r\n\r\n")[0] == 250
    for name in ("mainlog", "mainlog.json"):
        path_of(house, name).rename(path_of(house, name + ".1"))
    deliver("moved")
    house.wait_log(r"=> bob@ex\.test F=<moved@b\.test>", "mainlog.1")     # the open file goes on until then
    assert not path_of(house).exists()
    house.signal(signal.SIGUSR1)
    wait_for(lambda: deliver("anew") or "F=<anew@b.test>" in house.log(), what="the new log")
    assert json.loads(path_of(house, "mainlog.json").read_text().splitlines()[-1])
    assert path_of(house).stat().st_mode & 0o007 == 0
    for name in ("mainlog", "mainlog.json"):                              # back for the other tests, in whatever order
        later = path_of(house, name).read_text()
        with path_of(house, name + ".1").open("a") as old:
            old.write(later)
        path_of(house, name + ".1").rename(path_of(house, name))
    house.signal(signal.SIGUSR1)


def test_logrotate_understands_the_file_we_install(tmp_path):
    text = "".join(path.read_text() for path in (ROOT / "etc" / "logrotate").iterdir() if path.is_file())
    # Here the daemon's user doesn't exist, so the caller's stands in.
    user = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True).stdout.strip()
    config = tmp_path / "logrotate.conf"
    config.write_text(text.replace("su mansio mansio", f"su {user} {group}"))
    config.chmod(0o644)
    done = subprocess.run([tool("logrotate"), "-d", "-s", tmp_path / "state", config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "error:" not in done.stderr
    for name in ("mainlog", "rejectlog", "paniclog"):
        assert f"/var/log/mansio/{name}" in done.stderr
