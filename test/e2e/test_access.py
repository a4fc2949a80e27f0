"""Who may connect and who may relay: by address, network and confirmed name, by listener, and when the name servers are silent."""
import json
import re

import pytest

from harness import Raw, wait_for
from names import SERVFAIL, SILENT, Names

CONFIG = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
domains = { local = [ "ex.test" ]; };
dns = { servers = [ "127.0.0.1:%(dns)d" ]; timeout = "300ms"; attempts = 1; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; }; };
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
%(more)s
"""
ONE = 'listeners = ( { address = "127.0.0.1"; port = 0; } );\n'


@pytest.fixture
def names():
    zone = Names()
    zone.add("2.0.0.127.in-addr.arpa", "PTR", "app.friends.test")            # confirmed
    zone.add("app.friends.test", "A", "127.0.0.2")
    zone.add("3.0.0.127.in-addr.arpa", "PTR", "fake.friends.test")           # forged: it leads elsewhere
    zone.add("fake.friends.test", "A", "192.0.2.3")
    zone.trouble("4.0.0.127.in-addr.arpa", "PTR", SERVFAIL)
    zone.trouble("5.0.0.127.in-addr.arpa", "PTR", SILENT)
    zone.add("6.0.0.127.in-addr.arpa", "PTR", "half.friends.test")           # the second question is not answered
    zone.trouble("half.friends.test", "A", SERVFAIL)
    yield zone
    zone.close()


@pytest.fixture
def house(make_mansio, names):
    def make(more):
        return make_mansio(config=CONFIG % dict(dns=names.port, more=more))
    return make


def greeting(mansio, source, port=None):
    with Raw(port or mansio.port, source=source) as client:
        return client.greeting


def relay(mansio, source, recipient="x@far.test", port=None):
    """The reply to RCPT."""
    with Raw(port or mansio.port, source=source) as client:
        assert client.greeting[0] == 220, client.greeting
        client.command("EHLO client.test")
        code, lines = client.command("MAIL FROM:<a@client.test>")
        if code == 250:
            code, lines = client.command(f"RCPT TO:<{recipient}>")
        return code, lines[-1]


def test_access_is_by_address_and_network_and_deny_is_stronger(house):
    mansio = house(ONE + 'access = { allow = [ "127.0.0.0/29" ]; deny = [ "127.0.0.5" ]; };').start()
    assert greeting(mansio, "127.0.0.2")[0] == 220
    assert greeting(mansio, "127.0.0.9") == (554, ["554 mx.ex.test 5.7.1 127.0.0.9 may not use this server: ask its administrator to add it to access.allow"])
    assert greeting(mansio, "127.0.0.5") == (554, ["554 mx.ex.test 5.7.1 127.0.0.5 may not use this server: ask its administrator to take it out of access.deny"])
    # The connection is closed, and the log says it in Exim's words, in both files.
    with Raw(mansio.port, source="127.0.0.9") as client:
        assert client.reply()[0] == 0
    for name in ("mainlog", "rejectlog"):
        mansio.wait_log(r'^\S+ \S+ H=\[127\.0\.0\.9\]:\d+ rejected connection in "connect" ACL: not in access\.allow$', name=name)
        mansio.wait_log(r'^\S+ \S+ H=\[127\.0\.0\.5\]:\d+ rejected connection in "connect" ACL: denied by access\.deny$', name=name)
    # Local programs are not affected.
    assert mansio.sendmail("bob@ex.test", input=b"Subject: x\n\nx\n").returncode == 0
    mansio.wait_mail(1)


def test_a_name_counts_when_it_leads_back_to_the_address_and_doubt_is_temporary(house, names):
    mansio = house(ONE + 'access = { allow = [ "*.friends.test", "127.0.0.8" ]; };').start()
    assert greeting(mansio, "127.0.0.2")[0] == 220
    assert greeting(mansio, "127.0.0.8")[0] == 220
    assert names.asked("8.0.0.127.in-addr.arpa", "PTR") == 0                 # its address was enough
    assert greeting(mansio, "127.0.0.3")[0] == 554                           # forged
    assert greeting(mansio, "127.0.0.7")[0] == 554                           # has none
    for source in ("127.0.0.4", "127.0.0.5", "127.0.0.6"):
        assert greeting(mansio, source) == (421, [f"421 mx.ex.test 4.7.0 whether {source} may use this server can't be told now: try again later"])
    mansio.wait_log(r'H=\[127\.0\.0\.5\]:\d+ temporarily rejected connection in "connect" ACL: client name not known$')
    names.trouble("4.0.0.127.in-addr.arpa", "PTR", None)
    names.add("4.0.0.127.in-addr.arpa", "PTR", "four.friends.test")
    names.add("four.friends.test", "A", "127.0.0.4")
    wait_for(lambda: greeting(mansio, "127.0.0.4")[0] == 220, what="the name to be known again")


def test_a_deny_list_with_names_lets_nobody_in_whose_name_is_not_known(house):
    mansio = house(ONE + 'access = { deny = [ "*.friends.test" ]; };').start()
    assert greeting(mansio, "127.0.0.2")[0] == 554
    assert greeting(mansio, "127.0.0.3")[0] == 220
    assert greeting(mansio, "127.0.0.7")[0] == 220
    assert greeting(mansio, "127.0.0.4")[0] == 421


def test_relaying_is_by_address_and_name_and_a_refusal_says_what_to_do(house, names):
    mansio = house(ONE + 'relay_from = [ "127.0.0.8/29", "app.friends.test" ]; relay_deny = [ "127.0.0.9" ];').start()
    assert relay(mansio, "127.0.0.8") == (250, "250 2.1.5 OK")
    assert relay(mansio, "127.0.0.2") == (250, "250 2.1.5 OK")
    assert relay(mansio, "127.0.0.3") == (550, "550 5.7.1 relaying denied: ask the administrator of this server to add 127.0.0.3 to relay_from")
    assert relay(mansio, "127.0.0.9") == (550, "550 5.7.1 relaying denied: ask the administrator of this server to take 127.0.0.9 out of relay_deny")
    code, line = relay(mansio, "127.0.0.4")
    assert (code, line[:9]) == (451, "451 4.7.1") and "127.0.0.4" in line
    # Mail for us is nobody's affair, and no name is asked for it.
    asked = names.asked("7.0.0.127.in-addr.arpa", "PTR")
    assert relay(mansio, "127.0.0.7", "bob@ex.test") == (250, "250 2.1.5 OK")
    assert names.asked("7.0.0.127.in-addr.arpa", "PTR") == asked
    mansio.wait_log(r"H=\(client\.test\) \[127\.0\.0\.3\]:\d+ F=<a@client\.test> rejected RCPT <x@far\.test>: relay not permitted$")
    mansio.wait_log(r"H=\(client\.test\) \[127\.0\.0\.4\]:\d+ F=<a@client\.test> temporarily rejected RCPT <x@far\.test>: client name not known$")


def test_each_listener_has_its_own_rules(house):
    mansio = house('relay_from = [ "127.0.0.2" ];\n'
                   'listeners = ( { address = "127.0.0.1"; port = 0; }, { address = "127.0.0.1"; port = 0; access = { allow = [ "127.0.0.3" ]; }; relay_from = [ "127.0.0.3" ]; },\n'
                   '  { address = "127.0.0.1"; port = 0; access = { deny = [ "127.0.0.2" ]; }; relay_deny = [ "127.0.0.3" ]; } );').start()
    first, second, third = mansio.ports
    assert relay(mansio, "127.0.0.2", port=first)[0] == 250 and relay(mansio, "127.0.0.3", port=first)[0] == 550
    assert greeting(mansio, "127.0.0.2", second)[0] == 554 and relay(mansio, "127.0.0.3", port=second)[0] == 250
    assert greeting(mansio, "127.0.0.2", third)[0] == 554
    assert "relay_deny" in relay(mansio, "127.0.0.3", port=third)[1]


def test_a_changed_file_and_a_reload_count_for_new_connections(house):
    mansio = house(ONE + 'access = { deny = [ "file:blocked" ]; }; relay_from = [ "file:friends" ];')
    (mansio.directory / "blocked").write_text("# nobody yet\n")
    (mansio.directory / "friends").write_text("127.0.0.2\n")
    mansio.start()
    with Raw(mansio.port, source="127.0.0.3") as old:
        assert old.greeting[0] == 220
        (mansio.directory / "blocked").write_text("127.0.0.0/30\n*.friends.test\n")
        (mansio.directory / "friends").write_text("127.0.0.6\n127.0.0.9\n")
        wait_for(lambda: greeting(mansio, "127.0.0.3")[0] == 554, what="the file to be read again")
        assert old.command("NOOP")[0] == 250                                 # who is there stays
    assert relay(mansio, "127.0.0.9")[0] == 250
    # A file that is gone: doubt, and nobody is refused for good.
    (mansio.directory / "blocked").unlink()
    wait_for(lambda: greeting(mansio, "127.0.0.9")[0] == 421, what="the missing file to be seen")
    mansio.config.write_text(mansio.config.read_text().replace("file:blocked", "127.0.0.9"))
    assert mansio.ctl("reload").returncode == 0
    assert greeting(mansio, "127.0.0.9")[0] == 554 and greeting(mansio, "127.0.0.3")[0] == 220


def test_the_name_is_in_received_in_the_log_and_in_the_list_of_sessions(house):
    mansio = house(ONE + "smtp = { reverse_dns = true; };").start()
    content = b"Subject: x\r\nFrom: <a@client.test>\r\n\r\nx\r\n"
    for source in ("127.0.0.2", "127.0.0.3"):
        with Raw(mansio.port, source=source) as client:
            assert client.transaction("a@client.test", ["bob@ex.test"], content)[0] == 250
            listed = [s["name"] for s in mansio.ctl_json("sessions") if s.get("address") == source]
            assert listed == ["app.friends.test" if source.endswith("2") else "client.test"]
    mails = mansio.wait_mail(2)
    fields = sorted(re.search(rb"Received: (from .*?)\s+by ", mail, re.S).group(1) for mail in mails)
    assert fields == [b"from client.test ([127.0.0.3])", b"from client.test (app.friends.test [127.0.0.2])"]
    mansio.wait_log(r"<= a@client\.test H=app\.friends\.test \(client\.test\) \[127\.0\.0\.2\]:\d+ I=")
    mansio.wait_log(r"<= a@client\.test H=\(client\.test\) \[127\.0\.0\.3\]:\d+ I=")


def test_without_rules_that_have_names_nobody_is_asked(house, names):
    mansio = house(ONE + 'relay_from = [ "127.0.0.8" ]; access = { deny = [ "192.0.2.1" ]; };').start()
    assert relay(mansio, "127.0.0.2")[0] == 550
    assert [question for question in names.questions if question[1] == "PTR"] == []


def test_why_judges_with_the_same_rules(house):
    mansio = house(ONE + 'relay_from = [ "*.friends.test" ]; relay_deny = [ "127.0.0.9" ]; access = { deny = [ "127.0.0.7" ]; };').start()

    def client(address):
        answer = json.loads(mansio.ctl("why", "x@far.test", "--client", address, "--json").stdout)["rcpt"]
        return answer["rule"], answer["client"]

    rule, facts = client("127.0.0.2")
    assert (rule, facts["by"], facts["name"], facts["access"]["allowed"]) == ("may_relay", "relay_from", "app.friends.test", "yes")
    assert facts["place"].startswith(str(mansio.config))
    rule, facts = client("127.0.0.9")
    assert (rule, facts["by"]) == ("no_relay", "relay_deny")
    rule, facts = client("127.0.0.4")
    assert (rule, facts["by"]) == ("relay_unsure", "unsure")
    rule, facts = client("127.0.0.7")
    assert (rule, facts["access"]["allowed"], facts["access"]["by"]) == ("no_relay", "no", "access.deny")
    assert "may not connect, as access.deny says" in mansio.ctl("why", "x@far.test", "--client", "127.0.0.7").stdout


def test_check_says_loudly_that_everybody_may_relay(make_mansio, names):
    def findings(more):
        mansio = make_mansio(name=f"house{len(more)}", config=CONFIG % dict(dns=names.port, more=more))
        out = mansio.ctl("check", "--json")
        return out.returncode, [(one["check"], one["state"], one["seen"]) for one in map(json.loads, out.stdout.splitlines()) if one["check"] in ("open_relay", "access")]

    status, seen = findings('listeners = ( { address = "*"; port = 2525; } ); relay_from = [ "0.0.0.0/0" ];')
    assert status != 0 and [(name, state) for name, state, _ in seen] == [("open_relay", "bad")] and '"0.0.0.0/0"' in seen[0][2]
    _, seen = findings('listeners = ( { address = "*"; port = 2525; } ); relay_from = [ "*" ]; access = { allow = [ "127.0.0.0/8" ]; };')
    assert [(name, state) for name, state, _ in seen] == [("open_relay", "note")]
    _, seen = findings('listeners = ( { address = "*"; port = 2525; } ); access = { allow = [ "192.0.2.0/24" ]; };')
    assert [(name, state) for name, state, _ in seen] == [("access", "note")] and "127.0.0.1 are refused; sendmail(8)" in seen[0][2]
    _, seen = findings('listeners = ( { address = "*"; port = 2525; } );')
    assert [(name, state) for name, state, _ in seen] == [("access", "ok")]
