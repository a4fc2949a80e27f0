"""The tools that read Exim's logs read ours: exigrep, eximstats, exiqgrep and exiqsumm (Debian's exim4-base), fail2ban-regex.

Lines of every kind come from the program log_sample of the build directory (MANSIO_BUILD, by default build/); those of a daemon
that sends mail away, and its queue, from a run. test_logs.py has those of one that takes mail in, test_login_refused.py
those of log-ins.
"""
import os
import pathlib
import re
import subprocess

import pytest

from harness import SENDMAIL, tool
from outbound import deferred, delivered, failed, internet, send  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MANSIO_BUILD", ROOT / "build"))
FILTER = "/etc/fail2ban/filter.d/exim.conf"


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60, env={**os.environ, "TZ": "UTC"}).stdout


@pytest.fixture(scope="module")
def mainlog(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "mainlog"
    path.write_text(run(str(BUILD / "test/log/log_sample")))
    return str(path)


def test_exigrep_finds_all_lines_of_a_message_by_one_of_its_addresses(mainlog):
    out = run(tool("exigrep"), "carol@far", mainlog)
    flags = [line.split()[3] for line in out.splitlines() if line]
    assert flags == ["<=", "==", "=>", "Completed"]
    assert all("1tBx6L-000002-BB" in line for line in out.splitlines() if line)


def test_exigrep_shows_a_refusal_alone(mainlog):
    out = run(tool("exigrep"), "rejected RCPT <victim@", mainlog)
    assert len([line for line in out.splitlines() if line]) == 1


def test_eximstats_counts_what_happened(mainlog):
    out = run(tool("eximstats"), mainlog)
    received = re.search(r"^ +Received +(\d+) +(\d+) +\d+ +(\d+) +[\d.]+% +(\d+)", out, re.M)
    assert received and received.groups() == ("3559", "4", "1", "1")  # bytes, messages, delayed, failed
    delivered = re.search(r"^ +Delivered +(\d+) +(\d+) +(\d+)", out, re.M)
    assert delivered and delivered.groups() == ("2560", "2", "3")  # bytes, messages, addresses
    assert re.search(r"^ +Rejects +11 ", out, re.M)
    assert re.search(r"^ +Temp Rejects +1 ", out, re.M)
    assert re.search(r"^ +mailbox +2048 +1$", out, re.M)
    assert re.search(r"^ +internet +512 +1$", out, re.M)


def test_fail2ban_sees_each_attack_with_the_right_address_and_no_other_line(mainlog):
    out = run(tool("fail2ban-regex"), "--print-all-matched", mainlog, FILTER)
    matched = re.findall(r"^\|  (\d{4}-.*)$", out, re.M)
    assert [line[20:60] for line in matched] == [
        line[:40]
        for line in (
            "H=(liar.example) [192.0.2.66] F=<x@spam.example> rejected RCPT",
            "H=mx.peer.example [192.0.2.10]:41234 F=<> rejected RCPT",
            "CRAM_MD5 authenticator failed for (liar.example) [192.0.2.66]: 535",
            "SMTP protocol synchronization error (input sent without waiting",
            "SMTP protocol synchronization error (next input sent too soon",
            "SMTP call from H=(liar.example) [192.0.2.66] dropped: too many syntax",
            "SMTP call from H=[192.0.2.66]:4000 dropped: too many nonmail commands",
            'SMTP protocol error in "AUTH LOGIN" H=(liar.example) [192.0.2.66] AUTH',
            "no MAIL in SMTP connection from H=(liar.example) [192.0.2.66] D=1s",
        )
    ]


def test_fail2ban_is_not_led_to_somebody_else_by_what_a_client_sends(tmp_path):
    # What the formatter makes of HELO "x) [198.51.100.1]" (text_test holds it to this line).
    line = (
        "2026-01-01 00:00:00 PLAIN authenticator failed for (x\\x29\\x20[198.51.100.1]) [192.0.2.66]: "
        "535 Incorrect authentication data (set_id=u\\x20v)\n"
    )
    path = tmp_path / "mainlog"
    path.write_text(line)
    out = run(tool("fail2ban-regex"), "--verbose", str(path), FILTER)
    assert "192.0.2.66" in out
    assert not re.search(r"^\| +198\.51\.100\.1 ", out, re.M)


# ---- mail that goes away

@pytest.fixture
def sent(internet):  # noqa: F811
    """A run, and the ids of a message that was delivered, of one that waits and of one that failed."""
    internet.good.script["RCPT"] = lambda session, line: "450 4.2.0 later" if "late@" in line else "550 5.1.1 nobody" if "nobody@" in line else None
    mansio = internet.start()
    ids = []
    for name, happened in (("x", delivered), ("late", deferred), ("nobody", failed)):
        ids.append(send(mansio, f"{name}@good.test"))
        happened(mansio, ids[-1], f"{name}@good.test")
    mansio.wait_log(rf"{ids[2]} Completed")
    mansio.wait_log(r"(?s)<= <> R=.* Completed")
    return mansio, ids


def test_a_run_with_deferral_and_bounce_is_read_by_exigrep_eximstats_and_exiqsumm(sent):
    mansio, ids = sent
    path = str(mansio.directory / "log" / "mainlog")
    found = run(tool("exigrep"), ids[1], path)
    assert f"+++ {ids[1]} has not completed +++" in found
    assert [line.split()[3] for line in found.splitlines() if ids[1] in line[:40] and line[0] == "2"] == ["<=", "=="]
    related = run(tool("exigrep"), "-r", ids[2], path)
    assert f"{ids[2]} ** nobody@good.test" in related and f"<= <> R={ids[2]}" in related
    out = run(tool("eximstats"), path)
    received = re.search(r"^ +Received +\d+[A-Z]* +(\d+) +\d+ +(\d+) +[\d.]+% +(\d+)", out, re.M)
    assert received and received.groups() == ("4", "1", "1"), out       # messages, delayed, failed
    assert re.search(r"^ +internet +\d+[A-Z]* +1$", out, re.M) and re.search(r"good\.test", out)
    waiting = subprocess.run([str(SENDMAIL), "-C", str(mansio.config), "-bp"], check=True, capture_output=True, timeout=60).stdout
    table = subprocess.run([tool("exiqsumm")], input=waiting, check=True, capture_output=True, timeout=60).stdout.decode()
    assert re.search(r"^ +1 +\S+ +\S+ +\S+ +good\.test$", table, re.M), table


def test_exiqgrep_finds_what_waits_by_recipient_sender_age_and_size(sent):
    mansio, ids = sent

    def found(*words):
        out = subprocess.run([tool("exiqgrep"), "-E", str(SENDMAIL), "-C", str(mansio.config), "-i", *words], capture_output=True, text=True, timeout=60)
        return out.stdout.split()

    for words, expected in ((["-r", "late@good.test"], [ids[1]]), (["-f", "bob@ex.test"], [ids[1]]), (["-r", "nobody"], []),
                            (["-o", "3600"], []), (["-y", "3600"], [ids[1]]), (["-z"], []), (["-x"], [ids[1]]), (["-f", "^<>$"], [])):
        assert found(*words) == expected, words
    counted = subprocess.run([tool("exiqgrep"), "-E", str(SENDMAIL), "-C", str(mansio.config), "-c", "-r", "good.test"], capture_output=True, text=True, timeout=60)
    assert re.match(r"1 matches out of 1 messages", counted.stdout), counted.stdout
