"""Several mail processes: one server to its clients, each process with a part of the spool of its own; one that is killed
costs its open sessions and nothing else."""
import contextlib
import os
import re
import signal
import ssl
import threading
import time

import pytest

from certificates import Authority
from harness import Raw, alive, wait_for
from ledger import SCENE, Account, Copy, Ledger, Scene, read_mbox, read_maildir, seeded, USERS
from login_house import add_user, plain
from outbound import CONFIG as RELAY
from sink import Sink

TWO = "mail_processes = 2;"
MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def mail_pids(mansio):
    """{number: pid} of the mail processes."""
    found = {}
    for title, pid in mansio.children().items():
        at = re.match(r"mansiod: mail (\d+)", title)
        if at:
            found[int(at[1])] = pid
    return found


def shard_of(id):
    """As lib/spool/queue_id.cpp lays the bits: TIME-MIDDLE-LAST in digits of base 62."""
    value = 0
    for digit in id.split("-")[1]:
        value = value * 62 + DIGITS.index(digit)
    return value >> 13 & 15


def id_in(lines):
    return re.search(r"queued as (\S+)", lines[-1])[1]


@contextlib.contextmanager
def only(mansio, number):
    """The other processes stand still: this one takes all connections."""
    others = [pid for each, pid in mail_pids(mansio).items() if each != number]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def letter_to(mansio, number, recipient="bob@ex.test", sender="a@client.test"):
    """Id of a message that this process took."""
    with only(mansio, number), mansio.connect() as client:
        code, lines = client.transaction(sender, [recipient], MESSAGE)
    assert code == 250, lines
    assert shard_of(id_in(lines)) == number
    return id_in(lines)


# ---- one server

def test_two_processes_are_one_server(make_mansio):
    mansio = make_mansio(extra=TWO).start()
    assert set(mail_pids(mansio)) == {0, 1}
    titles = [title for title in mansio.children() if "deliver" in title]
    assert sum("users" in title for title in titles) == 2 and len(titles) == 10, titles
    ids = [letter_to(mansio, number) for number in (0, 1, 0, 1)]
    mansio.wait_mail(4)
    for id in ids:
        mansio.wait_log(f"{id} Completed")
    run = mansio.directory / "run"
    assert {p.name for p in run.iterdir()} >= {"control.sock", "control-1.sock", "submit.sock", "mansiod.pid"}
    assert (run / "control-1.sock").stat().st_mode & 0o777 == 0o600
    assert mansio.stop() == 0
    assert list(run.iterdir()) == []
    assert len(mansio.maildir("bob")) == 4
    assert mansio.log("paniclog") == ""
    # Nothing is left in shard 1: nobody would have to look there.
    assert (mansio.directory / "spool" / "1" / "empty").exists()


def test_one_process_is_as_before(make_mansio):
    mansio = make_mansio().start()
    assert set(mail_pids(mansio)) == {0}
    assert not (mansio.directory / "spool" / "1").exists()
    assert sorted(t for t in mansio.children() if "deliver" in t)[-1] == "mansiod: deliver 8"


def test_connections_are_shared_out_while_nobody_is_busy(make_mansio):
    mansio = make_mansio(extra=TWO + "limits = { connections_per_client = 200; };").start()
    held, ids = [], []
    for _ in range(100):
        held.append(mansio.connect())
    for client in held:
        ids.append(id_in(client.transaction("a@client.test", ["bob@ex.test"], MESSAGE)[1]))
        client.close()
    shards = [shard_of(id) for id in ids]
    print("100 clients:", shards.count(0), shards.count(1))
    assert min(shards.count(0), shards.count(1)) >= 10


def test_a_reload_reaches_all_and_does_not_change_their_number(make_mansio):
    mansio = make_mansio(extra=TWO).start()
    text = mansio.config.read_text()
    mansio.config.write_text(text.replace(TWO, "mail_processes = 3;"))
    out = mansio.ctl("reload")
    assert out.returncode == 78 and "mail_processes changes only with a restart" in out.stdout + out.stderr
    mansio.config.write_text(text.replace("mx.ex.test", "new.ex.test"))
    assert mansio.ctl("reload").returncode == 0
    for number in (0, 1):
        with only(mansio, number), mansio.connect() as client:
            assert "new.ex.test" in client.greeting[1][0]
    assert set(mail_pids(mansio)) == {0, 1}


# ---- one dies

def test_a_killed_process_is_replaced_while_the_other_serves(make_mansio):
    mansio = make_mansio(extra=TWO + "limits = { connections_per_client = 2; };").start()
    before = mail_pids(mansio)
    with only(mansio, 1):
        lost = [mansio.connect(), mansio.connect()]          # all that this client may have
    os.kill(before[1], signal.SIGKILL)
    wait_for(lambda: not alive(before[1]), what="the end of mail 1")
    for client in lost:
        assert client.reply() == (0, [])
        client.close()
    mansio.wait_log(r"mail process 1 was killed by signal 9 \(Killed\): starting it again", "paniclog")
    # What it had counts no more, at the other one either.
    def served():
        with mansio.connect() as client:
            return client.greeting[0] == 220
    wait_for(served, what="a greeting")
    wait_for(lambda: mail_pids(mansio).get(1, before[1]) != before[1], what="another mail 1")
    assert mail_pids(mansio)[0] == before[0]
    letter_to(mansio, 0)
    mansio.wait_mail(1)
    mansio.wait_log("mail process 1 started.*\n(.*\n)*.*mail process 1 started")
    letter_to(mansio, 1)
    mansio.wait_mail(2)


def test_mail_in_the_shard_of_a_killed_process_is_recovered(make_mansio):
    mansio = make_mansio(extra=TWO, relay_from='[ "127.0.0.0/8" ]').start()
    id = letter_to(mansio, 1, "far@away.test")
    mansio.wait_log(f"{id} == far@away.test")
    pid = mail_pids(mansio)[1]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: mail_pids(mansio).get(1, pid) != pid, what="another mail 1")
    wait_for(lambda: [m["id"] for m in mansio.queue()] == [id], what="the message in the queue again")


class Shards(Scene):
    """The account over the shards of all processes."""

    def account(self, processes):
        queue = self.drain()
        assert self.mansio.stop() == 0
        queued, ids = [], {m["id"] for m in queue}
        files, large = {}, {}
        for number in range(processes):
            shard = self.mansio.directory / "spool" / str(number)
            corrupt = [file.name for file in (shard / "corrupt").iterdir()]
            assert corrupt == [], (corrupt, self.mansio.log("paniclog"))
            large |= {file.name: file for file in (shard / "large").iterdir()}
            mine = {file.name: file for file in (shard / "deferred").glob("*/*")}
            assert all(shard_of(id) == number for id in mine)
            files |= mine
        assert set(files) == ids and set(large) <= ids
        for message in queue:
            text = large.get(message["id"], files[message["id"]]).read_bytes().replace(b"\r\n", b"\n")
            mine = Copy.field(text, b"X-Ledger-Id")
            assert mine, message
            queued += [(mine, r["address"]) for r in message["recipients"] if not r["done"]]
        copies = [copy for user in USERS for copy in read_maildir(self.mansio.mail / user)]
        copies += read_mbox(self.mansio.mail / "box.mbox")
        return Account(Ledger.read(self.ledger_path), copies, queued)


def whole_lines(mansio):
    """Every line of the logs begins and ends as lines do."""
    for name in ("mainlog", "rejectlog", "paniclog"):
        text = mansio.log(name)
        assert text == "" or text.endswith("\n"), name
        torn = [line for line in text.splitlines() if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) or re.search(r"\S\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line)]
        assert torn == [], (name, torn[:5])


@pytest.mark.parametrize("processes, rounds", [(2, 8), (4, 4)])
def test_processes_killed_at_random_under_load_lose_and_double_nothing(make_mansio, tmp_path, processes, rounds):
    mansio = make_mansio(config=SCENE + f"mail_processes = {processes};\n").start()
    scene = Shards(mansio, tmp_path / "ledger")
    chosen = seeded(f"kill {processes}")
    load = scene.load("killed")
    for _ in range(rounds):
        seen = load.acknowledged
        wait_for(lambda: load.acknowledged > seen + 10, 60, what="load")
        pids = wait_for(lambda: mail_pids(mansio), what="a mail process")
        number = chosen.choice(sorted(pids))
        os.kill(pids[number], signal.SIGKILL)
        wait_for(lambda: not alive(pids[number]), what="its end")
    seen = load.acknowledged
    wait_for(lambda: load.acknowledged > seen + 20, 60, "mail to be accepted")
    scene.end(load)
    wait_for(lambda: set(mail_pids(mansio)) == set(range(processes)), 60, "all processes to be there again")
    account = scene.account(processes)
    scene.ledger.close()
    print(f"{processes} processes, {rounds} kills: {dict(account.answers)}, {account.copies} copies")
    account.check(mbox_duplicates=rounds)
    assert mansio.log("paniclog").count("was killed by signal 9") == rounds
    whole_lines(mansio)


# ---- fewer than before

def test_shards_of_a_time_with_more_processes_are_emptied(make_mansio):
    mansio = make_mansio(extra="mail_processes = 3;", relay_from='[ "127.0.0.0/8" ]').start()
    ids = {number: letter_to(mansio, number, f"x{number}@later.test") for number in (1, 2)}
    for id in ids.values():
        mansio.wait_log(f"{id} == x")
    mansio.kill()
    text = mansio.config.read_text().replace("mail_processes = 3;", "")
    mansio.config.write_text(text)
    mansio.start()
    assert set(mail_pids(mansio)) == {0, 1, 2}
    for number in (1, 2):
        mansio.wait_log(f"spool/{number} is of a time with more mail processes", "paniclog")
    wait_for(lambda: {m["id"] for m in mansio.queue()} == set(ids.values()), what="the queue of all")
    mansio.config.write_text(text.replace('local = [ "ex.test" ]', 'local = [ "ex.test", "later.test" ]').replace('"bob",', '"bob", "x1", "x2",'))
    assert mansio.ctl("reload").returncode == 0
    assert mansio.ctl("queue", "retry", "--all", "--yes").returncode == 0
    for number in (1, 2):
        mansio.wait_mail(1, f"x{number}")
        mansio.wait_log(f"spool/{number} is empty", "paniclog")
    wait_for(lambda: set(mail_pids(mansio)) == {0}, what="the end of the others")
    assert mansio.stop() == 0
    mansio.start()
    assert set(mail_pids(mansio)) == {0}


# ---- limits of all together

def test_connections_of_a_client_are_counted_over_all_processes(make_mansio):
    mansio = make_mansio(extra=TWO + "limits = { connections_per_client = 6; };").start()
    held = []
    for number in (0, 1):
        with only(mansio, number):
            held += [mansio.connect() for _ in range(3)]
    assert [client.greeting[0] for client in held] == [220] * 6
    for number in (0, 1):
        with only(mansio, number), mansio.connect() as client:
            assert client.greeting == (421, ["421 4.7.0 too many connections from your address, try again later"])
    with only(mansio, 1), mansio.connect(source="127.0.0.2") as client:      # others may come
        assert client.greeting[0] == 220
    held.pop().close()               # one of the second process makes room for one of the first
    def again():
        client = mansio.connect()
        if client.greeting[0] == 220:
            held.append(client)
            return True
        client.close()
        return False
    wait_for(again, what="room for another")
    for client in held:
        client.close()


def test_connections_in_all_are_counted_over_all_processes(make_mansio):
    mansio = make_mansio(extra=TWO + "limits = { connections = 4; };").start()
    held = []
    for number in (0, 1):
        with only(mansio, number):
            held += [mansio.connect(), mansio.connect()]
    assert [client.greeting[0] for client in held] == [220] * 4
    for number in (0, 1):
        with only(mansio, number), mansio.connect() as client:
            assert client.greeting == (421, ["421 4.7.0 too many connections, try again later"])
    for client in held:
        client.close()


class Counting:
    """Counts the connections to a sink that are open at once. The kernel's table is no snapshot: while it is read, one
    connection may end and another begin, and both are seen. Those in two readings one after the other were open together."""

    def __init__(self, sink):
        self.sink, self.most, self.stop = sink, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        before = set()
        while not self.stop.is_set():
            now = open_at(self.sink.port)
            self.most = max(self.most, len(before & now))
            before = now
            time.sleep(0.001)

    def end(self):
        self.stop.set()
        self.thread.join(10)
        return self.most


def open_at(port):
    """Established connections to this port, by our side's socket."""
    found = set()
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if fields[3] == "01" and int(fields[2].split(":")[1], 16) == port:
                found.add((fields[1], fields[9]))          # address and inode
    return found


@pytest.mark.parametrize("limit", [1, 3])
def test_a_site_never_sees_more_connections_than_it_may_have(make_mansio, limit):
    with Sink() as sink:
        sink.script["DOT"] = lambda session, line: time.sleep(0.02)
        transports = f'slow = {{ kind = "smtp"; hosts = [ "127.0.0.1:{sink.port}" ]; connections = {limit}; }};'
        routes = '{ name = "slow"; domains = [ "slow.test" ]; transport = "slow"; },'
        mansio = make_mansio(config=RELAY % dict(dns=9, dns_timeout="1s", port=25, transport="", limits="", retry="1h for 4d", warning="0s",
                                                 transports=transports, routes=routes, extra=TWO)).start()
        counting = Counting(sink)
        ids = []
        for number in (0, 1):
            with only(mansio, number), mansio.connect() as client:
                for at in range(40):
                    code, lines = client.transaction("a@client.test", [f"x{at}@slow.test"], MESSAGE, ehlo="client.test" if at == 0 else None)
                    assert code == 250, lines
                    ids.append(id_in(lines))
        wait_for(lambda: len(sink.taken()) == 80, 60, "all messages at the sink")
        most = counting.end()
        assert 1 <= most <= limit, most
        assert sorted(shard_of(id) for id in ids) == [0] * 40 + [1] * 40
        wait_for(lambda: mansio.log().count(" Completed") == 80, what="all to be done")
        assert " == " not in mansio.log(), "nobody was put off"


def test_who_waits_for_a_site_gets_its_turn_while_another_has_much_for_it(make_mansio):
    with Sink() as sink:
        sink.script["DOT"] = lambda session, line: time.sleep(0.02)
        transports = f'slow = {{ kind = "smtp"; hosts = [ "127.0.0.1:{sink.port}" ]; connections = 1; }};'
        routes = '{ name = "slow"; domains = [ "slow.test" ]; transport = "slow"; },'
        mansio = make_mansio(config=RELAY % dict(dns=9, dns_timeout="1s", port=25, transport="", limits="", retry="1h for 4d", warning="0s",
                                                 transports=transports, routes=routes, extra=TWO)).start()
        with only(mansio, 0), mansio.connect() as client:
            for at in range(300):            # six seconds' worth
                assert client.transaction("a@client.test", [f"x{at}@slow.test"], MESSAGE, ehlo="client.test" if at == 0 else None)[0] == 250
        id = letter_to(mansio, 1, "late@slow.test")
        mansio.wait_log(f"{id} Completed", timeout=60)
        assert len(sink.taken()) < 300, "it came before the last of the other process"
        wait_for(lambda: len(sink.taken()) == 301, 60, "all messages at the sink")


# ---- what one knows and the others need

HOUSE = """
version = 1; host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = ""; mail_processes = 2;
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; },
              { address = "127.0.0.1"; port = 0; role = "submission"; tls = "none"; } );
tls = { certificate = "tls/mx.crt"; key = "tls/mx.key"; };
auth = { users = "passwd-file:users"; clear_text = true; delay = "100ms"; };
submission = { messages_per_hour = 3; };
domains = { local = [ "ex.test" ]; relay_to = [ "branch.test" ]; hold_for_etrn = [ "branch.test" ]; };
dns = { servers = [ "127.0.0.1:9" ]; timeout = "300ms"; attempts = 1; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; branch = { kind = "smtp"; hosts = [ "127.0.0.1:%d" ]; }; };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; },
           { name = "branch"; domains = [ "branch.test" ]; transport = "branch"; } );
"""


@pytest.fixture
def house(make_mansio, tmp_path):
    sink = Sink()
    directory = tmp_path / "mansio"
    Authority(directory / "tls").leaf("mx", names=["mx.ex.test"], addresses=["127.0.0.1"])
    (directory / "users").write_text("")
    (directory / "users").chmod(0o600)
    add_user(directory / "users", "bob", "bob-Pw7")
    daemon = make_mansio(config=HOUSE % sink.port)
    daemon.sink = sink
    yield daemon.start()
    sink.close()


def secured(daemon, context, session=None):
    """A Raw after STARTTLS."""
    client = Raw(daemon.ports[0])
    assert client.command("EHLO client.test")[0] == 250 and client.command("STARTTLS")[0] == 220
    client.file.close()
    client.socket = context.wrap_socket(client.socket, session=session)
    client.file = client.socket.makefile("rb")
    return client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_session_is_resumed_at_another_process_and_after_its_restart(house, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version

    def visit(number, session=None):
        with only(house, number), secured(house, context, session) as client:
            reused = client.socket.session_reused
            code, lines = client.transaction("a@client.test", ["bob@ex.test"], MESSAGE)
            assert code == 250 and shard_of(id_in(lines)) == number
            return reused, client.socket.session
    reused, session = visit(0)
    assert not reused
    assert visit(1, session)[0]
    pid = mail_pids(house)[1]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: mail_pids(house).get(1, pid) != pid and house.log().count("mail process 1 started") == 2, what="another mail 1")
    reused, session = visit(1, session)
    assert reused and visit(0, session)[0]


def test_what_a_login_has_sent_counts_at_every_process(house):
    def submit(number):
        with only(house, number), Raw(house.ports[1]) as client:
            assert client.command("EHLO client.test")[0] == 250
            assert client.command("AUTH PLAIN " + plain("bob", "bob-Pw7"))[0] == 235
            return client.transaction("bob@ex.test", ["bob@ex.test"], b"From: bob@ex.test\r\n" + MESSAGE, ehlo=None)[0]
    assert [submit(0), submit(1), submit(0)] == [250] * 3
    assert wait_for(lambda: submit(1) == 450, what="the hour's quota at the second process")
    assert submit(0) == 450


def test_a_failed_login_delays_the_next_at_every_process(house):
    def fail(number):
        with only(house, number), Raw(house.ports[1]) as client:
            assert client.command("EHLO client.test")[0] == 250
            began = time.monotonic()
            assert client.command("AUTH PLAIN " + plain("bob", "wrong"))[0] == 535
            return time.monotonic() - began
    for number in (0, 1, 0, 1):
        last = fail(number)
    assert last >= 0.8, "100 ms, doubled three times"


def test_etrn_asks_all_processes(house):
    ids = [letter_to(house, number, f"x{number}@branch.test") for number in (0, 1)]
    for id in ids:
        house.wait_log(rf"{id} == \S+ .*waits until its host asks for it")
    with only(house, 0), house.connect() as client:
        assert client.command("EHLO branch.test")[0] == 250
        assert client.command("ETRN branch.test") == (250, ["250 2.0.0 OK, queuing for node branch.test started"])
    for id in ids:
        house.wait_log(f"{id} Completed")
    assert sorted(m.recipients[0][0] for m in house.sink.taken()) == ["x0@branch.test", "x1@branch.test"]
