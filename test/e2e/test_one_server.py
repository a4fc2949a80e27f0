"""With several mail processes mansioctl, mailq, sendmail and the metrics page see one server."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from harness import BUILD, wait_for
from test_ctl_queue import ids_of, queue
from test_processes import MESSAGE, id_in, mail_pids, only, shard_of
from test_queue_verbs import EXTRA, open_again, settled, shut
from system_users import as_user, needs_root, make_system, programs, public_path, users  # noqa: F401

FAR = "i1600"          # a session's number that nobody has


def houses(make_mansio, processes, extra=EXTRA):
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=extra + f"mail_processes = {processes};")
    (mansio.directory / "aliases").write_text("team: bob, alice\n")
    (mansio.directory / "aliases").chmod(0o644)
    mansio.start()
    assert set(mail_pids(mansio)) == set(range(processes))
    return mansio


@pytest.fixture(params=[2, 3])
def house(make_mansio, request):
    mansio = houses(make_mansio, request.param)
    mansio.processes = request.param
    return mansio


@pytest.fixture
def pair(make_mansio):
    return houses(make_mansio, 2)


def client_of(mansio, number):
    """A connection to this process."""
    with only(mansio, number):
        client = mansio.connect()
        assert client.command("EHLO client%d.test" % number)[0] == 250
    return client


def park(mansio, number, recipients=("bob@ex.test",), sender="carol@ex.test", content=MESSAGE):
    """Id of a message that waits in the queue of this process."""
    shut(mansio, *[name for r in recipients if not (mansio.mail / (name := r.split("@")[0])).exists()])
    client = client_of(mansio, number)
    with client:
        code, lines = client.transaction(sender, list(recipients), content, ehlo=None)
    assert code == 250, lines
    assert shard_of(id_in(lines)) == number
    settled(mansio, id_in(lines))
    return id_in(lines)


@contextlib.contextmanager
def standing_still(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill_and_wait(mansio, number):
    """Killed, and started again by the parent."""
    before = mail_pids(mansio)[number]
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: mail_pids(mansio).get(number, before) != before, what=f"mail {number} again")

    def all_answer():
        done = mansio.ctl("status", "--json")         # mail 0 itself may not be there yet
        return done.returncode == 0 and "missing" not in json.loads(done.stdout)
    wait_for(all_answer, what="its answer")


# ---- the queue

def test_the_queues_are_one_queue_in_order_of_arrival(house):
    n = house.processes
    ids = [park(house, i % n) for i in range(n + 2)]
    assert ids_of(house) == ids
    assert ids_of(house, "--limit", "2") == ids[:2]
    assert ids_of(house, ids[-1], ids[0]) == [ids[-1], ids[0]]
    assert ids_of(house, ids[1][:-1] + "?") == [ids[1]]
    assert [one["id"] for one in house.queue()] == ids
    mailq = subprocess.run([str(BUILD / "daemon" / "mailq"), "-C", str(house.config)], capture_output=True, text=True, timeout=60)
    assert re.findall(r"^ *\d+\w +\S+ (\S+) ", mailq.stdout, re.M) == ids, mailq
    count = house.sendmail("-bpc")
    assert count.stdout.decode().strip() == str(len(ids))
    unsorted = house.sendmail("-bpra")
    assert sorted(re.findall(r"^ *\d+\w +\S+ (\S+) ", unsorted.stdout.decode(), re.M)) == sorted(ids)
    rows = [json.loads(line) for line in queue(house, "summary", "--json")]
    assert [(r.get("name"), r["messages"]) for r in rows if "total" not in r] == [("local", len(ids))]
    assert [r["messages"] for r in rows if r.get("total")] == [len(ids)]
    assert house.ctl_json("status")[0]["queue"]["messages"] == len(ids)


def test_verbs_find_each_message_where_it_is(house):
    n = house.processes
    ids = [park(house, i) for i in range(n)]
    wrong = ids[0][:7] + "zzzzzz" + ids[0][13:]
    assert queue(house, "freeze", *reversed(ids), "--yes")
    assert ids_of(house, "--frozen") == ids
    house.wait_log(rf"{ids[1]} frozen by ")
    for id in ids:
        assert MESSAGE.decode().split("\r\n\r\n")[1].strip() in "\n".join(queue(house, "body", id))
        why = house.ctl_json("why", id)[0]
        assert why["id"] == id
    done = house.ctl("queue", "remove", ids[-1], wrong, "--yes")
    assert done.returncode == 1 and "not in the queue" in done.stdout + done.stderr, done
    assert ids_of(house) == ids[:-1]
    one = house.sendmail("-Mvh", ids[0])
    assert one.returncode == 0 and b"Subject: hello" in one.stdout
    queue(house, "thaw", *ids[:-1], "--yes")
    open_again(house, "bob")
    assert house.sendmail("-qff").returncode == 0
    house.wait_mail(n - 1)
    house.wait_idle()


def test_a_run_of_the_queue_runs_all_queues(pair):
    for number in (0, 1):
        park(pair, number)
    open_again(pair, "bob")
    started = pair.sendmail("-v", "-q")
    assert b"2 messages are tried now" in started.stdout
    pair.wait_mail(2)


# ---- sessions

def test_sessions_of_all_are_listed_followed_and_ended_by_their_numbers(house):
    clients = [client_of(house, number) for number in range(house.processes)]
    listed = {one["name"]: one["session"] for one in house.ctl_json("sessions")}
    assert set(listed) == {f"client{n}.test" for n in range(house.processes)}
    assert {int(listed[f"client{n}.test"][1:]) % 16 for n in range(house.processes)} == set(range(house.processes))
    last = listed[f"client{house.processes - 1}.test"]
    assert [one["session"] for one in house.ctl_json("sessions", "show", last)] == [last]
    assert house.ctl("sessions", "kill", last).returncode == 0
    assert clients[-1].reply()[0] == 421
    assert clients[0].command("NOOP")[0] == 250
    assert house.ctl("sessions", "kill", FAR).returncode == 1
    assert house.ctl("sessions", "kill", "--client", "127.0.0.1").returncode == 0
    assert all(client.reply()[0] == 421 for client in clients[:-1])
    for client in clients:
        client.close()


def test_a_trace_hears_all_processes(pair):
    tracing = subprocess.Popen([str(BUILD / "daemon" / "mansioctl"), "trace", "127.0.0.1", "--json", "--config", str(pair.config)],
                               stdout=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(tracing.stdout.readline, "")), daemon=True)
    reader.start()
    clients = [client_of(pair, number) for number in (0, 1)]
    said = lambda: {one["session"] for line in lines if (one := json.loads(line)).get("what") == "client"}

    def both():
        for client in clients:
            client.command("NOOP")
        return len(said()) == 2
    wait_for(both, what="words of both")
    tracing.terminate()
    tracing.wait()
    assert sorted(int(id[1:]) % 16 for id in said()) == [0, 1]
    wrong = pair.ctl("trace", FAR)
    assert wrong.returncode == 1 and f"no session {FAR}" in wrong.stderr
    for client in clients:
        client.close()


# ---- pauses

def test_a_pause_holds_for_all_and_for_one_that_is_started_again(pair):
    pair.ctl_json("pause", "accepting", "--reason", "a test")
    for number in (0, 1):
        with only(pair, number), pair.connect() as client:
            assert client.greeting[0] == 421
    kill_and_wait(pair, 1)
    with only(pair, 1), pair.connect() as client:
        assert client.greeting[0] == 421
    assert [one["title"] for one in pair.ctl_json("pause", "list")] == ["accepting"]
    assert pair.ctl("resume", "accepting").returncode == 0
    for number in (0, 1):
        with only(pair, number), pair.connect() as client:
            assert client.greeting[0] == 220


def test_who_was_away_hears_of_a_pause_later(pair):
    with standing_still(mail_pids(pair)[1]):
        done = pair.ctl("pause", "accepting")
        assert done.returncode == 0 and "mail process 1 does not answer" in done.stderr

    def turned_away():
        with only(pair, 1), pair.connect() as client:
            return client.greeting[0] == 421
    wait_for(turned_away, what="the pause")
    kill_and_wait(pair, 0)          # who keeps the list
    with only(pair, 0), pair.connect() as client:
        assert client.greeting[0] == 421
    pair.ctl_json("resume", "--all")
    for number in (0, 1):
        with only(pair, number), pair.connect() as client:
            assert client.greeting[0] == 220


# ---- figures

def test_status_tells_of_each_process_and_of_all(house):
    status = house.ctl_json("status")[0]
    pids = mail_pids(house)
    assert {one["number"]: one["pid"] for one in status["processes"]} == pids
    assert "missing" not in status and status["attention"] == []
    clients = [client_of(house, number) for number in range(house.processes)]
    status = house.ctl_json("status")[0]
    assert status["sessions"]["in"] == house.processes
    assert [one["sessions"]["in"] for one in status["processes"]] == [1] * house.processes
    assert status["listeners"][0]["sessions"] == house.processes
    text = house.ctl("status").stdout
    for number, pid in pids.items():
        assert re.search(rf"mail {number} +process {pid}, up for ", text)
    for client in clients:
        client.close()


def metric(page, series):
    return float(re.search(rf"^{re.escape(series)} (\S+)$", page, re.M)[1])


def test_metrics_are_of_all_processes(make_mansio, tmp_path):
    socket = tmp_path / "metrics.sock"
    mansio = houses(make_mansio, 2, EXTRA + f'metrics = {{ listen = "unix:{socket}"; }};')

    def page():
        return subprocess.run(["curl", "-s", "--unix-socket", str(socket), "http://localhost/metrics"], capture_output=True, text=True, timeout=60).stdout
    for number in (0, 1, 1):
        park(mansio, number)
    now = page()
    assert metric(now, 'mansio_messages_received_total{protocol="esmtp"}') == 3
    assert metric(now, 'mansio_queue_messages{state="waiting"}') == 3
    assert metric(now, "mansio_processes") == 2 and metric(now, "mansio_processes_missing") == 0
    assert metric(now, "mansio_build_info" + re.search(r"mansio_build_info(\{.*\})", now)[1]) == 1
    kill_and_wait(mansio, 1)
    park(mansio, 1)
    assert metric(page(), 'mansio_messages_received_total{protocol="esmtp"}') == 4


# ---- one that is away

def test_who_does_not_answer_is_named_and_holds_nobody_up(pair):
    ids = [park(pair, number) for number in (0, 1)]
    with standing_still(mail_pids(pair)[1]):
        done = pair.ctl("queue", "list", "--json")
        assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ids[:1]
        assert done.stderr == "mansioctl: mail process 1 does not answer\n"
        status = pair.ctl_json("status")[0]
        assert status["missing"] == [1] and status["complete"] is False
        assert status["processes"][1] == {"number": 1, "missing": True}
        assert pair.ctl("status", "--check").returncode == 1
        shown = pair.ctl("queue", "body", ids[1])
        assert shown.returncode == 1 and "mail process 1, which does not answer" in shown.stderr, shown
        assert pair.ctl("queue", "show", ids[1]).returncode == 1
        frozen = pair.ctl("queue", "freeze", *ids, "--yes")
        assert frozen.returncode == 1 and f"message {ids[1]} is not in the queues that could be asked" in frozen.stderr
        both = pair.sendmail("-Mt", *ids), pair.sendmail("-Mf", *ids)
        for done in both:
            assert done.returncode == 1 and b"mail process 1, which does not answer" in done.stdout
        mailq = pair.sendmail("-bpc")
        assert b"mail process 1 does not answer" in mailq.stderr
    assert [one["id"] for one in pair.ctl_json("queue", "list") if one["frozen"]] == ids[:1]
    assert ids_of(pair) == ids


def test_a_killed_one_is_missed_only_until_it_is_back(pair):
    ids = [park(pair, number) for number in (0, 1)]
    kill_and_wait(pair, 1)
    wait_for(lambda: ids_of(pair) == ids, what="both queues")
    assert pair.ctl("queue", "list").stderr == ""


def test_no_answer_passes_for_all_while_one_is_killed(pair):
    ids = [park(pair, number) for number in (0, 1)]
    before = mail_pids(pair)[1]
    os.kill(before, signal.SIGKILL)

    def all_again():
        done = pair.ctl("queue", "list", "--json")
        found = [json.loads(line)["id"] for line in done.stdout.splitlines()]
        assert found == ids or (found == ids[:1] and done.stderr), done
        return found == ids and not done.stderr
    wait_for(all_again, what="both queues")
    assert mail_pids(pair)[1] != before


def test_a_process_that_only_empties_its_queue_is_asked_and_then_not_missed(pair):
    ids = [park(pair, number) for number in (0, 1)]
    assert pair.stop() == 0
    pair.config.write_text(pair.config.read_text().replace("mail_processes = 2;", "mail_processes = 1;"))
    pair.start()
    wait_for(lambda: ids_of(pair) == ids, what="both queues")
    assert queue(pair, "freeze", ids[1], "--yes") and ids_of(pair, "--frozen") == ids[1:]
    assert [one["number"] for one in pair.ctl_json("status")[0]["processes"]] == [0, 1]
    assert queue(pair, "remove", ids[1], "--yes")
    wait_for(lambda: set(mail_pids(pair)) == {0}, what="the end of mail 1")
    done = pair.ctl("queue", "list", "--json")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ids[:1] and done.stderr == ""
    status = pair.ctl_json("status")[0]
    assert [one["number"] for one in status["processes"]] == [0] and "missing" not in status


# ---- the other programs

def test_top_drain_and_newaliases_work_on_all(pair):
    for number in (0, 1):
        park(pair, number)
    clients = [client_of(pair, number) for number in (0, 1)]
    (frame,) = [json.loads(line) for line in pair.ctl("top", "--once", "--json").stdout.splitlines()]
    assert len(frame["sessions"]) == 2
    for client in clients:
        client.close()
    drained = pair.ctl("drain", "--timeout", "10s", "--json")
    assert drained.returncode == 1, drained
    assert pair.ctl("resume", "--all").returncode == 0
    done = pair.sendmail("-bi")
    assert done.returncode == 0 and done.stdout == b"1 aliases\n"
    (pair.directory / "aliases").write_text("team: bob, alice\nother: bob\nno alias\n")
    done = pair.sendmail("-bi")
    assert done.stdout == b"2 aliases\n" and done.stderr.count(b"aliases:3") == 1, done
    for number in (0, 1):
        with client_of(pair, number) as client:
            client.command("MAIL FROM:<carol@ex.test>")
            assert client.command("RCPT TO:<other@ex.test>")[0] == 250


def test_a_reload_is_answered_when_all_have_it(pair):
    text = pair.config.read_text()
    for number, name in enumerate(["new.ex.test", "newer.ex.test"]):
        pair.config.write_text(re.sub(r'host_name = "[^"]*"', f'host_name = "{name}"', text))
        assert pair.ctl("reload").returncode == 0
        with only(pair, number), pair.connect() as client:
            assert name in client.greeting[1][0]


# ---- whose it is

@needs_root
def test_users_see_their_own_messages_and_no_others(programs, make_system, users):  # noqa: F811
    dora = users.make()
    mansio = make_system(relay_from='[ "127.0.0.1" ]', extra=EXTRA + "mail_processes = 2;")
    mansio.mail.chmod(0o777)
    (mansio.directory / "aliases").write_text("")
    shut(mansio, "bob")
    mansio.start()

    def run(*words, data=b""):
        command = [*as_user(dora), str(programs / "sendmail"), "-C", str(mansio.config), *words]
        return subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert run("bob@ex.test", data=b"Subject: mine\n\nsecret\n").returncode == 0
    [own] = wait_for(lambda: (all := mansio.queue()) and all[0]["attempts"] and all, what="the message")
    other = park(mansio, 1)
    assert len(mansio.queue()) == 2
    assert re.findall(r"^ *\d+\w +\S+ (\S+) ", run("-bp").stdout.decode(), re.M) == [own["id"]]
    assert run("-bpc").stdout == b"1\n"
    assert run("-Mvb", own["id"]).stdout == b"secret\r\n"
    hidden = run("-Mvb", other)
    assert hidden.returncode == 1 and b"is not in the queue" in hidden.stderr and hidden.stdout == b""
    for words in (["-Mf", other], ["-qf"], ["-q"]):
        assert run(*words).returncode == 77, words
    assert mansio.sendmail("-qf").returncode == 0


def test_nobody_asks_a_process_of_its_own_in_the_name_of_others(pair):
    """control-K.sock is for the daemon's user; control.sock takes nobody's word for who asks."""
    run = pair.directory / "run"
    assert (run / "control-1.sock").stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(run / "control.sock"))
        client.sendall(b'{"command":"pauses","text":"","stamp":1,"as":{"admin":true}}\n')
        assert json.loads(client.makefile().readline())["error"] == "unknown command"
