"""docs/proof.md, from what the parts of `./dev prove` have kept. Every figure in it is from a run."""
import collections
import pathlib

from power import system_of
from verdicts import NAMES

HEAD = """# Proof

`./dev prove` writes this page; every figure on it is from the runs named here. `docs/durability.md` says what is promised,
`lib/spool/STATES.md` why it holds. This page says what was tried to break it.

Each round starts a daemon with its own spool, mailboxes and hosts to send to. Clients keep a ledger, synced to disk before they go
on: what was sent, and which whole reply was read. Then comes the fault. The daemon is started again without faults, its queue is
drained, and mailboxes, other hosts, reports, badmail, queue, spool and quarantine are held against the ledger, recipient by recipient:

| verdict | meaning | allowed |
|---|---|---|
| lost | acknowledged, and neither delivered, reported, kept as badmail nor queued | 0 |
| ghosts | refused or broken off, and there all the same | 0 |
| duplicates | a second copy in a Maildir; elsewhere more than one for each crash; one sent after it was finished; too many in all | 0 |
| corrupt | a copy whose SHA-256 is not that of what was sent | 0 |
| misrouted | a copy, report or queue entry with somebody whose it is not | 0 |
| broken | a mailbox or report that can't be read, anything in quarantine, a panic | 0 |
| leaks | a file left of a message that is finished | 0 |
| false | reported as failed though delivered, or though nobody refused it | 0 |

A copy that a crash explains is no duplicate: the daemon died after another host's 250, or after the sync of an mbox, and before its
own record of it. These second copies are counted below.
"""
TAIL = """
## What is not tried

- A kill in a program that a delivery starts: such a program can be run once more after a crash (D-007).
- Kills at calls that only look (stat, open for reading, read of a file): they leave what the next call that changes something leaves.
- Power cuts on file systems other than ext4, xfs and btrfs.
- Disks that say "written" and have not.
"""
TITLES = dict(sabotage="Daemons that break a promise on purpose", calls="A crash at each system call", random="Random kills under load",
              power="Power cuts", faults="Other faults", soak="Long run")


def write_page(path, parts):
    """What another machine has run stays as the page has it."""
    parts, rows, sections = {part["name"]: part for part in parts}, *read_page(path)
    for name, part in parts.items():
        rows[TITLES[name]], sections[TITLES[name]] = row(part), section(part)
    lines = [HEAD, "## What was run", ""]
    lines += ["| part | command | last run | commit | machine | items | failed | minutes |", "|---|---|---|---|---|---|---|---|"]
    lines += [rows[title] for title in TITLES.values() if title in rows]
    missing = [title for title in TITLES.values() if title not in rows]
    if missing:
        lines += ["", "Not run: " + ", ".join(missing) + "."]
    for title in TITLES.values():
        lines += ["", *sections[title]] if title in sections else []
    path.write_text("\n".join(lines) + "\n" + TAIL)


def read_page(path):
    """The rows of the table and the sections of a page, by their titles: ({title: line}, {title: [lines]})."""
    rows, sections, lines = {}, {}, []
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("## "):
            lines = sections.setdefault(line[3:], [])
        lines.append(line)
    for line in sections.get("What was run", []):
        rows[line.split("|")[1].strip() if line.startswith("| ") else ""] = line
    for lines in sections.values():
        while lines[-1] == "":
            lines.pop()
    known = set(TITLES.values()) & rows.keys() & sections.keys()
    return {title: rows[title] for title in known}, {title: sections[title] for title in known}


def row(part):
    items = part["items"].values()
    return (f"| {TITLES[part['name']]} | `{part['command']}` | {part['last']} | {part['commit']} | {part['machine']} | {len(items)} | "
            f"{sum(not i['ok'] for i in items)} | {sum(i['seconds'] for i in items) / 60:.1f} |")


def section(part):
    lines = [f"## {TITLES[part['name']]}", "", *SECTIONS[part["name"]](part)]
    failed = [(item, found) for item, found in part["items"].items() if not found["ok"]]
    if failed:
        lines += ["", "Failed:", ""] + [f"- `{item}`: {found['words'].splitlines()[0] if found['words'] else ''}" for item, found in failed]
    return lines


def total(items):
    """Sums of what the verdicts of many items counted."""
    out = collections.defaultdict(collections.Counter)
    for item in items:
        for name in ("answers", "second", "histogram", "verdicts"):
            out[name].update(item.get(name, {}))
        out["found"].update(copies=item.get("copies", 0), reports=item.get("reports", 0))
    return out


def table(groups):
    """One line for each (name, items)."""
    yield "| | rounds | acknowledged | unanswered | refused | copies found | reports | second copies: mbox, relay, report | " + " | ".join(NAMES) + " |"
    yield "|" + "---|" * (8 + len(NAMES))
    everything = []
    for name, items in [*groups, ("**all**", None)]:
        items = everything if items is None else items
        if name != "**all**":
            everything += items
        sums = total(items)
        answers, second = sums["answers"], sums["second"]
        refused = answers["NAK4"] + answers["NAK5"] + answers["CUT"]
        yield (f"| {name} | {len(items)} | {answers['ACK']} | {answers['UNKNOWN']} | {refused} | {sums['found']['copies']} | {sums['found']['reports']} | "
               f"{second['mbox']}, {second['relay']}, {second['report']} | " + " | ".join(verdict(items, sums, word) for word in NAMES) + " |")


def verdict(items, sums, name):
    """Of rounds that failed only the words are kept: they are listed below the table."""
    return str(sums["verdicts"][name] + sum(f"'{name}':" in item["words"] for item in items if not item["ok"]))


def grouped(part, name_of):
    groups = collections.defaultdict(list)
    for item, found in part["items"].items():
        groups[name_of(item)].append(found)
    return list(groups.items())


def figures(items):
    greetings = sorted(seconds for item in items for seconds in item.get("figures", {}).get("greeting", [])[1:])
    drains = sorted(item["figures"]["drain"] for item in items if "figures" in item)
    if not drains:
        return
    yield ""
    if greetings:
        yield f"From the restart after a crash to the first 220: median {middle(greetings) * 1000:.0f} ms, longest {greetings[-1] * 1000:.0f} ms. "
    yield f"Until the queue was empty: median {middle(drains):.2f} s, longest {drains[-1]:.2f} s. "
    memory = max(item["figures"]["memory"] for item in items if "figures" in item)
    descriptors = max(item["figures"]["descriptors"] for item in items if "figures" in item)
    yield f"A mail process never had more than {memory / 1024:.0f} MiB (resident) nor {descriptors} descriptors."
    counts = total(items)["histogram"]
    yield "Copies of a recipient's letter in one place: " + ", ".join(f"{n} copies {counts[n]} times" if n != "1" else f"1 copy {counts[n]} times" for n in sorted(counts)) + "."


def middle(numbers):
    return numbers[len(numbers) // 2]


WHO = dict(all="the whole daemon", mail="a mail process", agent="a delivery agent", parent="the parent alone", one="one of two mail processes", both="the whole daemon with two mail processes")


def random_section(part):
    yield ("Each round: four clients send letters of 0.5 kB to 0.6 MB for 1 to 50 recipients (Maildirs, an mbox, a host that takes all, one that often "
           "says later or leaves, one that refuses; one letter in ten has the null sender). After 0.03 to 0.5 s `kill -9`.")
    yield ""
    yield from table(sorted((WHO.get(name, name), items) for name, items in grouped(part, lambda item: item.split(":")[0])))
    yield from figures(list(part["items"].values()))


def power_title(item):
    layout, mode = item.split(":")[:2]
    return f"{layout} disk{'s' if layout == 'two' else ''}, {f'ext4, data={mode}' if system_of(mode) == 'ext4' else mode}"


def power_section(part):
    yield ("ext4, xfs and btrfs on loop devices, while the daemon's threads stand still: `FS_IOC_SHUTDOWN` without flushing the journal; of btrfs what it has written so far; spool and mailboxes on one disk "
           "or on two; free blocks are full of old mail. Each item is a house with five cuts under load, one after the other, before its account.")
    yield ""
    yield from table(grouped(part, power_title))
    yield from figures(list(part["items"].values()))


def calls_section(part):
    yield ("`test/crash/stop_at` (ptrace) counts the system calls of one kind of process that change a file, a socket or a process, and kills all processes at "
           "the entry of the Nth (*-alone*: only the one, which the others then start again); N goes from 1 until a run ends before its Nth call. After each "
           "a restart and the account.")
    hit = {item: found for item, found in part["items"].items() if found.get("hit")}
    yield ""
    yield "| scene | process | calls at which it was killed | lost, ghosts, duplicates, … |"
    yield "|---|---|---|---|"
    groups = collections.defaultdict(list)
    for item, found in hit.items():
        scene, role, _ = item.split(":")
        groups[scene, role].append(found)
    for (scene, role), items in groups.items():
        ended = "" if f"{scene}:{role}" in part["ended"] else " (not finished)"
        yield f"| {scene} | {role} | {len(items)}{ended} | {sum(not item['ok'] for item in items)} |"
    kinds = collections.Counter(found.get("call", "") for found in hit.values())
    yield ""
    yield f"{len(hit)} kills in all: " + ", ".join(f"{name} {count}" for name, count in kinds.most_common() if name) + "."
    yield ""
    yield from table([("all scenes", list(part["items"].values()))])


def tests_section(part):
    yield "| test file | passed | failed | skipped |"
    yield "|---|---|---|---|"
    for name, items in grouped(part, lambda item: item.split(":")[0]):
        skipped = sum(bool(item.get("skipped")) for item in items)
        failed = sum(not item["ok"] for item in items)
        yield f"| test_{name} | {len(items) - failed - skipped} | {failed} | {skipped} |"
    own = {"judge", "every_call", "random_kills", "sabotage"}
    left = sorted({file.stem[5:] for file in pathlib.Path(__file__).parent.glob("test_*.py")} - own - {item.split(":")[0] for item in part["items"]})
    if left:
        yield ""
        yield "Not run here so far, only in continuous integration: " + ", ".join(f"test_{name}" for name in left) + "."


def sabotage_section(part):
    yield ("A harness that can't fail proves nothing. Three daemons break a promise on purpose (`-Dsabotage=true`): `sync` never syncs the journal, "
           "`acknowledge` says 250 before a message is stored, `done` records a recipient before the delivery. A test passes when the verdict "
           "is *lost*, each time, and when the whole daemon in the same scene gets no verdict.")
    yield ""
    yield "| broken daemon | tests that have to catch it | caught | not caught |"
    yield "|---|---|---|---|"
    words = dict(sync="is_not_synced_is_caught", acknowledge="before", done="done_before_its_delivery")
    for kind, word in words.items():
        items = [found for item, found in part["items"].items() if word in item and "[none" not in item and "says_so" not in item
                 and (kind != "acknowledge" or "storing" in item or "stored" in item)]
        failed = sum(not item["ok"] for item in items)
        skipped = sum(bool(item.get("skipped")) for item in items)
        yield f"| {kind} | {len(items)} | {len(items) - failed - skipped} | {failed} |"


def soak_section(part):
    yield ("`./dev soak`: clients send at a share of the capacity that was measured just before (with everything these tests do themselves), and every "
           "minute comes a fault: a process or all are killed, stopped for some seconds, a disk runs full, syncs fail, another host or the name server is "
           "dead, a reload. Mail processes are killed in the first half only: growth is that of the second half by least squares, of processes that live "
           "through it. What arrives is taken out and crossed off all the time.")
    for item, found in part["items"].items():
        answers = found["answers"]
        yield ""
        yield (f"**{item}**: {found['seconds'] / 3600:.2f} hours, {found['share']:.0%} of {found['capacity']:.0f} messages a second, {found['processes']} mail "
               f"process(es); {answers.get('ACK', 0)} letters acknowledged, {answers.get('NAK', 0) + answers.get('CUT', 0)} refused, {found['copies']} copies and "
               f"reports found; {len(found['faults'])} faults, {found['crashes']} crashes; second copies "
               + (", ".join(f"{place} {count}" for place, count in found["second"].items()) or "none") + "; found against it: "
               + (", ".join(f"{name} {count}" for name, count in found["verdicts"].items()) or "nothing") + ".")
        yield ""
        yield "| | mean | growth over the second half | allowed | samples | |"
        yield "|---|---|---|---|---|---|"
        for what, flat in found["flat"].items():
            yield f"| {what} | {flat['mean']:g} | {flat['growth']:g} | {flat['bound']:g} | {flat['points']} | {'flat' if flat['ok'] else 'GROWS'} |"


SECTIONS = dict(sabotage=sabotage_section, calls=calls_section, random=random_section, power=power_section, faults=tests_section, soak=soak_section)
