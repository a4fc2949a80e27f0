"""The harness has to catch daemons that break a promise on purpose (D-026), every time; and says nothing against the whole one in the
same scenes. lib/base/sabotage.hpp tells what they are; meson makes them with -Dsabotage=true, `./dev crash` builds them."""
import os
import signal
import subprocess

import pytest

import power
from harness import BUILD, MANSIOD
from letters import Letter, small_size

from every_call import Scene, one_case, stopped, wait_for


KINDS = ("sync", "acknowledge", "done")


def broken(kind):
    if kind == "none":
        return MANSIOD
    program = BUILD / "test" / "crash" / f"mansiod-{kind}"
    if not program.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not built: ./dev crash")
    return program


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_daemon_says_so_and_refuses_the_machine_s_configuration(make_house, kind):
    told = subprocess.run([str(broken(kind)), "--version"], capture_output=True, text=True, timeout=20)
    assert "SABOTAGED" in told.stdout and "loses mail" in told.stdout
    refused = subprocess.run([str(broken(kind)), "--foreground"], capture_output=True, text=True, timeout=20)
    assert refused.returncode == 78 and "SABOTAGED" in refused.stderr
    house = make_house()
    house.mansio.program = broken(kind)
    house.start()
    house.mansio.wait_log("SABOTAGED", "paniclog")


def test_the_whole_daemon_says_nothing_of_sabotage():
    told = subprocess.run([str(MANSIOD), "--version"], capture_output=True, text=True, timeout=20)
    assert "SABOTAGE" not in told.stdout and told.returncode == 0


# ---- done before it is delivered: a kill at any call of the agent that delivers

def test_a_recipient_that_is_done_before_its_delivery_is_caught_at_every_call_until_the_copy_is_in_its_place(world, tmp_path):
    scene, calls = Scene("maildir", (["u01@ex.test"], dict(size=3_000))), []
    for at in range(1, 40):
        lines, hit, verdicts = one_case(scene, "deliver", at, tmp_path / str(at), world, program=broken("done"), accuse=False)
        if not hit:
            break
        calls.append(lines[-1].split("\t")[1])
        delivered = "renameat2" in calls[:-1]       # killed at the entry of a call: those before it have happened
        assert set(verdicts.found()) - {"leaks"} == (set() if delivered else {"lost"}), (calls, verdicts.found())
    assert calls.index("renameat2") >= 8


# ---- acknowledged before it is stored: a kill of all at any moment after the 250

@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("kind", ["none", "acknowledge"])
def test_a_letter_that_is_acknowledged_before_it_is_stored_is_caught_by_a_kill_after_its_250(make_house, kind, number):
    house = make_house(seed=f"early-{kind}-{number}")
    house.mansio.program = broken(kind)
    house.start()
    letters = [Letter(f"l{n}", f"u{n:02}@ex.test") for n in range(number + 1)]
    mail = house.mansio.mail_pid()
    for letter in letters:
        assert house.send(letter).startswith("250 ")
    os.kill(mail, signal.SIGKILL)
    house.crash()
    verdicts = house.start().judge()
    assert [id for id, _, _ in verdicts.lost][-1:] == ([letters[-1].id] if kind == "acknowledge" else [])
    assert set(verdicts.found()) == ({"lost"} if kind == "acknowledge" else set())


@pytest.mark.parametrize("number", range(3))
def test_acknowledging_before_storing_is_caught_by_a_kill_at_a_random_moment_under_load(make_house, number):
    house = make_house(seed=f"early-load-{number}")
    house.mansio.program = broken("acknowledge")
    house.start()
    load = house.load(threads=4, sizes=small_size, kinds=("ex.test",))
    wait_for(lambda: load.acknowledged > 8 + number, what="load")
    house.crash(load)
    assert set(house.start().judge().found()) >= {"lost"}


# ---- a journal that is never synced: a power cut

@pytest.mark.skipif(power.missing() is not None, reason=str(power.missing()))
@pytest.mark.parametrize("layout, mode", [*power.ways()[:3], ("one", "xfs"), ("one", "btrfs")])
@pytest.mark.parametrize("kind", ["none", "sync"])
def test_a_journal_that_is_not_synced_is_caught_by_a_power_cut(tmp_path, world, kind, layout, mode):
    house = power.PowerHouse(tmp_path / "house", world, layout, mode, seed=f"unsynced-{kind}-{layout}-{mode}", agents=1)
    try:
        house.mansio.program = broken(kind)
        house.start()
        for title, pid in house.mansio.children().items():
            if "deliver" in title and "users" not in title:
                wait_for(lambda: stopped(pid), what="an agent to stand still")       # what is delivered is not lost
        letters = [Letter(f"l{n}", "u01@ex.test") for n in range(3)]
        for letter in letters:
            assert house.send(letter).startswith("250 ")
        house.cut()
        verdicts = house.start().judge()
    finally:
        house.close()
    assert {id for id, _, _ in verdicts.lost} == ({letter.id for letter in letters} if kind == "sync" else set())
    assert set(verdicts.found()) == ({"lost"} if kind == "sync" else set())
