"""What a backlog needed is given back when it has passed."""
import os
import pathlib
import signal

import pytest

from harness import MANSIOD, memory_of, wait_for

MESSAGES, SESSIONS = 2400, 4
MESSAGE = b"Subject: one of many\r\n\r\n" + b"a line of a message of six kilobytes, as people send them\r\n" * 100

pytestmark = pytest.mark.skipif(b"__asan_init" in MANSIOD.read_bytes(), reason="a sanitizer has a malloc of its own")


def own_memory(mansio):
    """Octets of the mail process that are nobody else's."""
    return memory_of(mansio.mail_pid(), "RssAnon")


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
        assert most > before + (8 << 20), (before, most)
    finally:
        for pid in agents:
            os.kill(pid, signal.SIGCONT)
    mansio.wait_mail(20 + MESSAGES, timeout=60)
    wait_for(lambda: own_memory(mansio) < before + (most - before) // 4, 40, f"less than {most} octets, of which there were {before} before")


def heaps(pid):
    """How many of malloc's heaps beside the first one: a part in use that begins at a multiple of 64 MiB, and the rest of these."""
    size, found, used_from, used_to = 64 << 20, 0, 0, 0
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        begin, end = (int(one, 16) for one in line.split()[0].split("-"))
        mode = line.split()[1]
        if mode == "---p" and begin == used_to and end == used_from + size:
            found += 1
        if mode == "rw-p" and begin % size == 0:
            used_from, used_to = begin, end
    return found


def test_threads_share_two_heaps(make_mansio):
    mansio = make_mansio().start()
    with mansio.connect() as client:
        for number in range(200):
            client.transaction("a@b.test", ["bob@ex.test"], MESSAGE, ehlo="client.test" if number == 0 else None)
    mansio.wait_mail(200)
    assert len(os.listdir(f"/proc/{mansio.mail_pid()}/task")) > 4
    assert heaps(mansio.mail_pid()) == 1


def test_a_process_that_is_ending_has_no_memory_and_breaks_no_search_for_it():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)      # it has ended, and still has its entry in /proc, without VmRSS
    assert "VmRSS" not in pathlib.Path(f"/proc/{child}/status").read_text() and memory_of(child) is None
    os.waitpid(child, 0)
    assert memory_of(child) is None
    assert memory_of(os.getpid()) > memory_of(os.getpid(), "RssAnon") > 1 << 20
