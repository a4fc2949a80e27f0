"""Mail programs that people use log in, by each mechanism and each way of TLS that they know; what they sent is found as it was.

One daemon serves the whole file; each test knows its message by a sender of its own."""
import email
import email.policy
import json
import os
import re
import smtplib
import ssl
import subprocess
from email.message import EmailMessage

import pytest

from harness import Raw, tool, wait_for
from login_house import (ASKING, PASSWORDS, RELAY, SMTPS, SUBMIT, Scram, add_user, b64, end_point, environment, house_at, plain, run)

STARTTLS, IMPLICIT = "starttls", "implicit"
MODES = pytest.mark.parametrize("mode", [STARTTLS, IMPLICIT])
SECRET_KINDS = pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
BODY = ".\n..two\nschöne Grüße\n"
NODEMAILER = "nodemailer@6.9.16"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    place = tmp_path_factory.mktemp("login") / "mansio"
    house = house_at(place, auth='certificates = "certificates"; mechanisms = [ "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL" ]', delay="0s")
    house.client = house.authority.leaf("client", names=["bob.client.test"], client=True)
    (place / "certificates").write_text(f"# whose it is\n{house.client.fingerprint()} bob\n")
    (place / "certificates").chmod(0o600)
    with house:
        yield house


@pytest.fixture
def env(tmp_path):
    return environment(tmp_path)


def port_of(house, mode):
    return house.ports[{STARTTLS: SUBMIT, IMPLICIT: SMTPS}.get(mode, mode)]


def message(sender, user="alice"):
    return (f"From: {sender}\nTo: {user}@ex.test\nSubject: by {sender}\nMIME-Version: 1.0\n"
            f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{BODY}")


def came(house, sender, mechanism, login="bob", user="alice", encrypted=True, body=BODY):
    """The message, after all that the log and the Received field say of its way was looked at."""
    line = house.arrival(sender)
    wanted = r" P=esmtpsa X=TLS1\.[23]:\S+:(128|256) " if encrypted else r" P=esmtpa (?!X=)"
    assert re.search(wanted + rf"(.* )?A={mechanism}:{login} S=\d+ ", line), line
    found = wait_for(lambda: [raw for raw in house.maildir(user) if raw.startswith(f"Return-Path: <{sender}>\n".encode())], what=sender)
    assert len(found) == 1
    parsed = email.message_from_bytes(found[0], policy=email.policy.default)
    assert f" with ESMTP{'S' if encrypted else ''}A id " in parsed["Received"] and "127.0.0.1" not in parsed["Received"]
    assert parsed["Date"] and parsed["Message-ID"]
    assert parsed.get_content().replace("\r\n", "\n") == body
    return parsed


@MODES
@SECRET_KINDS
def test_swaks(house, env, tmp_path, mode, mechanism):
    sender = f"swaks-{mode}-{mechanism}@ex.test".lower()
    out = run(tool("swaks"), "--server", f"127.0.0.1:{port_of(house, mode)}", "--ehlo", "client.test", "--from", sender, "--to", "alice@ex.test",
              "--tls" if mode == STARTTLS else "--tls-on-connect", "--tls-verify", "--tls-ca-path", house.authority.certificate,
              "--auth", mechanism, "--auth-user", "bob", "--auth-password", PASSWORDS["bob"], "--data", message(sender), env=env, cwd=tmp_path)
    assert b"235 2.7.0" in out and b"queued as" in out
    came(house, sender, mechanism, body=BODY + "\n")


@MODES
@SECRET_KINDS
def test_smtplib(house, mode, mechanism):
    sender = f"smtplib-{mode}-{mechanism}@ex.test".lower()
    text = EmailMessage()
    text["From"], text["To"], text["Subject"] = sender, "alice@ex.test", "smtplib"
    text.set_content(BODY, cte="8bit")
    kind = dict(context=house.context()) if mode == IMPLICIT else {}
    with (smtplib.SMTP_SSL if kind else smtplib.SMTP)("127.0.0.1", port_of(house, mode), "client.test", timeout=20, **kind) as client:
        if mode == STARTTLS:
            client.starttls(context=house.context())
        client.ehlo()
        client.user, client.password = "carol@ex.test", PASSWORDS["carol"]
        assert client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)[0] == 235
        assert client.send_message(text) == {}
    came(house, sender, mechanism, "carol@ex.test")


def test_smtplib_chooses_a_mechanism_by_itself(house):
    with smtplib.SMTP("127.0.0.1", house.ports[SUBMIT], "client.test", timeout=20) as client:
        client.starttls(context=house.context())
        client.login("bob", PASSWORDS["bob"])
        client.sendmail("smtplib-own@ex.test", ["alice@ex.test"], message("smtplib-own@ex.test").replace("\n", "\r\n").encode())
    came(house, "smtplib-own@ex.test", "PLAIN")


@pytest.mark.parametrize("mode", [STARTTLS, IMPLICIT, "clear"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_msmtp(house, env, tmp_path, mode, mechanism):
    known = run(tool("msmtp"), "--version", env=env).decode()
    if mechanism.lower() not in re.findall(r"^Supported authentication methods:\n(.*)$", known, re.M)[0].split():
        pytest.skip(f"this msmtp does not know {mechanism}")
    sender = f"msmtp-{mode}-{mechanism}@ex.test".lower()
    (tmp_path / "password").write_text(PASSWORDS["alice"] + "\n")
    tls = ["--tls=off"] if mode == "clear" else ["--tls=on", f"--tls-starttls={'on' if mode == STARTTLS else 'off'}", f"--tls-trust-file={house.authority.certificate}"]
    words = [tool("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={port_of(house, mode if mode != 'clear' else STARTTLS)}", f"--from={sender}",
             f"--auth={mechanism.lower()}", "--user=alice", f"--passwordeval=cat {tmp_path}/password", *tls, "--domain=client.test", "alice@ex.test"]
    if mode == "clear" and mechanism in ("PLAIN", "LOGIN"):
        run(*words, status=69, input=message(sender).encode(), env=env, cwd=tmp_path)       # it is not offered, and msmtp says so
        assert f" <= {sender} " not in house.log()
        return
    run(*words, input=message(sender).encode(), env=env, cwd=tmp_path)
    came(house, sender, mechanism, "alice", encrypted=mode != "clear")


@pytest.fixture(scope="module")
def nodemailer(request, tmp_path_factory):
    """The directory that Node finds it in. Where there is no npm, or it can't reach its registry, only CI must not go on."""
    node, npm = tool("node"), tool("npm")
    cache = getattr(request.config, "cache", None)
    place = cache.mkdir(NODEMAILER.replace("@", "-")) if cache else tmp_path_factory.mktemp("nodemailer")
    for attempt in range(3):
        if (place / "node_modules/nodemailer/package.json").exists():
            break
        done = subprocess.run([npm, "install", "--prefix", str(place), "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", NODEMAILER],
                              capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        if done.returncode != 0 and attempt == 2:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"npm can't install {NODEMAILER}: {done.stderr[-500:]}")
    return node, place / "node_modules"


NODE_SCRIPT = """
const task = JSON.parse(require('fs').readFileSync(0));
task.transport.tls = { ca: require('fs').readFileSync(task.authority) };
const mailer = require('nodemailer').createTransport(task.transport);
mailer.sendMail(task.mail).then(info => { console.log(info.response); mailer.close(); }, trouble => { console.error(trouble); process.exit(1); });
"""


def by_nodemailer(house, nodemailer, env, sender, **transport):
    node, modules = nodemailer
    task = dict(authority=str(house.authority.certificate), mail=dict({"from": sender}, to="alice@ex.test", subject="nodemailer", text=BODY),
                transport=dict(host="127.0.0.1", name="client.test", **transport))
    return run(node, "-e", NODE_SCRIPT, env={**env, "NODE_PATH": str(modules)}, input=json.dumps(task).encode())


@MODES
@SECRET_KINDS
def test_nodemailer(house, nodemailer, env, mode, mechanism):
    sender = f"nodemailer-{mode}-{mechanism}@ex.test".lower()
    out = by_nodemailer(house, nodemailer, env, sender, port=port_of(house, mode), secure=mode == IMPLICIT, requireTLS=True, authMethod=mechanism,
                        auth={"user": "alice@ex.test", "pass": PASSWORDS["alice"]})
    assert b"250 2.0.0 OK, queued as" in out
    came(house, sender, mechanism, "alice")            # the name as the users file has it


def curl(house, env, tmp_path, sender, mode, *options):
    (tmp_path / "message").write_bytes(message(sender).replace("\n", "\r\n").encode())
    url = f"smtp{'' if mode == STARTTLS else 's'}://127.0.0.1:{port_of(house, mode)}/client.test"
    words = [tool("curl"), "-sS", "--cacert", house.authority.certificate, *(["--ssl-reqd"] if mode == STARTTLS else []),
             "--mail-from", sender, "--mail-rcpt", "alice@ex.test", "--upload-file", tmp_path / "message"]
    run(*words, *options, url, env=env, cwd=tmp_path)


@MODES
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_curl(house, env, tmp_path, mode, mechanism):
    if mechanism.startswith("SCRAM") and b"gsasl" not in run(tool("curl"), "--version", env=env):
        pytest.skip("this curl was built without SCRAM")
    sender = f"curl-{mode}-{mechanism}@ex.test".lower()
    curl(house, env, tmp_path, sender, mode, "--user", "bob:" + PASSWORDS["bob"], "--login-options", f"AUTH={mechanism}")
    came(house, sender, mechanism)


@pytest.fixture
def patch(env, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    git = [tool("git"), "-c", "user.name=A U Thor", "-c", "user.email=a@ex.test"]
    run(*git, "init", "-q", env=env, cwd=tree)
    (tree / "file").write_text(".\n..\nschöne Grüße\n")
    run(*git, "add", "file", env=env, cwd=tree)
    run(*git, "commit", "-q", "-m", "A file with dots", env=env, cwd=tree)
    run(*git, "format-patch", "-q", "-1", "-o", tmp_path / "out", env=env, cwd=tree)
    return next((tmp_path / "out").iterdir())


@MODES
@SECRET_KINDS
def test_git_send_email(house, env, tmp_path, patch, mode, mechanism):
    tool("git-send-email")
    sender = f"git-{mode}-{mechanism}@ex.test".lower()
    run(tool("git"), "send-email", f"--from={sender}", "--to=alice@ex.test", "--confirm=never", "--suppress-cc=all", "--quiet", "--8bit-encoding=UTF-8",
        "--smtp-server=127.0.0.1", f"--smtp-server-port={port_of(house, mode)}", "--smtp-domain=client.test",
        f"--smtp-encryption={'tls' if mode == STARTTLS else 'ssl'}", f"--smtp-ssl-cert-path={house.authority.certificate}",
        f"--smtp-auth={mechanism}", "--smtp-user=bob", f"--smtp-pass={PASSWORDS['bob']}", patch, env=env, cwd=tmp_path / "tree")
    [raw] = wait_for(lambda: [raw for raw in house.maildir("alice") if raw.startswith(f"Return-Path: <{sender}>\n".encode())], what="the patch")
    assert re.search(rf" P=esmtpsa X=TLS1\.\d:.* A={mechanism}:bob ", house.arrival(sender))
    other = tmp_path / "other"
    other.mkdir()
    run(tool("git"), "init", "-q", env=env, cwd=other)
    run(tool("git"), "-c", "user.name=b", "-c", "user.email=b@b.test", "am", "-q", input=raw, env=env, cwd=other)
    assert (other / "file").read_text() == ".\n..\nschöne Grüße\n"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize("user", ["bob", "alice", "carol@EX.test"])
def test_gsasl(house, env, mechanism, user):
    """GNU SASL's own program: it has channel binding to TLS (tls-exporter), and checks the server's proof. It sends no mail."""
    out = run(tool("gsasl"), "--smtp", "--verbose", f"--mechanism={mechanism}", f"--authentication-id={user}",
              f"--password={PASSWORDS[user.split('@')[0]]}", f"--x509-ca-file={house.authority.certificate}", *(["--no-cb"] if "PLUS" not in mechanism else []),
              "--hostname=127.0.0.1", f"--connect=127.0.0.1:{house.ports[SUBMIT]}", env=env, input=b"")
    assert b"235 2.7.0" in out, out


# ---- by hand

@pytest.mark.parametrize("listener", [RELAY, SUBMIT, SMTPS])
@pytest.mark.parametrize("user", ["bob", "alice", "CAROL@ex.test"])
@pytest.mark.parametrize("bound", [False, True])
def test_scram(house, listener, user, bound):
    sender = f"scram-{listener}-{user.lower().split('@')[0]}-{bound}@ex.test".lower()
    with house.secured(listener) as client:
        mechanism = "SCRAM-SHA-256" + ("-PLUS" if bound else "")
        scram = Scram(user, PASSWORDS[user.split("@")[0].lower()], end_point(client) if bound else None)
        assert scram.log_in(client, mechanism)[0] == 235
        text = "Date: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <%s>\n" % sender + message(sender)
        assert client.transaction(sender, ["alice@ex.test"], text.replace("\n", "\r\n").encode(), mail_parameters=" BODY=8BITMIME")[0] == 250
    line = house.arrival(sender)
    assert re.search(rf" P=esmtpsa .* A={mechanism}:{user.lower()} ", line), line


def test_scram_by_tls_1_2(house):
    with house.secured(SUBMIT, house.context(maximum_version=ssl.TLSVersion.TLSv1_2)) as client:
        assert Scram("bob", PASSWORDS["bob"], end_point(client)).log_in(client, "SCRAM-SHA-256-PLUS")[0] == 235


def test_scram_needs_no_tls_but_says_so(house):
    with Raw(house.ports[SUBMIT]) as client:
        code, lines = client.command("EHLO client.test")
        assert "250-AUTH SCRAM-SHA-256" in lines
        assert Scram("bob", PASSWORDS["bob"]).log_in(client)[0] == 235
        text = message("scram-clear@ex.test").replace("\n", "\r\n").encode()
        assert client.transaction("scram-clear@ex.test", ["alice@ex.test"], text, mail_parameters=" BODY=8BITMIME")[0] == 250
    came(house, "scram-clear@ex.test", "SCRAM-SHA-256", encrypted=False)


def test_a_scram_client_bound_to_another_connection_is_refused(house):
    """Somebody in the middle who has a certificate of his own, and one who hides that there is channel binding."""
    with house.secured() as client:
        other = "tls-server-end-point", bytes(32)
        assert Scram("bob", PASSWORDS["bob"], other).log_in(client, "SCRAM-SHA-256-PLUS")[0] == 535
        hiding = Scram("bob", PASSWORDS["bob"])
        hiding.header = "y,,"                 # "I could, but you did not offer it"
        assert hiding.log_in(client)[0] == 535
        unknown = Scram("bob", PASSWORDS["bob"], ("tls-unique", bytes(12)))
        assert unknown.log_in(client, "SCRAM-SHA-256-PLUS")[0] in (501, 535)


def test_external_by_curl_and_msmtp(house, env, tmp_path):
    """The certificate is the password."""
    key, certificate = house.client.key, house.client.certificate
    curl(house, env, tmp_path, "curl-external@ex.test", ASKING, "--cert", certificate, "--key", key, "--user", "bob:", "--login-options", "AUTH=EXTERNAL")
    came(house, "curl-external@ex.test", "EXTERNAL")
    run(tool("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={house.ports[ASKING]}", "--from=msmtp-external@ex.test", "--auth=external", "--user=bob",
        "--tls=on", "--tls-starttls=off", f"--tls-trust-file={house.authority.certificate}", f"--tls-cert-file={certificate}", f"--tls-key-file={key}",
        "--domain=client.test", "alice@ex.test", input=message("msmtp-external@ex.test").encode(), env=env, cwd=tmp_path)
    came(house, "msmtp-external@ex.test", "EXTERNAL")
    with house.secured(SUBMIT) as client:      # this listener does not ask for one
        assert not any("EXTERNAL" in line for line in client.hello[1])
        assert client.command("AUTH EXTERNAL =")[0] == 504


def test_external_of_nobody_we_know_and_for_somebody_else(house):
    stranger = house.authority.leaf("stranger", names=["bob.client.test"], client=True)
    for leaf, name, expected in ((stranger, "=", 535), (house.client, b64("alice"), 535), (house.client, b64("bob"), 235), (house.client, "=", 235)):
        context = house.context()
        context.load_cert_chain(leaf.certificate, leaf.key)
        with house.secured(ASKING, context) as client:
            assert any("EXTERNAL" in line for line in client.hello[1])
            assert client.command(f"AUTH EXTERNAL {name}")[0] == expected, name
    with house.secured(ASKING) as client:          # without a certificate
        assert not any("EXTERNAL" in line for line in client.hello[1])


SCHEMES = ["SCRAM-SHA-256", "SHA512-CRYPT", "BLF-CRYPT", "CRYPT", "SSHA256", "SSHA512"]


def test_each_scheme_of_the_users_file(tmp_path, house):
    """By mansioctl, by doveadm and by openssl; with an entry that is no SCRAM key, SCRAM is not offered any more."""
    file = tmp_path / "house" / "users"
    file.parent.mkdir()
    file.write_text("plain:{PLAIN}pw plain:1000:1000::/home/plain::\nbare:{CLEARTEXT}xy\n")
    file.chmod(0o600)
    for scheme in SCHEMES:
        add_user(file, "u-" + scheme.lower(), "pw " + scheme + " ä", scheme)
    for number, option in ((5, "SHA256-CRYPT"), (6, "SHA512-CRYPT")):
        hashed = run(tool("openssl"), "passwd", f"-{number}", f"pw-{number}").decode().strip()
        with open(file, "a") as out:
            out.write(f"openssl{number}@ex.test:{{{option}}}{hashed}\n")
    for scheme in ("SCRAM-SHA-256", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "SSHA256", "SSHA512", "PLAIN"):
        entry = run(tool("doveadm"), "pw", "-s", scheme, "-p", "pw-" + scheme).decode().strip()
        with open(file, "a") as out:
            out.write(f"d-{scheme.lower()}:{entry}:1:1::::user_quota=x:1\n")
    users = {"plain": "pw plain", "bare": "xy", "openssl5": "pw-5", "openssl6@ex.test": "pw-6"}
    users.update({f"u-{scheme.lower()}": f"pw {scheme} ä" for scheme in SCHEMES})
    users.update({f"d-{scheme.lower()}": f"pw-{scheme}" for scheme in ("SCRAM-SHA-256", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "SSHA256", "SSHA512", "PLAIN")})
    with house_at(tmp_path / "house", users=file.read_text(), delay="0s") as mixed:
        for user, password in users.items():
            for mechanism in ("PLAIN", "LOGIN"):
                for given, expected in ((password + "x", 535), (password, 235)):
                    with mixed.secured(SMTPS) as client:
                        assert not any("SCRAM" in line for line in client.hello[1])
                        if mechanism == "PLAIN":
                            code, lines = client.command("AUTH PLAIN " + plain(user, given))
                        else:
                            assert client.command("AUTH LOGIN " + b64(user))[0] == 334
                            code, lines = client.command(b64(given))
                        assert code == expected, (user, mechanism, given, lines)


def test_nothing_went_wrong_meanwhile(house):
    assert house.log("paniclog") == ""
    house.wait_idle()
