"""What becomes of mail that can't be delivered: tried again, told once to its sender, shown by mailq meanwhile."""
import email
import email.policy
import email.utils
import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness import Mansio, wait_for

EXTRA = """
aliases = "aliases";
delay_warning = "%(warning)s";
retry = ( { domains = [ "never.test" ]; schedule = "1h for 4d"; }, { domains = [ "*" ]; schedule = "1s for %(life)s"; } );
"""


def start(make_mansio, aliases="", warning="0s", life="3s", **more):
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=EXTRA % dict(warning=warning, life=life), **more)
    path = mansio.directory / "aliases"
    path.write_text(aliases)
    path.chmod(0o644)
    return mansio.start()


def send(mansio, sender, recipient, parameters="", mail_parameters="", subject="lost"):
    with mansio.connect() as client:
        client.send(f"EHLO client.test\r\nMAIL FROM:<{sender}>{mail_parameters}\r\nRCPT TO:<{recipient}>{parameters}\r\nDATA\r\n".encode())
        replies = [client.reply() for _ in range(4)]
        assert [code for code, _ in replies] == [250, 250, 250, 354], replies
        code, lines = client.command(f"From: me@b.test\r\nSubject: {subject}\r\nX-Mark: 1\r\n\r\nthe body\r\n.")
        assert code == 250
    return re.search(r"queued as (\S+)", lines[0])[1]


def report_of(raw):
    """The three parts of a report, parsed by somebody else's code, and its fields for each recipient."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "delivery-status"
    text, status, original = message.iter_parts()
    assert (text.get_content_type(), status.get_content_type()) == ("text/plain", "message/delivery-status")
    blocks = status.get_payload()
    return message, text.get_content(), blocks[0], blocks[1:], original


def check_report(message, whole):
    assert message["Return-Path"] == "<>" and message["Auto-Submitted"] == "auto-replied"
    assert message["From"].addresses[0].addr_spec == "MAILER-DAEMON@ex.test"
    assert all(len(message.get_all(name)) == 1 for name in ("Date", "From", "To", "Subject", "Message-ID"))
    assert whole["Reporting-MTA"] == "dns; mx.ex.test"
    assert email.utils.parsedate_to_datetime(whole["Arrival-Date"])


def test_mail_that_expires_is_reported_once_with_all_its_fields(make_mansio):
    mansio = start(make_mansio)
    id = send(mansio, "bob@ex.test", "far@remote.test", " ORCPT=rfc822;The+2BOne@remote.test", " ENVID=env+2D7")
    # Now and then the list finds it under way, and says that.
    why = "remote.test: the name servers did not answer"
    wait_for(lambda: [m["id"] for m in mansio.queue() if why in m["reason"]] == [id], what="its reason in the list")
    [raw] = mansio.wait_mail(1)
    message, text, whole, recipients, original = report_of(raw)
    check_report(message, whole)
    assert message["To"].addresses[0].addr_spec == "bob@ex.test"
    assert "<far@remote.test>" in text
    assert whole["Original-Envelope-Id"] == "env-7"
    [recipient] = recipients
    assert recipient["Original-Recipient"] == "rfc822;The+One@remote.test"
    assert recipient["Final-Recipient"] == "rfc822;far@remote.test"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.4.7")
    assert email.utils.parsedate_to_datetime(recipient["Last-Attempt-Date"])
    assert recipient["Will-Retry-Until"] is None
    assert original.get_content_type() == "message/rfc822"
    assert original.get_payload(0)["X-Mark"] == "1" and original.get_payload(0).get_content() == "the body\n"
    mansio.wait_idle()
    assert len(mansio.maildir()) == 1
    log = mansio.log()
    assert log.count(f"{id} Completed") == 1 and log.count(f"<= <> R={id} ") == 1
    assert len(re.findall(rf"{id} == far@remote\.test R=everywhere T=internet defer \(0\): 451 4\.4\.3 ", log)) >= 2


def test_an_alias_that_fails_is_reported_and_its_other_members_get_the_mail(make_mansio):
    mansio = start(make_mansio, aliases="list: alice, carol, gone@ex.test\n", life="10s")
    send(mansio, "bob@ex.test", "list@ex.test")
    mansio.wait_mail(1, "alice")
    mansio.wait_mail(1, "carol")
    [raw] = mansio.wait_mail(1)
    message, _, whole, [recipient], _ = report_of(raw)
    check_report(message, whole)
    assert recipient["Final-Recipient"] == "rfc822;list@ex.test"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    mansio.wait_idle()
    assert [len(mansio.maildir(user)) for user in ("alice", "bob", "carol")] == [1, 1, 1]


def test_a_user_that_goes_while_the_mail_waits_is_reported(make_mansio):
    mansio = start(make_mansio, aliases="soon: :defer: not yet\n", life="1h")
    with mansio.connect() as client:
        client.send(b"EHLO c\r\nMAIL FROM:<bob@ex.test>\r\nRCPT TO:<soon@ex.test>\r\n")
        assert [client.reply()[0] for _ in range(3)] == [250, 250, 450]
    (mansio.directory / "aliases").write_text("soon: x@never.test\n")
    assert mansio.sendmail("-bi").returncode == 0
    id = send(mansio, "bob@ex.test", "soon@ex.test")
    mansio.wait_log(rf"{id} == x@never\.test ")
    (mansio.directory / "aliases").write_text("soon: :fail: gone for good\n")
    assert mansio.sendmail("-bi").returncode == 0
    assert mansio.sendmail("-qff").returncode == 0
    [raw] = mansio.wait_mail(1)
    _, text, _, [recipient], _ = report_of(raw)
    assert "gone for good" in text and recipient["Action"] == "failed"
    mansio.wait_idle()
    assert len(mansio.maildir()) == 1


@pytest.mark.parametrize("sender, parameters", [("", ""), ("bob@ex.test", " NOTIFY=NEVER"), ("bob@ex.test", " NOTIFY=SUCCESS,DELAY")],
                         ids=["the null sender", "NEVER", "without FAILURE"])
def test_nobody_is_told_who_is_not_to_be_told(make_mansio, sender, parameters):
    mansio = start(make_mansio, life="1s")
    id = send(mansio, sender, "far@remote.test", parameters)
    mansio.wait_log(f"{id} Completed")
    mansio.wait_idle()
    assert mansio.maildir() == []
    assert re.search(rf"{id} \*\* far@remote\.test: 550 5\.4\.7 ", mansio.log()) and " R=" + id not in mansio.log()


def test_ret_hdrs_and_a_large_original_come_back_as_headers_alone(make_mansio):
    mansio = start(make_mansio, life="1s")
    send(mansio, "bob@ex.test", "far@remote.test", mail_parameters=" RET=HDRS")
    with mansio.connect() as client:
        assert client.transaction("alice@ex.test", ["far@remote.test"], b"Subject: large\r\nX-Mark: 1\r\n\r\n" + b"x" * 70 + b"\r\n" * 70000)[0] == 250
    for user in ("bob", "alice"):
        [raw] = mansio.wait_mail(1, user)
        *_, original = report_of(raw)
        assert original.get_content_type() == "text/rfc822-headers"
        assert "X-Mark: 1" in original.get_content() and "the body" not in original.get_content()
        assert len(raw) < 10000


def test_a_late_message_is_told_of_once_and_goes_on_waiting(make_mansio):
    mansio = start(make_mansio, warning="1s", life="1h")
    id = send(mansio, "bob@ex.test", "far@remote.test")
    [raw] = mansio.wait_mail(1)
    message, text, whole, [recipient], original = report_of(raw)
    check_report(message, whole)
    assert (recipient["Action"], recipient["Status"][0]) == ("delayed", "4")
    assert email.utils.parsedate_to_datetime(recipient["Will-Retry-Until"]) > email.utils.parsedate_to_datetime(whole["Arrival-Date"])
    assert original.get_content_type() == "text/rfc822-headers"
    attempts = mansio.log().count(f"{id} == ")
    wait_for(lambda: mansio.log().count(f"{id} == ") >= attempts + 2, what="two more attempts")
    assert len(mansio.maildir()) == 1
    [listed] = mansio.queue()
    assert listed["id"] == id and listed["attempts"] >= 3


def test_mail_for_others_waits_and_mailq_says_why(make_mansio):
    mansio = start(make_mansio)
    id = send(mansio, "bob@ex.test", "x@never.test")
    mansio.wait_log(rf"{id} == x@never\.test ")
    [listed] = wait_for(lambda: [m for m in mansio.queue() if m["reason"].startswith("451")], what="the reason")
    assert listed["sender"] == "bob@ex.test" and listed["attempts"] == 1
    assert [r["address"] for r in listed["recipients"]] == ["x@never.test"] and listed["recipients"][0]["done"] is False
    assert listed["reason"].startswith("451 4.4.3 never.test: the name servers did not answer")
    shown = mansio.sendmail("-bp").stdout.decode()
    assert f" {id} <bob@ex.test>\n" in shown and "\n          x@never.test\n" in shown
    assert mansio.stop() == 0                        # and after a restart it still does
    mansio.start()
    [again] = wait_for(mansio.queue, what="the queue")
    assert again["id"] == id and again["recipients"] == listed["recipients"]


def test_a_mailbox_that_cannot_be_written_defers_until_it_can(make_mansio):
    mansio = start(make_mansio, life="1h")
    (mansio.mail / "bob").write_text("no directory")
    id = send(mansio, "alice@ex.test", "bob@ex.test")
    mansio.wait_log(rf"{id} == bob@ex\.test R=local T=mailbox defer \(-53\): 4")
    (mansio.mail / "bob").unlink()
    assert len(mansio.wait_mail(1)) == 1
    mansio.wait_log(f"{id} Completed")
    assert mansio.maildir("alice") == []


def test_a_run_of_the_queue_also_serves_what_is_being_tried_and_fails(make_mansio):
    # One agent, so that the second attempt can't end up with another one that is about to be killed.
    extra = 'retry = ( { domains = [ "*" ]; schedule = "1h for 4d"; } ); deliver = { agents = 1; };'
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=extra).start()
    agent = wait_for(lambda: mansio.children().get("mansiod: deliver 1"), what="the agent's title")
    os.kill(agent, signal.SIGSTOP)                   # the attempt is under way until it is gone
    id = send(mansio, "alice@ex.test", "bob@ex.test")
    assert mansio.sendmail("-q").returncode == 0
    os.kill(agent, signal.SIGKILL)
    mansio.wait_mail(1)
    mansio.wait_log(f"{id} Completed")
    assert mansio.log().count(f"{id} == bob@ex.test ") == 1


def test_a_full_disk_defers_leaves_no_part_behind_and_is_over_when_there_is_room(make_mansio, request):
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=EXTRA % dict(warning="0s", life="1h"))
    (mansio.directory / "aliases").write_text("")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "mansio-test", mansio.mail], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    request.addfinalizer(lambda: subprocess.run(["umount", "-l", str(mansio.mail)]))
    mansio.start()
    (mansio.mail / "filler").write_bytes(b"x" * 200 * 1024)
    content = b"Subject: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 1000
    with mansio.connect() as client:
        assert client.transaction("alice@ex.test", ["bob@ex.test"], content)[0] == 250
    mansio.wait_log(r" == bob@ex\.test R=local T=mailbox defer \(-53\): 452 4\.2\.2 ")
    assert mansio.maildir() == []
    (mansio.mail / "filler").unlink()
    [raw] = mansio.wait_mail(1)
    assert raw.replace(b"\n", b"\r\n").endswith(content)
    mansio.wait_log("Completed")
    assert list((mansio.mail / "bob" / "tmp").iterdir()) == []


def test_a_bounce_that_cannot_be_delivered_is_kept_for_the_postmaster_and_never_bounced(make_mansio):
    mansio = start(make_mansio, aliases="list: alice, gone@ex.test\n")
    id = send(mansio, "", "list@ex.test", subject="a bounce of elsewhere")
    mansio.wait_log(f"{id} Completed")
    kept = mansio.directory / "spool" / "badmail"
    assert sorted(file.name for file in kept.iterdir()) == [f"{id}.eml", f"{id}.reason"]
    message = email.message_from_bytes((kept / f"{id}.eml").read_bytes(), policy=email.policy.default)
    assert message["Subject"] == "a bounce of elsewhere" and message.get_content().splitlines() == ["the body"]
    reason = (kept / f"{id}.reason").read_text()
    assert "list@ex.test" in reason and "5.1.1" in reason
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in kept.iterdir())
    mansio.wait_idle()
    assert "<= <> R=" not in mansio.log()


def test_a_copy_of_each_bounce_goes_to_bounce_copy_to_in_the_words_of_bounce_templates(make_mansio, tmp_path):
    words = tmp_path / "words"
    words.mkdir()
    text = (pathlib.Path(__file__).parents[2] / "etc" / "bounce" / "failed.txt").read_text()
    subject = next(line for line in text.splitlines() if line.startswith("Subject:"))
    (words / "failed.txt").write_text(text.replace(subject, "Subject: Zurueck an den Absender"))
    settings = EXTRA % dict(warning="0s", life="3s") + f'bounce_copy_to = "carol@ex.test"; bounce_templates = "{words}";'
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=settings)
    path = mansio.directory / "aliases"
    path.write_text("list: alice, gone@ex.test\n")
    path.chmod(0o644)
    mansio.start()
    send(mansio, "bob@ex.test", "list@ex.test")
    for user in ("bob", "carol"):
        [raw] = mansio.wait_mail(1, user)
        message, *_ = report_of(raw)
        assert message["Subject"] == "Zurueck an den Absender"
    mansio.wait_idle()
    assert mansio.log().count("<= <> R=") == 1
