"""Directories: recipients, aliases and groups, routing addresses and hosts from a real slapd, and what happens without it."""
import os
import re
import time

import pytest

from certificates import Authority
from harness import Mansio, Raw, wait_for
from ldap_house import ADMIN, BASE, PASSWORD, Slapd, daemon_of, people
from sink import Sink

LETTER = b"From: me@far.test\r\nSubject: hello\r\n\r\nthe body\r\n"
NOT_NOW = 451


@pytest.fixture
def make_slapd(tmp_path):
    made = []

    def make(name="ldap", **options):
        made.append(Slapd(tmp_path / name, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """slapd, a daemon and a sink that several tests share; none of them changes anything but mailboxes."""
    sink, other = Sink("127.0.0.2"), Sink("127.0.0.3")
    directory = Slapd(tmp_path_factory.mktemp("company") / "ldap", ldif=people(f"[127.0.0.2]:{sink.port}", f"[127.0.0.3]:{other.port}"))
    made = []

    def make(name, **options):
        made.append(Mansio(tmp_path_factory.mktemp("company") / name, **options))
        return made[-1]

    try:
        mansio = daemon_of(make, directory)
        mansio.slapd, mansio.sink, mansio.other = directory, sink, other
        yield mansio
    finally:
        for each in made:
            each.kill()
        directory.stop()
        sink.close()
        other.close()


def rcpt(mansio, *recipients):
    """The code and text of the answer to each."""
    with Raw(mansio.port) as session:
        session.command("EHLO c.test")
        session.command("MAIL FROM:<me@far.test>")
        out = [session.command(f"RCPT TO:<{recipient}>") for recipient in recipients]
    out = [(code, lines[-1][4:]) for code, lines in out]
    return out[0] if len(out) == 1 else out


def send(mansio, *recipients):
    with Raw(mansio.port) as session:
        code, lines = session.transaction("me@far.test", recipients, LETTER)
    assert code == 250, lines
    return re.search(r"queued as (\S+)", lines[0])[1]


def ends(mansio, id):
    """Where a message went, once it is done: {address: mark}."""
    mansio.wait_log(rf"{id} Completed")
    return {to: mark for mark, to in re.findall(rf"^.* {id} ([=-]>|\*\*) (\S+)", mansio.log(), re.M)}


# ---- a directory that answers

def test_recipients_are_who_has_an_entry(company):
    assert rcpt(company, "bob@ex.test")[0] == 250
    assert rcpt(company, "BOB@Ex.Test")[0] == 250
    assert rcpt(company, "bob+lists@ex.test")[0] == 250
    code, text = rcpt(company, "nobody@ex.test")
    assert code == 550 and text.startswith("5.1.1 ")
    assert rcpt(company, "postmaster")[0] == 250
    assert ends(company, send(company, "alice@ex.test")) == {"alice@ex.test": "=>"}
    assert b"Delivered-To: alice@ex.test" in company.wait_mail(user="alice")[0]


def test_groups_nested_ones_too_reach_each_member_once(company):
    assert set(ends(company, send(company, "team@ex.test"))) == {"bob@ex.test", "alice@ex.test"}
    assert set(ends(company, send(company, "all@ex.test"))) == {"bob@ex.test", "alice@ex.test", "carol@ex.test"}
    assert set(ends(company, send(company, "plain@ex.test"))) == {"bob@ex.test", "carol@ex.test"}
    assert set(ends(company, send(company, "outer@ex.test"))) == {"alice@ex.test"}
    assert "the member uid=gone,ou=people,dc=ex,dc=test of a group does not exist: left out" in company.log()
    id = send(company, "ring1@ex.test")                  # nobody is in it
    company.wait_log(rf"{id} \*\* ring1@ex.test.*5\.4\.6")


def test_a_group_of_members_that_are_gone_waits(company):
    id = send(company, "ghosts@ex.test")
    company.wait_log(rf"{id} == ghosts@ex.test.*451")
    assert company.sendmail("-Mrm", id).returncode == 0


def test_routing_addresses_and_their_loops(company):
    assert ends(company, send(company, "robert@ex.test")) == {"bob@ex.test": "=>"}
    assert ends(company, send(company, "self@ex.test")) == {"self@ex.test": "=>"}        # the mailbox itself
    assert ends(company, send(company, "ping@ex.test")) == {"ping@ex.test": "=>"}


def test_mail_goes_to_the_host_that_the_entry_names(company):
    sink = company.sink
    before = len(sink.messages)
    assert ends(company, send(company, "away@ex.test")) == {"away@ex.test": "=>"}
    assert ends(company, send(company, "moved@ex.test")) == {"x@far.test": "=>"}
    assert [m.recipients[0][0] for m in sink.messages[before:]] == ["away@ex.test", "x@far.test"]
    assert ends(company, send(company, "home@ex.test")) == {"home@ex.test": "=>"}
    assert len(company.wait_mail(user="home")) == 1
    both = ends(company, send(company, "away@ex.test", "moved@ex.test", "home@ex.test"))
    assert set(both) == {"away@ex.test", "x@far.test", "home@ex.test"}
    assert set(ends(company, send(company, "away@ex.test", "afar@ex.test"))) == {"away@ex.test", "afar@ex.test"}
    assert [r[0] for r in sink.messages[-1].recipients] == ["away@ex.test"]
    assert [[r[0] for r in m.recipients] for m in company.other.messages] == [["afar@ex.test"]]


def test_values_that_are_no_addresses_or_hosts_make_mail_wait_and_are_told(company):
    for name in ("bad", "nowhere", "twin"):
        code, text = rcpt(company, f"{name}@ex.test")
        assert code == NOT_NOW and text.startswith("4."), (name, text)
    company.wait_log(r"directory company: \S+@ex.test waits: ")


def test_a_local_part_is_never_a_part_of_the_filter(company):
    hostile = ['"*"', '"b*"', '"bob@ex.test)(uid=*"', '"*)(uid=*))(|(uid=*"', '"\\\\2a"', '"(objectClass=*)"', "b*b", "{address}", '"bob\\\\00"', "b&ob|!x=y"]
    for local in hostile:
        code, text = rcpt(company, f"{local}@ex.test")
        assert code == 550, (local, code, text)
    assert company.slapd.searches(r"\2A") > 0


def test_why_names_the_directory_and_check_finds_nothing_wrong(company):
    said = company.ctl_json("why", "team@ex.test")[0]
    kinds = [(step["kind"], step["text"]) for step in said["steps"]]
    assert ("directory", f"lists: cn=team,ou=groups,{BASE}") in kinds
    assert ("user", f"bob of the directory company: uid=bob,ou=people,{BASE}") in kinds
    text = " ".join(company.ctl("why", "team@ex.test").stdout.split())
    assert f"directory lists: cn=team,ou=groups,{BASE}" in text
    away = company.ctl_json("why", "away@ex.test")[0]
    assert away["sites"][0]["hosts"][0]["port"] == company.sink.port and not away["sites"][0]["by_mx"]
    assert "whose mail goes to the host" in " ".join(company.ctl("why", "away@ex.test").stdout.split())
    out = company.ctl("check")
    assert "no directory" not in out.stdout + out.stderr and out.returncode in (0, 1), (out.stdout, out.stderr)


# ---- a directory that does not

def test_answers_are_kept_and_forgotten(make_slapd, make_mansio):
    directory = make_slapd()
    mansio = daemon_of(make_mansio, directory, cache="2s")
    for _ in range(5):
        assert [code for code, _ in rcpt(mansio, "bob@ex.test", "nobody@ex.test")] == [250, 550]
    assert directory.searches("ou=people") <= 4, directory.log.read_text(errors="replace")
    directory.modify(f"dn: uid=bob,ou=people,{BASE}\nchangetype: modify\nreplace: mail\nmail: nobody@ex.test\n")
    wait_for(lambda: [code for code, _ in rcpt(mansio, "bob@ex.test", "nobody@ex.test")] == [550, 250], timeout=10, what="the end of what was kept")


def test_a_silent_directory_is_451_and_mail_waits_until_it_is_back(make_slapd, make_mansio):
    directory = make_slapd()
    mansio = daemon_of(make_mansio, directory, cache="0s", timeout="500ms")
    with Raw(mansio.port) as session:
        for line in ("EHLO c.test", "MAIL FROM:<me@far.test>", "RCPT TO:<bob@ex.test>", "RCPT TO:<team@ex.test>"):
            assert session.command(line)[0] == 250
        directory.freeze()
        begin = time.monotonic()
        assert [code for code, _ in rcpt(mansio, *[f"u{i}@ex.test" for i in range(20)])] == [NOT_NOW] * 20
        assert time.monotonic() - begin < 8, "one time-out, not one a question"
        session.command("DATA")
        session.send(LETTER + b".\r\n")
        id = re.search(r"queued as (\S+)", session.reply()[1][0])[1]
    mansio.wait_log(rf"{id} == bob@ex.test.*451")
    assert f"{id} **" not in mansio.log()
    assert rcpt(mansio, "nobody@ex.test")[0] == NOT_NOW
    directory.thaw()
    mansio.wait_log(rf"{id} Completed", timeout=40)
    assert len(mansio.wait_mail(user="bob")) == 1 and len(mansio.maildir("alice")) == 1
    assert mansio.log("paniclog").count("directory lists is down, and what it would have to be asked for waits: ") == 1, mansio.log("paniclog")
    wait_for(lambda: rcpt(mansio, "bob@ex.test")[0] == 250, timeout=40, what="an answer")
    wait_for(lambda: mansio.log().count("directory lists: " + directory.uri + " answers again") == 1, timeout=40, what="the line that tells that it is back")


def test_a_directory_that_is_gone_is_451_at_once_and_is_found_again(make_slapd, make_mansio):
    directory = make_slapd()
    mansio = daemon_of(make_mansio, directory, cache="0s")
    with Raw(mansio.port) as session:
        for line in ("EHLO c.test", "MAIL FROM:<me@far.test>", "RCPT TO:<robert@ex.test>"):
            assert session.command(line)[0] == 250
        directory.stop()
        begin = time.monotonic()
        assert [code for code, _ in rcpt(mansio, "bob@ex.test", "nobody@ex.test", "bob@ex.test")] == [NOT_NOW] * 3
        assert time.monotonic() - begin < 3
        session.command("DATA")
        session.send(LETTER + b".\r\n")
        id = re.search(r"queued as (\S+)", session.reply()[1][0])[1]
    mansio.wait_log(rf"{id} == robert@ex.test.*451")
    directory.start()
    mansio.wait_log(rf"{id} => bob@ex.test", timeout=60)
    assert rcpt(mansio, "nobody@ex.test")[0] == 550
    assert mansio.log("paniclog").count("directory lists is down") == 1


def test_an_idle_connection_that_the_server_ended_is_no_trouble(make_slapd, make_mansio):
    directory = make_slapd()
    mansio = daemon_of(make_mansio, directory, cache="0s")
    assert rcpt(mansio, "bob@ex.test")[0] == 250
    directory.stop()
    directory.start()
    assert rcpt(mansio, "bob@ex.test")[0] == 250
    assert "is down" not in mansio.log("paniclog")


def test_the_next_server_is_asked_and_the_first_one_again_when_it_is_back(make_slapd, make_mansio):
    first, second = make_slapd("first"), make_slapd("second")
    mansio = daemon_of(make_mansio, first, second, cache="0s", timeout="500ms")
    assert rcpt(mansio, "bob@ex.test")[0] == 250
    assert second.searches("ou=people") == 0
    first.freeze()
    assert rcpt(mansio, "bob@ex.test")[0] == 250
    assert second.searches("ou=people") > 0
    assert re.search(rf"directory lists: {second.uri} is asked now, for {first.uri} failed: no answer in 500ms", mansio.log())
    first.stop()
    assert rcpt(mansio, "alice@ex.test", "nobody@ex.test")[0][0] == 250
    first.start()

    def again():
        before = first.searches("ou=people")
        return rcpt(mansio, "bob@ex.test")[0] == 250 and first.searches("ou=people") > before

    wait_for(again, timeout=40, what="the first server in use")
    assert "is down" not in mansio.log("paniclog")


def test_a_socket_and_a_bind_with_a_password(make_slapd, make_mansio):
    directory = make_slapd(anonymous=False)
    refused = daemon_of(make_mansio, directory, name="anonymous")
    assert rcpt(refused, "bob@ex.test")[0] == NOT_NOW      # it sees nothing, not even the base: nobody is unknown
    settings = f'bind_dn = "{ADMIN}"; password_file = "secret";'
    mansio = daemon_of(make_mansio, directory.ldapi, settings=settings, cache="0s", start=False)
    secret = mansio.directory / "secret"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD + "\n")
    mansio.start()
    assert [code for code, _ in rcpt(mansio, "bob@ex.test", "nobody@ex.test")] == [250, 550]
    secret.write_text("wrong\n")
    assert mansio.ctl("reload").returncode == 0
    wait_for(lambda: rcpt(mansio, "bob@ex.test")[0] == NOT_NOW, what="the new password")
    mansio.wait_log(r"directory lists is down.*bind: Invalid credentials", "paniclog")
    assert "wrong" not in mansio.log() and PASSWORD not in mansio.log() + mansio.errors()
    secret.write_text(PASSWORD + "\n")
    assert mansio.ctl("reload").returncode == 0
    wait_for(lambda: rcpt(mansio, "bob@ex.test")[0] == 250, timeout=40, what="the right password")
    secret.chmod(0o644)
    mansio.ctl("reload")
    wait_for(lambda: rcpt(mansio, "bob@ex.test")[0] == NOT_NOW, what="a password that nobody uses")
    assert "everybody may read it" in mansio.log("paniclog")


def test_a_size_limit_is_no_answer(make_slapd, make_mansio):
    directory = make_slapd(sizelimit=1)
    mansio = daemon_of(make_mansio, directory)
    assert [code for code, _ in rcpt(mansio, "bob@ex.test", "twin@ex.test", "nobody@ex.test")] == [250, NOT_NOW, 550]


def test_a_referral_is_no_answer(make_slapd, make_mansio):
    elsewhere = "ldap://127.0.0.1:9"
    far = (f"dn: ou=far,ou=people,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\nref: {elsewhere}/ou=far,{BASE}\n")
    directory = make_slapd(ldif=people() + "\n" + far)
    mansio = daemon_of(make_mansio, directory)
    assert [code for code, _ in rcpt(mansio, "bob@ex.test", "nobody@ex.test")] == [250, NOT_NOW]


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_tls_is_verified(tmp_path, make_slapd, make_mansio, way):
    ours, theirs = Authority(tmp_path / "tls"), Authority(tmp_path / "others", name="Others")
    directory = make_slapd(leaf=ours.leaf("ldap", names=["localhost"], addresses=["127.0.0.1"]), authority=ours)
    server = directory.ldaps if way == "ldaps" else directory.uri
    tls = 'tls = "starttls";' if way == "starttls" else ""
    good = daemon_of(make_mansio, server, name="good", settings=f'{tls} authorities = "{ours.certificate}";')
    assert [code for code, _ in rcpt(good, "bob@ex.test", "nobody@ex.test")] == [250, 550]
    assert [code for code, _ in rcpt(good, *[f"u{i}@ex.test" for i in range(50)])] == [550] * 50
    assert set(ends(good, send(good, "all@ex.test"))) == {"bob@ex.test", "alice@ex.test", "carol@ex.test"}
    wrong = daemon_of(make_mansio, server, name="wrong", settings=f'{tls} authorities = "{theirs.certificate}";')
    assert rcpt(wrong, "bob@ex.test")[0] == NOT_NOW
    wrong.wait_log(r"directory \S+ is down.*is the certificate valid", "paniclog")
    directory.freeze()                                     # in the midst of a handshake, perhaps
    fresh = daemon_of(make_mansio, server, name="fresh", timeout="500ms", settings=f'{tls} authorities = "{ours.certificate}";')
    begin = time.monotonic()
    assert rcpt(fresh, "bob@ex.test")[0] == NOT_NOW and time.monotonic() - begin < 5


def test_a_certificate_for_another_name_is_refused(tmp_path, make_slapd, make_mansio):
    ours = Authority(tmp_path / "tls")
    directory = make_slapd(leaf=ours.leaf("ldap", names=["other.test"]), authority=ours)
    for way, server, tls in (("l", directory.ldaps, ""), ("s", directory.uri, 'tls = "starttls";')):
        mansio = daemon_of(make_mansio, server, name=way, settings=f'{tls} authorities = "{ours.certificate}";')
        assert rcpt(mansio, "bob@ex.test")[0] == NOT_NOW, way
    plain = make_slapd("plain")
    mansio = daemon_of(make_mansio, plain, name="none", settings=f'tls = "starttls"; authorities = "{ours.certificate}";')
    assert rcpt(mansio, "bob@ex.test")[0] == NOT_NOW       # no STARTTLS, no question
    assert plain.searches("ou=people") == 0


def test_many_questions_at_once_and_a_loop_that_goes_on(make_slapd, make_mansio):
    directory = make_slapd()
    mansio = daemon_of(make_mansio, directory, timeout="1s", cache="0s")
    sessions = [Raw(mansio.port) for _ in range(10)]

    def ask_all(prefix):
        for i, session in enumerate(sessions):
            session.send(b"EHLO c.test\r\n")
            session.reply()
            session.send(b"RSET\r\nMAIL FROM:<me@far.test>\r\n" + b"".join(f"RCPT TO:<{prefix}{i}.{n}@ex.test>\r\n".encode() for n in range(49)) + b"RCPT TO:<bob@ex.test>\r\n")

    def answers():
        out = []
        for session in sessions:
            assert [session.reply()[0] for _ in range(2)] == [250, 250]
            out += [session.reply()[0] for _ in range(50)]
        return out

    def slowest_noop(other, seconds):
        slowest, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.monotonic()
            assert other.command("NOOP")[0] == 250
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.03)                # a session has a bound of such commands
        return slowest

    with Raw(mansio.port) as other:
        ask_all("u")
        assert slowest_noop(other, 0.3) < 1.5         # the directory has 2 s
        codes = answers()
        assert codes.count(550) == 490 and codes.count(250) == 10
        directory.freeze()
        ask_all("v")
        assert slowest_noop(other, 1.5) < 1.5, "a directory that says nothing holds up nobody else"
        assert set(answers()) == {NOT_NOW}
    for session in sessions:
        session.close()


def test_a_reload_takes_other_settings_and_ends_what_is_gone(make_slapd, make_mansio):
    directory = make_slapd()
    mansio = daemon_of(make_mansio, directory)
    assert [code for code, _ in rcpt(mansio, "bob@ex.test", "bobby@ex.test", "team@ex.test")] == [250, 550, 250]
    text = mansio.config.read_text()

    def connections():
        established = f"0100007F:{directory.port:04X} 01 "
        return sum(established in f"{line.split()[2]} {line.split()[3]} " for line in open(f"/proc/{mansio.mail_pid()}/net/tcp").readlines()[1:])

    assert connections() == 2
    changed = text.replace('base = "ou=people,dc=ex,dc=test";', 'base = "ou=people,dc=ex,dc=test"; filter = "(&(objectClass=inetOrgPerson)(|(mail={address})(&(uid=bob)(mail=bob@{domain}))))";')
    mansio.config.write_text(changed)
    assert mansio.ctl("reload").returncode == 0
    wait_for(lambda: rcpt(mansio, "bobby@ex.test")[0] == 250, what="the new filter")
    mansio.config.write_text(text.replace('"ldap:lists"', "").replace("  lists = {", "  #lists = {").replace("            routing_address", "            #routing_address"))
    assert mansio.ctl("reload").returncode == 0
    wait_for(lambda: rcpt(mansio, "team@ex.test")[0] == 550, what="the end of the lists")
    assert rcpt(mansio, "bobby@ex.test")[0] == 550
    wait_for(lambda: connections() == 1, what="the end of a connection")


def test_mistakes_are_named_by_check(make_mansio):
    mansio = daemon_of(make_mansio, "ldap://127.0.0.1:9", start=False)
    text = mansio.config.read_text()
    for old, new, told in (('"ldap:company"', '"ldap:compny"', r'routes\[0\].users: there is no directory "compny" in the group ldap \(did you mean "company"\?\)'),
                           ('filter = "(mail={address})"', 'filter = "(mail={address}"', r'ldap.lists.filter: the filter is no filter of LDAP'),
                           ('local = [ "ex.test" ]', 'local = [ "ldap:company" ]', r'domains.local\[0\]: "ldap:company": a directory is asked by routes\[\].users and alias_look_ups alone'),
                           ('[ "192.0.2.0/24" ]', '[ "ldap:company" ]', r'relay_from\[0\]: "ldap:company": a directory is asked by'),
                           ("ldap://127.0.0.1:9", "http://x", r'ldap.company.servers\[0\]: "http://x" is no server')):
        assert old in text
        mansio.config.write_text(text.replace(old, new))
        out = mansio.ctl("check")
        assert out.returncode != 0 and re.search(told, out.stdout + out.stderr), (told, out.stdout, out.stderr)


def test_nothing_but_the_configuration_steers_the_library(make_slapd, make_mansio, tmp_path):
    """libldap's own variables and files, which could turn verification off or lead elsewhere."""
    authority, directory = Authority(tmp_path / "tls"), None
    directory = make_slapd(leaf=authority.leaf("ldap", names=["other.test"]), authority=authority)
    mansio = daemon_of(make_mansio, directory.ldaps, settings=f'authorities = "{authority.certificate}";', start=False)
    (mansio.directory / "ldap.conf").write_text("TLS_REQCERT never\n")
    mansio.env = dict(os.environ, LDAPTLS_REQCERT="never", LDAPCONF=str(mansio.directory / "ldap.conf"))
    mansio.start()
    assert rcpt(mansio, "bob@ex.test")[0] == NOT_NOW
