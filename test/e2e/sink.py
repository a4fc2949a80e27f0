"""A scripted SMTP or LMTP server. It takes mail and writes down every octet it heard; a script says where it misbehaves:

    Sink(script={"RCPT": in_turn("250 ok", "450 4.2.0 later", "550 5.1.1 nobody"), "DOT": DROP})

A script's keys are verbs, GREETING, BODY (the start of the content after 354) and DOT (the end of the content). A value is an
action, or a function of (session, line) that gives one; None stands for what a healthy server does. Actions:

    "550 no\\n550 really"    a reply, lines between \\n        b"..."           these octets as they are
    DROP, RESET             closes, with FIN or with RST      SILENT           says nothing more until the peer leaves
    Held(event, action)     the action once the event is set  Late(s, action)  after so many seconds
    Endless(octets)         these again and again until the peer leaves (bounded)
    Partly(count, action)   with BODY: after so many octets   Then(a, b)       one after the other

With `tls` (server_context() of a certificate) it offers STARTTLS, or begins with TLS when it is `implicit`; STARTTLS is a key of
scripts, too, and an action under HANDSHAKE is done in its place. With `logins`, {user: password}, it offers the mechanisms of
`auth` and takes them; `tokens`, {user: token}, are for XOAUTH2. AUTH is a key, for the answer to the first line.
"""
import base64
import collections
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import threading
import warnings

FULL = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME")
BOUND = 64 << 20          # octets that are read or said in one session

DROP, RESET, SILENT = "<drop>", "<reset>", "<silent>"
Held = collections.namedtuple("Held", "event action")
Late = collections.namedtuple("Late", "seconds action")
Endless = collections.namedtuple("Endless", "octets")
Partly = collections.namedtuple("Partly", "count action")
Then = collections.namedtuple("Then", "first second")

def server_context(leaf, newest=None, authority=None):
    """A context of ssl that shows this certificate (certificates.Leaf); `newest` is an ssl.TLSVersion; with `authority` the
    client is asked for its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():         # old versions are deprecated, and what this is for
            warnings.simplefilter("ignore")
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    if authority:
        context.load_verify_locations(authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


# One message as it was taken: recipients are (address, parameters) that were answered 2yz. `answer` is what the sink said to the
# end of data, or "" when it said nothing; for LMTP a list. `order` counts over all messages of this sink.
Message = collections.namedtuple("Message", "sender parameters recipients content answer session order")


class Left(Exception):
    """The peer has gone, or is to be left."""


def in_turn(*actions):
    """Each action once, over all sessions; the last one from then on."""
    left, lock = list(actions), threading.Lock()

    def choose(session, line):
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]
    return choose


def by_recipient(replies, otherwise=None):
    """{"bob@a.test": action}: for RCPT."""
    def choose(session, line):
        return replies.get(address_in(line), otherwise)
    return choose


def address_in(line):
    return re.search(r"<([^>]*)>", line)[1]


class Sink:
    def __init__(self, address="127.0.0.1", port=0, script=None, extensions=FULL, lmtp=False, path=None, keep=True, store=None,
                 tls=None, implicit=False, auth=(), logins=None, tokens=None, auth_in_clear=False):
        """Without `keep` most of what a session heard is forgotten; `store` makes of a Message what is to be remembered."""
        self.script, self.extensions, self.lmtp, self.keep, self.store = dict(script or {}), extensions, lmtp, keep, store
        self.tls, self.implicit, self.auth, self.auth_in_clear = tls, implicit, auth, auth_in_clear
        self.logins, self.tokens = dict(logins or {}), dict(tokens or {})
        self.sessions, self.messages = [], []       # in order of arrival; only appended to
        self.lock = threading.Lock()
        self.stopped = False
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        if not path:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(str(path) if path else (address, port))
        self.listener.listen(200)
        self.address, self.port = address, 0 if path else self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped:
            try:
                peer, address = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.stopped:
                    peer.close()
                    return
                session = SinkSession(self, peer, address)
                self.sessions.append(session)
            threading.Thread(target=session.run, daemon=True).start()

    def close(self):
        """Refuses from now on, and leaves who is there."""
        with self.lock:
            self.stopped = True
            sessions = list(self.sessions)
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(10)
        for session in sessions:
            session.leave()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- what it saw

    def taken(self):
        """The messages that were answered 2yz, in order."""
        return [m for m in list(self.messages) if accepted(m)]

    def commands(self, verb):
        """All command lines with this verb, of all sessions, in order of the sessions."""
        return [line for session in list(self.sessions) for line in list(session.lines) if line.upper().startswith(verb)]


def accepted(message):
    return any(a.startswith("2") for a in message.answer) if isinstance(message.answer, list) else message.answer.startswith("2")


class SinkSession:
    def __init__(self, sink, peer, address):
        self.sink, self.socket, self.peer = sink, peer, address
        self.heard = bytearray()            # every octet that came
        self.said = bytearray()             # every octet that was sent, up to a bound
        self.lines = []                     # commands without their CRLF
        self.buffer = bytearray()
        self.ended = threading.Event()
        self.quit = False
        self.flood = 0                      # octets of an Endless that the peer, or the system for it, has taken
        self.envelope = None
        self.secured = None                 # the ssl object, once TLS has begun
        self.sni = None                     # the name that the client asked for
        self.user = None                    # who has logged in, "mechanism:user"
        self.socket.settimeout(120)
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # ---- octets

    def run(self):
        try:
            if self.sink.implicit:
                self.secure()
            self.act("GREETING", "", "220 sink.test ESMTP ready" if not self.sink.lmtp else "220 sink.test LMTP ready")
            while True:
                self.command(self.line())
        except (Left, OSError, ValueError):
            pass
        finally:
            self.leave()
            self.ended.set()

    def leave(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def more(self):
        octets = self.socket.recv(65536)
        if not octets or len(self.heard) > BOUND:
            raise Left()
        if self.sink.keep or len(self.heard) < 100_000:
            self.heard += octets
        self.buffer += octets

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        at = self.buffer.index(b"\r\n")
        line = self.buffer[:at].decode("utf-8", "surrogateescape")
        del self.buffer[:at + 2]
        self.lines.append(line)
        return line

    def exactly(self, count):
        while len(self.buffer) < count:
            self.more()
        octets = bytes(self.buffer[:count])
        del self.buffer[:count]
        return octets

    def content(self):
        """Up to the final dot, unstuffed."""
        end, at = b"\r\n.\r\n", 0
        self.wait_for(3)
        if bytes(self.buffer[:3]) == b".\r\n":
            del self.buffer[:3]
            return b""
        while True:
            found = self.buffer.find(end, max(at - len(end), 0))
            if found >= 0:
                break
            at = len(self.buffer)
            self.more()
        raw = bytes(self.buffer[:found + 2])
        del self.buffer[:found + len(end)]
        return re.sub(rb"(\A|(?<=\r\n))\.", b"", raw)

    def wait_for(self, count):
        while len(self.buffer) < count:
            self.more()

    def say(self, octets):
        if len(self.said) < 100_000:
            self.said += octets
        self.socket.sendall(octets)

    # ---- actions

    def act(self, key, line, healthy):
        """What the script says to this, else the healthy reply; gives the reply's text ("" when octets were said)."""
        action = self.sink.script.get(key)
        if callable(action):
            action = action(self, line)
        return self.do(action, healthy)

    def do(self, action, healthy):
        if action is None:
            action = healthy
        if isinstance(action, Held):
            if not action.event.wait(120):
                raise Left()
            return self.do(action.action, healthy)
        if isinstance(action, Late):
            if self.ended.wait(action.seconds):
                raise Left()
            return self.do(action.action, healthy)
        if isinstance(action, Then):
            self.do(action.first, healthy)
            return self.do(action.second, healthy)
        if isinstance(action, Endless):
            for _ in range(BOUND // len(action.octets)):
                self.socket.sendall(action.octets)
                self.flood += len(action.octets)
            raise Left()
        if isinstance(action, bytes):
            self.say(action)
            return ""
        if action == SILENT:
            while True:
                self.more()
        if action == RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()
        if action in (DROP, RESET):
            raise Left()
        self.say(action.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n")
        if action.startswith("421"):
            raise Left()
        return action

    # ---- the server

    def command(self, line):
        verb = line.split(" ", 1)[0].upper()
        getattr(self, "on_" + verb.lower(), self.on_other)(line)

    def on_other(self, line):
        self.act(line.split(" ", 1)[0].upper(), line, "500 5.5.1 what?")

    def on_ehlo(self, line):
        if self.sink.extensions is None or self.sink.lmtp:
            return self.act("EHLO", line, "502 5.5.1 no such command")
        self.hello("EHLO", line)

    def on_lhlo(self, line):
        self.hello("LHLO", line) if self.sink.lmtp else self.on_other(line)

    def hello(self, verb, line):
        self.envelope = None
        lines = ["sink.test", *self.sink.extensions]
        if self.sink.tls and not self.secured:
            lines.append("STARTTLS")
        if self.sink.auth and (self.secured or self.sink.auth_in_clear):
            lines.append("AUTH " + " ".join(self.sink.auth))
        self.act(verb, line, "\n".join("250" + ("-" if i + 1 < len(lines) else " ") + text for i, text in enumerate(lines)))

    def on_helo(self, line):
        self.envelope = None
        self.act("HELO", line, "250 sink.test")

    # ---- TLS and AUTH

    def secure(self):
        action = self.sink.script.get("HANDSHAKE")
        action = action(self, "") if callable(action) else action
        if action is not None:
            self.more()         # the client's hello
            self.do(action, None)
            raise Left()
        context = self.sink.tls
        context.sni_callback = lambda wrapped, name, _: setattr(wrapped, "asked_for", name)
        self.buffer.clear()
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.secured, self.sni = self.socket, getattr(self.socket, "asked_for", None)

    def on_starttls(self, line):
        if not self.sink.tls or self.secured:
            return self.on_other(line)
        reply = self.act("STARTTLS", line, "220 2.0.0 go on")
        if reply.startswith("220"):
            self.envelope = None
            self.secure()

    def challenge(self, octets=b""):
        self.say(b"334 " + base64.b64encode(octets) + b"\r\n")
        answer = self.line()
        if answer == "*":
            self.say(b"501 5.0.0 given up\r\n")
            return None
        return base64.b64decode(answer)

    def on_auth(self, line):
        words = line.split(" ")
        mechanism = words[1].upper()
        if mechanism not in self.sink.auth or not (self.secured or self.sink.auth_in_clear):
            return self.act("AUTH", line, "504 5.5.4 no such mechanism")
        initial = None if len(words) < 3 else b"" if words[2] == "=" else base64.b64decode(words[2])
        scripted = self.sink.script.get("AUTH")
        scripted = scripted(self, line) if callable(scripted) else scripted
        if scripted is not None:
            return self.do(scripted, None)
        user = getattr(self, "auth_" + mechanism.lower().replace("-", "_"))(initial)
        if user is None:
            return
        if user:
            self.user = f"{mechanism}:{user}"
        self.say(b"235 2.7.0 welcome\r\n" if user else b"535 5.7.8 wrong credentials\r\n")

    # Each gives the user, "" when the credentials are wrong, None when the client has given up.

    def auth_plain(self, initial):
        octets = self.challenge() if initial is None else initial
        if octets is None:
            return None
        _, user, password = octets.decode().split("\0")
        return user if self.sink.logins.get(user) == password else ""

    def auth_login(self, initial):
        user = initial if initial is not None else self.challenge(b"Username:")
        password = user and self.challenge(b"Password:")
        if password is None:
            return None
        return user.decode() if self.sink.logins.get(user.decode()) == password.decode() else ""

    def auth_xoauth2(self, initial):
        octets = self.challenge() if initial is None else initial
        if octets is None:
            return None
        user, token = re.fullmatch(rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", octets).groups()
        if self.sink.tokens.get(user.decode()) == token.decode():
            return user.decode()
        self.challenge(b'{"status":"401","schemes":"bearer","scope":"mail"}')
        return ""

    def auth_external(self, initial):
        octets = self.challenge() if initial is None else initial
        shown = self.secured.getpeercert() if self.secured else None
        return None if octets is None else dict(part[0] for part in shown["subject"])["commonName"] if shown else ""

    def auth_scram_sha_256(self, first, bound=None):
        """RFC 5802 §3, by hand. `liar` as the password of a user: the proof of the server is wrong."""
        first = (first if first is not None else self.challenge()).decode()
        header, bare = re.fullmatch(r"([nyp](?:=[^,]*)?,[^,]*,)(.*)", first).groups()
        user, nonce = re.fullmatch(r"n=([^,]*),r=([^,]*)", bare).groups()
        password, salt, rounds = self.sink.logins.get(user, os.urandom(8).hex()), os.urandom(16), 4096
        both = nonce + base64.b64encode(os.urandom(18)).decode()
        server_first = f"r={both},s={base64.b64encode(salt).decode()},i={rounds}"
        final = self.challenge(server_first.encode())
        if final is None:
            return None
        without, proof = re.fullmatch(r"(.*),p=([^,]*)", final.decode()).groups()
        channel, answered = re.fullmatch(r"c=([^,]*),r=([^,]*)", without).groups()
        salted = hashlib.pbkdf2_hmac("sha256", password.replace("liar", "").encode(), salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        message = f"{bare},{server_first},{without}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        right = bytes(a ^ b for a, b in zip(key, signature))
        if answered != both or base64.b64decode(channel) != header.encode() + (bound or b"") or right != base64.b64decode(proof):
            return ""
        mine = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        if password.endswith("liar"):
            mine = bytes(32)
        return None if self.challenge(b"v=" + base64.b64encode(mine)) is None else user

    def on_mail(self, line):
        reply = self.act("MAIL", line, "250 2.1.0 sender ok")
        if reply.startswith("2"):
            sender, parameters = re.match(r"(?i)MAIL FROM:<(.*?)>(.*)$", line).groups()
            self.envelope = (sender, parameters.split(), [], bytearray())

    def on_rcpt(self, line):
        reply = self.act("RCPT", line, "250 2.1.5 recipient ok" if self.envelope else "503 5.5.1 MAIL first")
        if reply.startswith("2") and self.envelope:
            address, parameters = re.match(r"(?i)RCPT TO:<(.*?)>(.*)$", line).groups()
            self.envelope[2].append((address, parameters.split()))

    def on_data(self, line):
        none = not self.envelope or not self.envelope[2]
        reply = self.act("DATA", line, "554 5.5.1 no valid recipients" if none else "354 go on")
        if not reply.startswith("354"):
            return
        self.interrupted_body()
        self.envelope[3].extend(self.content())
        self.finish("DOT")

    def interrupted_body(self):
        action = self.sink.script.get("BODY")
        action = action(self, "") if callable(action) else action
        if isinstance(action, Partly):
            self.wait_for(action.count)
            action = action.action
        if action is not None:
            self.do(action, None)

    def on_bdat(self, line):
        words = line.split()
        if self.envelope and not self.envelope[3]:
            self.interrupted_body()
        octets = self.exactly(int(words[1]))
        if not self.envelope or not self.envelope[2]:
            return self.act("BDAT", line, "503 5.5.1 no valid recipients")
        self.envelope[3].extend(octets)
        if words[-1].upper() == "LAST":
            return self.finish("DOT")
        self.act("BDAT", line, "250 2.0.0 chunk ok")

    def finish(self, key):
        """One reply, or with LMTP one for each recipient. The message counts before its reply is on the way."""
        sender, parameters, recipients, content = self.envelope
        self.envelope = None
        content = bytes(content)
        kept = None
        answers = []
        for address, _ in recipients if self.sink.lmtp else [("", None)]:
            action = self.sink.script.get(key)
            action = action(self, f"<{address}>" if address else "") if callable(action) else action
            healthy = "250 2.0.0 taken"
            answers.append(promised(action, healthy))
            message = Message(sender, parameters, recipients, content, answers if self.sink.lmtp else answers[0], self, len(self.sink.messages))
            if kept is None:
                with self.sink.lock:
                    kept = len(self.sink.messages)
                    message = message._replace(order=kept)
                    self.sink.messages.append(self.sink.store(message) if self.sink.store else message)
            self.do(action, healthy)

    def on_rset(self, line):
        self.envelope = None
        self.act("RSET", line, "250 2.0.0 reset")

    def on_noop(self, line):
        self.act("NOOP", line, "250 2.0.0 ok")

    def on_quit(self, line):
        self.quit = True
        self.act("QUIT", line, "221 2.0.0 bye")
        raise Left()


def promised(action, healthy):
    """The reply that an action will give, "" when none."""
    while isinstance(action, (Held, Late)):
        action = action.action
    action = healthy if action is None else action
    return action if isinstance(action, str) and action[:1].isdigit() else ""
