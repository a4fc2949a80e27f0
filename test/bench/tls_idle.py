#!/usr/bin/python3
"""Memory of idle TLS connections: tls_idle.py PORT COUNT PID

Opens COUNT connections to 127.0.0.1:PORT, each with EHLO, STARTTLS, EHLO, then idle, and prints what the process PID and its
descendants grew by, in KiB of PSS a connection. PID is the server's first process (mansiod: the parent; postfix: master)."""
import pathlib
import socket
import ssl
import sys
import time


def descendants(root):
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    out, left = [], [root]
    while left:
        out.append(left.pop())
        left += children.get(out[-1], [])
    return out


def pss(root):
    total = 0
    for pid in descendants(root):
        try:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def open_one(port, context):
    plain = socket.create_connection(("127.0.0.1", port), 60)
    file = plain.makefile("rb")

    def ask(line):
        if line:
            plain.sendall(line)
        while (reply := file.readline())[3:4] == b"-":
            pass
        return reply
    ask(b"")
    ask(b"EHLO bench.invalid\r\n")
    assert ask(b"STARTTLS\r\n").startswith(b"220")
    secured = context.wrap_socket(plain)
    secured.sendall(b"EHLO bench.invalid\r\n")
    data = b""
    while not data.endswith(b"\r\n") or b"\r\n250 " not in b"\r\n" + data:
        data += secured.recv(4096)
    return secured


def main():
    port, count, pid = map(int, sys.argv[1:])
    context = ssl._create_unverified_context()
    warm = [open_one(port, context) for _ in range(min(10, count))]
    time.sleep(1)
    before = pss(pid)
    held = [open_one(port, context) for _ in range(count)]
    time.sleep(2)
    after = pss(pid)
    print(f"{count} idle TLS connections: {(after - before) / count:.1f} KiB each, {after / 1024:.1f} MiB in all")
    for one in warm + held:
        one.close()


main()
