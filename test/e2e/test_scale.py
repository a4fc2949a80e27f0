"""A long queue, in small (D-091, D-103, D-121, S-125). ./dev scale does the same with a million messages, and tells the figures."""
import long_queue


def test_a_start_on_many_waiting_messages_is_a_start_on_none(make_mansio):
    figures = long_queue.tell(long_queue.restart(make_mansio, 20000))
    assert figures["queued"] == figures["listed"] == 20000
    # Sanitizers and busy processors take their time; a scan before the 220, or one for each message, would take much longer.
    assert figures["220 after s"] < figures["empty: 220 after s"] + 1
    assert figures["listing: first line after s"] < 1


def test_a_listing_begins_at_once_and_a_filter_looks_at_all(make_mansio):
    """./dev scale says how fast it is with 100,000; here the bounds are for busy processors with sanitizers."""
    figures = long_queue.tell(long_queue.listing(make_mansio, 10000))
    assert figures["list: lines"] == 20001 and figures["one domain: lines"] == 200 and figures["a sender that nobody is: lines"] == 0
    assert figures["list: first line after s"] < 0.5 + figures["list: all after s"] / 4
    assert figures["a sender that nobody is: all after s"] < 5


def test_a_command_changes_many(make_mansio):
    figures = long_queue.tell(long_queue.bulk(make_mansio, 1500))
    assert figures["freeze: changed"] == figures["remove: changed"] == 1500 and figures["left"] == 0


def test_a_dead_destination_costs_a_probe_and_not_an_attempt_a_message(make_mansio):
    figures = long_queue.tell(long_queue.dead_destination(make_mansio, 2000))
    assert 2 <= figures["connections"] <= 3 + figures["in s"] / 3
    assert figures["still queued"] == 2000


def test_one_message_does_not_wait_behind_many_for_another_host(make_mansio):
    figures = long_queue.tell(long_queue.fairness(make_mansio, 2000, pause=0.2))
    assert figures["of the others meanwhile"] < 400


def test_new_mail_does_not_wait_behind_many_dead_domains(make_mansio):
    figures = long_queue.tell(long_queue.dead_domains(make_mansio, 700, sample=30))
    assert figures["connections to the silent host"] > 50
    assert figures["at start: median ratio"] < 10 and figures["later: median ratio"] < 10


def test_mail_for_a_dead_host_does_not_pin_the_journal(make_mansio):
    figures = long_queue.tell(long_queue.journal_relief(make_mansio, 4000, segment_size="1M", clients=8))
    assert figures["queued after the crash"] == figures["listed"] == 4000
    assert figures["connections"] <= 3
