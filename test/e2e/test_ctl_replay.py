"""mansioctl replay: the envelopes that a real daemon has logged, against another configuration: what would change, and nothing else."""
import gzip
import json

from harness import Raw

EXTRA = 'aliases = "aliases";'


def send_all(mansio):
    """From a client that may relay (127.0.0.1), one that may not, and this machine."""
    for client, recipients in (("127.0.0.1", ["bob@ex.test", "x@far.test", "team@ex.test", "nobody@ex.test"]), ("127.0.0.9", ["alice@ex.test", "x@far.test"])):
        with Raw(mansio.port, source=client) as session:
            session.command("EHLO c.test")
            session.command("MAIL FROM:<me@x.test>")
            taken = [r for r in recipients if session.command(f"RCPT TO:<{r}>")[0] == 250]
            assert taken
            session.command("DATA")
            session.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            assert session.reply()[0] == 250
    assert mansio.sendmail("-f", "me@ex.test", "y@far.test", input=b"Subject: x\n\nx\n").returncode == 0
    mansio.wait_log(r" <= me@ex.test .* for y@far.test")


def replay(mansio, new, *words):
    """{change: object}, and the summary; the exit status tells whether there is one."""
    out = mansio.ctl("replay", new, *words, "--json")
    *changes, summary = [json.loads(line) for line in out.stdout.splitlines()]
    assert out.returncode == (1 if changes else 0), (out.returncode, out.stderr)
    assert summary["end"] and bool(summary["changed"]) == bool(changes)
    return {one["change"]: one for one in changes}, summary


def recipients(change):
    return {one["recipient"] for one in change["examples"]}


def test_each_change_that_a_new_configuration_would_make(make_mansio):
    mansio = make_mansio(relay_from='[ "127.0.0.1" ]', extra=EXTRA)
    (mansio.directory / "aliases").write_text("team: bob, alice\n")
    mansio.start()
    send_all(mansio)
    old = mansio.config.read_text()
    new = mansio.directory / "new.conf"

    new.write_text(old)
    changes, summary = replay(mansio, new)
    assert changes == {} and (summary["recipients"], summary["changed"]) == (7, 0)
    assert mansio.ctl("replay", new).stdout.startswith("Nothing changes: 0 of 7 recipients in 5 envelopes")

    new.write_text(old.replace('relay_from = [ "127.0.0.1" ]', 'relay_from = [ "127.0.0.9" ]'))
    changes, summary = replay(mansio, new)
    assert set(changes) == {"refused", "accepted"} and summary["changed"] == 2
    [lost], [won] = changes["refused"]["examples"], changes["accepted"]["examples"]
    assert (lost["client"], lost["sender"], lost["recipient"]) == ("127.0.0.1", "me@x.test", "x@far.test")
    assert lost["before"] == "x@far.test by everywhere/internet to MX" and lost["after"].startswith("550 5.7.1 ")
    assert (won["client"], won["recipient"]) == ("127.0.0.9", "x@far.test")

    new.write_text(old.replace('users = [ "bob", "alice", "carol" ]', 'users = [ "bob", "carol", "nobody" ]').replace("mail/{local}", "box/{local}")
                   .replace('internet = { kind = "smtp"; }', 'internet = { kind = "smtp"; hosts = [ "smart.test:587" ]; }'))
    changes, summary = replay(mansio, new)
    assert set(changes) == {"refused", "accepted", "place", "hosts", "recipients"}
    assert recipients(changes["recipients"]) == {"team@ex.test"}
    assert recipients(changes["refused"]) == {"alice@ex.test"} and recipients(changes["accepted"]) == {"nobody@ex.test"}
    assert recipients(changes["hosts"]) == {"x@far.test", "y@far.test"} and "bob@ex.test" in recipients(changes["place"])
    text = mansio.ctl("replay", "--new", new)
    assert text.returncode == 1 and "would be given to other hosts" in text.stdout and "after   x@far.test by everywhere/internet to smart.test:587" in text.stdout

    # The old logs too, by days, by name, and from a daemon that is down; nothing was sent or changed by all this.
    log = mansio.directory / "log" / "mainlog"
    before = log.read_bytes()
    mansio.stop()
    packed = log.parent / "mainlog.1.gz"
    packed.write_bytes(gzip.compress(before))
    log.unlink()
    assert replay(mansio, new, "--days", "1")[1] == summary
    assert replay(mansio, new, "--log", packed)[1] == summary
    assert len(replay(mansio, new, "--examples", "1")[0]["hosts"]["examples"]) == 1


def test_what_can_not_be_replayed_is_said(make_mansio):
    mansio = make_mansio()
    broken = mansio.directory / "broken.conf"
    broken.write_text("version = 1;\nnonsense = 2;\n")
    out = mansio.ctl("replay", broken)
    assert out.returncode == 78 and f'{broken}:2: unknown setting "nonsense"' in out.stderr
    good = mansio.directory / "good.conf"
    good.write_text(mansio.config.read_text())
    out = mansio.ctl("replay", good)
    assert out.returncode == 74 and out.stderr.startswith("mansioctl: "), "there are no logs"
