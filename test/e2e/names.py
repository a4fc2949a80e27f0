"""A name server with a zone of the test's own, over UDP and TCP on one port of loopback.

    names = Names()
    names.add("a.test", "MX", (10, "mx1.a.test"), (20, "mx2.a.test"))
    names.add("mx1.a.test", "A", "127.0.0.2")
    names.trouble("b.test", "MX", SERVFAIL)      # or SILENT, REFUSED, GARBAGE, TRUNCATED (UDP only: then TCP), Delayed(event)

A name that was never mentioned is NXDOMAIN; a name with other records only, or with names below it, is "no data". Every question is
written down in `questions` as (name, type, "udp" or "tcp")."""
import collections
import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
WORDS = {number: word for word, number in TYPES.items()}
SERVFAIL, REFUSED, SILENT, GARBAGE, TRUNCATED = "servfail", "refused", "silent", "garbage", "truncated"
Delayed = collections.namedtuple("Delayed", "event")


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def wire_data(type, value):
    if type == "A":
        return socket.inet_aton(value)
    if type == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if type == "MX":
        return struct.pack("!H", value[0]) + wire_name(value[1])
    if type == "TXT":
        octets = value.encode()
        parts = [octets[i:i + 255] for i in range(0, len(octets), 255)] or [b""]
        return b"".join(bytes([len(part)]) + part for part in parts)
    return wire_name(value)


class Names:
    def __init__(self, ttl=300):
        self.ttl = ttl
        self.records = collections.defaultdict(lambda: collections.defaultdict(list))
        self.troubles = {}
        self.questions = []
        self.lock = threading.Lock()
        self.bind()
        self.threads = [threading.Thread(target=serve, daemon=True) for serve in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def bind(self):
        """One free port for both."""
        for _ in range(50):
            self.tcp = socket.socket()
            self.tcp.bind(("127.0.0.1", 0))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(("127.0.0.1", self.port))
            except OSError:
                self.tcp.close()
                self.udp.close()
                continue
            return self.tcp.listen(50)
        raise OSError("no port that is free for UDP and TCP")

    def close(self):
        for each in (self.udp, self.tcp):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    # ---- the zone

    def add(self, name, type, *values):
        with self.lock:
            self.records[name.lower()][type] += values
        return self

    def remove(self, name):
        with self.lock:
            self.records.pop(name.lower(), None)

    def trouble(self, name, type, what):
        """`what` None: healthy again."""
        self.troubles[(name.lower(), type)] = what

    def site(self, domain, *addresses, preference=10):
        """A domain with an MX host for each address, the first the best: mx1.DOMAIN, mx2.DOMAIN, ..."""
        for number, address in enumerate(addresses, 1):
            self.add(domain, "MX", (preference * number, f"mx{number}.{domain}"))
            self.add(f"mx{number}.{domain}", "AAAA" if ":" in address else "A", address)
        return self

    def asked(self, name, type):
        return sum(1 for question in list(self.questions) if question[:2] == (name, type))

    # ---- serving

    def serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self.answer_udp, args=(query, peer), daemon=True).start()

    def answer_udp(self, query, peer):
        answer = self.answer(query, "udp")
        try:
            if answer:
                self.udp.sendto(answer, peer)
        except OSError:
            pass

    def serve_tcp(self):
        while True:
            try:
                peer, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.answer_tcp, args=(peer,), daemon=True).start()

    def answer_tcp(self, peer):
        with peer:
            peer.settimeout(10)
            file = peer.makefile("rb")
            try:
                while len(head := file.read(2)) == 2:
                    answer = self.answer(file.read(struct.unpack("!H", head)[0]), "tcp")
                    if not answer:
                        return
                    peer.sendall(struct.pack("!H", len(answer)) + answer)
            except OSError:
                pass

    def answer(self, query, transport):
        if len(query) < 17:
            return b""           # the shutting down of a socket reads as an empty one
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        name, type = ".".join(labels), WORDS.get(struct.unpack("!H", query[at + 1:at + 3])[0], "?")
        self.questions.append((name, type, transport))
        trouble = self.troubles.get((name, type))
        if isinstance(trouble, Delayed):
            trouble.event.wait(60)
        if trouble == SILENT:
            return b""
        if trouble == GARBAGE:
            return query[:2] + b"\xff" * 40
        code, answers = self.look_up(name, type)
        flags = 0x8180
        if trouble in (SERVFAIL, REFUSED):
            code, answers = (2 if trouble == SERVFAIL else 5), []
        if trouble == TRUNCATED and transport == "udp":
            flags, answers = flags | 0x0200, []
        records = [wire_name(owner) + struct.pack("!HHIH", TYPES[kind], 1, self.ttl, len(data := wire_data(kind, value))) + data
                   for owner, kind, value in answers]
        authority = b"" if records or code in (2, 5) else self.authority()
        return query[:2] + struct.pack("!HHHHH", flags | code, 1, len(records), 1 if authority else 0, 0) + question + b"".join(records) + authority

    def authority(self):
        data = wire_name("ns.test") + wire_name("root.test") + struct.pack("!IIIII", 1, 3600, 600, 86400, self.ttl)
        return wire_name("test") + struct.pack("!HHIH", 6, 1, self.ttl, len(data)) + data

    def look_up(self, name, type):
        answers = []
        with self.lock:
            for _ in range(20):
                there = self.records.get(name)
                if there is None:
                    below = any(other.endswith("." + name) for other in self.records)
                    known = below or any(key[0] == name for key in self.troubles)
                    return (0 if known else 3), answers
                found = there.get(type, [])
                answers += [(name, type, value) for value in found]
                alias = there.get("CNAME")
                if found or not alias:
                    break
                answers.append((name, "CNAME", alias[0]))
                name = alias[0].lower()
        return 0, answers
