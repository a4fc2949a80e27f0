"""The programs sendmail, mailq and newaliases without a daemon, and with a stand-in behind their sockets.

BUILD is MANSIO_BUILD, by default build/.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MANSIO_BUILD", ROOT / "build"))


class House:
    """Directories and a configuration of one installation."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.run_directory = self.path / "run"
        self.pickup = self.path / "spool/pickup"
        self.run_directory.mkdir()
        self.pickup.mkdir(parents=True)
        self.config = self.path / "mansio.conf"
        self.config.write_text(
            'version = 1; host_name = "mail.example.org"; mail_name = "example.org";\n'
            f'spool_directory = "{self.path}/spool"; log_directory = "{self.path}/log"; run_directory = "{self.path}/run";\n'
        )

    def call(self, *words, program="sendmail", data=b"", **more):
        command = [str(BUILD / "daemon" / program), "-C", str(self.config), *words]
        return subprocess.run(command, input=data, capture_output=True, timeout=60, **more)

    def picked_up(self):
        """Recipients and content of the only file."""
        (path,) = self.pickup.iterdir()
        envelope, _, rest = path.read_bytes().partition(b"\n\n")
        recipients = [line.split(b": ")[1].decode() for line in envelope.split(b"\n") if line.startswith(b"recipient: ")]
        return recipients, rest.rpartition(b"mansio-end ")[0]

    def control(self, lines):
        """Answers one request on control.sock; the request is in `asked` afterwards."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.run_directory / "control.sock"))
        listener.listen(1)
        asked = []

        def serve():
            client, _ = listener.accept()
            with client, client.makefile("rwb") as stream:
                asked.append(json.loads(stream.readline()))
                for line in lines:
                    stream.write(json.dumps(line).encode() + b"\n")
            listener.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return asked, thread


@pytest.fixture
def house():
    with tempfile.TemporaryDirectory(prefix="mansio-cli-") as path:
        yield House(path)


def test_without_a_daemon_the_message_waits_in_the_pickup_directory(house):
    done = house.call("-t", "-i", data=b"To: ann@x.example\nBcc: eve@x.example\nDate: d\nFrom: f@x\nMessage-ID: <m>\n\n.\nhi\n")
    assert (done.returncode, done.stderr) == (0, b"")
    recipients, content = house.picked_up()
    assert recipients == ["ann@x.example", "eve@x.example"]
    assert content == b"To: ann@x.example\r\nDate: d\r\nFrom: f@x\r\nMessage-ID: <m>\r\n\r\n.\r\nhi\r\n"


def test_without_a_pickup_directory_the_caller_is_told(house):
    house.pickup.rmdir()
    done = house.call("bob", data=b"hi\n")
    assert done.returncode == 75
    assert b"not queued" in done.stderr


@pytest.mark.parametrize(
    "words, data, code",
    [
        ([], b"hi\n", 64),
        (["-t"], b"Subject: x\n\n", 64),
        (["-Z"], b"", 64),
        (["bob\nRCPT TO:<x>"], b"hi\n", 64),
        (["-f", "a\rb", "bob"], b"hi\n", 64),
        (["bob"], b"a\0b", 65),
        (["-t"], b"To: a@b@c\n\n", 65),
        (["-bp"], b"", 75),
        (["-Mrm", "id"], b"", 75),
        (["-Mrm"], b"", 64),
        (["-Mrm", "../x"], b"", 64),
        (["-Mvl", "id"], b"", 1),
        (["-bd"], b"", 69),
        (["-bs"], b"", 75),
        (["-bV"], b"", 0),
    ],
)
def test_exit_codes(house, words, data, code):
    assert house.call(*words, data=data).returncode == code
    assert list(house.pickup.iterdir()) == []


def test_no_line_of_another_file_is_shown_as_an_error_of_configuration(house):
    secret = house.path / "secret"
    secret.write_text("root:$6$abcdef:19000:0\n")
    house.config = secret
    done = house.call("bob", data=b"hi\n")
    assert done.returncode == 78
    assert b"abcdef" not in done.stdout + done.stderr and b"root" not in done.stderr


def test_after_two_dashes_words_are_recipients(house):
    assert house.call("--", "-f@evil.example", "-Fx", data=b"hi\n").returncode == 0
    assert house.picked_up()[0] == ["-f@evil.example", "-Fx@example.org"]


def test_a_deleted_directory_is_no_obstacle(house):
    gone = house.path / "gone"
    gone.mkdir()
    command = f"cd {gone} && rmdir {gone} && exec {BUILD}/daemon/sendmail -C {house.config} bob"
    assert subprocess.run(["sh", "-c", command], input=b"hi\n", timeout=60).returncode == 0


def test_killed_while_reading_nothing_is_left(house):
    process = subprocess.Popen([BUILD / "daemon/sendmail", "-C", house.config, "bob"], stdin=subprocess.PIPE)
    process.stdin.write(b"Subject: x\n\nhalf a mess")
    process.stdin.flush()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    assert list(house.pickup.iterdir()) == []


MESSAGES = [
    {"id": "1tBx6K-000001-AA", "sender": "ann@x.example", "age_seconds": 150, "size": 2900, "frozen": False,
     "recipients": [{"address": "bob@y.example", "done": True}, {"address": "carol@z.example", "done": False}]},
    {"id": "1tBx6L-000002-BB", "sender": "", "age_seconds": 400000, "size": 512, "frozen": True,
     "recipients": [{"address": "dan@z.example", "done": False}]},
]


def test_mailq_lists_as_exim_does_and_exiqsumm_reads_it(house):
    asked, thread = house.control([*MESSAGES, {"end": True, "complete": True}])
    done = house.call(program="mailq")
    thread.join(timeout=10)
    assert asked == [{"command": "queue_list"}]
    assert done.returncode == 0
    assert done.stdout.decode() == (
        " 2m  2.8K 1tBx6K-000001-AA <ann@x.example>\n        D bob@y.example\n          carol@z.example\n\n"
        " 5d   512 1tBx6L-000002-BB <> *** frozen ***\n          dan@z.example\n\n"
    )
    exiqsumm = shutil.which("exiqsumm", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not exiqsumm:
        pytest.skip("exiqsumm is not installed")
    table = subprocess.run([exiqsumm], input=done.stdout, capture_output=True, timeout=60).stdout.decode()
    assert [line.split() for line in table.splitlines() if "z.example" in line] == [["2", "3379", "5d", "2m", "z.example"]]


def test_mailq_json_passes_the_objects_through(house):
    _, thread = house.control([*MESSAGES, {"end": True, "complete": False}])
    done = house.call("--json", program="mailq")
    thread.join(timeout=10)
    assert [json.loads(line) for line in done.stdout.splitlines()] == MESSAGES
    assert b"isn't complete" in done.stderr


def test_newaliases_tells_what_the_daemon_found(house):
    asked, thread = house.control([{"problem": "/etc/aliases:3: a loop"}, {"end": True, "aliases": 12}])
    done = house.call(program="newaliases")
    thread.join(timeout=10)
    assert asked == [{"command": "reload_aliases"}]
    assert (done.returncode, done.stdout, done.stderr) == (65, b"12 aliases\n", b"sendmail: /etc/aliases:3: a loop\n")


def test_the_queue_is_run_and_refusals_are_told(house):
    asked, thread = house.control([{"error": "not for you", "denied": True}])
    done = house.call("-qffRexample.net")
    thread.join(timeout=10)
    assert asked == [{"command": "queue_run", "force_frozen": True, "recipient": "example.net"}]
    assert done.returncode == 77
