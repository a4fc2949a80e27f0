"""Houses whose spool or mailboxes lie on small file systems of their own, which others fill: by octets, or by files (durability
cases D-063 to D-073)."""
import contextlib
import os
import pathlib
import shutil
import subprocess

from harness import wait_for
from test_durability import Disks

from house import House

MEGABYTE = 1 << 20


def missing():
    if os.geteuid() != 0:
        return "mounting needs root"
    lacking = [name for name in ("unshare", "nsenter") if not shutil.which(name)]
    return f"{lacking} missing" if lacking else None


class SmallDisk:
    def __init__(self, disks, at, kind, size, inodes):
        self.disks, self.at, self.kind = disks, at, kind
        if kind == "tmpfs":
            self.run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(at))
        else:
            with open(self.image, "wb") as file:
                file.truncate(size)
            # The tables of inodes are not written until they are used: a large disk costs nothing.
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-N", str(inodes), str(self.image)], check=True,
                           env=dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin"))
            self.mount()
        self.path = pathlib.Path(f"{disks.root}{at}")

    @property
    def image(self):
        return self.disks.directory / f"{self.at.name}.ext4"

    def run(self, *words, **options):
        return subprocess.run([*self.disks.enter, *words], check=True, **options)

    def mount(self):
        self.run("mount", "-o", "loop,errors=remount-ro,noinit_itable", str(self.image), str(self.at))

    def unmount(self):
        wait_for(lambda: subprocess.run([*self.disks.enter, "umount", str(self.at)], capture_output=True).returncode == 0, what=f"umount {self.at}")

    def fill(self, how, leave=0):
        """Others take all octets but so many, or all files."""
        space = os.statvfs(self.path)
        if how == "octets":
            with contextlib.suppress(OSError), open(self.path / "others", "ab") as file:
                wanted = space.f_bavail * space.f_frsize - leave
                if wanted > 0:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, wanted)
        elif self.kind == "tmpfs":
            for more in range(0, 200, 10):       # files are made meanwhile
                space = os.statvfs(self.path)
                if subprocess.run([*self.disks.enter, "mount", "-o", f"remount,nr_inodes={space.f_files - space.f_ffree + more}", str(self.at)],
                                  capture_output=True).returncode == 0:
                    break
        else:
            (self.path / "others.files").mkdir(exist_ok=True)
            with contextlib.suppress(OSError):
                for number in range(space.f_files):
                    (self.path / "others.files" / f"{number}").touch(exist_ok=False)

    def free(self):
        (self.path / "others").unlink(missing_ok=True)
        shutil.rmtree(self.path / "others.files", ignore_errors=True)
        if self.kind == "tmpfs":
            self.run("mount", "-o", "remount,nr_inodes=20000", str(self.at))


class SmallHouse(House):
    """`small`: which of spool and mail have disks of their own; `size` and `inodes` of all, or {which: how much}."""

    def __init__(self, directory, world, small=("spool",), kind="tmpfs", size=48 * MEGABYTE, inodes=400, **options):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.mounts = Disks(directory)
        self.disks = {}
        try:
            super().__init__(directory, world, wrapper=self.mounts.enter, root=self.mounts.root, **{"segment_size": "4M", "reserve": "8M", **options})
            for word in small:
                at = self.mansio.directory / word
                at.mkdir(exist_ok=True)
                octets, files = (each[word] if isinstance(each, dict) else each for each in (size, inodes))
                self.disks[word] = SmallDisk(self.mounts, at, kind, octets, files)
        except BaseException:
            self.mounts.close()
            raise

    def fill(self, how, leave=0):
        for disk in self.disks.values():
            disk.fill(how, leave)

    def free(self):
        for disk in self.disks.values():
            disk.free()

    def close(self):
        super().close()
        for disk in self.disks.values():
            with contextlib.suppress(AssertionError):
                disk.unmount()
        self.mounts.close()
        for image in self.directory.glob("*.ext4"):
            image.unlink()
