"""The tools that read Exim's logs read ours: exigrep and eximstats (Debian's exim4-base), fail2ban-regex (fail2ban).

The lines come from the program log_sample of the build directory (MANSIO_BUILD, by default build/).
"""
import os
import pathlib
import re
import subprocess

import pytest

from harness import tool

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
