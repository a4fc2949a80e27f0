"""mansioctl sessions: what the list shows of conversations with clients and with other hosts, and their end by an admin."""
import getpass
import json
import re
import threading

from harness import wait_for
from login_house import SUBMIT, house_at
from outbound import internet, send  # noqa: F401
from sink import Held

CONTENT = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 20


def test_a_list_shows_a_session_with_tls_and_login_and_the_name_it_gave(tmp_path):
    with house_at(tmp_path / "house") as house:
        with house.log_in("bob") as client:
            port = client.socket.getsockname()[1]
            assert client.transaction("bob@ex.test", ["alice@ex.test"], CONTENT, ehlo=None)[0] == 250
            client.command("MAIL FROM:<bob@ex.test>")
            (one,) = house.ctl_json("sessions", "list", "--in")
            assert re.fullmatch(r"i\d+", one["session"])
            assert (one["side"], one["address"], one["port"]) == ("in", "127.0.0.1", port)
            assert one["local_port"] == house.ports[SUBMIT] and one["service"] == "submission"
            assert (one["name"], one["user"], one["state"], one["in_data"]) == ("client.test", "bob", "MAIL", False)
            assert one["tls"].startswith("TLS1.")
            assert (one["messages"], one["recipients"], one["octets"]) == (1, 1, len(CONTENT))
            again = house.ctl_json("sessions", "show", one["session"])
            assert [a["session"] for a in again] == [one["session"]]
            text = house.ctl("sessions").stdout
            assert one["session"] in text and f"127.0.0.1:{port}" in text and "client.test" in text and "bob" in text
            page = house.ctl("sessions", "show", one["session"]).stdout
            assert "submission" in page and "1 messages, 1 recipients" in page and "bob" in page
        wait_for(lambda: house.ctl_json("sessions") == [], what="an empty list")
        assert house.ctl("sessions").stdout == "no sessions\n"


def test_a_session_in_data_tells_how_much_came(mansio):
    with mansio.connect() as client:
        for line in ("EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@ex.test>", "DATA"):
            client.command(line)
        client.send(b"x" * 998 + b"\r\n")
        one = wait_for(lambda: [s for s in mansio.ctl_json("sessions") if s["content_octets"] == 1000], what="octets")[0]
        assert one["in_data"] and one["octets"] == 1000 and one["messages"] == 0
        assert "in data, 1000 B" in mansio.ctl("sessions").stdout


def test_a_killed_session_hears_421_and_the_log_tells_who_did_it(mansio):
    with mansio.connect() as first, mansio.connect() as second:
        first.command("EHLO first.test")
        second.command("EHLO second.test")
        first.command("MAIL FROM:<a@b.test>")
        listed = {s["name"]: s["session"] for s in mansio.ctl_json("sessions", "list")}
        id = listed["first.test"]
        done = mansio.ctl("sessions", "kill", id)
        assert done.returncode == 0 and f"session {id} with 127.0.0.1:" in done.stdout
        code, lines = first.reply()
        assert code == 421 and lines[0].startswith("421 4.3.2 ") and "administrator" in lines[0]
        assert first.reply() == (0, [])
        assert re.search(rf"session {id} from first\.test \[127\.0\.0\.1\]:\d+ ended by {getpass.getuser()}$", mansio.log(), re.M)
        assert second.command("NOOP")[0] == 250
        wait_for(lambda: len(mansio.ctl_json("sessions")) == 1, what="its end")
        gone = mansio.ctl("sessions", "kill", id)
        assert gone.returncode == 1 and f"no session {id}" in gone.stderr
        assert mansio.ctl("sessions", "show", id).returncode == 1


def test_all_sessions_of_a_client_are_killed_and_of_no_other(mansio):
    from harness import Raw
    mine = [mansio.connect() for _ in range(3)]
    with Raw(mansio.port, source="127.0.0.9") as other:
        done = mansio.ctl_json("sessions", "kill", "--client", "127.0.0.0/29")
        assert len(done) == 3 and {s["address"] for s in done} == {"127.0.0.1"}
        for client in mine:
            assert client.reply()[0] == 421
            client.close()
        assert other.command("NOOP")[0] == 250
        assert mansio.ctl("sessions", "kill", "--client", "192.0.2.1").returncode == 1
        assert mansio.ctl("sessions", "kill").returncode == 64
        assert mansio.ctl("sessions", "kill", "i1", "--client", "127.0.0.1").returncode == 64


def test_what_is_killed_in_its_data_was_never_taken(mansio):
    with mansio.connect() as client:
        for line in ("EHLO client.test", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@ex.test>", "DATA"):
            client.command(line)
        client.send(b"Subject: x\r\n\r\nhalf")
        wait_for(lambda: mansio.ctl_json("sessions")[0]["content_octets"] > 0, what="octets")
        mansio.ctl_json("sessions", "kill", mansio.ctl_json("sessions")[0]["session"])
        assert client.reply()[0] == 421
    assert mansio.queue() == [] and mansio.maildir() == []


def test_outgoing_conversations_are_listed_and_killed_and_their_mail_waits(internet):  # noqa: F811
    held = threading.Event()
    (slow,) = internet.site("slow.test", "127.0.0.3")
    slow.script = {"DOT": Held(held, None)}
    mansio = internet.start()
    id = send(mansio, "x@slow.test")
    (one,) = wait_for(lambda: [s for s in mansio.ctl_json("sessions", "--out") if s["state"] == "end of data"], what="the outgoing session")
    assert re.fullmatch(r"o\d+", one["session"]) and one["side"] == "out"
    assert (one["address"], one["port"], one["service"]) == ("127.0.0.3", internet.port, "internet")
    assert one["site"].startswith("internet ") and one["recipients"] == 1 and one["messages"] == 0 and one["octets"] > 0
    assert mansio.ctl_json("sessions", "kill", one["session"])[0]["session"] == one["session"]
    mansio.wait_log(rf"{id} == x@slow.test .*stopped while")
    mansio.wait_log(rf"session {one['session']} with .*\[127\.0\.0\.3\]:\d+ ended by ")
    held.set()
    assert [m["id"] for m in mansio.queue()] == [id]


def test_an_idle_outgoing_connection_is_listed_as_idle_and_can_be_closed(internet):  # noqa: F811
    mansio = internet.start(transport='connection_idle = "60s";')
    id = send(mansio, "x@good.test")
    mansio.wait_log(rf"{id} Completed")
    (one,) = wait_for(lambda: [s for s in mansio.ctl_json("sessions", "list", "--out") if s["state"] == "idle"], what="the idle session")
    assert one["messages"] == 1
    mansio.ctl_json("sessions", "kill", one["session"])
    assert mansio.ctl_json("sessions", "--out") == []
    send(mansio, "y@good.test")
    wait_for(lambda: len(internet.good.taken()) == 2, what="mail by a new connection")


def test_names_from_outside_steer_no_terminal(mansio):
    with mansio.connect() as client:
        client.command("EHLO [x")
        client.command("HELO x.test")
        out = mansio.ctl("sessions").stdout
        assert "\x1b" not in out
        assert json.loads(mansio.ctl("sessions", "--json").stdout)["name"] == "x.test"
