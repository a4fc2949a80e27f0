"""What a backlog needed is given back when it has passed."""
import os
import pathlib
import re
import signal

import pytest

from harness import MANSIOD, wait_for

MESSAGES, SESSIONS = 2400, 4
MESSAGE = b"Subject: one of many\r\n\r\n" + b"a line of a message of six kilobytes, as people send them\r\n" * 100

pytestmark = pytest.mark.skipif(b"__asan_init" in MANSIOD.read_bytes(), reason="a sanitizer has a malloc of its own")


def own_memory(mansio):
    """KiB of the mail process that are nobody else's."""
    return int(re.search(r"^RssAnon:\s+(\d+) kB", pathlib.Path(f"/proc/{mansio.mail_pid()}/status").read_text(), re.M)[1])


def test_memory_of_a_backlog_goes_back_when_it_has_passed(make_mansio):
    mansio = make_mansio().start()

    def send(count):
        with mansio.connect() as client:
            for number in range(count):
                code, lines = client.transaction("a@b.test", ["bob@ex.test"], MESSAGE, ehlo="client.test" if number == 0 else None)
                assert code == 250, lines

    send(20)
    mansio.wait_mail(20)
    before = own_memory(mansio)
    agents = [pid for title, pid in mansio.children().items() if "deliver" in title]
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(SESSIONS):
            send(MESSAGES // SESSIONS)
        most = own_memory(mansio)
        assert most > before + 8192, (before, most)
    finally:
        for pid in agents:
            os.kill(pid, signal.SIGCONT)
    mansio.wait_mail(20 + MESSAGES, timeout=60)
    wait_for(lambda: own_memory(mansio) < before + (most - before) // 4, 40, f"less than {most} KiB, of which there were {before} before")
