"""A crash at each system call (D-011, D-029, D-031, D-035): a scene is played once with all calls counted, then again and again,
each time killed at the entry of one call more. stop_at counts the calls of one kind of process that reach outside of it: each
file operation that changes something, each word on a socket; what wakes a thread, maps memory or only looks leaves the same
behind as the next call that counts (`everything` counts looking, too).

A scene is a few lines: `prepare(house)` with a healthy daemon, `play(house)` while calls are counted. Then the daemon is started
again, without faults, and the account has to be right."""
import contextlib
import pathlib
import re
import shutil
import signal
import time

from harness import BUILD, wait_for

from house import House
from letters import Letter

STOP_AT = BUILD / "test" / "crash" / "stop_at"
LARGE = 400_000       # more than is held in memory: a file of its own
MISSES = 2            # so many runs that end before call N: the scene has no more of them


# ---- scenes

class Scene:
    """`sends`: what is sent; `at_start`: calls are counted from the start of the daemon on."""
    at_start = False
    sink_script = None

    def __init__(self, name, *letters):
        self.name, self.made = name, letters

    def letters(self):
        return [Letter(f"{self.name}{number}", *recipients, **options) for number, (recipients, options) in enumerate(self.made)]

    def prepare(self, house):
        pass

    def play(self, house):
        """Until all there is to do is done, or the daemon is dead."""
        for letter in self.letters():
            house.send(letter, whole=False, timeout=20)
        self.until_done(house, len(self.made))

    def until_done(self, house, count):
        def done():
            return dead(house) or len(re.findall(r" Completed", house.mansio.log())) >= count
        with contextlib.suppress(AssertionError):
            wait_for(done, 20, "the end of the scene")
        time.sleep(0.05)      # what follows the last line of the log


class Deferred(Scene):
    """The other host says "later", then takes it: a message that goes to deferred/ and leaves it again."""

    def prepare(self, house):
        house.world.sinks["moody.test"].script = {"RCPT": "450 4.2.0 not now"}

    def play(self, house):
        for letter in self.letters():
            house.send(letter, timeout=20)
        with contextlib.suppress(AssertionError):
            wait_for(lambda: dead(house) or re.search(r" == .*@moody.test", house.mansio.log()), 20, "a deferral")
        house.world.calm()
        if not dead(house):
            house.mansio.ctl("queue", "retry", "--all", "--yes")
        self.until_done(house, len(self.made))


class Recovery(Scene):
    """A daemon that was killed with mail in its journal, in large/ and in deferred/ starts."""
    at_start = True

    def prepare(self, house):
        house.start()
        house.world.sinks["moody.test"].script = {"RCPT": "450 4.2.0 not now"}
        first, *rest = self.letters()
        house.send(first)
        house.mansio.wait_log(r" == .*@moody.test")
        wait_for(lambda: list((house.mansio.directory / "spool" / "0" / "deferred").glob("*/*")), what="a file in deferred/")
        # Nobody delivers any more: the rest stays in the journal.
        for title, pid in house.mansio.children().items():
            if "deliver" in title and "users" not in title:
                wait_for(lambda: stopped(pid), what="an agent to stand still")
        for letter in rest:
            house.send(letter)
        house.mansio.kill()
        house.crashed()
        house.world.calm()

    def play(self, house):
        self.until_done(house, len(self.made))


def stopped(pid):
    import os
    os.kill(pid, signal.SIGSTOP)
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt"


def dead(house):
    return house.mansio.process is None or house.mansio.process.poll() is not None or "killed" in counted(house)


ONE = dict(size=3_000)
SCENES = {scene.name: scene for scene in (
    Scene("maildir", (["u01@ex.test"], ONE)),
    Scene("mbox", (["box@box.test"], ONE)),
    Scene("large", (["u01@ex.test", "box@box.test"], dict(size=LARGE))),
    Scene("relay", (["ada@good.test", "bea@good.test"], ONE)),
    Scene("bounce", (["ada@fail.test"], ONE)),
    Scene("badmail", (["ada@fail.test"], dict(size=3_000, sender=""))),
    Scene("several", (["u01@ex.test", "u02@ex.test", "box@box.test", "ada@good.test", "bea@fail.test"], ONE)),
    Deferred("deferred", (["ada@moody.test"], ONE)),
    Recovery("recovery", (["ada@moody.test", "u03@ex.test"], ONE), (["u01@ex.test"], ONE), (["box@box.test"], ONE),
             (["u02@ex.test", "box@box.test"], dict(size=LARGE))),
)}
# Which processes' calls are counted in which scenes. All processes are killed, but for "-alone": there only the one is, and the
# others go on and start it again.
PARTS = [(name, "mail") for name in SCENES] + [(name, "deliver") for name in ("maildir", "mbox", "large", "recovery")] + [("recovery", "parent")]
PARTS += [(name, "deliver-alone") for name in ("maildir", "mbox", "large")] + [(name, "mail-alone") for name in ("maildir", "relay")]


# ---- cases

def counted(house):
    """The lines that stop_at has written."""
    try:
        return house.record.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def new_house(directory, world, seed, **options):
    return House(directory, world, seed=seed, **{"agents": 1, "connections": 2, **options})


def under_stop_at(house, role, at, armed, only=False, everything=False):
    house.record = house.directory / "calls"
    words = [str(STOP_AT), "--role", role, "--at", str(at), "--record", str(house.record)]
    words += ["--armed"] * armed + ["--only"] * only + ["--all"] * everything
    house.mansio.wrapper = [*words, "--"]


def prepared(directory, world, scene):
    """A directory whose copies each case of a scene begins with; None when the scene begins with nothing."""
    if not scene.at_start:
        return None
    world.forget()
    house = new_house(directory, world, scene.name)
    try:
        scene.prepare(house)
    finally:
        house.close()
    assert not any(sink.taken() for sink in world.sinks.values()), "what was sent before is in no case's account"
    return directory


def one_case(scene, role, at, directory, world, base=None, everything=False, program=None, repeat="", accuse=True):
    """Plays the scene with a kill at call `at`. Gives (lines of the calls, was it hit, verdicts); Unproved when a verdict goes
    against the daemon, unless it is not to be accused."""
    if base:
        shutil.copytree(base, directory, ignore=shutil.ignore_patterns("run"), symlinks=True)
    world.forget()
    only, role = role.endswith("-alone"), role.removesuffix("-alone")
    house = new_house(directory, world, f"{scene.name}-{role}-{at}" + "-only" * only)
    if base:
        house.crashes, house.marks, house.finished = 1, [world.counts()], [set()]
    if program:
        house.mansio.program = program
    try:
        under_stop_at(house, role, at, scene.at_start, only, everything)
        start_counted(house, scene)
        lines = counted(house)
        hit = "killed" in lines
        if hit:
            lines = lines[:lines.index("killed")]        # others may have gone on
        if not only:
            house.mansio.kill()
        if hit:
            house.crashed()
        if not only:
            house.mansio.wrapper = []
            house.start()
        verdicts = house.account(repeat, drain=60) if accuse else house.judge(drain=60)
    finally:
        house.close()
    shutil.rmtree(directory)
    return lines, hit, verdicts


def start_counted(house, scene):
    if scene.at_start:
        with contextlib.suppress(AssertionError):
            house.mansio.start(20)
            scene.play(house)
        return
    house.mansio.start(20)
    scene.prepare(house)
    house.mansio.process.send_signal(signal.SIGUSR1)
    scene.play(house)


def enumerate_calls(scene_name, role, directory, world, numbers=None, progress=None, **options):
    """All N (or those of `numbers`) until the scene has no more calls. Gives the calls that were hit, by number."""
    scene, hits, misses = SCENES[scene_name], {}, 0
    directory.mkdir(parents=True, exist_ok=True)
    base = prepared(directory / "base", world, scene)
    for at in numbers or range(1, 100_000):
        repeat = f"./dev prove calls --only {scene_name}:{role}:{at}"
        lines, hit, verdicts = one_case(scene, role, at, directory / str(at), world, base, repeat=repeat, **options)
        if hit:
            hits[at] = lines[-1]
        misses = 0 if hit else misses + 1
        if progress:
            progress(at, lines[-1] if hit else "", verdicts)
        if misses >= MISSES and not numbers:
            break
    return hits


def record_calls(scene_name, role, directory, world, **options):
    """The calls of one undisturbed run."""
    scene = SCENES[scene_name]
    directory.mkdir(parents=True, exist_ok=True)
    base = prepared(directory / "base", world, scene)
    return one_case(scene, role, 0, directory / "record", world, base, **options)[0]


# ---- the selection for continuous integration

CHANGES = {"openat", "write", "pwrite64", "writev", "fsync", "fdatasync", "rename", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir",
           "mkdirat", "ftruncate", "copy_file_range", "sendfile", "sendto", "sendmsg"}


def selection(lines):
    """Of recorded calls the numbers of those that change a file or tell somebody something: the first and the last of each kind."""
    kinds = {}
    for number, line in enumerate(lines, 1):
        _, call, what = line.split("\t")
        if call not in CHANGES or what.endswith("/stderr") or "/run/" in what:
            continue
        kind = "socket" if what.startswith("socket:") else re.sub(r"\w{6}-\w{6}-\w\w|\d+", "N", re.sub(r".*/(record|base)/", "", what))
        kinds.setdefault((call, kind), []).append(number)
    return sorted({number for found in kinds.values() for number in (found[0], found[-1])})
