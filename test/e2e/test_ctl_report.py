"""mansioctl report: the logs of a real run as numbers, as text and as a page that a browser shows."""
import datetime
import gzip
import json
import os
import re
import struct
import subprocess
import zlib

import pytest

from harness import tool
from outbound import deferred, delivered, failed, internet, send  # noqa: F401

EVIL = '"<script>alert(1)</script>"@evil.test'


@pytest.fixture
def run(internet):  # noqa: F811
    """A daemon that has received four messages, delivered two recipients, deferred one, failed one and refused two."""
    internet.good.script["RCPT"] = lambda session, line: ("450 4.2.0 later, please" if "late@" in line
                                                          else "550 5.1.1 <nobody@good.test>: no such user" if "nobody@" in line else None)
    mansio = internet.start(extra='log = { format = "both"; };')
    delivered(mansio, send(mansio, "x@good.test"), "x@good.test")
    deferred(mansio, send(mansio, "late@good.test"), "late@good.test")
    failed(mansio, send(mansio, "nobody@good.test"), "nobody@good.test")
    delivered(mansio, send(mansio, "bob@ex.test", sender=EVIL), "bob@ex.test")
    with mansio.connect() as client:
        assert client.command("EHLO <script>.test")[0] == 501
        assert client.command("EHLO client.test")[0] == 250
        client.command("MAIL FROM:<a@b.test>")
        assert client.command("RCPT TO:<ghost@ex.test>")[0] == 550
        assert client.command("RCPT TO:<\"<img/src=x>\"@ex.test>")[0] == 550
    mansio.wait_log(r"rejected RCPT.*img")
    mansio.wait_log(r" <= <> R=")          # the bounce
    mansio.wait_log(r"(?s)( Completed.*){4}")
    return mansio


def picture(path):
    """A PNG's width and height, and how many pixels have which colour."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunk)
            assert depth == 8 and colour in (2, 6) and not interlaced
        if kind == b"IDAT":
            packed += chunk
        at += 12 + size
    each = 3 if colour == 2 else 4
    raw, stride, before, count = zlib.decompress(packed), width * each + 1, bytes(width * each), {}
    for y in range(height):
        method, line = raw[y * stride], bytearray(raw[y * stride + 1:(y + 1) * stride])
        if method == 1:
            for i in range(each, len(line)):
                line[i] = (line[i] + line[i - each]) & 255
        elif method == 2:
            line = bytearray((a + b) & 255 for a, b in zip(line, before))
        elif method == 3:
            for i in range(len(line)):
                line[i] = (line[i] + ((line[i - each] if i >= each else 0) + before[i]) // 2) & 255
        elif method == 4:
            for i in range(len(line)):
                a, b, c = (line[i - each] if i >= each else 0), before[i], (before[i - each] if i >= each else 0)
                p = a + b - c
                line[i] = (line[i] + min((a, b, c), key=lambda v: abs(p - v))) & 255
        before = bytes(line)
        for x in range(0, len(line), each * 4):          # every fourth is enough
            pixel = before[x:x + 3]
            count[pixel] = count.get(pixel, 0) + 1
    return width, height, count


def screenshot(page, out, *options):
    home = out.parent / "browser"
    subprocess.run([tool("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                    f"--user-data-dir={home}", "--window-size=1200,2000", f"--screenshot={out}", *options, page.as_uri()],
                   check=True, capture_output=True, timeout=120, env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)})
    return picture(out)


def test_the_report_counts_what_happened(run):
    [report] = run.ctl_json("report", "--since", "1h")
    totals = report["totals"]
    assert {key: totals[key] for key in ("received", "delivered", "deferred", "failed", "rejected", "bounces", "delivered_remote")} == {
        "received": 5, "delivered": 3, "deferred": 1, "failed": 1, "rejected": 2, "bounces": 1, "delivered_remote": 1}
    assert report["deferrals"] == [{"destination": report["deferrals"][0]["destination"], "reason": "450 4.2.0 later, please", "count": 1}]
    assert report["failures"][0]["domain"] == "good.test" and "550 5.1.1 <…>: no such user" in report["failures"][0]["reason"]
    assert {row["stage"]: row["count"] for row in report["rejections"]} == {"RCPT": 2}
    assert sum(slot["received"] for slot in report["course"]) == 5
    assert report["queue_time"]["count"] >= 4 and report["queue_time"]["median"] < 60
    assert any(row["address"] == EVIL for row in report["senders"])
    assert report["problems"] == [] and report["host"] == "mx.ex.test"

    text = run.ctl("report")
    assert text.returncode == 0, text.stderr
    assert re.search(r"^  Received +5  messages", text.stdout, re.M) and re.search(r"^  RCPT: Unknown user +█+ +2$", text.stdout, re.M)
    assert max(map(len, text.stdout.splitlines())) <= 80


def test_the_page_shows_in_a_browser_and_holds_no_script(run, tmp_path):
    page = tmp_path / "report.html"
    done = run.ctl("report", "--html", page)
    assert done.returncode == 0 and str(page) in done.stdout
    html = page.read_text()
    assert "<script" not in html.lower() and "<img" not in html.lower() and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r"(src|href)\s*=|url\(|https?:", html)

    width, height, light = screenshot(page, tmp_path / "light.png")
    assert (width, height) == (1200, 2000)
    assert len(light) > 50, "several colours"
    for colour in (b"\x3a\x6f\xd8", b"\x1d\x9a\x72", b"\xdc\x9a\x06", b"\xd0\x43\x3a", b"\x86\x60\xc8"):       # of the charts
        assert light.get(colour, 0) > 20, (colour, light.get(colour))
    assert light[b"\xff\xff\xff"] > 10_000 and light[b"\xf4\xf6\xf9"] > 10_000
    _, _, dark = screenshot(page, tmp_path / "dark.png", "--blink-settings=preferredColorScheme=0")
    assert dark.get(b"\x11\x15\x1c", 0) > 10_000 and b"\xf4\xf6\xf9" not in dark


def test_lines_and_objects_of_the_log_say_the_same(run):
    [from_lines] = run.ctl_json("report", "--log", run.directory / "log" / "mainlog")
    [from_objects] = run.ctl_json("report", "--log", run.directory / "log" / "mainlog.json")
    for each in (from_lines, from_objects):
        for key in ("from", "to", "queue_time", "delivery_time"):      # lines have whole seconds from one second on
            del each[key]
    assert from_lines == from_objects


def test_named_files_are_read_packed_or_not_and_times_cut_them(run, tmp_path):
    lines = run.log().splitlines(keepends=True)
    packed, plain = tmp_path / "a.gz", tmp_path / "b"
    packed.write_bytes(gzip.compress("".join(lines[:6]).encode()))
    plain.write_text("".join(lines[6:]))
    [report] = run.ctl_json("report", "--log", plain, "--log", packed)
    assert report["totals"]["received"] == 5 and report["lines"] == len(lines)
    tomorrow = (datetime.date.today() + datetime.timedelta(days=1)).isoformat()
    assert run.ctl("report", "--since", tomorrow).returncode == 1
    [all_of_it] = run.ctl_json("report", "--since", "yesterday", "--until", tomorrow)
    assert all_of_it["totals"]["received"] == 5 and len(all_of_it["course"]) == 48


def test_mistakes_are_told_with_their_status(run, tmp_path):
    for words, status, text in ((["--since", "soon"], 64, "is no time"), (["--since", "1h", "--until", "2h"], 64, "not before"), (["--top", "0"], 64, ""),
                                (["--log", tmp_path / "none"], 1, "no such file"), (["--html", "/nonexistent/x.html"], 74, "No such file"),
                                (["--log", "/dev/null"], 1, "is no file")):
        done = run.ctl("report", *words)
        assert done.returncode == status and text in done.stderr, (words, done.returncode, done.stderr)
    run.config.write_text("version = 2;")
    assert run.ctl("report").returncode == 78
    done = run.ctl("report", "--log", run.directory / "log" / "mainlog", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["totals"]["received"] == 5
