"""Users that others know: Dovecot's auth server over its socket, with passwords and with OAuth 2.0 tokens, and PAM."""
import grp
import http.server
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.parse

import pytest

from harness import tool, wait_for
from login_house import SMTPS, SUBMIT, b64, environment, house_at, plain, run
from test_login import MODES, came, curl, message, nodemailer, by_nodemailer, port_of  # noqa: F401

TOKEN = "ya29.tok-en_of/Bob~4711=="
PASSWORD = "dove pass\\word"
ROOT = os.geteuid() == 0


class Introspection(http.server.BaseHTTPRequestHandler):
    """RFC 7662: what a token is worth."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.asked.append(form.get("token"))
        good = form.get("token") == [TOKEN]
        body = json.dumps({"active": good, "username": "bob@ex.test", "scope": "mail"} if good else {"active": False}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


DOVECOT = """
base_dir = %(place)s/run
state_dir = %(place)s/state
log_path = %(place)s/log
auth_verbose = yes
ssl = no
protocols =
default_internal_user = %(user)s
default_internal_group = %(group)s
default_login_user = %(user)s
auth_mechanisms = plain login oauthbearer xoauth2
auth_failure_delay = 0 secs
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = %(place)s/oauth2.conf
}
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = username_format=%%u %(place)s/users
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service auth {
  user = %(user)s
  unix_listener auth-for-mansio {
    path = %(place)s/auth
    mode = 0666
  }
}
"""


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory):
    """Dovecot's auth server alone: {place, server}."""
    program = tool("dovecot")
    with tempfile.TemporaryDirectory(prefix="mansio-dovecot-") as name:
        place = pathlib.Path(name)
        place.chmod(0o755)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Introspection)
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        me = pwd.getpwuid(os.geteuid())
        user, group = ("dovecot", "dovecot") if ROOT else (me.pw_name, grp.getgrgid(me.pw_gid).gr_name)
        (place / "users").write_text("bob@ex.test:{PLAIN}%s\ncarol@ex.test:{PLAIN}x::::::nologin=y\n" % PASSWORD)
        (place / "oauth2.conf").write_text(
            f"introspection_mode = post\nintrospection_url = http://127.0.0.1:{server.server_port}/introspect\nusername_attribute = username\n"
            "active_attribute = active\nactive_value = true\n")
        (place / "dovecot.conf").write_text(DOVECOT % dict(place=place, user=user, group=group))
        process = subprocess.Popen([program, "-F", "-c", str(place / "dovecot.conf")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        try:
            wait_for(lambda: (place / "auth").exists() or process.poll() is not None, what="Dovecot's auth socket")
            assert process.poll() is None, process.stderr.read().decode()
            server.place = place
            yield server
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()
            server.server_close()


@pytest.fixture(scope="module")
def house(tmp_path_factory, dovecot):
    with house_at(tmp_path_factory.mktemp("backends") / "mansio", users="", users_setting=f"dovecot:{dovecot.place}/auth", delay="0s") as house:
        wait_for(lambda: "XOAUTH2" in listed(house), what="what Dovecot offers; " + house.log("paniclog"))
        yield house


def listed(house):
    with house.secured(SMTPS) as client:
        return [line for line in client.hello[1] if "AUTH" in line][0]


@pytest.fixture
def env(tmp_path):
    return environment(tmp_path)


def test_what_dovecot_can_is_offered(house):
    assert set(listed(house)[4:].split()[1:]) == {"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"}


@MODES
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_passwords_that_dovecot_knows(house, env, tmp_path, mode, mechanism):
    sender = f"dovecot-{mode}-{mechanism}@ex.test".lower()
    curl(house, env, tmp_path, sender, mode, "--user", "bob@ex.test:" + PASSWORD, "--login-options", f"AUTH={mechanism}")
    came(house, sender, mechanism, "bob@ex.test")


@MODES
@pytest.mark.parametrize("program, mechanism", [("curl", "OAUTHBEARER"), ("msmtp", "OAUTHBEARER"), ("msmtp", "XOAUTH2")])    # curl takes the first one always
def test_tokens_that_dovecot_asks_about(house, dovecot, env, tmp_path, mode, program, mechanism):
    sender = f"{program}-{mode}-{mechanism}@ex.test".lower()
    if program == "curl":
        curl(house, env, tmp_path, sender, mode, "--user", "bob@ex.test", "--oauth2-bearer", TOKEN, "--login-options", f"AUTH={mechanism}")
    else:
        run(tool("msmtp"), "--file=/dev/null", "--host=127.0.0.1", f"--port={port_of(house, mode)}", f"--from={sender}", f"--auth={mechanism.lower()}",
            "--user=bob@ex.test", f"--passwordeval=echo '{TOKEN}'", "--tls=on", f"--tls-starttls={'on' if mode == 'starttls' else 'off'}",
            f"--tls-trust-file={house.authority.certificate}", "--domain=client.test", "alice@ex.test", input=message(sender).encode(), env=env, cwd=tmp_path)
    came(house, sender, mechanism, "bob@ex.test")
    assert [TOKEN] in dovecot.asked


@MODES
def test_a_token_by_nodemailer(house, nodemailer, env, mode):  # noqa: F811
    sender = f"nodemailer-{mode}-xoauth2@ex.test"
    by_nodemailer(house, nodemailer, env, sender, port=port_of(house, mode), secure=mode == "implicit", requireTLS=True,
                  auth={"type": "OAuth2", "user": "bob@ex.test", "accessToken": TOKEN})
    came(house, sender, "XOAUTH2", "bob@ex.test")


def test_what_dovecot_refuses(house, dovecot):
    with house.secured(SUBMIT) as client:
        for user, password in (("bob@ex.test", PASSWORD + "x"), ("nobody@ex.test", PASSWORD)):
            code, lines = client.command("AUTH PLAIN " + plain(user, password))
            assert (code, lines) == (535, ["535 5.7.8 authentication credentials invalid"])
    with house.secured(SUBMIT) as client:
        assert client.command("AUTH PLAIN " + plain("carol@ex.test", "x"))[0] == 535        # nologin
    for mechanism, said in (("XOAUTH2", f"user=bob@ex.test\1auth=Bearer x{TOKEN}\1\1"), ("OAUTHBEARER", f"n,a=bob@ex.test,\1auth=Bearer x{TOKEN}\1\1"),
                            ("XOAUTH2", f"user=alice@ex.test\1auth=Bearer {TOKEN}\1\1")):
        with house.secured(SUBMIT) as client:
            code, lines = client.command(f"AUTH {mechanism} {b64(said)}")
            if code == 334:                        # RFC 7628 §3.2.3: what is wrong, and the client's empty answer
                code, lines = client.command("AQ==")
            assert code == 535, (mechanism, lines)
            assert client.command("MAIL FROM:<bob@ex.test>")[0] == 530
    failure = r"(?:PLAIN|XOAUTH2|OAUTHBEARER) authenticator failed for \(client\.test\) \[127\.0\.0\.1\]:\d+: 535 "
    wait_for(lambda: len(re.findall(failure, house.log())) == 6, what="six failures in the log; " + house.log()[-3000:])
    for secret in (PASSWORD, TOKEN, b64(TOKEN)):
        assert secret not in house.log() + house.errors()


def test_dovecot_gone_is_temporary_and_it_comes_back(tmp_path, dovecot):
    with house_at(tmp_path / "mansio", users="", users_setting=f"dovecot:{tmp_path}/link", delay="0s") as house:
        with house.secured(SMTPS) as client:
            code, lines = client.command("AUTH PLAIN " + plain("bob@ex.test", PASSWORD))
            assert (code, lines) == (454, ["454 4.7.0 temporary authentication failure"])
        house.wait_log("link", "paniclog")
        assert "535 Incorrect" not in house.log()                # nothing that fail2ban would count
        (tmp_path / "link").symlink_to(dovecot.place / "auth")

        def there():
            with house.secured(SMTPS) as client:
                return client.command("AUTH PLAIN " + plain("bob@ex.test", PASSWORD))[0] == 235
        wait_for(there, what="Dovecot again; " + house.log("paniclog"))


# ---- PAM

SCRIPT = """#!/bin/sh
# pam_exec with expose_authtok: the password is on standard input, a NUL behind it.
password=$(tr -d '\\0')
[ "$PAM_USER" = bob ] && [ "$password" = 'pam %s' ]
"""


@pytest.mark.skipif(not ROOT, reason="bind mounts over /etc/pam.d in a name space of its own, so it needs root")
def test_pam(tmp_path):
    """The service file lies in a copy of /etc/pam.d that the daemon alone sees."""
    unshare = tool("unshare")
    services = tmp_path / "pam.d"
    shutil.copytree("/etc/pam.d", services)
    script = tmp_path / "check"
    script.write_text(SCRIPT % PASSWORD)
    script.chmod(0o755)
    (services / "mansio-test").write_text(f"auth [success=1 default=ignore] pam_exec.so expose_authtok quiet {script}\n"
                                           "auth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_permit.so\n")
    wrapper = [unshare, "--mount", "--propagation", "private", "/bin/sh", "-c", f'mount --bind "{services}" /etc/pam.d && exec "$@"', "sh"]
    with house_at(tmp_path / "mansio", users="", users_setting="pam:mansio-test", delay="0s", wrapper=wrapper) as house:
        assert set(listed(house)[4:].split()[1:]) == {"PLAIN", "LOGIN"}
        for user, password, expected in (("bob", "wrong", 535), ("alice", "pam " + PASSWORD, 535), ("bob", "pam " + PASSWORD, 235)):
            with house.secured(SMTPS) as client:
                assert client.command("AUTH PLAIN " + plain(user, password))[0] == expected
        with house.secured(SUBMIT) as client:
            client.command("AUTH LOGIN")
            client.command(b64("bob"))
            assert client.command(b64("pam " + PASSWORD))[0] == 235
            assert client.transaction("pam@ex.test", ["alice@ex.test"], message("pam@ex.test").replace("\n", "\r\n").encode(), mail_parameters=" BODY=8BITMIME")[0] == 250
        came(house, "pam@ex.test", "LOGIN")
        assert not pathlib.Path("/etc/pam.d/mansio-test").exists()
        wait_for(lambda: len(re.findall(r"authenticator failed for .* \(set_id=(?:bob|alice)\)", house.log())) == 2, what="two failures in the log")
        assert PASSWORD not in house.log() + house.errors() and house.log("paniclog") == ""
