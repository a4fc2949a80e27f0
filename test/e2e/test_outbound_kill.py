"""kill -9 at random moments while mail is relayed, and the account afterwards: what was acknowledged is at the sinks, nothing that was
refused is, and a second copy only where a sink's 250 was under way or not yet recorded. MANSIO_KILL_ROUNDS says how often."""
import collections
import hashlib
import os
import re
import time

from harness import wait_for
from ledger import Account, Copy, Ledger, Load, read_maildir, seeded
from outbound import internet  # noqa: F401
from sink import DROP, RESET

ROUNDS = int(os.environ.get("MANSIO_KILL_ROUNDS", "8"))
CONNECTIONS = 4
DOMAINS = ("good.test", "moody.test", "flaky.test")
Relayed = collections.namedtuple("Relayed", "id recipient sha256 mailbox queue_id sink session")


def remember(message):
    """Of a message only what the account needs."""
    head, _, body = message.content.partition(b"\r\n\r\n")
    digest = hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()
    queue_id = re.search(rb"\bid (\S{6}-\S+)", head)[1].decode()
    return message._replace(content=(Copy.field(head.replace(b"\r\n", b"\n"), b"X-Ledger-Id"), digest, queue_id))


def choose_recipients(generator):
    count = 1 if generator.random() < 0.4 else generator.randrange(2, 8)
    chosen = [f"u{n:02}@{generator.choice(DOMAINS)}" for n in generator.sample(range(30), count)]
    return chosen + ["bob@ex.test"] if generator.random() < 0.1 else chosen


def choose_size(generator):
    return generator.randrange(500, 8_000) if generator.random() < 0.95 else generator.randrange(300_000, 400_000)


def moody(share, *moods):
    """An action that now and then is one of the moods, else what is healthy."""
    generator = seeded(repr(moods))
    return lambda session, line: generator.choice(moods) if generator.random() < share else None


def test_killed_while_relaying_nothing_is_lost_and_second_copies_are_those_whose_answer_was_under_way(internet, tmp_path):
    internet.good.store, internet.good.keep = remember, False
    script = {"RCPT": moody(0.3, "450 4.2.0 not now", "452 4.3.1 no room")}
    [mood] = internet.site("moody.test", "127.0.0.3", script=script, keep=False, store=remember)
    script = {"DOT": moody(0.1, DROP, RESET, "451 4.3.0 no"), "MAIL": moody(0.05, DROP, "421 4.3.2 bye"), "BODY": moody(0.05, DROP)}
    [flaky] = internet.site("flaky.test", "127.0.0.4", script=script, keep=False, store=remember)
    sinks = [internet.good, mood, flaky]
    ledger = Ledger(tmp_path / "ledger")
    mansio = internet.start(transport=f"connections = {CONNECTIONS};", retry="1s for 1h")
    mansio.stop()
    moments = seeded("relay moments")
    ends, completed, acknowledged = [], [], 0        # of each life: sessions of each sink until then, and the ids finished then
    for number in range(ROUNDS):
        mansio.start()
        load = Load(mansio.port, ledger, f"round{number}", choose_recipients, threads=4, choose_size=choose_size)
        time.sleep(moments.uniform(0.05, 0.8))       # not to wait for anything: the moment of the crash
        load.stopping.set()
        mansio.kill()
        load.end()
        acknowledged += load.acknowledged
        wait_for(lambda: all(s.ended.is_set() for sink in sinks for s in list(sink.sessions)), what="the sinks to see the end")
        ends.append([len(sink.sessions) for sink in sinks])
        completed.append({line.split()[2] for line in mansio.log().splitlines() if " Completed" in line})
    mood.script = flaky.script = {}
    mansio.start()
    mansio.wait_idle(120)
    assert mansio.stop() == 0
    ledger.close()

    copies = [Relayed(m.content[0], address, m.content[1], "relay", m.content[2], n, m.session)
              for n, sink in enumerate(sinks) for m in sink.taken() for address, _ in m.recipients]
    account = Account(Ledger.read(ledger.path), [*copies, *read_maildir(mansio.mail / "bob")])
    account.check()
    assert acknowledged == account.answers["ACK"] > ROUNDS
    pairs = second_copies(copies, sinks, ends)
    again = collections.Counter(life for _, life in {(id, life) for id, _, life, _ in pairs})
    print(f"{ROUNDS} rounds: {dict(account.answers)}, {account.copies} copies; {len(pairs)} second copies, of {sum(again.values())} messages, "
          f"in {len(again)} of the crashes, at most {max(again.values(), default=0)} messages in one")
    assert len(pairs) == len(account.relay_duplicates)
    queue_ids = {copy.id: copy.queue_id for copy in copies}
    for id, recipient, life, other in pairs:
        assert life < other, f"{id} to {recipient} went twice without a crash between"
        assert queue_ids[id] not in completed[life], f"{id} was finished and went again"
    # At a crash each connection has one transaction under way, and the one before may still wait for its record.
    assert all(count <= 2 * CONNECTIONS * len(sinks) for count in again.values())
    assert mansio.log("paniclog") == ""


def second_copies(copies, sinks, ends):
    """(id, recipient, life of the daemon that sent the one, life that sent the other) for each copy after the first."""
    places = [{session: at for at, session in enumerate(sink.sessions)} for sink in sinks]
    lives = collections.defaultdict(list)
    for copy in copies:
        at = places[copy.sink][copy.session]
        lives[(copy.id, copy.recipient)].append(sum(1 for end in ends if at >= end[copy.sink]))
    return [(id, recipient, one, other) for (id, recipient), found in lives.items() if len(found) > 1
            for one, other in zip(sorted(found), sorted(found)[1:])]
