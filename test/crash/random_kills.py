"""One round of random kills: a house, a load, the kill of one kind of process, a restart, the account."""
import os
import random
import shutil
import signal
import time

from harness import alive, wait_for

from house import House
from letters import small_size

# all: every process at once; mail: a mail process, which the parent starts again; agent: a delivery agent; parent: the parent
# alone, whose children end by themselves; one: one of two mail processes, while the other goes on; both: everything, with two.
WHO = ("all", "mail", "agent", "parent", "one", "both")


def repeat_command(who, number):
    return f"./dev prove random --only {who}:{number}"


def mostly_small(generator):
    return small_size(generator) if generator.random() < 0.93 else generator.randrange(20_000, 600_000)


def one_round(world, directory, who, number, **options):
    """The verdicts and the house's figures; Unproved when something is wrong."""
    generator = random.Random(f"{who}.{number}")
    world.forget()
    world.moody(f"{who}.{number}")
    if who in ("one", "both"):
        options["mail_processes"] = 2
    house = House(directory, world, seed=f"{who}-{number}", **options).start()
    try:
        load = house.load(threads=4, sizes=mostly_small)
        time.sleep(generator.uniform(0.03, 0.5))        # not to wait for anything: the moment of the crash
        house.measure()
        KILL[who](house, load, generator)
        if house.mansio.process is None:
            house.start()
        verdicts = house.account(repeat_command(who, number))
    finally:
        house.close()
    shutil.rmtree(directory)
    return verdicts, house.figures


def kill_all(house, load, generator):
    house.crash(load)


def kill_mail(house, load, generator):
    pid = generator.choice([pid for title, pid in sorted(house.mansio.children().items()) if "mail" in title])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid), what="the end of the mail process")
    wait_again(house, load)


def kill_agent(house, load, generator):
    agents = sorted((title, pid) for title, pid in house.mansio.children().items() if "deliver" in title)
    title, pid = generator.choice(agents)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: house.mansio.children().get(title, pid) != pid, what="another agent")
    wait_again(house, load)


def wait_again(house, load):
    """Until the load gets answers again; then it ends."""
    seen = load.acknowledged
    wait_for(lambda: load.acknowledged > seen + 4, 60, "mail to be accepted again")
    load.stopping.set()
    house.crashed(load)


def kill_parent(house, load, generator):
    pids = list(house.mansio.children().values())
    os.kill(house.mansio.parent_pid(), signal.SIGKILL)
    load.stopping.set()
    for pid in pids:
        wait_for(lambda: not alive(pid), 60, "the end of the parent's children")
    house.mansio.kill()
    house.crashed(load)


KILL = {"all": kill_all, "mail": kill_mail, "agent": kill_agent, "parent": kill_parent, "one": kill_mail, "both": kill_all}
