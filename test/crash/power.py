"""The end of the power: images of ext4, xfs and btrfs in a mount namespace of their own, cut with FS_IOC_SHUTDOWN (see test_durability for why
every thread of the daemon is stopped first), with everything on one disk or on two, any of ext4's ways of keeping data, and free blocks
that are full of other people's old mail (durability cases D-043 to D-053)."""
import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import time

from harness import wait_for
from ledger import make_message, seeded
from test_durability import Disks, PoweredScene

from house import House
from letters import Letter, small_size

# What is on which disk. The log shares the spool's, for the state of the queue must never hang on it (D-053).
LAYOUTS = {"one": {"disk": ["spool", "log", "mail"]}, "two": {"disk1": ["spool", "log"], "disk2": ["mail"]}}
SIZE = 320 << 20          # xfs takes 300 MiB and more


def system_of(mode):
    """A mode is a way in which ext4 keeps data, or another file system."""
    return mode if mode in MAKE else "ext4"


# How one is made on an image, and mounted. nodiscard, -K: else mkfs punches holes where the old mail is. xfs has no setting for how often
# it writes its log by itself: each 30 seconds.
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard,lazy_itable_init=1"], "xfs": ["mkfs.xfs", "-q", "-f", "-K"],
        "btrfs": ["mkfs.btrfs", "-q", "-f", "-K"]}
MOUNT = {"ext4": "loop,commit=600,nodiscard,data={mode}", "xfs": "loop,nodiscard", "btrfs": "loop,commit=300,nodiscard"}


TOOLS = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")


def missing():
    """Why there can be no power cut here, or None."""
    if os.geteuid() != 0:
        return "a power cut needs root: loop devices are mounted"
    lacking = [name for name in ("unshare", "nsenter", *(command[0] for command in MAKE.values())) if not shutil.which(name, path=TOOLS["PATH"])]
    known = pathlib.Path("/proc/filesystems").read_text().split()
    lacking += [f"{name} in this kernel" for name in MAKE if name not in known]
    return f"missing: {', '.join(lacking)}" if lacking else None


class OldDisks(Disks):
    """Disks that have been used before: what a file system shows of a block that was never written is a stranger's message."""

    def __init__(self, directory, mode="ordered"):
        super().__init__(directory)
        self.mode = mode
        self.mounted = {}         # where: which

    def make(self, name, size=SIZE):
        content, _ = make_message("stale", 4000, seeded("stale"))
        page = (b"From stale@old.test Thu Jan  1 00:00:00 1970\n" + content.replace(b"\r\n", b"\n")).ljust(4096, b"\n")[:4096]
        with open(self.image(name), "wb") as file:
            for _ in range(size >> 20):
                file.write(page * 256)
        subprocess.run([*MAKE[system_of(self.mode)], str(self.image(name))], check=True, env=TOOLS, stdout=subprocess.DEVNULL)

    def image(self, name):
        return self.directory / f"{name}.{system_of(self.mode)}"

    def mount(self, name, at):
        options = MOUNT[system_of(self.mode)].format(mode=self.mode)
        subprocess.run([*self.enter, "mount", "-o", options, str(self.image(name)), str(at)], check=True)
        self.mounted[str(at)] = name

    def cut(self, at):
        """btrfs can't be told to forget. What it has written so far is put aside, and stands for the disk after the cut."""
        if system_of(self.mode) != "btrfs":
            return super().cut(at)
        image = self.image(self.mounted[str(at)])
        loop = subprocess.run(["losetup", "-n", "-O", "NAME", "-j", str(image)], check=True, capture_output=True, text=True, env=TOOLS).stdout.split()[0]
        device = pathlib.Path("/sys/block") / pathlib.Path(loop).name

        def writes():
            return (device / "inflight").read_text().split(), (device / "stat").read_text().split()[4:8]

        def put_aside():
            """As of one moment: nothing was written while it was read. A sync that is under way comes to its end, and nobody hears of it."""
            before = writes()
            subprocess.run(["cp", "--sparse=always", str(image), f"{image}.cut"], check=True)
            return before == writes() and before[0] == ["0", "0"]
        wait_for(put_aside, what=f"{loop} to stand still")

    def unmount(self, at):
        super().unmount(at)
        image = self.image(self.mounted[str(at)])
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{image}.cut", image)


class PowerHouse(House):
    """A house on one disk or on two. Only run/ and the clients' ledger are elsewhere."""

    def __init__(self, directory, world, layout="two", mode="ordered", sizes=None, **options):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.disks, self.layout = OldDisks(directory, mode), LAYOUTS[layout]
        # A file that was synced in tmp/ and moved to new/ has both names after a cut (docs/durability.md).
        self.old_names_come_back = mode == "btrfs"
        try:
            super().__init__(directory, world, wrapper=self.disks.enter, root=self.disks.root, **options)
            self.move_in(sizes or {})
        except BaseException:
            self.disks.close()
            raise

    def move_in(self, sizes):
        home, text = self.mansio.directory, self.mansio.config.read_text()
        self.mansio.mail.rmdir()
        self.places = {}
        for disk, words in self.layout.items():
            at = self.places[disk] = home / disk
            at.mkdir()
            self.disks.make(disk, sizes.get(disk, SIZE))
            self.disks.mount(disk, at)
            for word in words:
                # For whoever looks from outside, through the root of the namespace.
                (home / word).symlink_to(f"{disk}/{word}")
                text = text.replace(f'{word}_directory = "{word}"', f'{word}_directory = "{disk}/{word}"').replace(f'path = "{word}/', f'path = "{disk}/{word}/')
                if word == "mail":
                    self.inside(at / word).mkdir()
            subprocess.run([*self.disks.enter, "sync", "-f", str(at)], check=True)       # what was there before the daemon
        self.mansio.config.write_text(text)
        self.mansio.log = self.log

    def log(self, name="mainlog"):
        with contextlib.suppress(FileNotFoundError):
            return (self.inside(self.mansio.directory) / "log" / name).read_text(errors="replace")
        return ""

    freeze = PoweredScene.freeze

    def cut(self, order=None, load=None):
        """Off and on again. The daemon is gone, and what was not synced is, too."""
        self.freeze()
        for disk in order or list(self.places):
            self.disks.cut(self.places[disk])
        if load:
            load.stopping.set()
        self.mansio.kill()
        for disk, at in self.places.items():
            self.disks.unmount(at)
            self.disks.mount(disk, at)
        # A dotlock's content is not synced: a cut may leave it empty, and then it stands for ten minutes. Here they pass at once.
        lock = self.inside(self.mansio.mail) / "box.mbox.lock"
        if lock.exists():
            os.utime(lock, (time.time() - 700, time.time() - 700))
        return self.crashed(load)

    def account(self, *words, **options):
        """A dotlock that the cut brought back goes with the next delivery."""
        if (self.inside(self.mansio.mail) / "box.mbox.lock").exists():
            wait_for(lambda: self.send(Letter(f"{self.seed}-unlock{time.monotonic_ns()}", "box@box.test")).startswith("250"), what="mail to be accepted")
            self.acknowledged += 1
        return super().account(*words, **options)

    def close(self):
        super().close()
        for at in getattr(self, "places", {}).values():
            with contextlib.suppress(AssertionError):
                self.disks.unmount(at)
        self.disks.close()
        for disk in self.layout:
            self.disks.image(disk).unlink(missing_ok=True)


def mostly_small(generator):
    return small_size(generator) if generator.random() < 0.92 else generator.randrange(280_000, 400_000)


def ways():
    """Layout and mode, the most usual first."""
    return [("two", "ordered"), ("one", "writeback"), ("two", "writeback"), ("one", "ordered"), ("two", "xfs"), ("one", "xfs"), ("two", "btrfs"), ("one", "btrfs"), ("two", "journal"), ("one", "journal")]


def batch(world, directory, layout, mode, number, rounds):
    """Power cuts at random moments under load, each while mail of those before may wait; then the account: verdicts and figures."""
    world.forget()
    world.moody(f"power.{number}")
    generator = random.Random(f"power {layout} {mode} {number}")
    house = PowerHouse(directory, world, layout, mode, seed=f"power-{layout}-{mode}-{number}")
    try:
        for _ in range(rounds):
            house.start()
            load = house.load(threads=4, sizes=mostly_small)
            time.sleep(generator.uniform(0.05, 0.7))       # not to wait for anything: the moment of the cut
            house.measure()
            order = list(house.places)
            generator.shuffle(order)
            house.cut(order, load)
        house.start()
        verdicts = house.account(f"./dev prove power --only {layout}:{mode}:{number}:{rounds}")
        assert verdicts.answers["ACK"] == house.acknowledged > 0
    finally:
        house.close()
    shutil.rmtree(directory)
    return verdicts, house.figures
