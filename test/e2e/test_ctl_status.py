"""mansioctl status: the facts of a running daemon, and what monitoring is told."""
import json
import os
import re
import time

from harness import wait_for
from login_house import house_at
from outbound import internet, send  # noqa: F401


def status(mansio):
    (one,) = mansio.ctl_json("status")
    return one


def test_status_tells_listeners_with_their_ports_sessions_disk_and_versions(mansio):
    with mansio.connect():
        one = wait_for(lambda: status(mansio)["sessions"]["in"] == 1 and status(mansio), what="the session")
    (listener,) = one["listeners"]
    assert listener == dict(name=f"127.0.0.1:{mansio.port}", setting="listeners[0]", address="127.0.0.1", port=mansio.port, role="relay",
                            tls="none", auth=False, sessions=1, paused=False)
    assert one["pid"] == mansio.parent_pid()
    assert one["config"] == str(mansio.config)
    assert one["version"] == one["mansioctl_version"] and re.match(r"\d+\.\d+", one["version"])
    assert abs(one["started"] - time.time()) < 300 and 0 <= one["uptime_seconds"] < 300
    disks = {d["what"]: d for d in one["disk"]}
    room = os.statvfs(mansio.directory / "spool")
    assert disks["spool"]["reserve_bytes"] == 64 << 20
    assert disks["spool"]["total_bytes"] == room.f_blocks * room.f_frsize
    assert 0 < disks["spool"]["free_bytes"] <= disks["spool"]["total_bytes"]
    assert set(disks) == {"spool", "log"}
    assert one["queue"] == dict(messages=0, due=0, waiting=0, trying=0, frozen=0, closed=0, paused=0, complete=True)
    assert one["pauses"] == [] and one["certificates"] == [] and "last_panic" not in one
    page = mansio.ctl("status").stdout
    assert f"127.0.0.1:{mansio.port}" in page and "0 messages" in page and "\x1b" not in page


def test_check_is_content_with_a_healthy_daemon_and_says_what_needs_attention(mansio):
    good = mansio.ctl("status", "--check")
    assert (good.returncode, good.stdout) == (0, "all is well\n"), good
    mansio.ctl_json("pause", "outbound", "--reason", "the line is down")
    bad = mansio.ctl("status", "--check")
    assert bad.returncode == 1 and "paused: outbound" in bad.stdout and "the line is down" in bad.stdout
    told = mansio.ctl("status", "--check", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout)["ok"] is False and len(json.loads(told.stdout)["attention"]) == 1


def test_status_tells_the_certificates_and_warns_of_the_last_days(tmp_path):
    with house_at(tmp_path / "house") as house:
        (one,) = status(house)["certificates"]
        assert one["file"].endswith("mx.crt") and "mx.ex.test" in one["names"] and one["days_left"] in (19, 20)
        assert house.ctl("status", "--check").returncode == 0
        assert {(l["role"], l["tls"], l["auth"]) for l in status(house)["listeners"]} == {
            ("relay", "starttls", True), ("relay", "starttls", False), ("submission", "starttls", True), ("submission", "implicit", True)}
        house.authority.leaf("mx", names=["mx.ex.test"], addresses=["127.0.0.1"], days=3)
        house.signal(1)
        wait_for(lambda: status(house)["certificates"][0]["days_left"] <= 3, what="the new certificate")
        bad = house.ctl("status", "--check")
        assert bad.returncode == 1 and "mx.crt has 2 days left" in bad.stdout, bad
        # What goes on to the end of all dates, as private authorities write it, has not ended.
        house.authority.leaf("mx", names=["mx.ex.test"], addresses=["127.0.0.1"], days=2_900_000)
        house.signal(1)
        wait_for(lambda: status(house)["certificates"][0]["days_left"] > 70_000, what="the certificate without an end")
        assert not [one for one in status(house)["attention"] if one.startswith("certificate")]
        assert re.search(r"mx\.crt \(mx\.ex\.test\): \d{5} days left$", house.log(), re.M) and "expired" not in house.log("paniclog")


def test_the_last_line_of_the_panic_log_is_told_with_its_time(mansio):
    (mansio.directory / "log" / "paniclog").write_text("2020-01-02 03:04:05 an old sorrow\n" + time.strftime("%Y-%m-%d %H:%M:%S") + " something broke\n")
    one = status(mansio)
    assert one["last_panic"]["text"].endswith(" something broke")
    assert abs(one["last_panic"]["time"] - time.time()) < 100
    assert any("something broke" in a for a in one["attention"])
    (mansio.directory / "log" / "paniclog").write_text("2020-01-02 03:04:05 an old sorrow\n")
    assert status(mansio)["attention"] == []


def test_the_queue_is_told_by_state_and_by_destination(internet):  # noqa: F811
    internet.names.site("dead.test", "127.0.0.77")
    mansio = internet.start()
    for n in range(3):
        send(mansio, f"x{n}@dead.test")
    one = wait_for(lambda: status(mansio)["queue"]["closed"] + status(mansio)["queue"]["waiting"] == 3 and status(mansio), what="mail that waits")
    assert one["queue"]["messages"] == 3
    (site,) = [d for d in one["destinations"] if "closed_until" in d]
    assert "dead.test" in site["name"] or "127.0.0.77" in site["name"]
    assert site["closed_until"] > time.time() - 5 and "127.0.0.77" in site["reason"]


def test_without_a_daemon_status_is_69(make_mansio):
    stopped = make_mansio()
    out = stopped.ctl("status", "--json")
    assert out.returncode == 69 and json.loads(out.stdout)["exit"] == 69
