"""mansioctl pause, resume and drain: what is held up waits and loses nothing, the rest goes on."""
import getpass
import re
import signal
import subprocess
import time

from harness import BUILD, Raw, wait_for
from login_house import SMTPS, house_at
from outbound import internet, never_bounced, send  # noqa: F401

TWO = 'listeners = ( { address = "127.0.0.1"; port = 0; }, { address = "127.0.0.1"; port = 0; } );'


def paused(mansio):
    return [one["title"] for one in mansio.ctl_json("pause", "list")]


def two_listeners(make_mansio):
    mansio = make_mansio()
    text = mansio.config.read_text()
    mansio.config.write_text(re.sub(r"listeners = .*;", TWO, text))
    return mansio.start()


def greeting(port):
    with Raw(port) as client:
        return client.greeting


def test_a_paused_listener_says_421_while_another_goes_on(make_mansio):
    mansio = two_listeners(make_mansio)
    first, second = mansio.ports
    with Raw(first) as before:
        done = mansio.ctl("pause", "listener", f"127.0.0.1:{first}", "--reason", "spam wave")
        assert done.returncode == 0 and f"listener 127.0.0.1:{first}" in done.stdout, done
        code, lines = greeting(first)
        assert code == 421 and lines[0].startswith("421 4.3.2 ")
        assert greeting(second)[0] == 220
        assert before.transaction("a@b.test", ["bob@ex.test"], b"Subject: x\r\n\r\nhello\r\n")[0] == 250
    mansio.wait_mail(1)
    states = {l["port"]: l["paused"] for l in mansio.ctl_json("status")[0]["listeners"]}
    assert states == {first: True, second: False}
    assert re.search(rf"paused by {getpass.getuser()}: listener 127\.0\.0\.1:{first}: spam wave", mansio.log())
    assert mansio.ctl("resume", "listener", f"127.0.0.1:{first}").returncode == 0
    assert greeting(first)[0] == 220
    assert re.search(rf"resumed by {getpass.getuser()}: listener", mansio.log())
    assert mansio.ctl("resume", "listener", f"127.0.0.1:{first}").returncode == 1
    wrong = mansio.ctl("pause", "listener", "192.0.2.1:25")
    assert wrong.returncode == 1 and f"127.0.0.1:{second}" in wrong.stderr


def test_accepting_paused_leaves_local_programs_alone_unless_they_are_meant(mansio):
    mansio.ctl_json("pause", "accepting")
    assert greeting(mansio.port)[0] == 421
    assert mansio.sendmail("bob@ex.test", input=b"Subject: local\n\nhello\n").returncode == 0
    mansio.wait_mail(1)
    mansio.ctl_json("pause", "accepting", "--local")
    with Raw(0, path=mansio.directory / "run" / "submit.sock") as client:
        assert client.greeting[0] == 421
    assert paused(mansio) == ["accepting, also of local programs"]
    (ended,) = mansio.ctl_json("resume", "--all")
    assert ended["what"] == "accepting"
    assert greeting(mansio.port)[0] == 220 and paused(mansio) == []
    assert mansio.ctl("pause").stdout == "nothing is paused\n"


def test_where_tls_comes_first_421_is_said_inside_of_it(tmp_path):
    import ssl
    with house_at(tmp_path / "house") as house:
        house.ctl_json("pause", "accepting")
        client = Raw(house.ports[SMTPS], greeting=False)
        client.socket = house.context().wrap_socket(client.socket, server_hostname="mx.ex.test")
        client.file = client.socket.makefile("rb")
        assert client.reply()[0] == 421
        assert isinstance(client.socket, ssl.SSLSocket)


def test_a_pause_ends_by_itself(mansio):
    (one,) = mansio.ctl_json("pause", "accepting", "--for", "1s")
    assert 0 <= one["until"] - one["since"] - 1 <= 1
    assert greeting(mansio.port)[0] == 421
    wait_for(lambda: greeting(mansio.port)[0] == 220, what="the end of the pause")
    mansio.wait_log(r"resumed, for its time is over: accepting")
    assert paused(mansio) == []
    assert mansio.ctl("pause", "accepting", "--for", "soon").returncode == 64


def test_outbound_paused_keeps_mail_for_other_hosts_and_delivers_the_rest(internet):  # noqa: F811
    mansio = internet.start(retry="1s for 2s")
    mansio.ctl_json("pause", "outbound")
    id = send(mansio, "x@good.test")
    both = send(mansio, "bob@ex.test", "y@good.test")
    mansio.wait_mail(1)
    begin = time.monotonic()
    wait_for(lambda: mansio.ctl_json("status")[0]["queue"]["paused"] == 2, what="mail that is held")
    # Longer than the schedule: nothing expires, nobody is told.
    wait_for(lambda: time.monotonic() - begin > 3, what="the schedule's end")
    mansio.sendmail("-q")
    assert internet.good.taken() == [] and never_bounced(mansio, id) is not False
    assert "good.test" not in "".join(re.findall(r"^.* (?:\*\*|==) .*$", mansio.log(), re.M))
    assert {m["id"] for m in mansio.queue()} == {id, both}
    mansio.ctl_json("resume", "outbound")
    wait_for(lambda: len(internet.good.taken()) == 2, what="the mail")
    mansio.wait_idle()
    assert len(mansio.maildir()) == 1


def test_a_paused_destination_waits_by_domain_or_by_host_and_others_go_on(internet):  # noqa: F811
    (other,) = internet.site("other.test", "127.0.0.3")
    internet.names.add("sister.test", "MX", (10, "mx1.good.test"))        # the same host as good.test
    mansio = internet.start()
    mansio.ctl_json("pause", "destination", "GOOD.test")
    for address in ("x@good.test", "x@other.test", "x@sister.test"):
        send(mansio, address)
    wait_for(lambda: len(other.taken()) == 1 and len(internet.good.taken()) == 1, what="mail to the others")
    assert internet.good.taken()[0].recipients[0][0] == "x@sister.test"
    wait_for(lambda: mansio.ctl_json("status")[0]["queue"]["paused"] == 1, what="the paused one")
    mansio.ctl_json("resume", "destination", "good.test")
    wait_for(lambda: len(internet.good.taken()) == 2, what="the paused mail")
    # All that the host serves.
    mansio.ctl_json("pause", "destination", "mx1.good.test")
    send(mansio, "y@good.test")
    send(mansio, "y@sister.test")
    send(mansio, "y@other.test")
    wait_for(lambda: len(other.taken()) == 2, what="mail to the other")
    wait_for(lambda: mansio.ctl_json("status")[0]["queue"]["paused"] == 2, what="the paused ones")
    assert len(internet.good.taken()) == 2
    mansio.ctl_json("resume", "--all")
    wait_for(lambda: len(internet.good.taken()) == 4, what="all mail")


def test_pauses_survive_kill_9_and_a_reload(internet):  # noqa: F811
    mansio = internet.start()
    mansio.ctl_json("pause", "outbound", "--for", "2h", "--reason", "moving")
    mansio.ctl_json("pause", "destination", "bücher.test")
    before = mansio.ctl_json("pause", "list")
    assert [one["title"] for one in before] == ["outbound", "destination xn--bcher-kva.test"]
    id = send(mansio, "x@good.test")
    mansio.kill()
    mansio.start()
    assert mansio.ctl_json("pause", "list") == before
    mansio.signal(signal.SIGHUP)
    mansio.wait_log(r"configuration reloaded")
    wait_for(lambda: mansio.ctl_json("status")[0]["queue"]["paused"] == 1, what="mail that is still held")
    assert internet.good.taken() == []
    mansio.ctl_json("resume", "outbound")
    mansio.wait_log(rf"{id} Completed")
    assert paused(mansio) == ["destination xn--bcher-kva.test"]


def test_a_file_of_pauses_that_makes_no_sense_pauses_nothing(make_mansio):
    mansio = make_mansio()
    (mansio.directory / "spool").mkdir(mode=0o750)
    (mansio.directory / "spool" / "pauses").write_text("mansio pauses 1\noutbound 1 0\n")
    mansio.start()
    assert paused(mansio) == [] and "makes no sense" in mansio.log("paniclog")


def test_drain_ends_with_0_when_all_has_gone_and_accepting_stays_paused(internet):  # noqa: F811
    mansio = internet.start()
    mansio.ctl_json("pause", "destination", "good.test")
    send(mansio, "x@good.test")
    stays = mansio.ctl("drain", "--timeout", "20s")
    assert stays.returncode == 1 and "1 message stays in the queue" in stays.stdout and "good.test" in stays.stdout, stays
    assert greeting(mansio.port)[0] == 421
    mansio.ctl_json("resume", "destination", "good.test")
    done = mansio.ctl("drain", "--timeout", "20s", "--json")
    assert done.returncode == 0, done
    assert '"done":true' in done.stdout and '"left":0' in done.stdout
    assert len(internet.good.taken()) == 1
    assert greeting(mansio.port)[0] == 421
    mansio.ctl_json("resume", "accepting")
    assert mansio.ctl("drain", "--resume").returncode == 0
    assert greeting(mansio.port)[0] == 220


def test_an_interrupted_drain_accepts_again(internet):  # noqa: F811
    from sink import SILENT
    internet.good.script = {"DOT": SILENT}
    mansio = internet.start()
    send(mansio, "x@good.test")
    work = subprocess.Popen([str(BUILD / "daemon" / "mansioctl"), "drain", "--config", str(mansio.config)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    wait_for(lambda: greeting(mansio.port)[0] == 421, what="the pause")
    work.send_signal(signal.SIGINT)
    out, err = work.communicate(timeout=20)
    assert work.returncode == 1 and "accepted again" in err, (out, err)
    assert greeting(mansio.port)[0] == 220
