#!/usr/bin/env python3
"""Holds every #include of lib/ against the table of rooms in lib/meson.build.

A file of a room may include its own room and those its row of the table names, as "room/file.hpp". A row may name
only rooms above it. Some headers from outside belong to one room alone (OUTSIDE). Nothing in lib/ knows daemon/;
daemon/ may include everything.

    arrows.py SOURCE_ROOT    checks, prints one line a violation, exits 1 if there was one
    arrows.py --self-test    plants each kind of violation in a small tree and expects it to be found
"""
import ast
import pathlib
import re
import sys
import tempfile

OUTSIDE = [  # (what an include looks like, the one room that may have it)
    (re.compile(r"uv\.h|uv/.*"), "event"),
    (re.compile(r"ldns/.*"), "dns"),
    (re.compile(r"openssl/ssl\.h"), "net"),
    (re.compile(r"libconfig(\.h|\.h\+\+)"), "config"),
    (re.compile(r"ldap\.h|lber\.h"), "ldap"),
    (re.compile(r"krb5\.h|gssapi/.*"), "kerberos"),
]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def read_rooms(meson):
    """The table as a dict in its order: room -> the rooms it may include."""
    table = re.search(r"^rooms = (\{.*?^\})", meson, re.M | re.S)
    if not table:
        raise SystemExit("arrows.py: lib/meson.build has no table `rooms = {…}`")
    return ast.literal_eval(re.sub(r"#.*", "", table.group(1)))


def check_table(rooms):
    above = set()
    for room, needs in rooms.items():
        for need in needs:
            if need not in above:
                yield f"lib/meson.build: room {room} names {need}, which is not above it"
        above.add(room)


def check_include(rooms, room, bracket, path):
    """What is wrong with this include in a file of `room`, or None."""
    for pattern, owner in OUTSIDE:
        if pattern.fullmatch(path) and room != owner:
            return f"<{path}> belongs to lib/{owner} alone"
    first, slash, _ = path.partition("/")
    if first in rooms:
        if bracket == "<" and slash:
            return f'<{path}> is ours: write "{path}"'
        if slash and first != room and first not in rooms[room]:
            return f'"{path}": {room} may include only {", ".join([room] + rooms[room])}'
        return None
    if bracket == '"':
        return f'"{path}" names no room: write "room/file.hpp"'
    return "lib/ must not know daemon/" if first == "daemon" else None


def check_tree(root):
    lib = pathlib.Path(root) / "lib"
    rooms = read_rooms((lib / "meson.build").read_text())
    violations = list(check_table(rooms))
    files = 0
    for file in sorted(p for p in lib.rglob("*") if p.suffix in (".hpp", ".cpp", ".h", ".in")):
        files += 1
        name, room = file.relative_to(root), file.relative_to(lib).parts[0]
        if room not in rooms:
            violations.append(f"{name}: {room} is not a room of lib/meson.build")
            continue
        text = file.read_text(errors="replace")
        for match in INCLUDE.finditer(text):
            wrong = check_include(rooms, room, *match.groups())
            if wrong:
                line = text.count("\n", 0, match.start()) + 1
                violations.append(f"{name}:{line}: {wrong}")
    return violations, files


TABLE = """rooms = {
  'base': [],   # nothing
  'event': ['base'],
  'dns': ['base', 'event'],
  'net': ['base'],
  'config': ['base'],
}
"""
CASES = [  # (table, file, its include line, is it a violation?)
    (TABLE, "lib/event/a.cpp", '#include "base/text.hpp"', False),
    (TABLE, "lib/event/a.cpp", '#include "event/own.hpp"', False),
    (TABLE, "lib/event/a.cpp", "#include <uv.h>", False),
    (TABLE, "lib/event/a.cpp", "#include <vector>", False),
    (TABLE, "lib/event/a.cpp", '// #include "dns/a.hpp"', False),
    (TABLE, "lib/config/a.cpp", "#include <libconfig.h++>", False),
    (TABLE, "lib/net/a.cpp", "#include <openssl/ssl.h>", False),
    (TABLE, "lib/event/a.cpp", '#include "dns/names.hpp"', True),      # an arrow that points up
    (TABLE, "lib/net/a.cpp", '#  include "event/loop.hpp"', True),     # a room its row does not name
    (TABLE, "lib/base/a.hpp", '#include "event/loop.hpp"', True),
    (TABLE, "lib/base/a.hpp", '#include "text.hpp"', True),            # no room
    (TABLE, "lib/event/a.cpp", "#include <base/text.hpp>", True),      # ours, but in brackets
    (TABLE, "lib/dns/a.cpp", '#include "daemon/main.hpp"', True),
    (TABLE, "lib/dns/a.cpp", "#include <daemon/main.hpp>", True),
    (TABLE, "lib/dns/a.cpp", "#include <uv.h>", True),
    (TABLE, "lib/event/a.cpp", "#include <ldns/ldns.h>", True),
    (TABLE, "lib/dns/a.cpp", "#include <openssl/ssl.h>", True),
    (TABLE, "lib/base/a.cpp", "#include <libconfig.h++>", True),
    (TABLE, "lib/other/a.cpp", "#include <vector>", True),             # a folder that is no room
    (TABLE.replace("'event': ['base']", "'event': ['net']"), "lib/event/a.cpp", "", True),   # a row that names one below
]


def self_test():
    failed = 0
    for table, name, line, wanted in CASES:
        with tempfile.TemporaryDirectory() as root:
            file = pathlib.Path(root) / name
            file.parent.mkdir(parents=True)
            (pathlib.Path(root) / "lib/meson.build").write_text(table)
            file.write_text(f"#pragma once\n{line}\n")
            violations, _ = check_tree(root)
        if bool(violations) != wanted:
            failed += 1
            print(f"self-test: {name} with {line!r}: expected {'a violation' if wanted else 'none'}, got {violations}")
    print(f"arrows.py: {len(CASES) - failed} of {len(CASES)} planted cases judged right")
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    violations, files = check_tree(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(*violations, sep="\n", end="\n" if violations else "")
    print(f"arrows.py: {files} files, {len(violations)} violations")
    sys.exit(1 if violations or not files else 0)


if __name__ == "__main__":
    main()
