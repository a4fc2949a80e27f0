"""An authority of the tests' own and the certificates it gives out, made with openssl(1) in a directory:

    authority = Authority(tmp_path / "tls")
    leaf = authority.leaf("mx", names=["mx.ex.test"], addresses=["127.0.0.1"])       # ECDSA; key="rsa" for RSA
    old = authority.leaf("old", names=["mx.ex.test"], expired=True)
    mine = authority.leaf("me", names=["client.test"], client=True)

Each has .certificate (the chain, PEM), .key (PEM) and .both (the two in one file); authority.certificate is the root's."""
import datetime
import os
import pathlib
import subprocess

from harness import tool


class Leaf:
    def __init__(self, directory, name):
        self.name = name
        self.certificate, self.key, self.both = (directory / f"{name}{end}" for end in (".crt", ".key", ".pem"))

    def fingerprint(self):
        """SHA-256 of the certificate, lower-case hex."""
        out = openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256")
        return out.split("=", 1)[1].replace(":", "").strip().lower()


def openssl(*words):
    done = subprocess.run([tool("openssl"), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_key(path, kind):
    kinds = {"ecdsa": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}
    openssl("genpkey", "-algorithm", *kinds[kind], "-out", path)
    os.chmod(path, 0o600)


def moment(days):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return at.strftime("%Y%m%d%H%M%SZ")


class Authority:
    def __init__(self, directory, name="Test Authority"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = self.directory / "authority.crt", self.directory / "authority.key"
        make_key(self.key, "ecdsa")
        openssl("req", "-x509", "-new", "-key", self.key, "-sha256", "-days", "30", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.certificate)
        (self.directory / "index").touch()
        (self.directory / "serial").write_text("1000\n")

    def leaf(self, name, names=(), addresses=(), key="ecdsa", expired=False, client=False, subject=None, days=20):
        """A certificate for these names and addresses; `subject` stands in the place of the first name as its CN."""
        made = Leaf(self.directory, name)
        make_key(made.key, key)
        request, settings, bare = (self.directory / f"{name}{end}" for end in (".csr", ".cnf", ".bare"))
        alternatives = [f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses]
        settings.write_text(SETTINGS.format(
            directory=self.directory, use="clientAuth" if client else "serverAuth",
            alternatives=f"subjectAltName = {', '.join(alternatives)}" if alternatives else ""))
        common = subject or (list(names) + list(addresses) + [name])[0]
        openssl("req", "-new", "-key", made.key, "-sha256", "-subj", f"/CN={common}", "-out", request)
        openssl("ca", "-batch", "-notext", "-config", settings, "-in", request, "-out", bare, "-cert", self.certificate, "-keyfile", self.key,
                "-startdate", moment(-10 if expired else -1), "-enddate", moment(-1 if expired else days))
        made.certificate.write_text(bare.read_text() + self.certificate.read_text())
        made.both.touch(mode=0o600)
        made.both.write_text(made.certificate.read_text() + made.key.read_text())
        return made


SETTINGS = """
[ca]
default_ca = authority
[authority]
dir = {directory}
database = {directory}/index
serial = {directory}/serial
new_certs_dir = {directory}
default_md = sha256
policy = any
x509_extensions = leaf
unique_subject = no
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = {use}
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
{alternatives}
"""
