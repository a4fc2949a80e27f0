"""Mail for hosts that connect rarely: held until ETRN (RFC 1985) or ATRN (RFC 2645) asks for it. ATRN is asked by a client of
our own, which then is the server on the same connection, in clear and inside TLS."""
import re
import ssl

import pytest

from certificates import Authority
from harness import NO_NAMES, Raw, wait_for
from login_house import add_user, plain
from sink import Sink

ODMR, SECURE, RELAY = range(3)          # as the daemon names them
CONFIG = """
version = 1; host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = (
  { address = "127.0.0.1"; port = 0; tls = "none"; },
  { address = "127.0.0.1"; port = 0; role = "odmr"; auth = true; tls = "none"; },
  { address = "127.0.0.1"; port = 0; role = "odmr"; auth = true; tls = "required"; }
);
tls = { certificate = "tls/mx.crt"; key = "tls/mx.key"; };
auth = { users = "passwd-file:users"; clear_text = true; delay = "100ms"; };
domains = { local = [ "ex.test" ]; relay_to = [ "branch.test", "*.branch.test", "other.test", "open.test" ];
            hold_for_etrn = [ "branch.test", "*.branch.test", "other.test" ]; %(domains)s };
odmr = ( { user = "branch"; domains = [ "branch.test", "sub.branch.test" ]; }, { user = "other"; domains = [ "other.test" ]; } );
relay_from = [ "192.0.2.0/24" ];
aliases = "aliases";
""" + NO_NAMES + """
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; };
               branch = { kind = "smtp"; hosts = [ "127.0.0.1:%(port)d" ]; connection_idle = "0s"; }; };
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; },
  { name = "branch"; domains = [ "*" ]; transport = "branch"; }
);
retry = ( { domains = [ "*" ]; schedule = "%(schedule)s"; } );
delay_warning = "%(warning)s";
"""
PASSWORDS = {"branch": "branch-Pw7", "other": "other-Pw8", "guest": "guest-Pw9"}


def letter(number):
    return b"Subject: %d\r\n\r\n.text %d\r\n" % (number, number)


@pytest.fixture
def house(make_mansio, tmp_path):
    made = []

    def make(schedule="1h for 4d", warning="24h", domains=""):
        sink = Sink()
        made.append(sink)
        directory = tmp_path / "mansio"
        authority = Authority(directory / "tls")
        authority.leaf("mx", names=["mx.ex.test"], addresses=["127.0.0.1"])
        (directory / "aliases").write_text("away@ex.test: one@branch.test\n")
        (directory / "users").write_text("")
        (directory / "users").chmod(0o600)
        for name, password in PASSWORDS.items():
            add_user(directory / "users", name, password)
        daemon = make_mansio(config=CONFIG % dict(port=sink.port, schedule=schedule, warning=warning, domains=domains))
        daemon.sink, daemon.authority = sink, authority
        return daemon.start()

    yield make
    for each in made:
        each.close()


def send(daemon, *recipients, number=1):
    with Raw(daemon.ports[RELAY]) as client:
        code, lines = client.transaction("a@far.test", recipients, letter(number))
        assert code == 250, lines
        return re.search(r"queued as (\S+)", lines[-1]).group(1)


def held(daemon, id):
    daemon.wait_log(rf"{id} == \S+ .*waits until its host asks for it \(ETRN, ATRN\)")
    return id


def etrn(daemon, *nodes):
    with Raw(daemon.ports[RELAY]) as client:
        assert "250-ETRN" in client.command("EHLO branch.test")[1]
        return [client.command(f"ETRN {node}")[1][0] for node in nodes]


# ---- ETRN

def test_held_mail_waits_untried_and_etrn_sends_it_to_its_own_host(house):
    daemon = house()
    first, second = held(daemon, send(daemon, "one@branch.test")), held(daemon, send(daemon, "two@Branch.Test", number=2))
    open_one = send(daemon, "x@open.test", number=3)
    daemon.wait_log(f"{open_one} Completed")
    assert [m.recipients[0][0] for m in daemon.sink.messages] == ["x@open.test"]
    assert "waits until its host asks for it" in daemon.ctl("queue", "show", first).stdout
    assert "waits until its host asks for it" in daemon.ctl("why", "one@branch.test").stdout
    assert etrn(daemon, "other.test", "nowhere.test", "#fast", "@", "branch.test") == [
        "251 2.0.0 OK, no messages waiting for node other.test", "459 4.7.1 Node nowhere.test not allowed: its mail is not held here",
        "458 4.3.0 Unable to queue messages for node #fast: there is no queue of that name", "501 5.5.4 Syntax: ETRN domain, @domain or #queue",
        "253 2.0.0 OK, 2 pending messages for node branch.test started"]
    for id in (first, second):
        daemon.wait_log(f"{id} Completed")
    assert sorted(m.recipients[0][0] for m in daemon.sink.messages) == ["one@branch.test", "two@Branch.Test", "x@open.test"]
    assert daemon.wait_log(r"ETRN by branch\.test \[127\.0\.0\.1\]: 2 messages for branch\.test are sent now")
    # Its host is connected now: what comes goes at once.
    more = send(daemon, "three@branch.test", number=4)
    daemon.wait_log(f"{more} Completed")


def test_etrn_finds_what_waited_before_a_restart_and_what_aliases_and_subdomains_lead_to(house):
    daemon = house()
    ids = [held(daemon, send(daemon, "one@branch.test", "two@sub.branch.test")), held(daemon, send(daemon, "x@sub.branch.test", number=2))]
    daemon.stop()
    daemon.start()
    wait_for(lambda: daemon.list_queue()[1], what="the whole queue")
    ids.append(held(daemon, send(daemon, "away@ex.test", number=3)))
    other = held(daemon, send(daemon, "y@other.test", number=4))
    assert etrn(daemon, "@branch.test") == ["253 2.0.0 OK, 3 pending messages for node @branch.test started"]
    for id in ids:
        daemon.wait_log(f"{id} Completed")
    assert [entry["id"] for entry in daemon.queue()] == [other]
    assert sorted(address for m in daemon.sink.messages for address, _ in m.recipients) == [
        "one@branch.test", "one@branch.test", "two@sub.branch.test", "x@sub.branch.test"]


def test_who_may_not_give_etrn_is_told_and_who_asks_too_often_too(house):
    daemon = house(domains='etrn_from = [ "192.0.2.1" ];')
    assert etrn(daemon, "branch.test") == ["459 4.7.1 Node branch.test not allowed: you are not in domains.etrn_from"]
    daemon.wait_log(r"\[127\.0\.0\.1\].* rejected ETRN branch\.test: Node", "rejectlog")
    daemon.config.write_text(daemon.config.read_text().replace('etrn_from = [ "192.0.2.1" ];', ""))
    assert daemon.ctl("reload").returncode == 0
    answers = etrn(daemon, *["branch.test"] * 11)
    assert answers == ["251 2.0.0 OK, no messages waiting for node branch.test"] * 10 + ["458 4.3.0 Unable to queue messages for node branch.test: you ask too often"]


def test_held_mail_expires_and_its_sender_is_told_as_of_any_other(house):
    daemon = house(schedule="1s for 3s", warning="1s")
    with Raw(daemon.ports[RELAY]) as client:
        assert client.transaction("bob@ex.test", ["one@branch.test"], letter(1))[0] == 250
    delayed, failed = sorted(daemon.wait_mail(2), key=lambda m: b"retry time exceeded" in m)
    assert b"Action: delayed" in delayed and b"waits until its host asks for it" in delayed
    assert b"Action: failed" in failed and b"retry time exceeded" in failed
    assert daemon.sink.messages == []
    daemon.wait_idle()


# ---- ATRN

class Fetcher:
    """A host that fetches its mail: a client until ATRN is answered with 250, then the server. `answers` are those to RCPT, by
    address; `leave` closes after so many messages, where the answer to the last one's end should be."""

    def __init__(self, daemon, user="branch", listener=ODMR):
        self.client = Raw(daemon.ports[listener])
        self.greeting = self.client.command("EHLO branch.test")
        if listener == SECURE:
            assert self.client.command("ATRN")[0] == 530
            assert self.client.command("STARTTLS")[0] == 220
            context = ssl.create_default_context(cafile=str(daemon.authority.certificate))
            self.client.socket = context.wrap_socket(self.client.socket, server_hostname="mx.ex.test")
            self.client.file = self.client.socket.makefile("rb")
            self.greeting = self.client.command("EHLO branch.test")
        self.user = user

    def log_in(self):
        reply = self.client.command("AUTH PLAIN " + plain(self.user, PASSWORDS[self.user]))
        assert reply[0] == 235, reply
        return self

    def ask(self, *domains):
        return self.client.command(" ".join(["ATRN", *domains]))[1][0]

    def serve(self, answers=None, leave=None):
        """[(recipients, content)], once the other side has said QUIT or the connection is closed."""
        messages, recipients = [], []
        say = lambda text: self.client.send(text.encode() + b"\r\n")
        say("220 branch.test ready")
        while line := self.client.file.readline():
            verb = line.split()[0].upper()
            if verb == b"EHLO":
                assert line == b"EHLO mx.ex.test\r\n"
                say("250-branch.test\r\n250 PIPELINING")
            elif verb == b"MAIL":
                recipients = []
                say("250 ok")
            elif verb == b"RCPT":
                address = re.search(rb"<(.*)>", line).group(1).decode()
                answer = (answers or {}).get(address, "250 ok")
                recipients += [address] if answer.startswith("2") else []
                say(answer)
            elif verb == b"DATA":
                if not recipients:
                    say("554 no recipients")
                    continue
                say("354 go on")
                content = b""
                while (line := self.client.file.readline()) != b".\r\n":
                    assert line
                    content += line[1:] if line.startswith(b".") else line
                if leave is not None and len(messages) == leave:
                    self.client.close()
                    return messages
                messages.append((recipients, content))
                say("250 taken")
            elif verb == b"QUIT":
                say("221 bye")
                assert self.client.file.readline() == b""
                self.client.close()
                return messages
            else:
                say("250 ok")
        return messages


def subjects(messages):
    return [int(re.search(rb"^Subject: (\d+)", content, re.M).group(1)) for _, content in messages]


@pytest.mark.parametrize("listener", [ODMR, SECURE], ids=["clear", "tls"])
def test_atrn_gives_the_mail_of_the_user_over_the_same_connection(house, listener):
    daemon = house()
    ids = [held(daemon, send(daemon, "one@branch.test", "two@sub.branch.test", number=1)), held(daemon, send(daemon, "away@ex.test", number=2))]
    other = held(daemon, send(daemon, "y@other.test", number=3))
    fetcher = Fetcher(daemon, listener=listener)
    assert "250-ATRN" in fetcher.greeting[1] and not any("SIZE" in line for line in fetcher.greeting[1])
    assert fetcher.ask().startswith("530 5.7.0")
    fetcher.log_in()
    assert fetcher.ask("other.test").startswith("450 4.7.1 ATRN request refused")
    assert fetcher.ask("branch.test,other.test").startswith("450 4.7.1")
    assert fetcher.ask() == "250 2.0.0 OK now reversing the connection"
    messages = fetcher.serve()
    assert sorted(sorted(recipients) for recipients, _ in messages) in ([["one@branch.test"], ["one@branch.test", "two@sub.branch.test"]],)
    assert sorted(subjects(messages)) == [1, 2]
    assert all(content.endswith(letter(number)) for (_, content), number in zip(messages, subjects(messages)))
    for id in ids:
        daemon.wait_log(f"{id} Completed")
    daemon.wait_log(rf"{ids[0]} => one@branch\.test F=<a@far\.test> R=branch T=branch S=\d+ H=\[127\.0\.0\.1\]")
    assert [entry["id"] for entry in daemon.queue()] == [other] and daemon.sink.messages == []
    again = Fetcher(daemon, listener=listener).log_in()
    assert again.ask() == "453 4.2.0 You have no mail"
    assert again.client.command("QUIT")[0] == 221
    assert daemon.log("paniclog") == ""


def test_mail_that_has_just_come_is_given_too(house):
    """The attempt that finds it held may still be under way."""
    daemon = house()
    with Raw(daemon.ports[RELAY]) as client:
        for number in range(4):
            fetcher = Fetcher(daemon).log_in()
            assert client.transaction("a@far.test", ["one@branch.test"], letter(number), ehlo="client.test" if number == 0 else None)[0] == 250
            assert fetcher.ask().startswith("250")
            assert subjects(fetcher.serve()) == [number]
    daemon.wait_idle()


def test_what_the_fetching_host_refuses_bounces_and_what_it_defers_waits(house):
    daemon = house()
    with Raw(daemon.ports[RELAY]) as client:
        assert client.transaction("bob@ex.test", ["gone@branch.test", "late@branch.test", "good@branch.test"], letter(1))[0] == 250
    daemon.wait_log(r"== late@branch\.test")
    fetcher = Fetcher(daemon).log_in()
    assert fetcher.ask("branch.test").startswith("250")
    [(recipients, _)] = fetcher.serve({"gone@branch.test": "550 5.1.1 nobody", "late@branch.test": "450 4.2.0 later"})
    assert recipients == ["good@branch.test"]
    [bounce] = daemon.wait_mail(1)
    assert b"gone@branch.test" in bounce and b"5.1.1 nobody" in bounce and b"good@" not in bounce.split(b"message/rfc822")[0]
    wait_for(lambda: [r for e in daemon.queue() for r in e["recipients"] if "late" in str(r)], what="the one that waits")
    fetcher = Fetcher(daemon).log_in()
    assert fetcher.ask().startswith("250")
    assert [recipients for recipients, _ in fetcher.serve()] == [["late@branch.test"]]
    daemon.wait_idle()


def test_a_connection_that_breaks_loses_nothing_and_gives_nothing_twice_that_was_taken(house):
    daemon = house()
    for number in range(1, 6):
        held(daemon, send(daemon, f"u{number}@branch.test", number=number))
    fetcher = Fetcher(daemon).log_in()
    assert fetcher.ask().startswith("250")
    first = fetcher.serve(leave=2)
    assert subjects(first) == [1, 2]
    daemon.wait_log(r"== u3@branch\.test .*lost the connection")
    silent = Fetcher(daemon).log_in()
    assert silent.ask().startswith("250")
    silent.client.close()                      # it never greets us
    daemon.wait_log("nothing was given")
    rest = wait_for(lambda: fetch(daemon), what="the rest")
    assert sorted(subjects(rest)) == [3, 4, 5]
    daemon.wait_idle()


def fetch(daemon):
    fetcher = Fetcher(daemon).log_in()
    answer = fetcher.ask()
    return fetcher.serve() if answer.startswith("250") else None


def test_others_get_nothing_from_the_port_for_atrn(house):
    daemon = house()
    held(daemon, send(daemon, "one@branch.test"))
    guest = Fetcher(daemon, user="guest").log_in()
    assert guest.ask().startswith("450 4.7.1 ATRN request refused: that mail is not for guest")
    assert guest.ask("branch.test").startswith("450")
    assert guest.client.command("MAIL FROM:<a@b.test>")[1] == ["502 5.5.1 MAIL is not for this port"]
    assert guest.client.command("TURN")[1] == ["502 5.5.1 TURN is not implemented, for it is not safe: use ETRN, or log in and use ATRN"]
    daemon.wait_log(r"A=PLAIN:guest.* rejected ATRN .*ATRN request refused|rejected ATRN")
    with Raw(daemon.ports[RELAY]) as client:
        client.command("EHLO x.test")
        assert client.command("ATRN branch.test")[0] == 502 and client.command("TURN")[0] == 502


def test_a_stop_and_a_kill_while_mail_is_fetched_lose_nothing(house):
    daemon = house()
    for number in range(1, 4):
        held(daemon, send(daemon, f"u{number}@branch.test", number=number))
    fetcher = Fetcher(daemon).log_in()
    assert fetcher.ask().startswith("250")
    daemon.kill()
    daemon.start()
    assert sorted(subjects(wait_for(lambda: fetch(daemon), what="the mail"))) == [1, 2, 3]
    daemon.wait_idle()
    assert daemon.log("paniclog") == ""


def test_an_admin_sends_held_mail_by_naming_it(house):
    daemon = house()
    first, second = held(daemon, send(daemon, "one@branch.test")), held(daemon, send(daemon, "two@branch.test", number=2))
    assert daemon.ctl("queue", "retry", first).returncode == 0
    daemon.wait_log(f"{first} Completed")
    assert daemon.ctl("queue", "retry", "--domain", "branch.test", "--yes").returncode == 0       # by a filter: not forced
    wait_for(lambda: daemon.log().count(f"{second} == two@branch.test") == 2, what="it to be held again")
    assert [entry["id"] for entry in daemon.queue()] == [second] and len(daemon.sink.messages) == 1


def test_etrn_tries_a_host_again_that_was_away_a_moment_ago(house):
    daemon = house()
    first = held(daemon, send(daemon, "one@branch.test"))
    port = daemon.sink.port
    daemon.sink.close()
    assert etrn(daemon, "branch.test")[0].startswith("253 2.0.0 OK, 1 pending")
    daemon.wait_log(rf"{first} == one@branch\.test .*[Cc]onnect")
    second = send(daemon, "two@branch.test", number=2)
    with Sink(port=port) as sink:
        assert etrn(daemon, "branch.test")[0].startswith("253 2.0.0 OK, 2 pending")
        for id in (first, second):
            daemon.wait_log(f"{id} Completed")
        assert len(sink.messages) == 2
