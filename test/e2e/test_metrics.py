"""Metrics of a running daemon, read by an independent parser of Prometheus' text format (Debian's python3-prometheus-client)."""
import json
import re
import socket
import subprocess

import pytest

from harness import BUILD, wait_for
from outbound import deferred, delivered, failed, internet, send  # noqa: F401

PLAIN = b"Subject: x\r\n\r\nhello\r\n"


@pytest.fixture
def house(make_mansio):
    return make_mansio(extra='metrics = { listen = "unix:metrics.sock"; };').start()


def ask(mansio, request=b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", port=None):
    """(status, head, body) of the response."""
    with socket.create_connection(("127.0.0.1", port), 20) if port else socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        if not port:
            client.connect(str(mansio.directory / "metrics.sock"))
        client.sendall(request)
        data = b""
        while piece := client.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body.decode()


def families(text):
    parser = pytest.importorskip("prometheus_client.parser")
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def value(mansio, name, **labels):
    for family in families(ask(mansio)[2]).values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    raise AssertionError((name, labels))


def test_an_independent_parser_reads_every_family(house):
    status, head, body = ask(house)
    assert status == 200 and "Content-Type: text/plain; version=0.0.4" in head
    found = families(body)
    assert len(found) > 35
    for name, family in found.items():
        assert re.match(r"(mansio|process)_[a-z_]+$", name), name
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), name
        assert family.samples, name
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples), name
        if family.type == "histogram":
            buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
            counts = [sample.value for sample in buckets]
            assert counts == sorted(counts) and buckets[-1].labels == {"le": "+Inf"}
            assert [s.value for s in family.samples if s.name.endswith("_count")] == [counts[-1]]
    lines = [line for line in body.splitlines() if not line.startswith("#")]
    assert len(lines) == len({line.rsplit(" ", 1)[0] for line in lines}), "no sample comes twice"


def test_figures_follow_what_happens(house):
    with house.connect() as client:
        assert client.command("EHLO c.test")[0] == 250
        listener = f"127.0.0.1:{house.port}"
        assert value(house, "mansio_sessions_open", listener=listener, role="relay") == 1
        for _ in range(3):
            assert client.transaction("a@b.test", ["bob@ex.test"], PLAIN, ehlo=None)[0] == 250
        client.command("MAIL FROM:<a@b.test>")
        assert client.command("RCPT TO:<ghost@ex.test>")[0] == 550
    house.wait_mail(3)
    wait_for(lambda: value(house, "mansio_messages_completed_total") == 3, what="three messages done")
    for expected, name, labels in ((3, "mansio_messages_received_total", {"protocol": "esmtp"}), (3, "mansio_deliveries_total", {"to": "local"}),
                                   (1, "mansio_rejections_total", {"stage": "rcpt", "reason": "unknown_user"}),
                                   (1, "mansio_sessions_total", {"role": "relay"}), (3, "mansio_tls_messages_total", {"direction": "in", "version": "none"}),
                                   (3, "mansio_accept_time_seconds_count", {}), (3, "mansio_queue_time_seconds_count", {}),
                                   (0, "mansio_log_lines_lost_total", {}), (1, "mansio_queue_complete", {}), (1, "mansio_spool_accepting", {})):
        assert value(house, name, **labels) == expected, name
    wait_for(lambda: value(house, "mansio_sessions_open", listener=listener, role="relay") == 0, what="the session's end")
    assert value(house, "mansio_journal_sync_seconds_count") >= 3
    assert value(house, "mansio_journal_sync_records_sum") >= 6
    assert 0 < value(house, "mansio_accept_time_seconds_sum") < 60
    assert value(house, "process_resident_memory_bytes") > 1 << 20 and value(house, "process_open_fds") > 5
    wait_for(lambda: value(house, "mansio_loop_lag_seconds_count") >= 1, what="a look at the loop's lag")


def test_mail_that_goes_away_is_counted_with_its_questions_to_name_servers(internet):  # noqa: F811
    internet.good.script["RCPT"] = lambda session, line: "450 4.2.0 later" if "late@" in line else "550 5.1.1 nobody" if "nobody@" in line else None
    mansio = internet.start(extra='metrics = { listen = "unix:metrics.sock"; };')
    for name, happened in (("x", delivered), ("late", deferred), ("nobody", failed)):
        happened(mansio, send(mansio, f"{name}@good.test"), f"{name}@good.test")
    mansio.wait_mail(1)          # the bounce
    for expected, name, labels in ((1, "mansio_deliveries_total", {"to": "remote"}), (1, "mansio_deferrals_total", {"phase": "rcpt"}),
                                   (1, "mansio_failures_total", {}), (1, "mansio_bounces_total", {}), (1, "mansio_queue_messages", {"state": "waiting"}),
                                   (1, "mansio_tls_messages_total", {"direction": "out", "version": "none"}), (0, "mansio_dns_timeouts_total", {})):
        wait_for(lambda: value(mansio, name, **labels) == expected, what=f"{name} {labels} = {expected}")
    asked = value(mansio, "mansio_dns_questions_total")
    assert asked >= 2 and value(mansio, "mansio_dns_answer_seconds_count") == asked - value(mansio, "mansio_dns_failures_total")


def test_mansioctl_status_has_the_rates_and_the_control_socket_the_page(house):
    with house.connect() as client:
        assert client.transaction("a@b.test", ["bob@ex.test"], PLAIN)[0] == 250
    house.wait_mail(1)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(house.directory / "run" / "control.sock"))
        stream = client.makefile("rw")
        for question, check in (({"command": "metrics"}, lambda answer: "mansio_messages_received_total" in answer["text"]),
                                ({"command": "status"}, lambda answer: answer["rates"]["received"][0] > 0 and len(answer["rates"]["rejected"]) == 3)):
            stream.write(json.dumps(question) + "\n")
            stream.flush()
            answer = json.loads(stream.readline())
            assert answer["end"] and check(answer), answer


def test_only_get_of_metrics_is_answered(house):
    assert ask(house, b"GET / HTTP/1.1\r\n\r\n")[0] == 404
    assert ask(house, b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")[0] == 405
    assert ask(house, b"nonsense\r\n\r\n")[0] == 400
    assert ask(house, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000)[0] == 431


def test_silent_clients_hold_up_nothing_but_other_scrapers(house):
    silent = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        client.connect(str(house.directory / "metrics.sock"))
        silent.append(client)
    with house.connect() as client:
        assert client.transaction("a@b.test", ["bob@ex.test"], PLAIN)[0] == 250
    house.wait_mail(1)
    for client in silent:
        client.close()

    def scraped():
        try:
            return ask(house)[0] == 200
        except OSError:          # the places are just being freed
            return False
    wait_for(scraped, what="a scrape after the silent ones left")
    assert house.log("paniclog") == ""


def test_a_reload_moves_them_and_takes_them_away(house):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = house.config.read_text()
    house.config.write_text(text.replace("unix:metrics.sock", f"127.0.0.1:{port}"))
    assert house.ctl("reload").returncode == 0
    wait_for(lambda: not (house.directory / "metrics.sock").exists(), what="the old socket's end")
    assert ask(house, port=port)[0] == 200
    house.config.write_text(text.replace("metrics = {", "#"))
    assert house.ctl("reload").returncode == 0
    with pytest.raises(ConnectionRefusedError):
        wait_for(lambda: ask(house, port=port)[0] != 200, what="nothing there")


def test_they_are_off_by_default_and_never_for_everybody(make_mansio, mansio):
    assert not list(mansio.directory.rglob("metrics*"))
    house = make_mansio("open", extra='metrics = { listen = "0.0.0.0:9125"; };')
    done = subprocess.run([str(BUILD / "daemon" / "mansiod"), "check", "--config", str(house.config)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and "metrics.listen: metrics have no access control" in done.stderr
