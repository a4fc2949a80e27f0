"""mansioctl check: the configuration, the machine and the name servers, with and without a running daemon."""
import contextlib
import json
import os

import pytest

from names import SERVFAIL, Names

CONFIG = """
version = 1;
host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
listeners = ( { address = "127.0.0.1"; port = 0; } );
domains = { local = [ "ex.test" ]; };
aliases = "aliases";
dns = { servers = [ "127.0.0.1:%(dns)d" ]; timeout = "1s"; attempts = 1; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; }; };
routes = (
  { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; },
  { name = "everywhere"; domains = [ "*" ]; transport = "internet"; }
);
"""


@pytest.fixture
def names():
    with contextlib.closing(Names()) as made:
        made.add("mx.ex.test", "A", "192.0.2.1")
        yield made


@pytest.fixture
def house(make_mansio, names):
    made = make_mansio(config=CONFIG % dict(dns=names.port))
    aliases(made, "root: bob\npostmaster: root\n")
    return made


def aliases(mansio, text):
    path = mansio.directory / "aliases"
    path.write_text(text)
    path.chmod(0o644)


def check(mansio, status=None):
    """{name: (state, seen)} of all findings; of several with one name the last that is no "ok"."""
    out = mansio.ctl("check", "--json")
    found = {}
    for line in out.stdout.splitlines():
        each = json.loads(line)
        if each["check"] not in found or each["state"] != "ok":
            found[each["check"]] = each["state"], each["seen"]
    assert status is None or out.returncode == status, out.stdout + out.stderr
    return found


def test_a_good_house_without_a_daemon(house):
    found = check(house)
    assert found["configuration"] == ("ok", str(house.config))
    assert found["files"][0] == found["aliases"][0] == found["transports.mailbox"][0] == "ok"
    assert found["aliases"][1] == f"{house.directory}/aliases: 2 entries, and everybody they lead to is there"
    assert found["postmaster"] == ("ok", f"postmaster@ex.test goes to {house.mail}/bob")
    assert found["spool_directory"] == ("note", f"{house.directory}/spool is not there yet: the daemon makes it when it starts")
    assert found["dns_server"][0] == "ok" and found["host_name"] == ("ok", "mx.ex.test is 192.0.2.1")
    assert found["running"] == ("note", "no daemon runs with this configuration")
    assert house.ctl("check").returncode == (1 if os.geteuid() == 0 else 0)      # run_as = "" is fine for an ordinary user
    assert "-> systemctl start mansio" in house.ctl("check").stdout


def test_each_trouble_is_told_with_what_to_do(house, names):
    aliases(house, "root: bob\nsales: nobody-of-that-name\n")
    house.mail.rmdir()
    (house.directory / "spool").mkdir()
    (house.directory / "spool").chmod(0o777)
    names.trouble("mx.ex.test", "A", SERVFAIL)
    found = check(house, status=1)
    assert found["aliases"] == ("bad", f"{house.directory}/aliases: sales leads to nobody-of-that-name@ex.test: no such user here")
    assert found["transports.mailbox"] == ("bad", f"{house.mail}: No such file or directory")
    assert found["spool_directory"][0] == "bad" and found["spool_directory"][1].endswith("mode 0777")
    assert found["dns_server"][0] == "bad" and found["host_name"][0] == "skipped"
    text = house.ctl("check").stdout
    assert f"-> others may change what is in it: chmod 0751 {house.directory}/spool" in text
    assert f"-> mkdir -p {house.mail}: until it is there mail waits" in text


def test_a_directory_that_programs_put_mail_into_is_looked_at_as_the_daemon_does(house):
    pickup = house.directory / "in"
    house.config.write_text(house.config.read_text() + 'pickup = ( { directory = "in"; } );\n')
    assert check(house, status=1)["pickup[0]"] == ("bad", f"{pickup}: it does not exist")
    pickup.mkdir()
    pickup.chmod(0o777)
    assert check(house, status=1)["pickup[0]"] == ("bad", f"{pickup}: everybody may write in it, and it has no sticky bit")
    assert f"-> chmod +t {pickup}" in house.ctl("check").stdout
    pickup.chmod(0o3733)
    assert check(house)["pickup[0]"] == ("ok", str(pickup))
    pickup.rename(house.directory / "elsewhere")
    pickup.symlink_to(house.directory / "elsewhere")
    assert check(house, status=1)["pickup[0]"][1].endswith("it is a symbolic link or no directory")
    if os.geteuid() == 0:
        pickup.unlink()
        pickup.mkdir(mode=0o700)
        os.chown(pickup, 65534, 65534)
        assert "who could change what others put there" in check(house, status=1)["pickup[0]"][1]


def test_a_host_name_that_nobody_knows_is_a_warning(house, names):
    names.remove("mx.ex.test")
    assert check(house, status=1)["host_name"] == ("warning", "mx.ex.test has no address in DNS")


def test_the_running_daemon_has_the_configuration_or_an_older_one(house):
    house.start()
    assert check(house)["running"] == ("ok", "the daemon runs with this configuration")
    house.config.write_text(house.config.read_text() + "# a word\n")
    assert check(house, status=1)["running"] == ("warning", "the daemon runs with an older configuration than the files say")
    assert "-> mansioctl reload" in house.ctl("check").stdout
    assert house.ctl("reload").returncode == 0
    assert check(house)["running"][0] == "ok"


def test_a_broken_configuration_is_78_with_file_and_line(house):
    house.config.write_text(house.config.read_text() + "nonsense = 5;\n")
    line = len(house.config.read_text().splitlines())
    out = house.ctl("check")
    assert out.returncode == 78 and out.stderr.startswith(f"{house.config}:{line}: ") and out.stdout == ""
    out = house.ctl("check", "--json")
    [found] = [json.loads(each) for each in out.stdout.splitlines()]
    assert out.returncode == 78 and found["state"] == "bad" and found["seen"].startswith(f"{house.config}:{line}: ")


def test_a_secret_that_everybody_may_read_is_78(house):
    secret = house.directory / "users"
    secret.write_text("bob:{PLAIN}x\n")
    secret.chmod(0o644)
    house.config.write_text(house.config.read_text() + 'auth = { users = "passwd-file:users"; };\n')
    out = house.ctl("check", "--json")
    found = [json.loads(each) for each in out.stdout.splitlines()]
    assert out.returncode == 78
    assert [each["seen"] for each in found if each["check"] == "files"] == [
        f"auth.users: {secret}: everybody may read it (mode 0644): chmod o-rwx"]
