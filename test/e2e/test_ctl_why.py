"""mansioctl why: the decision that it shows is the one that the daemon makes, for addresses and for messages, before, while and after
it; with the line of the configuration that each rests on."""
import gzip
import json
import re
import shutil
import subprocess

import pytest

from harness import BUILD, Raw, wait_for
from outbound import CONFIG, PLAIN, deferred, failed, internet, send  # noqa: F401
from sink import DROP
from system_users import as_user, make_system, needs_root, programs, public_path, users  # noqa: F401

ALIASES = "team: bob, carol\nchain: team,\n  x@good.test\nloop: pool\npool: loop\ngone: :fail: moved away\nlater: :defer: soon\nfar: y@dead.test\n"
STRANGER = "127.0.0.77"


class Office:
    """A daemon with aliases, of which 127.0.0.1 may relay and others may not."""

    def __init__(self, internet, files=None, **options):
        values = dict(dns=internet.names.port, dns_timeout="1s", port=internet.port, transport="", transports="", routes="", limits="",
                      extra="", retry="1h for 4d", warning="0s")
        values.update(options)
        values["extra"] += ' aliases = "aliases";'
        self.mansio = internet.make_mansio("office", config=(CONFIG % values).replace('[ "127.0.0.0/8" ]', '[ "127.0.0.1" ]'))
        for name, text in {"aliases": ALIASES, **(files or {})}.items():
            (self.mansio.directory / name).write_text(text)
            (self.mansio.directory / name).chmod(0o600)
        self.mansio.start()

    def why(self, what, *words, status=None):
        out = self.mansio.ctl("why", what, *words, "--json")
        assert out.stdout.count("\n") == 1, (out.stdout, out.stderr)
        assert status is None or out.returncode == status, (out.returncode, out.stdout)
        return json.loads(out.stdout)

    def text(self, what, *words, status=0):
        out = self.mansio.ctl("why", what, *words)
        assert out.returncode == status, (out.returncode, out.stdout, out.stderr)
        assert "\x1b" not in out.stdout, "no colours but on a terminal"
        return out.stdout

    def line_of(self, text):
        """file:line of the line of the configuration that begins so."""
        lines = self.mansio.config.read_text().splitlines()
        return next(f"{self.mansio.config}:{n}" for n, line in enumerate(lines, 1) if text in line)


@pytest.fixture
def office(internet):
    internet.names.add("null.test", "MX", (0, ""))
    return Office(internet)


def test_what_why_says_is_what_happens(internet, office):
    """For each client and address: the code of RCPT, and where the message then goes."""
    mansio = office.mansio
    addresses = ["bob@ex.test", "BOB+x@ex.test", "nobody@ex.test", "team@ex.test", "chain@ex.test", "loop@ex.test", "gone@ex.test", "later@ex.test",
                 "postmaster@ex.test", "x@good.test", "x@null.test", "x@no-such-domain.test", "x@[127.0.0.2]"]
    for client in ("127.0.0.1", STRANGER):
        for address in addresses:
            said = office.why(address, "--from", "me@x.test", "--client", client)
            with Raw(mansio.port, source=client) as session:
                for line in ("EHLO c.test", "MAIL FROM:<me@x.test>"):
                    assert session.command(line)[0] == 250
                code, lines = session.command(f"RCPT TO:<{address}>")
                assert (said["rcpt"]["status"]["code"], said["rcpt"]["accepted"]) == (code, code == 250), (client, address, said, lines)
                assert lines[-1][4:] == said["rcpt"]["status"]["line"][4:], (lines, said)
                if code != 250:
                    assert said["outcome"] == ("deferred" if code < 500 else "failed")
                    continue
                session.command("DATA")
                session.send(PLAIN + b".\r\n")
                id = re.search(r"queued as (\S+)", session.reply()[1][0])[1]
            log = wait_for(lambda: (f" {id} Completed" in mansio.log() or f" {id} == " in mansio.log()) and mansio.log(), what=f"the end of {id}")
            lines = re.findall(rf"^.* {id} (?:[=-]>|\*\*|==) (\S+) (.*)$", log, re.M)
            happened = {(to.strip(":"), re.search(r"R=([^\s:]+)", rest)[1], re.search(r"T=([^\s:]+)", rest)[1]) for to, rest in lines if " T=" in rest}
            planned = {(d["address"], d["route"], d["transport"]) for d in said["destinations"]}
            assert happened == planned, (address, said, lines)
            assert (said["outcome"] == "failed") == (f"{id} **" in log), (address, said)
            if said["outcome"] == "failed":
                assert (said["sites"] or said["refusals"])[0]["status"]["text"] in log


def test_each_decision_names_its_file_and_line(internet, office):
    said = office.why("chain@ex.test", status=0)
    assert said["rcpt"]["rule"] == "ours" and said["rcpt"]["place"] == office.line_of("domains = {")
    steps = said["steps"]
    aliases = {s["text"]: s["place"] for s in steps if s["kind"] == "alias"}
    assert aliases == {"chain": f"{office.mansio.directory}/aliases:2", "team": f"{office.mansio.directory}/aliases:1"}
    assert [s["kind"] for s in steps].count("destination") == 3
    parents = {s["text"]: steps[s["parent"]]["text"] for s in steps if s["kind"] in ("address", "alias") and s["parent"] is not None}
    assert parents["team@ex.test"] == "chain" and parents["bob@ex.test"] == "team" and parents["x@good.test"] == "chain"
    by = {d["address"]: d for d in said["destinations"]}
    assert by["bob@ex.test"]["route_place"] == office.line_of('name = "local"')
    assert by["bob@ex.test"]["transport_place"] == office.line_of("mailbox = {")
    assert by["bob@ex.test"]["path"] == f"{office.mansio.directory}/mail/bob"
    remote = by["x@good.test"]
    assert remote["route_place"] == office.line_of('name = "everywhere"') and remote["transport_place"] == office.line_of("internet = {")
    [site] = said["sites"]
    [host] = site["hosts"]
    assert (host["name"], host["preference"], host["addresses"], host["port"]) == ("mx1.good.test", 10, ["127.0.0.2"], internet.port)
    assert 0 < host["ttl"] <= 300 and not host["secure"]
    assert site["tls"]["level"] == "opportunistic" and site["state"]["state"] == "open"
    assert said["retry"]["place"] == office.line_of("retry = (") and len(said["retry"]["times"]) == 6
    relay = office.why("x@good.test", "--client", "127.0.0.1", status=0)["rcpt"]
    assert (relay["rule"], relay["place"]) == ("may_relay", office.line_of("relay_from = "))
    refused = office.why("x@good.test", "--client", STRANGER, status=1)["rcpt"]
    assert (refused["rule"], refused["place"]) == ("no_relay", office.line_of("relay_from = "))
    both = office.why("x@good.test", status=0)["rcpt"]
    assert both["accepted"] and not both["others"]["accepted"]
    assert office.why("x@good.test", "--user", "bob", status=0)["rcpt"]["client"]["by"] == "login"


def test_the_answer_is_a_sentence_and_a_tree(internet, office):
    text = office.text("chain@ex.test")
    assert text.startswith("Mail for chain@ex.test is accepted and goes to 3 places.\n")
    assert "└─ alias chain  [aliases:2]" in text and "├─ team@ex.test" in text and "[mansio.conf:" in text
    assert "MX 10    mx1.good.test 127.0.0.2" in text
    refused = office.text("x@good.test", "--client", STRANGER, status=1)
    assert refused.startswith(f"Mail for x@good.test from {STRANGER} is refused: 550 5.7.1 ")
    assert office.text("loop@ex.test", status=1).startswith("Mail for loop@ex.test is refused: 550 5.4.6 ")
    assert office.text("a@@b", status=1).startswith("a@@b is no address: ")
    assert "can't be sent, so it is returned: 556 5.1.10" in office.text("x@null.test", status=1)
    assert office.text("x@good.test").startswith("Mail for x@good.test is accepted from clients that may relay and goes to mx1.good.test [127.0.0.2]:")


def test_a_login_at_the_next_host_is_named_and_its_password_never(internet):
    office = Office(internet, files={"hush": 'user = "me@provider.test"; password = "tell-nobody";'}, transport='credentials = "hush";')
    said = office.why("x@good.test", status=0)
    assert said["sites"][0]["login"] == {"file": f"{office.mansio.directory}/hush", "place": office.line_of("internet = {"), "user": "me@provider.test"}
    text = office.text("x@good.test")
    assert ", logged in as me@provider.test.\n" in text
    assert "tell-nobody" not in text + json.dumps(said)


def test_what_a_submission_would_be_told(internet):
    """submission.senders, and what never could leave."""
    office = Office(internet, extra='submission = { senders = "own"; };')
    mine = office.why("x@good.test", "--user", "bob", "--from", "bob@ex.test", status=0)
    assert mine["rcpt"]["rule"] == "may_relay" and mine["rcpt"]["client"] == dict(mine["rcpt"]["client"], user="bob", by="login", may_relay=True)
    other = office.why("x@good.test", "--user", "bob", "--from", "alice@ex.test", status=1)["rcpt"]
    assert (other["rule"], other["place"], other["status"]["line"]) == (
        "sender_not_allowed", office.line_of("submission = {"), "550 5.7.1 bob may not send as <alice@ex.test>")
    never = office.why("x@no-such-domain.test", "--user", "bob", "--from", "bob@ex.test", status=1)["rcpt"]
    assert (never["rule"], never["status"]["enhanced"]) == ("cannot_be_sent", "5.1.2")
    assert office.text("x@good.test", "--user", "bob", "--from", "alice@ex.test", status=1).startswith("Mail for x@good.test from the login bob is refused: 550 5.7.1 ")
    assert office.why("x@good.test", "--from", "no sender", status=1)["rcpt"]["rule"] == "sender"


def test_a_rerouted_message_goes_where_an_admin_said(internet):
    internet.site("grey.test", "127.0.0.4", script={"RCPT": "450 4.2.0 later"})
    office = Office(internet, transports='smart = { kind = "smtp"; hosts = [ "[127.0.0.5]:9" ]; };')
    mansio = office.mansio
    id = send(mansio, "x@grey.test")
    deferred(mansio, id, "x@grey.test")
    wait_for(lambda: office.why(id)["attempts"] == 1 and not office.why(id)["under_way"], what="the end of the attempt")
    assert mansio.ctl("queue", "freeze", id).returncode == 0
    assert mansio.ctl("queue", "reroute", id, "--to", "smart").returncode == 0
    said = wait_for(lambda: (s := office.why(id)) and s.get("rerouted_to") == "smart" and s, what="the new way")
    [destination] = said["recipients"][0]["plan"]["destinations"]
    assert (destination["transport"], destination["rerouted"]) == ("smart", True)
    assert said["sites"][destination["site"]]["hosts"][0]["name"] == "127.0.0.5"
    assert "transport smart, where an admin rerouted it" in office.text(id)


def test_a_dead_host_its_policy_and_what_waits_for_it(internet):
    internet.site("dead.test", "127.0.0.3", script={"GREETING": DROP})
    office = Office(internet, extra='tls_policy = ( { domains = [ "dead.test" ]; tls = "required"; } );')
    id = send(office.mansio, "far@ex.test")
    deferred(office.mansio, id, "y@dead.test")
    said = wait_for(lambda: (s := office.why("far@ex.test"))["sites"][0]["state"]["state"] == "closed"
                    and s["sites"][0]["state"]["waiting"] and s, what="a closed destination with its mail")
    [site] = said["sites"]
    assert said["outcome"] == "deferred" and said["rcpt"]["accepted"]
    assert site["tls"] == {"level": "required", "by": "tls_policy", "place": office.line_of("tls_policy = (")}
    state = site["state"]
    assert state["failures"] == 1 and state["waiting"] == 1 and state["closed_until"] > said["now"] and state["why"]["code"] // 100 == 4
    assert said["last"]["address"] == "y@dead.test" and said["last"]["what"] == "deferral"
    text = office.text("far@ex.test", status=1)
    assert re.match(r"Mail for far@ex.test is accepted and goes to mx1.dead.test \[127.0.0.3\]:\d+ over TLS; the host has been out of reach for \d+s, next try in \S+ \(", text)
    message = office.why(id, status=0)
    assert message["in_queue"] and [e["what"] for e in message["past"]][:2] == ["arrival", "deferral"]
    [recipient] = message["recipients"]
    assert recipient["state"] == "waiting" and recipient["plan"]["retry"]["place"] == office.line_of("retry = (")
    text = office.text(id)
    assert re.match(rf"{id} from bob@ex.test to far@ex.test waits: ", text) and "put off y@dead.test (for far@ex.test)" in text
    assert "└─ alias far  [aliases:8]" in text


def test_greylisted_frozen_and_paused_mail(internet):
    internet.site("grey.test", "127.0.0.4", script={"RCPT": "450 4.2.0 greylisted, come back"})
    office = Office(internet)
    mansio = office.mansio
    id = send(mansio, "x@grey.test")
    deferred(mansio, id, "x@grey.test")
    wait_for(lambda: office.why(id)["attempts"] == 1 and not office.why(id)["under_way"], what="the end of the attempt")
    text = office.text(id)
    assert re.match(rf"{id} from bob@ex.test to x@grey.test waits: mx1.grey.test \[127.0.0.4\]:\d+ said 450 4.2.0 greylisted, come back; next try in \S+ \(", text), text
    assert "mx1.grey.test [127.0.0.4]" in office.text("x@grey.test") and re.search(r"^Last heard .*: put off x@grey.test: mx1.grey.test", office.text("x@grey.test"), re.M)
    assert mansio.sendmail("-Mf", id).returncode == 0
    assert "is frozen: nothing is tried until it is thawed" in office.text(id)
    assert office.why(id)["frozen"]
    assert mansio.ctl("pause", "destination", "good.test", "--for", "1h").returncode == 0
    said = office.why("x@good.test", status=1)
    assert said["outcome"] == "deferred" and said["sites"][0]["state"]["paused"]["title"] == "destination good.test"
    assert "; destination good.test is paused by " in office.text("x@good.test", status=1).replace("\n", " ")
    assert office.why("bob@ex.test", status=0)["outcome"] == "ok"
    assert mansio.ctl("pause", "accepting").returncode == 0
    assert office.why("bob@ex.test", status=1)["rcpt"]["paused"]["what"] == "accepting"
    assert "is accepted, once accepting is no longer paused by " in office.text("bob@ex.test", status=1)


def test_a_message_that_is_gone_is_explained_from_rotated_logs_also_without_the_daemon(internet, office):
    mansio = office.mansio
    id = send(mansio, "bob@ex.test", "x@good.test", "x@null.test")
    failed(mansio, id, "x@null.test")
    mansio.wait_log(f"{id} Completed")
    assert office.text(id).startswith(f"{id} from bob@ex.test to bob@ex.test and 2 more was delivered to 2 and failed for 1; ")
    mansio.stop()
    log = mansio.directory / "log" / "mainlog"
    (log.parent / "mainlog.2.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    out = office.text(id)
    assert "The daemon doesn't run: this is what the logs tell." in out
    for part in ("arrived from bob@ex.test by ", "delivered bob@ex.test", "delivered x@good.test: mx1.good.test [127.0.0.2]", "failed x@null.test: ",
                 "a report went to bob@ex.test as ", "completed after "):
        assert part in out, out
    said = office.why(id, status=0)
    assert not said["daemon"] and not said["in_queue"] and [e["what"] for e in said["past"]][0] == "arrival"
    assert said["past"][0]["recipients"] == ["bob@ex.test", "x@good.test", "x@null.test"]
    never = mansio.ctl("why", "1aaaaa-000000-00")
    assert never.returncode == 1 and "was never here" in never.stderr
    assert mansio.ctl("why", "bob@ex.test").returncode == 69


def test_an_id_that_was_never_here(office):
    out = office.mansio.ctl("why", "1aaaaa-000000-00")
    assert out.returncode == 1 and out.stdout == "" and "1aaaaa-000000-00 was never here" in out.stderr
    assert office.why("1aaaaa-000000-00", status=1)["known"] is False


@needs_root
def test_an_ordinary_user_is_not_told(make_system, users, programs):  # noqa: F811
    mansio = make_system()
    mansio.mail.chmod(0o777)
    mansio.start()
    assert mansio.sendmail("bob@ex.test", input=b"Subject: x\n\nx\n").returncode == 0
    id = mansio.wait_log(r" (\S+) Completed")[1]
    shutil.copy2(BUILD / "daemon" / "mansioctl", programs / "mansioctl")
    dora = users.make()

    def asked(what):
        command = [*as_user(dora), str(programs / "mansioctl"), "why", what, "--config", str(mansio.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    for what in ("bob@ex.test", id):
        out = asked(what)
        assert out.returncode == 77 and out.stdout == "" and "not permitted" in out.stderr, out
    mansio.stop()
    assert asked(id).returncode == 77
