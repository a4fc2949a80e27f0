"""w3clog: what happened at listeners in the W3C extended format, as tools that read the logs of IIS want it."""
import os
import re
import signal
import smtplib
import urllib.parse

from harness import NO_NAMES, ROOT, Raw, wait_for
from outbound import PLAIN, internet  # noqa: F401

FIELDS = ("date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status sc-win32-status "
          "sc-bytes cs-bytes time-taken cs-version cs-host cs(User-Agent) cs(Cookie) cs(Referer)").split()
CONFIG = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
domains = { local = [ "ex.test" ]; };
""" + NO_NAMES + """
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; }; };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; } );
auth = { users = "passwd-file:users"; clear_text = true; };
listeners = ( { address = "127.0.0.1"; port = 0; auth = true; }, { address = "127.0.0.1"; port = 0; w3c = false; } );
log = { w3c = true; %s };
"""


def parse(text):
    """The entries as dictionaries, by the #Fields line that stands above each; every line is one of the format."""
    entries, names, headers = [], None, 0
    for line in text.splitlines():
        if line.startswith("#"):
            match = re.fullmatch(r"#(Software|Version|Date|Fields|Remark): (.*)", line)
            assert match, line
            if match.group(1) == "Fields":
                names = match.group(2).split(" ")
                headers += 1
            continue
        values = line.split(" ")
        assert names and len(values) == len(names), line
        assert line.isascii() and line.isprintable(), line
        entries.append(dict(zip(names, values)))
    return entries, headers


def house(make_mansio, more=""):
    mansio = make_mansio(config=CONFIG % more)
    (mansio.directory / "users").write_text("bob:{PLAIN}geheim-17\n")
    (mansio.directory / "users").chmod(0o600)
    return mansio.start()


def entries_of(mansio, count):
    return wait_for(lambda: len(parse(mansio.log("w3clog"))[0]) >= count and parse(mansio.log("w3clog"))[0], what=f"{count} entries:\n" + mansio.log("w3clog"))


def test_each_command_is_a_line_with_its_reply(make_mansio):
    mansio = house(make_mansio)
    first, second = mansio.ports
    with smtplib.SMTP("127.0.0.1", second, local_hostname="unseen.test") as client:
        client.noop()
    with smtplib.SMTP("127.0.0.1", first, local_hostname="app.test", timeout=20) as client:
        client.ehlo()
        client.login("bob", "geheim-17")
        client.sendmail("a+b@ex.test", ["bob@ex.test", "nobody@ex.test"], "Subject: x\r\n\r\n" + "y" * 500 + "\r\n")
    with Raw(first) as client:
        client.command("HELO old.test")
        client.command(b"MAIL FROM:<\xffx@y.test>")
        client.command("STRANGE #Fields: x")
        client.command("QUIT")
    got = entries_of(mansio, 11)
    assert mansio.log("w3clog").startswith("#Software: mansio\n#Version: 1.0\n#Date: ") and "unseen.test" not in mansio.log("w3clog")
    assert re.search(r"^#Fields: (.*)$", mansio.log("w3clog"), re.M).group(1).split() == FIELDS
    said = [(one["cs-method"], one["sc-status"], one["cs-username"]) for one in got]
    assert said == [("EHLO", "250", "app.test"), ("AUTH", "235", "bob"), ("MAIL", "250", "bob"), ("RCPT", "250", "bob"), ("RCPT", "550", "bob"), ("DATA", "250", "bob"),
                    ("QUIT", "221", "bob"), ("HELO", "250", "old.test"), ("MAIL", said[8][1], "old.test"), ("STRANGE", "500", "old.test"), ("QUIT", "221", "old.test")], said
    mail, data = got[2], got[5]
    assert urllib.parse.unquote_plus(mail["cs-uri-query"]).startswith(" FROM:<a+b@ex.test>")
    assert (mail["c-ip"], mail["s-ip"], mail["s-port"], mail["s-computername"], mail["cs-version"]) == ("127.0.0.1", "127.0.0.1", str(first), "mx.ex.test", "SMTP")
    assert int(data["cs-bytes"]) > 500 and int(data["sc-bytes"]) > 10 and data["sc-win32-status"] == "0"
    assert mail["date"] in mansio.log("w3clog").splitlines()[2]
    for secret in ("geheim-17", "AGJvYg", "Z2VoZWlt"):
        assert secret not in mansio.log("w3clog")
    assert "w3c" not in mansio.log("paniclog")


def test_fields_are_chosen_and_ordered_and_a_new_file_has_its_header(make_mansio):
    mansio = house(make_mansio, 'w3c_fields = [ "sc-status", "cs-method", "time" ];')
    with Raw(mansio.port) as client:
        client.command("NOOP")
    assert [list(one) for one in entries_of(mansio, 1)] == [["sc-status", "cs-method", "time"]]
    os.rename(mansio.directory / "log" / "w3clog", mansio.directory / "log" / "w3clog.1")
    mansio.signal(signal.SIGUSR1)

    def again():
        with Raw(mansio.port) as client:
            client.command("NOOP")
        entries, headers = parse(mansio.log("w3clog"))
        return entries and headers == 1
    wait_for(again, what="a new file")
    # A reload turns it off.
    mansio.config.write_text(mansio.config.read_text().replace("w3c = true", "w3c = false"))
    assert mansio.ctl("reload").returncode == 0
    before = mansio.log("w3clog")
    with Raw(mansio.port) as client:
        client.command("NOOP")
        client.command("QUIT")
    mansio.wait_log("configuration reloaded")
    assert mansio.log("w3clog") == before


def test_logrotate_turns_w3clog_over_too():
    rules = (ROOT / "etc" / "logrotate" / "mansio").read_text()
    assert "/var/log/mansio/w3clog" in rules.split("{")[0]


def test_connections_to_other_hosts_are_in_it_as_iis_wrote_them(internet):  # noqa: F811
    mansio = internet.start(extra="log = { w3c = true; };")
    with Raw(mansio.port) as client:
        assert client.transaction("bob@ex.test", ["x@good.test"], PLAIN)[0] == 250
    mansio.wait_log(r"=> x@good\.test")

    def outgoing():
        return [one for one in parse(mansio.log("w3clog"))[0] if one["cs-username"].startswith("OutboundConnection")]
    wait_for(lambda: any(one["cs-method"] == "DATA" or one["cs-method"] == "BDAT" for one in outgoing()), what="what was said to the host")
    commands = [one["cs-method"] for one in outgoing() if one["cs-username"] == "OutboundConnectionCommand"]
    assert commands[:3] == ["EHLO", "MAIL", "RCPT"]
    assert all(one["c-ip"] == "127.0.0.2" and one["s-port"] == str(internet.port) for one in outgoing())
    replies = [urllib.parse.unquote_plus(one["cs-uri-query"]).strip() for one in outgoing() if one["cs-username"] == "OutboundConnectionResponse"]
    assert replies[0] == "220 sink.test ESMTP ready"
