"""What users send is put in order, and what may not or can't be sent is refused while they are there (RFC 6409; R-158 to R-160)."""
import contextlib
import email.utils
import re
import socket
import time

import pytest

from harness import Raw, body_of, wait_for
from login_house import ASKING, RELAY, SMTPS, SUBMIT, house_at
from names import SERVFAIL, Names
from sink import Sink

DATE, ID, FROM = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n", b"Message-ID: <m@ex.test>\r\n", b"From: Bob <bob@ex.test>\r\n"
WHOLE = FROM + DATE + ID + b"To: alice@ex.test\r\nSubject: whole\r\n\r\nhello\r\n"


@pytest.fixture
def make_house(tmp_path):
    with contextlib.ExitStack() as stack:
        def make(*lines, **settings):
            house = house_at(tmp_path / f"mansio{len(list(tmp_path.iterdir()))}", **settings)
            for name, text in lines:
                (house.directory / name).write_text(text)
                (house.directory / name).chmod(0o600)
            stack.callback(house.kill)
            return house.start()
        yield make


@pytest.fixture(scope="module")
def plain_house(tmp_path_factory):
    with house_at(tmp_path_factory.mktemp("rules") / "mansio") as house:
        yield house


def submit(house, content, sender="bob@ex.test", recipients=("alice@ex.test",), user="bob", listener=SMTPS, parameters=""):
    with house.log_in(user, listener) as client:
        reply = client.transaction(sender, list(recipients), content, ehlo=None, mail_parameters=parameters)
        client.command("QUIT")
    return logged(house, reply)


def logged(house, reply):
    """The reply, once the log has the arrival that it may be about."""
    for id in re.findall(r"queued as (\S+)", reply[1][-1]):
        house.wait_log(f" {id} <= ")
    return reply


def arrived(house, content, mailbox="alice", **more):
    """What arrived of a message: (its Received field, the rest)."""
    before = len(house.maildir(mailbox))
    code, lines = submit(house, content, **more)
    assert code == 250, lines
    id = re.search(r"queued as (\S+)", lines[0])[1].encode()
    house.wait_mail(before + 1, mailbox)
    house.wait_log(f"{id.decode()} Completed")
    [raw] = [raw for raw in house.maildir(mailbox) if b" id " + id in raw]
    received = re.search(rb"^Received: .*\n(?:[ \t].*\n)*", raw, re.M)[0]
    return received, body_of(raw)


def refused(house, expected, content=WHOLE, **more):
    """Refused so, and nothing of it is queued or comes back."""
    house.wait_idle()
    before = len(house.maildir("alice")), len(house.maildir("bob")), house.log().count(" <= ")
    code, lines = submit(house, content, **more)
    assert f"{code} {lines[-1][4:]}".startswith(expected), lines
    assert house.list_queue() == ([], True)
    assert (len(house.maildir("alice")), len(house.maildir("bob")), house.log().count(" <= ")) == before
    return lines[-1]


# ---- what is added

def test_what_is_missing_is_added_at_the_end_and_the_rest_stays(plain_house):
    begun = time.time() - 2
    _, text = arrived(plain_house, b"subject:  odd\r\n\tfolding \r\nX-Mine: 1\r\n\r\n.\r\nbody \xff\r\n", sender="bob@ex.test")
    found = re.fullmatch(rb"subject:  odd\r\n\tfolding \r\nX-Mine: 1\r\nDate: (.*)\r\nMessage-ID: <(\S+)@mx\.ex\.test>\r\nFrom: bob@ex\.test\r\n\r\n\.\r\nbody \xff\r\n", text)
    assert found, text
    at = email.utils.parsedate_to_datetime(found[1].decode())
    assert begun <= at.timestamp() <= time.time() + 2 and at.tzinfo is not None
    assert re.search(rf" <= bob@ex\.test .* id={found[2].decode()}@mx\.ex\.test for alice@ex\.test$", plain_house.log(), re.M)


@pytest.mark.parametrize("content, wanted", [
    (b"", b"\r\n"), (b"\r\nonly a body\r\n", b"\r\nonly a body\r\n"), (b"no header at all\r\n.dot\r\n", b"\r\nno header at all\r\n.dot\r\n"),
    (b"Subject: no body\r\n", b"Subject: no body\r\n\r\n"),
], ids=["empty", "no header", "begins with a body", "header alone"])
def test_a_message_without_a_header_gets_one(plain_house, content, wanted):
    _, text = arrived(plain_house, content)
    kept = wanted[:-2] if wanted.startswith(b"Subject") else b""
    after = b"\r\n" if wanted.startswith(b"Subject") else wanted
    assert re.fullmatch(re.escape(kept) + rb"Date: .*\r\nMessage-ID: <.*>\r\nFrom: bob@ex\.test\r\n" + re.escape(after) + rb"(\r\n)?", text), text


def test_what_is_whole_is_not_touched(plain_house):
    strange = b"Received: from x by y; z\r\n" + DATE + b"Message-ID: <whole@ex.test>\r\nFrom: =?utf-8?q?B=C3=B6b?= <bob@EX.test>\r\nBcc: carol@ex.test\r\nX:y\r\nTo: undisclosed-recipients:;\r\n" \
        b"DKIM-Signature: v=1; d=ex.test; s=a; h=from:to:date; bh=x; b=y\r\nSubject: =?utf-8?q?=C3=A4?=\r\n\r\n..\r\n"
    assert arrived(plain_house, strange)[1] == strange
    [id] = re.findall(r"(\S+) <= bob@ex\.test .* id=whole@ex\.test ", plain_house.log())[-1:]
    assert not re.search(rf" {id} .*DKIM", plain_house.log())


def test_the_header_of_relayed_mail_is_nobodys_business(plain_house):
    """R-159: never in the relay role, logged in or not."""
    content = b"Subject: bare\r\nTo: alice\r\n\r\nx\r\n"
    assert arrived(plain_house, content, listener=RELAY)[1] == content
    with plain_house.connect() as client:
        before = len(plain_house.maildir("carol"))
        assert client.transaction("a@b.test", ["carol@ex.test"], content)[0] == 250
    assert body_of(plain_house.wait_mail(before + 1, "carol")[-1]) == content


def test_addresses_without_a_domain_get_ours(plain_house):
    _, text = arrived(plain_house, DATE + ID + b"From: Bob <bob>\r\nTo: alice, \"C, C\" <carol> (me),x@far.test\r\nCc: g: bob,\r\n alice;\r\nReply-To: bob\r\nX-To: bob\r\n\r\nx\r\n")
    assert text == DATE + ID + (b"From: Bob <bob@ex.test>\r\nTo: alice@ex.test, \"C, C\" <carol@ex.test> (me),x@far.test\r\nCc: g: bob@ex.test,\r\n alice@ex.test;\r\n"
                                b"Reply-To: bob@ex.test\r\nX-To: bob\r\n\r\nx\r\n")
    received, _ = arrived(plain_house, WHOLE, sender="bob", recipients=["alice"])
    assert b"for <alice@ex.test>" in received
    assert re.search(r" <= bob@ex\.test .* for alice@ex\.test$", plain_house.log(), re.M)


@pytest.mark.parametrize("submission, hidden", [("", True), ("hide_client = false;", False)])
def test_where_the_user_is_stays_hidden_unless_told_otherwise(make_house, submission, hidden):
    house = make_house(submission=submission)
    received, text = arrived(house, WHOLE)
    assert (b"127.0.0.1" not in received and b"client.test" not in received) == hidden, received
    assert b"with ESMTPSA id " in received and text == WHOLE
    assert "H=(client.test) [127.0.0.1]:" in house.log()           # the log knows it


def test_masquerade_shortens_domains_in_the_header_and_in_the_envelope(make_house):
    house = make_house(submission='masquerade = [ "ex.test" ]; senders = "own";')
    content = DATE + ID + b"From: bob@host.ex.test\r\nTo: alice@a.b.ex.test, x@notex.test\r\n\r\nx\r\n"
    _, text = arrived(house, content, sender="bob@desk.ex.test")
    assert text == DATE + ID + b"From: bob@ex.test\r\nTo: alice@ex.test, x@notex.test\r\n\r\nx\r\n"
    assert " <= bob@ex.test " in house.log()


def test_sender_tells_who_wrote_in_the_name_of_others(make_house):
    """RFC 6409 §8.1, with senders that may be others than the user."""
    house = make_house(("senders", "bob: bob@ex.test, team@ex.test, carol@ex.test\ncarol: carol@ex.test\n"), submission='senders = "file:senders";')
    team = DATE + ID + b"From: team@ex.test\r\n"
    assert arrived(house, team + b"\r\nx\r\n")[1] == team + b"Sender: bob@ex.test\r\n\r\nx\r\n"
    assert arrived(house, team + b"Sender: carol@ex.test\r\n\r\nx\r\n")[1] == team + b"Sender: bob@ex.test\r\n\r\nx\r\n"
    both = DATE + ID + b"From: bob@ex.test, carol@ex.test\r\n"
    assert arrived(house, both + b"\r\nx\r\n")[1] == both + b"Sender: bob@ex.test\r\n\r\nx\r\n"
    assert arrived(house, WHOLE)[1] == WHOLE
    # Without rights to be held to, a Sender is the user's own affair.
    free = make_house()
    assert arrived(free, team + b"\r\nx\r\n")[1] == team + b"\r\nx\r\n"


def test_what_could_only_be_forged_goes(plain_house):
    _, text = arrived(plain_house, b"Return-Path: <x@far.test>\r\nX-Authenticated-User: root\r\nx-authenticated-sender: a\r\n b\r\n" + WHOLE)
    assert text == WHOLE


def test_a_signature_that_a_change_broke_is_told_of(plain_house):
    signature = b"DKIM-Signature: v=1; d=ex.test; s=a;\r\n h=from:to:date; bh=x; b=y\r\n"
    code, lines = submit(plain_house, signature + DATE + ID + b"From: bob\r\n\r\nx\r\n")
    assert code == 250
    id = re.search(r"queued as (\S+)", lines[0])[1]
    plain_house.wait_log(rf" {id} .*DKIM signature that it came with does not fit any more$")
    assert plain_house.log("paniclog") == ""


def test_local_programs_get_the_same(make_house):
    """submit.sock: what sendmail(1) uses, spoken to as it is."""
    house = make_house(submission='masquerade = [ "ex.test" ];')
    with Raw(0, path=house.directory / "run" / "submit.sock") as client:
        code, lines = client.command("EHLO localhost")
        assert code == 250 and not any("AUTH" in line or "STARTTLS" in line for line in lines)
        assert client.transaction("bob@desk.ex.test", ["alice"], b"To: alice\r\nSubject: local\r\n\r\nx\r\n", ehlo=None)[0] == 250
    [raw] = house.wait_mail(1, "alice")
    assert re.search(rb"\nTo: alice@ex\.test\nSubject: local\nDate: .*\nMessage-ID: <.*@mx\.ex\.test>\nFrom: bob@ex\.test\n\nx\n$", raw), raw
    done = house.sendmail("-i", "-f", "bob@ex.test", "alice", input=b"Cc: bob\n\ny\n")
    assert done.returncode == 0, done.stderr
    raw = house.wait_mail(2, "alice")[-1]
    assert b"\nCc: bob@ex.test\n" in raw and b"\nFrom: " in raw and raw.endswith(b"\n\ny\n")


# ---- what is refused

@pytest.mark.parametrize("fields, said", [
    (b"From: bob@ex.test\r\nFrom: alice@ex.test\r\n", "the message has more than one From field"),
    (b"From: bob@ex.test\r\nfrom : bob@ex.test\r\n", "the message has more than one From field"),
    (b"From: bob@ex.test\r\nSender: a@b.test\r\nSender: a@b.test\r\n", "the message has more than one Sender field"),
    (FROM + DATE + DATE, "the message has more than one Date field"), (FROM + ID + ID, "the message has more than one Message-ID field"),
    (b"From: bob@ex.test <bob@\r\n", "From: "), (b"From: <a b c>\r\n", "From: "), (b"From: \"bob\r\n", "From: "), (b"From: bob@ex..test\r\n", "From: "),
    (b"From: b\xc3\xb6b@ex.test, <\r\n", "From: "), (b"From: g: ;\r\n", "the From field holds no address"),
])
def test_a_header_that_can_not_be_sent_is_554(plain_house, fields, said):
    plain_house.wait_idle()
    line = refused(plain_house, "554 5.6.0", fields + b"Subject: x\r\n\r\nx\r\n")
    assert said in line
    plain_house.wait_log(r"rejected after DATA: .*" + re.escape(said[:20]))


def test_a_sender_of_ones_own_alone(make_house):
    house = make_house(submission='senders = "own";')
    assert arrived(house, WHOLE)[1] == WHOLE
    for sender in ("alice@ex.test", "bob@far.test", "bob+x@ex.test"):
        line = refused(house, "550 5.7.1", sender=sender)
        assert f"<{sender}>" in line
    for wrong in (b"From: alice@ex.test\r\n", b"From: bob@ex.test, alice@ex.test\r\n", b"From: \"bob@ex.test\" <alice@ex.test>\r\n", b"From: bob@far.test\r\n"):
        refused(house, "550 5.7.1", wrong + DATE + ID + b"\r\nx\r\n")
    # The name of a login is what the users file has, however it was written.
    assert arrived(house, WHOLE.replace(b"bob@", b"carol@"), user="carol@ex.test", sender="carol@EX.test")[1].startswith(b"From: Bob <carol@ex.test>")
    code, lines = submit(house, b"Subject: a report\r\n\r\nx\r\n", sender="", user="bob")
    assert code in (250, 554), lines
    house.wait_idle()
    wait_for(lambda: house.log().count("rejected MAIL") == 3, what="three refusals in the log")


def test_senders_of_a_file_which_may_change(make_house):
    house = make_house(("senders", "# who as whom\nbob: bob@ex.test, *.lists.ex.test, <>\n*: everybody@ex.test\n"), submission='senders = "file:senders";')
    def letter(address):
        return DATE + ID + b"From: " + address.encode() + b"\r\n\r\nx\r\n"
    for address in ("bob@ex.test", "news@a.lists.ex.test", "everybody@ex.test"):
        arrived(house, letter(address), sender=address)
    for address in ("alice@ex.test", "x@lists.far.test"):
        refused(house, "550 5.7.1", letter(address), sender=address)
        refused(house, "550 5.7.1", letter(address))
    refused(house, "550 5.7.1", letter("alice@ex.test"), sender="alice@ex.test", user="alice")         # not listed: not even oneself
    arrived(house, letter("bob@ex.test"), sender="")
    refused(house, "550 5.7.1", letter("everybody@ex.test"), sender="", user="alice")
    (house.directory / "senders").write_text("alice: alice@ex.test\n")
    wait_for(lambda: submit(house, letter("alice@ex.test"), sender="alice@ex.test", user="alice")[0] == 250, what="the new senders")
    house.wait_idle()
    refused(house, "550 5.7.1", letter("bob@ex.test"))
    (house.directory / "senders").write_text("alice alice@ex.test\n")
    house.wait_log("senders", "paniclog")
    assert submit(house, letter("alice@ex.test"), sender="alice@ex.test", user="alice")[0] == 250


def test_what_can_not_be_sent_is_refused_in_the_session_and_what_may_be_is_not(make_house):
    """Nothing that a name server has said for certain comes back as a bounce; what it could not say waits."""
    with contextlib.closing(Names()) as names, contextlib.closing(Sink("127.0.0.2")) as sink:
        names.site("good.test", "127.0.0.2").add("null.test", "MX", (0, ".")).add("hosts.test", "MX", (10, "gone.hosts.test"))
        names.trouble("ill.test", "MX", SERVFAIL)
        house = make_house(dns='dns = { servers = [ "127.0.0.1:%d" ]; timeout = "500ms"; attempts = 1; };' % names.port, internet=f"port = {sink.port};")
        for address, expected in (("x@nosuch.test", "550 5.1.2"), ("x@null.test", "556 5.1.10"), ("nobody@ex.test", "550 5.1.1")):
            refused(house, expected, recipients=[address])
        with house.log_in() as client:               # the others of the same message are not lost
            assert client.command("MAIL FROM:<bob@ex.test>")[0] == 250
            replies = [client.command(f"RCPT TO:<{address}>")[0] for address in ("x@good.test", "x@nosuch.test", "alice@ex.test", "x@null.test", "x@ill.test")]
            assert replies == [250, 550, 250, 556, 250]
            assert client.command("DATA")[0] == 354
            client.send(WHOLE + b".\r\n")
            code, lines = client.reply()
            assert logged(house, (code, lines))[0] == 250
        id = re.search(r"queued as (\S+)", lines[0])[1]
        house.wait_mail(1, "alice")
        wait_for(lambda: sink.taken(), what="the mail for outside")
        house.wait_log(rf"{id} == x@ill\.test ")
        [entry] = house.queue()
        assert entry["id"] == id and house.maildir("bob") == [] and " ** " not in house.log()
        assert WHOLE in sink.taken()[0].content
        with house.connect() as client:              # a relay does not look, as ever
            assert client.transaction("a@b.test", ["alice@ex.test"], WHOLE)[0] == 250


def test_messages_an_hour(make_house):
    house = make_house(submission="messages_per_hour = 3;")
    for _ in range(3):
        arrived(house, WHOLE)
    line = refused(house, "450 4.7.1")
    assert "3 messages" in line
    with house.log_in(listener=SUBMIT) as client:          # by the other listener too, and it is still 450
        assert client.command("MAIL FROM:<bob@ex.test>")[0] == 450
        assert client.command("RCPT TO:<alice@ex.test>")[0] == 503
    assert submit(house, WHOLE, user="carol", sender="carol@ex.test")[0] == 250        # each user has an hour of its own
    wait_for(lambda: house.log().count("rejected MAIL") == 2, what="two refusals in the log")


def test_recipients_an_hour(make_house):
    house = make_house(submission="recipients_per_hour = 5;")
    assert submit(house, WHOLE, recipients=["alice@ex.test", "carol@ex.test", "bob@ex.test"])[0] == 250
    with house.log_in() as client:
        assert client.command("MAIL FROM:<bob@ex.test>")[0] == 250
        replies = [client.command(f"RCPT TO:<{name}@ex.test>") for name in ("alice", "carol", "bob")]
        assert [code for code, _ in replies] == [250, 250, 450] and replies[2][1][0].startswith("450 4.7.1 ")
        assert client.command("DATA")[0] == 354
        client.send(WHOLE + b".\r\n")
        assert logged(house, client.reply())[0] == 250     # for the two
    refused_first = submit(house, WHOLE)
    assert refused_first[0] == 450
    assert submit(house, WHOLE, user="alice", sender="alice@ex.test", recipients=["carol@ex.test"])[0] == 250
    house.wait_idle()
    assert len(house.maildir("bob")) == 1 and len(house.maildir("carol")) == 3


# ---- how it comes in

LONG = b"To: " + b", ".join(b"user%d" % n for n in range(40)) + b"\r\nFrom: bob\r\nX-Long: " + b"x" * 900 + b"\r\n" + DATE + ID + b"\r\n.\r\nbody\r\n"


def test_the_same_bytes_however_they_are_cut(plain_house):
    """Octet by octet, each in a TLS record and a segment of its own; and the end of the header at each place of a chunk's end."""
    _, whole = arrived(plain_house, LONG)
    assert b"user0@ex.test" in whole and whole.endswith(b"\r\n\r\n.\r\nbody\r\n")
    with plain_house.log_in() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for line in ("MAIL FROM:<bob@ex.test>", "RCPT TO:<carol@ex.test>"):
            assert client.command(line)[0] == 250
        assert client.command("DATA")[0] == 354
        before = len(plain_house.maildir("carol"))
        for octet in LONG.replace(b"\r\n.\r\n", b"\r\n..\r\n") + b".\r\n":
            client.send(bytes([octet]))
        assert client.reply()[0] == 250
    assert body_of(plain_house.wait_mail(before + 1, "carol")[-1]) == whole


@pytest.mark.parametrize("listener", [SMTPS, ASKING])
def test_the_end_of_the_header_at_the_end_of_a_chunk(plain_house, listener):
    _, whole = arrived(plain_house, WHOLE.replace(FROM, b"From: bob\r\n"))
    text = WHOLE.replace(FROM, b"From: bob\r\n")
    end = text.index(b"\r\n\r\n")
    cuts = [(end + n,) for n in range(0, 6)] + [(end + 1, end + 3), (end + 2, end + 4), (end + 4, end + 4), (0,), (len(text),), (1, 2, 3, end + 2, end + 3, end + 4)]
    with plain_house.log_in("bob", listener) as client:
        for cut in cuts:
            before = len(plain_house.maildir("carol"))
            client.send(b"MAIL FROM:<bob@ex.test>\r\nRCPT TO:<carol@ex.test>\r\n")
            assert [client.reply()[0] for _ in range(2)] == [250, 250]
            for first, last in zip((0, *cut), (*cut, len(text))):
                client.send(b"BDAT %d%s\r\n" % (last - first, b" LAST" if last == len(text) and first == cut[-1] else b"") + text[first:last])
                code, lines = client.reply()
                assert code == 250, (cut, lines)
            assert body_of(plain_house.wait_mail(before + 1, "carol")[-1]) == whole, cut


@pytest.mark.parametrize("way", ["DATA", "BDAT"])
@pytest.mark.parametrize("kind", ["one field", "many fields", "no end"])
def test_a_header_longer_than_256_kib_is_refused_and_the_session_goes_on(plain_house, way, kind):
    size = 300 << 10
    fields = {"one field": b"X: " + b"\r\n ".join([b"y" * 70] * (size // 70)) + b"\r\n", "many fields": b"X: " + b"y" * 70 + b"\r\n"}.get(kind)
    fields = fields * (size // 75) if kind == "many fields" else fields
    content = FROM + (b"X:" + (b" " + b"y" * 500 + b"\r\n") * (size // 500) if kind == "no end" else fields + b"\r\nbody\r\n")
    plain_house.wait_idle()
    before = plain_house.log().count(" <= ")
    with plain_house.log_in() as client:
        client.send(b"MAIL FROM:<bob@ex.test>\r\nRCPT TO:<alice@ex.test>\r\n")
        assert [client.reply()[0] for _ in range(2)] == [250, 250]
        if way == "DATA":
            assert client.command("DATA")[0] == 354
            client.send(content + b".\r\n")
        else:
            client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        code, lines = client.reply()
        assert (code, lines) == (554, ["554 5.6.0 the header is longer than 256 KiB"])
        assert logged(plain_house, client.transaction("after@ex.test", ["alice@ex.test"], WHOLE, ehlo=None))[0] == 250
    assert plain_house.log().count(" <= ") == before + 1
    if kind != "no end":           # to a relay it is mail like any other
        with plain_house.connect() as client:
            assert logged(plain_house, client.transaction("a@b.test", ["carol@ex.test"], content))[0] == 250


def test_a_header_just_below_the_limit_is_taken(plain_house):
    head = FROM + DATE + ID
    room = (256 << 10) - len(head) - 2
    line = b"X: " + b"y" * 71 + b"\r\n"
    content = head + line * (room // len(line) - 1) + b"Y: " + b"z" * (room % len(line) + len(line) - 5) + b"\r\n" + b"\r\nbody\r\n"
    assert content.index(b"\r\n\r\n") + 4 == 256 << 10
    assert arrived(plain_house, content)[1] == content


def test_nothing_went_wrong_meanwhile(plain_house):
    plain_house.wait_idle()
    assert plain_house.log("paniclog") == "" and " ** " not in plain_house.log()


def test_a_program_of_this_machine_hears_of_mail_that_can_not_be_sent_by_a_bounce(make_house):
    with contextlib.closing(Names()) as names:
        house = make_house(dns='dns = { servers = [ "127.0.0.1:%d" ]; timeout = "500ms"; attempts = 1; };' % names.port, internet="port = 25;")
        with Raw(0, path=house.directory / "run" / "submit.sock") as client:
            assert client.transaction("", ["x@nosuch.test"], WHOLE)[0] == 250         # "<>": what fails is kept, not returned
        house.wait_log(r" \*\* x@nosuch\.test .*550 5\.1\.2 ")
