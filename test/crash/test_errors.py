"""Errors of system calls (D-055 to D-077): see errors.py. MANSIO_PROVE tries them all, CI those of which one is known to matter."""
import os
import shutil

import pytest

from errors import CASES, WHEN, Trial

WHOLE = bool(os.environ.get("MANSIO_PROVE"))
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("strace") is None, reason="needs strace, as root")
SOME = ["mail:openat:EMFILE", "mail:unlink:EIO", "mail:accept4:EMFILE", "mail:pwrite64:EIO",
        "agents:write+unlinkat:ENOSPC+EIO", "agents:write+ftruncate:ENOSPC+EIO", "agents:fsync+ftruncate:EIO+ENOSPC", "agents:unlink:EIO",
        "agents:renameat2:EEXIST", "agents:fsetxattr:ENOSPC", "agents:setresuid:EAGAIN", "agents:mkdir:EDQUOT"]
GROUPS = sorted({case.rpartition(":")[0] for case in CASES}) if WHOLE else ["mail", "agents"]


@pytest.mark.parametrize("group", GROUPS)
def test_calls_that_fail_cost_no_letter_and_double_none(world, tmp_path, group):
    trial = Trial(tmp_path / "house", world, f"errors-{group.replace(':', '-')}")
    ended = []
    try:
        for case in [case for case in (CASES if WHOLE else SOME) if case.startswith(group + ":")]:
            met = 0
            for when in WHEN:
                count, dead = trial.run(case, when, patience=0.3 if WHOLE else 3)
                ended += [(case, when, dead)] if dead else []
                met += count
                nobody_makes_it = count == 0 and when == "1" and "+" not in case
                if (nobody_makes_it if WHOLE else met):
                    break              # in CI once is enough
            assert met or WHOLE, f"{case} was never met"
        verdicts = trial.account()
        print(verdicts.tell(), "twice:", trial.twice, "ended:", ended, "struck:", trial.struck)
    finally:
        trial.close()
