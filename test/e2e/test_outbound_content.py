"""What is sent: the very octets, converted only where the host can't take them, with the requests for reports passed on (R5, R11, R14,
R15, R18, S-045). Converted mail is read by Python's own parser."""
import email
import email.policy
import re

import pytest

from outbound import delivered, internet, report_for, reports, send, without_trace  # noqa: F401
from sink import FULL

SMALL = ("PIPELINING", "SIZE 52428800", "ENHANCEDSTATUSCODES")
TEXT = "Grüße aus Köln\r\n.\r\n..zwei\r\nFrom hier\r\n" + "ä" * 300 + "\r\n"
PICTURE = bytes(range(128, 256)) * 4
EIGHT = ("From: bob@ex.test\r\nSubject: mixed\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\npreamble\r\n"
         "--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT +
         "--b1\r\nContent-Type: text/plain\r\n\r\nplain stays plain\r\n"
         "--b1\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "Content-Transfer-Encoding: 8bit\r\n\r\n" + TEXT + "--b1--\r\nepilogue\r\n").encode()
SIGNED = EIGHT.replace(b"multipart/mixed;", b"multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256;")
BINARY = (b"From: bob@ex.test\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
          + PICTURE + b"\0\n\r.\n" + PICTURE)
AWKWARD = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n" + b"x" * 998 + b"\r\n\tTAB \x0b\x7f\x01\r\n" + b".end" * 50_000 + b"\r\n.\r\n"


@pytest.mark.parametrize("extensions", [FULL, SMALL, ()], ids=["BDAT", "DATA", "neither pipelining nor anything"])
def test_every_octet_arrives_and_nothing_is_added_but_one_trace_field(internet, extensions):
    """R-053, R-056, R-058, R-002."""
    [sink] = internet.site("exact.test", "127.0.0.3", extensions=extensions)
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@exact.test", content=AWKWARD), "x@exact.test")
    [taken] = sink.taken()
    assert without_trace(taken) == AWKWARD
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", bytes(sink.sessions[0].heard))


def test_eight_bit_mail_goes_as_it_is_where_that_is_offered(internet):
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@good.test", content=EIGHT, mail=" BODY=8BITMIME"), "x@good.test")
    [taken] = internet.good.taken()
    assert without_trace(taken) == EIGHT and "BODY=8BITMIME" in taken.parameters


def test_eight_bit_mail_is_converted_for_a_host_without_8bitmime(internet):
    """R-123: part by part, inner messages too; what was seven bits stays."""
    [sink] = internet.site("seven.test", "127.0.0.3", extensions=SMALL)
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@seven.test", content=EIGHT, mail=" BODY=8BITMIME"), "x@seven.test")
    [taken] = sink.taken()
    assert not [p for p in taken.parameters if p.startswith("BODY")]
    assert max(taken.content) < 128 and max(map(len, taken.content.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", taken.content)
    message = email.message_from_bytes(taken.content, policy=email.policy.default.clone(linesep="\r\n"))
    first, second, inner = message.iter_parts()
    assert first.get_payload(decode=True) == TEXT.encode()[:-2] or first.get_payload(decode=True) == TEXT.encode()
    assert first["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
    assert second.get_payload() == "plain stays plain"
    assert inner.get_payload(0).get_payload(decode=True).rstrip(b"\r\n") == TEXT.encode().rstrip(b"\r\n")
    assert inner.get_payload(0)["Subject"] == "inner"


def test_signed_mail_is_not_changed_but_bounced(internet):
    """R-123: 5.6.3, and not one octet of it is sent."""
    [sink] = internet.site("seven.test", "127.0.0.3", extensions=SMALL)
    mansio = internet.start()
    id = send(mansio, "x@seven.test", content=SIGNED, mail=" BODY=8BITMIME")
    assert report_for(mansio, id, "x@seven.test")["Status"] == "5.6.3"
    assert sink.commands("MAIL") == []


def test_binary_mail_keeps_its_octets_where_that_is_offered(internet):
    """S-045."""
    mansio = internet.start()
    delivered(mansio, send(mansio, "x@good.test", content=BINARY, mail=" BODY=BINARYMIME"), "x@good.test")
    [taken] = internet.good.taken()
    assert without_trace(taken) == BINARY and "BODY=BINARYMIME" in taken.parameters


@pytest.mark.parametrize("extensions", [SMALL, (*SMALL, "8BITMIME"), (*SMALL, "8BITMIME", "CHUNKING"), tuple(e for e in FULL if e != "CHUNKING")],
                         ids=["nothing", "8BITMIME", "CHUNKING", "BINARYMIME without CHUNKING"])
def test_binary_mail_is_encoded_or_bounced_elsewhere_never_sent_raw(internet, extensions):
    """S-045."""
    [sink] = internet.site("text.test", "127.0.0.3", extensions=extensions)
    mansio = internet.start()
    id = send(mansio, "x@text.test", content=BINARY, mail=" BODY=BINARYMIME")
    mansio.wait_log(f"{id} Completed")
    if not sink.taken():
        assert report_for(mansio, id, "x@text.test")["Status"] == "5.6.3"
        return
    [taken] = sink.taken()
    assert b"\0" not in taken.content and max(taken.content) < 128 and not re.search(rb"(?<!\r)\n|\r(?!\n)", taken.content)
    body = BINARY.partition(b"\r\n\r\n")[2]
    assert email.message_from_bytes(taken.content, policy=email.policy.default).get_payload(decode=True) == body


def test_eight_bits_without_mime_are_never_sent_raw_to_a_host_without_8bitmime(internet):
    [sink] = internet.site("seven.test", "127.0.0.3", extensions=SMALL)
    mansio = internet.start()
    id = send(mansio, "x@seven.test", content=b"Subject: old\r\n\r\ncaf\xe9\r\n")
    mansio.wait_log(f"{id} Completed")
    assert all(max(m.content) < 128 for m in sink.taken())
    assert len(sink.taken()) + len(mansio.maildir()) == 1


@pytest.mark.parametrize("who", ["recipient", "sender", "header"])
def test_internationalised_mail_goes_to_hosts_that_know_it_and_bounces_elsewhere(internet, who):
    """R-129: 5.6.7, or 5.6.9 for a header."""
    [sink] = internet.site("ascii.test", "127.0.0.3", extensions=(*SMALL, "8BITMIME"))
    internet.names.site("utf8.test", "127.0.0.2")
    mansio = internet.start()
    local = "jürgen" if who == "recipient" else "x"
    sender = "bøb@good.test" if who == "sender" else "bob@ex.test"
    content = b"Subject: " + ("größe" if who == "header" else "plain").encode() + b"\r\n\r\nhello\r\n"
    id = send(mansio, f"{local}@utf8.test", f"{local}@ascii.test", sender=sender, content=content, mail=" SMTPUTF8")
    delivered(mansio, id, f"{local}@utf8.test")
    line = mansio.wait_log(rf"^.* {id} \*\* .*@ascii\.test .*$")[0]
    assert ("5.6.9" if who == "header" else "5.6.7") in line or (who == "header" and "5.6.7" in line)
    assert "SMTPUTF8" in internet.good.taken()[0].parameters and sink.commands("MAIL") == []
    mansio.wait_log(f"{id} Completed")


def test_a_domain_of_other_letters_needs_no_smtputf8(internet):
    """R-130."""
    [sink] = internet.site("xn--mnchen-3ya.test", "127.0.0.3", extensions=(*SMALL, "8BITMIME"))
    mansio = internet.start()
    id = send(mansio, "x@münchen.test", mail=" SMTPUTF8")
    mansio.wait_log(f"{id} Completed")
    [taken] = sink.taken()
    assert taken.recipients[0][0] == "x@xn--mnchen-3ya.test" and "SMTPUTF8" not in taken.parameters and mansio.maildir() == []


def test_a_message_over_the_hosts_size_bounces_without_a_word_to_it(internet):
    """RFC 1870 §6: 5.3.4."""
    [sink] = internet.site("tiny.test", "127.0.0.3", extensions=("PIPELINING", "SIZE 1000"))
    mansio = internet.start()
    id = send(mansio, "x@tiny.test", content=b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" * 1000)
    assert report_for(mansio, id, "x@tiny.test")["Status"] == "5.3.4"
    assert sink.commands("MAIL") == []
    delivered(mansio, send(mansio, "y@tiny.test"), "y@tiny.test")


# ---- requests for reports

def test_requests_for_reports_are_passed_on_as_they_came(internet):
    """R-165: and nothing of success is told from here."""
    mansio = internet.start()
    wanted = [" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Big+2BOne@Else.test", " NOTIFY=NEVER", ""]
    id = send(mansio, "A@good.test", "b@good.test", "c@good.test", mail=" RET=HDRS ENVID=QQ+2D314", rcpt=wanted)
    mansio.wait_log(f"{id} Completed")
    [taken] = internet.good.taken()
    assert {"RET=HDRS", "ENVID=QQ+2D314"} <= set(taken.parameters)
    got = {address: set(parameters) for address, parameters in taken.recipients}
    assert set(got) == {"A@good.test", "b@good.test", "c@good.test"}
    assert "ORCPT=rfc822;Big+2BOne@Else.test" in got["A@good.test"]
    assert {p for p in got["A@good.test"] if p.startswith("NOTIFY=")} in ({"NOTIFY=SUCCESS,DELAY"}, {"NOTIFY=DELAY,SUCCESS"})
    assert "NOTIFY=NEVER" in got["b@good.test"] and not [p for p in got["c@good.test"] if p.startswith("NOTIFY")]
    mansio.wait_idle()
    assert mansio.maildir() == []


def test_a_host_without_dsn_gets_no_parameters_and_the_sender_hears_that_it_was_relayed(internet):
    """R-166."""
    [sink] = internet.site("old.test", "127.0.0.3", extensions=SMALL)
    mansio = internet.start()
    id = send(mansio, "a@old.test", "b@old.test", "c@old.test", mail=" RET=FULL ENVID=e1",
              rcpt=[" NOTIFY=SUCCESS ORCPT=rfc822;a@first.test", " NOTIFY=NEVER", " NOTIFY=FAILURE"])
    mansio.wait_log(f"{id} Completed")
    [(_, text, whole, [recipient], original)] = reports(mansio)
    assert (recipient["Action"], recipient["Final-Recipient"]) == ("relayed", "rfc822;a@old.test")
    assert recipient["Original-Recipient"] == "rfc822;a@first.test" and whole["Original-Envelope-Id"] == "e1"
    assert original.get_content_type() == "text/rfc822-headers" and "a@old.test" in text
    assert recipient["Status"].startswith("2.")
    assert all("NOTIFY" not in line and "ORCPT" not in line for line in sink.commands("RCPT"))
    assert all("RET=" not in line and "ENVID" not in line for line in sink.commands("MAIL"))
    mansio.wait_idle()
    assert len(mansio.maildir()) == 1
