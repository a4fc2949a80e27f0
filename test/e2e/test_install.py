"""`meson install` puts everything where it belongs, with the modes it needs, and leaves an admin's configuration alone."""
import os
import pathlib
import shutil
import smtplib
import stat
import subprocess
import time

import pytest

from harness import BUILD

EXPECTED = {  # path below the prefix or absolute -> mode, or the target of a link
    "sbin/mansiod": 0o755,
    "sbin/mansioctl": 0o755,
    "share/man/man8/mansioctl.8": 0o644,
    "sbin/sendmail": 0o755,          # not set-uid, not set-gid
    "bin/mailq": "../sbin/sendmail",
    "bin/newaliases": "../sbin/sendmail",
    "share/mansio/bounce/failed.txt": 0o644,
    "share/mansio/bounce/delayed.txt": 0o644,
    "share/mansio/bounce/success.txt": 0o644,
    "share/man/man8/mansiod.8": 0o644,
    "share/man/man8/sendmail.8": 0o644,
    "share/man/man8/newaliases.8": "sendmail.8",
    "share/man/man5/mansio.conf.5": 0o644,
    "share/man/man5/aliases.5": 0o644,
    "share/man/man1/mailq.1": 0o644,
    "share/man/man7/mansio-control.7": 0o644,
    "share/bash-completion/completions/mansioctl.bash": 0o644,
    "lib/systemd/system/mansio.service": 0o644,
    "lib/systemd/system/mansio@.service": 0o644,
    "lib/sysusers.d/mansio.conf": 0o644,
    "lib/tmpfiles.d/mansio.conf": 0o644,
    "/etc/mansio/mansio.conf": 0o644,
    "/etc/logrotate.d/mansio": 0o644,
    "/etc/pam.d/mansio": 0o644,
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    install(root)
    return root


def install(root):
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet"], check=True, timeout=120,
                   env={**os.environ, "DESTDIR": str(root)}, stdout=subprocess.DEVNULL)


def prefix(root):
    """Where the prefix is below `root`."""
    return next(root.glob("**/sbin/mansiod")).parents[1]


def place(root, name):
    return root / name[1:] if name.startswith("/") else prefix(root) / name


@pytest.mark.parametrize("name", EXPECTED)
def test_each_file_is_in_its_place_with_its_mode(installed, name):
    path, wanted = place(installed, name), EXPECTED[name]
    if isinstance(wanted, str):
        assert path.is_symlink() and os.readlink(path) == wanted and path.exists()
    else:
        assert stat.S_ISREG(path.lstat().st_mode) and stat.S_IMODE(path.stat().st_mode) == wanted


def test_nothing_else_is_installed(installed):
    files = {path for path in installed.rglob("*") if path.is_symlink() or not path.is_dir()}
    assert files == {place(installed, name) for name in EXPECTED}
    assert (installed / "etc/mansio/conf.d").is_dir()


def test_the_installed_sample_is_a_configuration_that_mansiod_accepts(installed):
    done = subprocess.run([place(installed, "sbin/mansiod"), "check", "--config", installed / "etc/mansio/mansio.conf"],
                          capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_units_start_the_installed_program_with_the_installed_configuration(installed):
    sbin = "/" + str((prefix(installed) / "sbin").relative_to(installed))
    for unit, options in (("mansio.service", "--config /etc/mansio/mansio.conf"), ("mansio@.service", "--instance %i")):
        text = place(installed, "lib/systemd/system/" + unit).read_text()
        assert f"\nExecStart={sbin}/mansiod {options}\n" in text


def test_a_configuration_that_is_there_is_left_alone(tmp_path):
    mine = tmp_path / "etc/mansio/mansio.conf"
    mine.parent.mkdir(parents=True)
    mine.write_text("# mine\n")
    install(tmp_path)
    assert mine.read_text() == "# mine\n"
    assert "version = 1;" in (mine.parent / "mansio.conf.sample").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user with no capabilities but the unit's")
def test_the_daemon_starts_with_no_more_capabilities_than_the_unit_leaves_it(installed, tmp_path):
    """A port below 1024, a user of its own, a mailbox of another user, with the bounding set of mansio.service."""
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    unit = place(installed, "lib/systemd/system/mansio.service").read_text()
    names = next(line for line in unit.splitlines() if line.startswith("CapabilityBoundingSet=")).split("=")[1].split()
    bounding = ",".join(["-all"] + ["+" + name.removeprefix("CAP_").lower() for name in names])
    done = deliver_as_nobody(place(installed, "sbin/mansiod"), tmp_path, ["setpriv", "--bounding-set", bounding])
    assert done.st_uid == 65534 and done.st_size > 0


def deliver_as_nobody(mansiod, directory, wrapper):
    """Runs the daemon as root that drops to user daemon; gives what stat says of the message it delivered to nobody."""
    address = f"127.0.{os.getpid() % 250}.29"
    directory.chmod(0o755)
    for part in directory.parents:
        if part.owner() == "root" and str(part).startswith("/tmp/"):
            part.chmod(0o755)
    mail = directory / "mail"
    mail.mkdir()
    os.chown(mail, 65534, 65534)
    users = directory / "users"
    users.write_text(f"alice::65534:65534::{mail}:/usr/sbin/nologin\n")
    config = directory / "mansio.conf"
    config.write_text(f"""version = 1; host_name = "mx.ex.test"; mail_name = "ex.test"; run_as = "daemon";
spool_directory = "spool"; log_directory = "log"; run_directory = "run"; aliases = "";
listeners = ( {{ address = "{address}"; port = 1023; }} );
domains = {{ local = [ "ex.test" ]; }};
transports = {{ mailbox = {{ kind = "maildir"; path = "~/Maildir"; }}; }};
routes = ( {{ name = "local"; domains = [ "@local" ]; users = "passwd-file:{users}"; transport = "mailbox"; }} );
""")
    with open(directory / "out", "w+") as out:
        process = subprocess.Popen([*wrapper, mansiod, "--config", config, "--foreground"], stdout=out, stderr=out)
        try:
            for _ in range(200):
                if process.poll() is not None or "ready" in pathlib.Path(out.name).read_text():
                    break
                time.sleep(0.1)
            assert process.poll() is None, pathlib.Path(out.name).read_text()
            with smtplib.SMTP(address, 1023, timeout=20) as smtp:
                smtp.sendmail("bob@b.test", ["alice@ex.test"], "Subject: hello\r\n\r\nGood morning.\r\n")
            for _ in range(200):
                found = list(mail.glob("Maildir/new/*"))
                if found:
                    return found[0].stat()
                time.sleep(0.1)
            raise AssertionError("not delivered:\n" + pathlib.Path(out.name).read_text())
        finally:
            process.terminate()
            process.wait(timeout=30)
