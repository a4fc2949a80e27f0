"""Applications that send as they sent to the SMTP service of Windows: .NET's SmtpClient (by mono) and Python's smtplib, to the
machine's short name, without a log-in, from addresses of relay_from; the settings are those of docs/from-windows-smtp.md."""
import email
import email.policy
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

from harness import tool, wait_for
from outbound import internet  # noqa: F401

HERE = pathlib.Path(__file__).parent
PYTHON = """
import smtplib, sys, email.message
host, port, sender, recipient, subject = sys.argv[1:]
message = email.message.EmailMessage()
message["From"], message["To"], message["Subject"] = sender, recipient, subject
message.set_content("from an application\\n.a line with a dot\\n")
try:
    with smtplib.SMTP(host, int(port), timeout=20) as client:
        client.send_message(message)
except smtplib.SMTPException as error:
    print(type(error).__name__, error)
    sys.exit(1)
print("sent")
"""


@pytest.fixture(scope="session")
def dotnet(tmp_path_factory):
    """The C# program, compiled once."""
    directory = tmp_path_factory.mktemp("dotnet")
    program = directory / "SendMail.exe"
    out = subprocess.run([tool("mcs"), "-nowarn:618", f"-out:{program}", str(HERE / "dotnet" / "SendMail.cs")], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stdout + out.stderr
    return [tool("mono"), str(program)]


@pytest.fixture(params=["dotnet", "python"])
def send(request):
    program = request.getfixturevalue("dotnet") if request.param == "dotnet" else [sys.executable, "-c", PYTHON]

    def run(*words):
        """Exit status and what the program's user sees."""
        out = subprocess.run([*program, *map(str, words)], capture_output=True, text=True, timeout=60, env=dict(os.environ, LC_ALL="C.UTF-8", HOME="/tmp"))
        return out.returncode, out.stdout + out.stderr
    return run


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def short_name():
    """The name of this machine, or "localhost" where that leads nowhere on it."""
    name = socket.gethostname().split(".")[0]
    try:
        return name if socket.gethostbyname(name).startswith("127.") else "localhost"
    except OSError:
        return "localhost"


CONFIG = """
version = 1;
host_name = "mx.ex.test";
mail_name = "ex.test";
run_as = "";
spool_directory = "spool"; log_directory = "log"; run_directory = "run";
domains = { local = [ "ex.test" ]; };
dns = { servers = [ "127.0.0.1:%(dns)d" ]; timeout = "1s"; attempts = 2; };
transports = { mailbox = { kind = "maildir"; path = "mail/{local}"; }; internet = { kind = "smtp"; port = %(out)d; tls = "none"; }; };
routes = ( { name = "local"; domains = [ "@local" ]; users = [ "bob" ]; transport = "mailbox"; }, { name = "everywhere"; domains = [ "*" ]; transport = "internet"; } );
relay_from = %(relay_from)s;
listeners = ( %(listener)s );
%(more)s
"""
RELAY = '{ address = "*"; port = %d; role = "relay"; }'
SUBMISSION = '{ address = "*"; port = %d; role = "submission"; auth = false; auth_required = false; }'


def own_addresses():
    """Of the machine's interfaces: where its name leads is for each program to find out, and Mono takes one of these."""
    return subprocess.run([tool("hostname"), "-I"], capture_output=True, text=True, timeout=20).stdout.split()


def house(internet, listener, relay_from, more=""):  # noqa: F811
    """A daemon with the page's settings for applications; its port."""
    port = free_port()
    mansio = internet.make_mansio(f"house{port}", config=CONFIG % dict(dns=internet.names.port, out=internet.port, relay_from=relay_from, listener=listener % port, more=more))
    return mansio.start(), port


def test_an_application_of_relay_from_sends_anywhere_without_a_login(internet, send):  # noqa: F811
    mansio, port = house(internet, RELAY, "[ " + ", ".join(f'"{each}"' for each in ["127.0.0.0/8", "::1", *own_addresses()]) + " ]")
    for host in {"localhost", short_name()}:
        before = len(internet.good.messages)
        status, said = send(host, port, "app@ex.test", "x@good.test", f"to {host}")
        assert (status, said.strip()) == (0, "sent"), said
        wait_for(lambda: len(internet.good.messages) > before, what="the message")
        message = email.message_from_bytes(internet.good.messages[-1].content, policy=email.policy.default)
        assert message["Subject"] == f"to {host}" and message["From"] == "app@ex.test"
        assert ".a line with a dot" in message.get_content()
    status, said = send("localhost", port, "app@ex.test", "bob@ex.test", "to bob")
    assert status == 0, said
    mansio.wait_mail(1)


def test_an_application_that_is_not_listed_sees_what_to_do(internet, send):  # noqa: F811
    mansio, port = house(internet, RELAY, '[ "192.0.2.0/24" ]')
    status, said = send("localhost", port, "app@ex.test", "x@good.test", "no")
    # Mono's SmtpClient keeps of the answer to RCPT only the code; .NET's and Python's show the text, too.
    text = r"5\.7\.1 relaying denied: ask the administrator of this server to add (127\.0\.0\.1|::1) to relay_from"
    assert status == 1 and (re.search(text, said) or "SmtpFailedRecipientException 550" in said), said
    mansio.wait_log(r"rejected RCPT <x@good\.test>: relay not permitted$")
    assert send("localhost", port, "app@ex.test", "bob@ex.test", "to us")[0] == 0        # mail for this server itself
    mansio.wait_mail(1)
    assert internet.good.messages == []


def test_an_application_that_may_not_connect_sees_what_to_do(internet, send):  # noqa: F811
    _, port = house(internet, RELAY, '[ "127.0.0.0/8" ]', 'access = { deny = [ "127.0.0.1", "::1" ]; };')
    status, said = send("localhost", port, "app@ex.test", "bob@ex.test", "no")
    assert status == 1 and "access.deny" in said and "5.7.1" in said, said


def test_a_submission_listener_takes_applications_without_a_login_and_completes_their_mail(internet, send):  # noqa: F811
    mansio, port = house(internet, SUBMISSION, '[ "127.0.0.0/8", "::1" ]', 'submission = { masquerade = [ "ex.test" ]; };')
    status, said = send("localhost", port, "app@server7.ex.test", "x@good.test", "complete me")
    assert (status, said.strip()) == (0, "sent"), said
    message = wait_for(lambda: internet.good.messages and email.message_from_bytes(internet.good.messages[-1].content, policy=email.policy.default), what="the message")
    assert message["From"] == "app@ex.test" and message["Date"] and message["Message-ID"]
    assert "127.0.0.1" not in str(message["Received"])
    # Strangers are told what to do at MAIL, whatever the recipient.
    _, closed = house(internet, SUBMISSION, '[ "192.0.2.0/24" ]')
    status, said = send("localhost", closed, "app@ex.test", "bob@ex.test", "no")
    assert status == 1 and "relay_from" in said, said
