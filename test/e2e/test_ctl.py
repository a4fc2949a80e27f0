"""mansioctl as a whole: its command line, its help, its completion, its exit statuses."""
import json
import socket
import subprocess

import pytest

from harness import BUILD, ROOT

CTL = str(BUILD / "daemon" / "mansioctl")


def ctl(*words):
    return subprocess.run([CTL, *words], capture_output=True, text=True, timeout=30)


def commands(*path):
    """As the help tells them."""
    out = ctl(*path, "--help").stdout
    return [line.split()[0] for line in out.split("Subcommands:", 1)[1].splitlines() if line.startswith("  ") and line[2] != " "]


def complete(line):
    """What bash would offer at the end of the line."""
    words = line.split(" ")
    script = f"""
source <({CTL} completion)
COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}
_mansioctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return sorted(done.stdout.split())


@pytest.mark.parametrize("words", [[], ["nonsense"], ["reload", "--nonsense"], ["queue"], ["reload", "too", "many"]])
def test_a_wrong_command_line_is_64_and_changes_nothing(words):
    done = ctl(*words)
    assert done.returncode == 64 and done.stdout == "" and done.stderr != ""


def test_each_command_is_in_the_manual_and_each_has_help():
    manual = (ROOT / "man" / "mansioctl.8").read_text()
    listed = [line.split()[1] for line in manual.splitlines() if line.startswith(".Ss ")]
    known = commands()
    assert len(known) > 10 and sorted(known) == sorted(set(known))
    missing = [name for name in known if not any(name == word for line in manual.splitlines() if line.startswith(".Ss ") for word in line.replace(",", " ").split())]
    assert missing == [], listed
    for name in known:
        done = ctl(name, "--help")
        assert done.returncode == 0 and "Usage: " in done.stdout, name


def test_each_command_of_the_protocol_is_in_its_manual_and_the_daemon_knows_it(mansio):
    manual = (ROOT / "man" / "mansio-control.7").read_text().splitlines()
    told = sorted(line.split()[2] for line in manual if line.startswith(".It Cm "))
    rows = (ROOT / "lib" / "control" / "session.cpp").read_text().split("CommandRow::rows{{", 1)[1].split("}};", 1)[0]
    among_themselves = {"ping", "pauses"}                 # what mail processes ask each other
    assert told == sorted({row.split('"')[1] for row in rows.splitlines() if '"' in row} - among_themselves)
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(20)
        control.connect(str(mansio.directory / "run" / "control.sock"))
        answers = control.makefile("r")
        for command in told:
            if command == "trace":
                continue                                  # goes on
            control.sendall(json.dumps({"command": command}).encode() + b"\n")
            objects = [json.loads(answers.readline())]
            while not objects[-1].get("end"):
                objects.append(json.loads(answers.readline()))
            assert "unknown command" not in objects[-1].get("error", ""), command
        control.sendall(b'{"command":"nonsense"}\n')
        assert json.loads(answers.readline())["error"].startswith("unknown command")


def test_bash_completes_commands_their_commands_and_their_options():
    assert set(commands()) <= set(complete("mansioctl "))
    assert complete("mansioctl rel") == ["reload"]
    assert complete("mansioctl queue fre") == ["freeze"]
    assert set(commands("queue")) == set(complete("mansioctl queue "))
    assert "--sender" in complete("mansioctl queue list --se") and "--json" in complete("mansioctl queue list --js")
    assert complete("mansioctl --json queue remo") == ["remove"]          # options before the command
    assert complete("mansioctl passwd --del") == ["--delete"]


def test_an_error_is_an_object_with_json(tmp_path):
    config = tmp_path / "mansio.conf"
    config.write_text(f'version = 1;\nrun_directory = "{tmp_path}";\n')
    done = subprocess.run([CTL, "reload", "--json", "--config", str(config)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 69
    told = json.loads(done.stdout)
    assert told["exit"] == 69 and "the daemon doesn't run" in told["error"]
