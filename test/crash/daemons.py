"""Daemons of the end-to-end harness for those crash tests that look at single messages and need no account."""
import pytest

from harness import body_of, wait_for
from making import make_mansio  # noqa: F401
from sink import Sink


@pytest.fixture
def make_sink():
    made = []

    def make(**options):
        made.append(Sink(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def by_way_of(sink, domain="later.test"):
    """A configuration's lines: everything for this domain goes to the sink, by its address."""
    return dict(transport=f'to_sink = {{ kind = "smtp"; hosts = [ "127.0.0.1:{sink.port}" ]; }};',
                route=f'{{ name = "sink"; domains = [ "{domain}" ]; transport = "to_sink"; }},')


def numbered(number):
    return b"Subject: %d\r\n\r\ntext %d\r\n" % (number, number)


def offer(mansio, *recipients, number=1, content=None):
    """One message over a connection of its own; its id. It must be accepted."""
    with mansio.connect(timeout=60) as client:
        code, lines = client.transaction("a@b.test", recipients, content or numbered(number))
        assert code == 250, lines
        return lines[0].split()[-1]


def subjects(messages):
    """The numbers in the subjects of what a sink has taken."""
    return sorted(int(m.content.partition(b"Subject: ")[2].partition(b"\r\n")[0]) for m in messages)


def bodies(mansio, user="bob"):
    return sorted(body_of(message) for message in mansio.maildir(user))


def all_listed(mansio, count):
    """Until mailq lists so many, and that is all; the list."""
    def listed():
        entries, complete = mansio.list_queue()
        return (entries,) if complete and len(entries) == count else None
    return wait_for(listed, 30, f"{count} queued messages; log:\n{mansio.log()[-1500:]}")[0]
