"""Builds test/crash/shim.c and tells it what to do: a wall clock that can be set, allocations that fail."""
import mmap
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).with_name("shim.c")
FIELDS = "qqqqq"


class Shim:
    """`environment` preloads it into a daemon; `set_clock` and `fail` work on a running one."""

    def __init__(self, directory):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            pytest.skip("there is no C compiler")
        if "-asan" in os.environ.get("MANSIO_BUILD", ""):
            pytest.skip("AddressSanitizer has to be the first library, and has an allocator of its own")
        library, told = pathlib.Path(directory) / "shim.so", pathlib.Path(directory) / "shim.told"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE)], check=True)
        told.write_bytes(struct.pack(FIELDS, 0, 0, -1, 0, 0))
        self.file = open(told, "r+b")
        self.told = mmap.mmap(self.file.fileno(), struct.calcsize(FIELDS))
        self.environment = {"LD_PRELOAD": str(library), "MANSIO_SHIM": str(told)}

    def write(self, number, value):
        self.told[8 * number:8 * number + 8] = struct.pack("q", value)

    def set_clock(self, ahead):
        """The wall clock is so many seconds ahead of the machine's."""
        self.write(0, int(ahead))

    def fail(self, pid, left, rest=False):
        """After so many allocations of this process one fails, or all of them."""
        self.write(2, -1)
        self.write(1, pid)
        self.write(3, int(rest))
        self.write(4, 0)
        self.write(2, left)

    def fail_no_more(self):
        self.write(2, -1)

    @property
    def failed(self):
        return struct.unpack("q", self.told[32:40])[0]

    def close(self):
        self.told.close()
        self.file.close()


@pytest.fixture
def shim(tmp_path):
    made = Shim(tmp_path)
    yield made
    made.close()
