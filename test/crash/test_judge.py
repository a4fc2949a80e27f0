"""The judge is judged first (D-026): made-up ledgers and findings, and the verdict that each has to give. A harness that can't
fail proves nothing."""
import pytest

from clients import Entry, Ledger
from letters import Letter, Writer, id_of, with_detail, without_detail
from proof_page import write_page
from verdicts import NAMES, Bounds, Copy, Evidence, Report, Verdicts

A, B, BOX, FAR, NO = (with_detail(x, "m1") for x in ("u01@ex.test", "u02@ex.test", "box@box.test", "ada@good.test", "ada@fail.test"))
FROM = with_detail("from@ex.test", "m1")


def sent(*recipients, answer="ACK", sender=FROM):
    return {"m1": Entry("m1", recipients, "right", sender, answer)}


def copy(recipient, place="maildir", sha256="right", id="m1", owner=None, after=None):
    return Copy(id, recipient, sha256, place, owner or without_detail(recipient), after)


def judged(entries, crashes=0, finished=(), **evidence):
    return Verdicts(entries, Evidence(**evidence), Bounds(crashes, mbox=2, relayed=2), finished)


@pytest.mark.parametrize("what, entries, crashes, evidence, verdict", [
    ("delivered", sent(A), 0, dict(copies=[copy(A)]), None),
    ("queued", sent(A), 0, dict(queued=[("m1", A)]), None),
    ("gone", sent(A), 0, {}, "lost"),
    ("one of two gone", sent(A, B), 0, dict(copies=[copy(A)]), "lost"),
    ("reported", sent(NO), 0, dict(reports=[Report("m1", NO, FROM)]), None),
    ("kept as badmail", sent(NO, sender=""), 0, dict(badmail=[("m1", NO)]), None),
    ("not reported", sent(NO), 0, {}, "lost"),
    ("unanswered and gone", sent(A, answer="UNKNOWN"), 1, {}, None),
    ("unanswered and delivered", sent(A, answer="UNKNOWN"), 1, dict(copies=[copy(A)]), None),
    ("unanswered and delivered twice", sent(A, answer="UNKNOWN"), 1, dict(copies=[copy(A)] * 2), "duplicates"),
    ("refused for now and gone", sent(A, answer="NAK4"), 0, {}, None),
    ("refused for now and delivered", sent(A, answer="NAK4"), 0, dict(copies=[copy(A)]), "ghosts"),
    ("refused for good and queued", sent(A, answer="NAK5"), 0, dict(queued=[("m1", A)]), "ghosts"),
    ("broken off and reported", sent(NO, answer="CUT"), 0, dict(reports=[Report("m1", NO, FROM)]), "ghosts"),
    ("broken off and kept", sent(NO, answer="CUT", sender=""), 0, dict(badmail=[("m1", NO)]), "ghosts"),
    ("twice in a Maildir", sent(A), 5, dict(copies=[copy(A)] * 2), "duplicates"),
    ("twice in an mbox without a crash", sent(BOX), 0, dict(copies=[copy(BOX, "mbox")] * 2), "duplicates"),
    ("twice in an mbox after a crash", sent(BOX), 1, dict(copies=[copy(BOX, "mbox")] * 2), None),
    ("three times in an mbox after a crash", sent(BOX), 1, dict(copies=[copy(BOX, "mbox")] * 3), "duplicates"),
    ("relayed twice without a crash", sent(FAR), 0, dict(copies=[copy(FAR, "relay")] * 2), "duplicates"),
    ("relayed twice after a crash", sent(FAR), 1, dict(copies=[copy(FAR, "relay", after=n) for n in (0, 1)]), None),
    ("reported twice without a crash", sent(NO), 0, dict(reports=[Report("m1", NO, FROM)] * 2), "duplicates"),
    ("reported twice after a crash", sent(NO), 1, dict(reports=[Report("m1", NO, FROM)] * 2), None),
    ("changed", sent(A), 0, dict(copies=[copy(A, sha256="wrong")]), "corrupt"),
    ("nobody's recipient", sent(A), 0, dict(copies=[copy(A), copy(B)]), "misrouted"),
    ("in another's mailbox", sent(A), 0, dict(copies=[copy(A, owner="u02@ex.test")]), "misrouted"),
    ("a letter that was never sent", {}, 0, dict(copies=[copy(A)]), "misrouted"),
    ("a report to somebody else", sent(NO), 0, dict(reports=[Report("m1", NO, "u01@ex.test")]), "misrouted"),
    ("a report to nobody", sent(NO, sender=""), 0, dict(reports=[Report("m1", NO, FROM)]), "misrouted"),
    ("a report about nobody", sent(NO), 0, dict(reports=[Report("m1", NO, FROM), Report("m1", B, FROM)]), "misrouted"),
    ("somebody else's queue entry", sent(A), 0, dict(copies=[copy(A)], queued=[("m1", B)]), "misrouted"),
    ("a torn mbox", sent(A), 1, dict(copies=[copy(A)], broken=["torn"]), "broken"),
    ("a file that is left", sent(A), 1, dict(copies=[copy(A)], leaks=["large/x"]), "leaks"),
    ("delivered and reported", sent(NO), 1, dict(copies=[copy(NO, "relay")], reports=[Report("m1", NO, FROM)]), "false"),
    ("reported though nobody refused", sent(FAR), 1, dict(reports=[Report("m1", FAR, FROM)]), "false"),
    ("kept though nobody refused", sent(A, sender=""), 1, dict(badmail=[("m1", A)]), "false"),
])
def test_the_judge_gives_the_verdict(what, entries, crashes, evidence, verdict):
    verdicts = judged(entries, crashes, **evidence)
    assert list(verdicts.found()) == ([verdict] if verdict else [])
    if verdict:
        with pytest.raises(AssertionError, match=verdict):
            verdicts.check()
    else:
        verdicts.check()


def test_a_message_that_was_finished_before_a_crash_and_goes_again_is_a_duplicate():
    copies = [copy(FAR, "relay", after=0), copy(FAR, "relay", after=1)]
    assert judged(sent(FAR), 1, [set()], copies=copies).found() == {}
    assert list(judged(sent(FAR), 1, [{"m1"}], copies=copies).found()) == ["duplicates"]


def test_second_copies_are_bounded_in_all():
    entries = {f"m{n}": Entry(f"m{n}", [with_detail("box@box.test", f"m{n}")], "right", FROM, "ACK") for n in range(5)}
    copies = [copy(with_detail("box@box.test", id), "mbox", id=id) for id in entries] * 2
    assert judged(entries, 3, copies=copies).found() == {}
    [(_, _, words)] = judged(entries, 2, copies=copies).duplicates
    assert words == "5 messages came twice, mbox, in 2 crashes"


def test_the_histogram_tells_how_often_letters_came():
    verdicts = judged(sent(A, BOX, FAR), 2, copies=[copy(A), *[copy(BOX, "mbox")] * 3, *[copy(FAR, "relay", after=1)] * 2])
    assert verdicts.histogram == {1: 1, 2: 1, 3: 1}
    assert verdicts.second == {"mbox": 2, "relay": 1}
    verdicts.check()


def test_each_verdict_has_a_case_here():
    table = next(mark for mark in test_the_judge_gives_the_verdict.pytestmark).args[1]
    assert {case[-1] for case in table} == {None, *NAMES}


def test_the_ledger_tells_what_was_answered(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    letters = {answer: Letter(answer, "u01@ex.test") for answer in ("ACK", "NAK4", "NAK5", "CUT", "UNKNOWN")}
    for answer, letter in letters.items():
        ledger.write("CUT" if answer == "CUT" else "SENT", letter)
    for answer, reply in (("ACK", "250 2.0.0 ok, queued as Q1"), ("NAK4", "451 4.3.0 no"), ("NAK5", "554 5.6.0 no")):
        ledger.answered(letters[answer], reply)
    ledger.close()
    entries = Ledger.read(ledger.path)
    assert {id: entry.answer for id, entry in entries.items()} == {answer: answer for answer in letters}
    assert entries["ACK"].queue_id == "Q1" and entries["CUT"].recipients == letters["CUT"].recipients
    assert entries["ACK"].sha256 == letters["ACK"].sha256 and entries["ACK"].sender == "from+ACK@ex.test"


def test_a_seed_writes_the_same_letters_again():
    first, again = ([Writer("s").letter(f"m{n}").content for n in range(1)] for _ in range(2))
    assert first == again != [Writer("t").letter("m0").content]


def test_letters_are_of_all_kinds():
    writer = Writer("kinds", sizes=lambda generator: 500)
    letters = [writer.letter(f"m{n}") for n in range(600)]
    recipients = {without_detail(recipient) for letter in letters for recipient in letter.recipients}
    assert {"box@box.test", "u00@ex.test", "u17@ex.test", "ada@good.test", "ada@moody.test", "ada@fail.test"} <= recipients
    assert {len(letter.recipients) for letter in letters} >= {1, 2, 5, 10, 50}
    assert {letter.sender == "" for letter in letters} == {True, False}
    assert all(id_of(recipient) == letter.id for letter in letters for recipient in letter.recipients)
    assert all(len(set(letter.recipients)) == len(letter.recipients) for letter in letters)
    assert any(b"\r\nFrom " in letter.content for letter in letters) and any(b"\r\n." in letter.content for letter in letters)


# ---- the page

def test_the_page_keeps_what_it_says_of_parts_that_were_run_elsewhere(tmp_path):
    page = tmp_path / "proof.md"

    def part(name, last, ok):
        item = dict(ok=ok, seconds=60, words="lost m1", answers=dict(ACK=7))
        return dict(name=name, command=f"./dev prove {name}", last=last, commit="c0ffee", machine="one", items={"all:1": item}, ended={})
    write_page(page, [part("random", "first", False)])
    assert "Not run: Daemons that break a promise on purpose" in page.read_text() and "- `all:1`: lost m1" in page.read_text()
    write_page(page, [part("power", "second", True)])
    both = page.read_text()
    assert [line.split(" | ")[2] for line in both.splitlines() if "| c0ffee |" in line] == ["first", "second"]
    assert both.count("## Random kills under load") == both.count("## Power cuts") == both.count("- `all:1`: lost m1") == 1
    write_page(page, [part("random", "third", True)])
    assert "first" not in page.read_text() and "lost m1" not in page.read_text() and "| second |" in page.read_text()
    before = page.read_text()
    write_page(page, [])
    assert page.read_text() == before
