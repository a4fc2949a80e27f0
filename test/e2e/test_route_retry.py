"""When mail is tried again, given up, and its sender told: by the domain's settings, the route, the rules for domains; local
delivery by its own. Times are read from the queue, not waited for, but where the end itself is what is tested."""
import time

from harness import wait_for
from outbound import CONFIG, deferred, delivered, internet, parse_report, send  # noqa: F401

MINUTE, HOUR, DAY = 60, 3600, 86400


def start(internet, local="", **options):
    """A daemon whose route for local mail has times of its own."""
    values = dict(dns=internet.names.port, dns_timeout="1s", port=internet.port, transport="", transports="", routes="", extra="", limits="",
                  retry="1h for 4d", warning="0s")
    text = CONFIG % {**values, **options}
    assert text.count('transport = "mailbox"; }') == 1
    return internet.make_mansio(config=text.replace('transport = "mailbox"; }', f'transport = "mailbox"; {local} }}')).start()


def break_mailbox(mansio, user):
    (mansio.mail / user).write_text("a file where a Maildir should be")


def expired(mansio, id, address, timeout=20):
    mansio.wait_log(rf"{id} \*\* {address}: 550 5\.4\.7 retry time exceeded", timeout=timeout)


def shown(mansio, id):
    wait_for(lambda: mansio.ctl("queue", "show", id).returncode == 0, what="the message in the queue")
    [message] = mansio.ctl_json("queue", "show", id)
    return message, {recipient["address"]: recipient for recipient in message["recipients"]}


def dead(internet, *domains):
    for domain in domains:
        internet.names.site(domain, "127.0.0.9")


def reports_to(mansio, user):
    """[(action, addresses, Will-Retry-Until)] of the reports in a Maildir."""
    found = []
    for raw in mansio.maildir(user):
        _, _, _, recipients, _ = parse_report(raw)
        [action] = {r["Action"] for r in recipients}
        found.append((action, [r["Final-Recipient"].split(";")[1] for r in recipients], [r["Will-Retry-Until"] for r in recipients]))
    return found


def test_each_recipient_waits_by_the_rules_of_its_route(internet):
    dead(internet, "dead.test", "slow.test")
    mansio = start(internet, 'retry = "10m for 30m, 20m until 2h"; delay_warning = "12h";', warning="1d", retry="1h for 4d",
                            extra='domain_settings = ( { domains = [ "slow.test" ]; retry = "30m for 1d"; delay_warning = "2h"; } );')
    break_mailbox(mansio, "bob")
    id = send(mansio, "bob@ex.test", "x@dead.test", "y@slow.test", sender="alice@ex.test")
    for address in ("bob@ex.test", "x@dead.test", "y@slow.test"):
        deferred(mansio, id, address)
    wait_for(lambda: shown(mansio, id)[0]["attempts"] == 1, what="the end of the attempt")
    message, by = shown(mansio, id)
    received, conf = message["received"], str(mansio.config)
    assert abs(message["next_attempt"] - received - 10 * MINUTE) <= 2        # the soonest of them
    assert message["expires"] == received + 4 * DAY                          # the last of them
    told = {address: (r["retry"]["schedule"], r["retry"]["setting"], r["retry"]["expires"] - received, r["retry"]["delay_warning"], r["retry"]["warning_setting"])
            for address, r in by.items()}
    assert told == {
        "bob@ex.test": ("10m until 30m, 20m until 2h", "routes[0].retry", 2 * HOUR, 12 * HOUR, "routes[0].delay_warning"),
        "x@dead.test": ("1h until 4d", "retry[0]", 4 * DAY, DAY, "delay_warning"),
        "y@slow.test": ("30m until 1d", "domain_settings[0].retry", DAY, 2 * HOUR, "domain_settings[0].delay_warning")}
    assert all(r["retry"]["place"].startswith(conf + ":") and not r["warned"] for r in by.values())
    page = mansio.ctl("queue", "show", id).stdout
    assert f"routes[0].retry: 10m until 30m, 20m until 2h ({conf}:" in page and "a notice after 12h" in page
    [said] = mansio.ctl_json("why", id)
    plans = {r["address"]: r["plan"]["retry"] for r in said["recipients"]}
    assert {address: plan["setting"] for address, plan in plans.items()} == {address: r["retry"]["setting"] for address, r in by.items()}
    times = [t - received for t in plans["bob@ex.test"]["times"]]
    assert [round(t / MINUTE) for t in times] == [10, 20, 30, 50, 70, 90]


def test_local_mail_that_cannot_be_delivered_follows_the_local_schedule(internet):
    """A mailbox that is out of order, and a program that says that the mailbox is full (EX_TEMPFAIL)."""
    mansio = start(
        internet, 'retry = "1s for 1h";', routes='{ name = "full"; domains = [ "full.test" ]; transport = "program"; retry = "1s for 1h"; },',
        transports='program = { kind = "pipe"; command = [ "/bin/sh", "-c", "exit 75" ]; };', retry="1h for 4d")
    break_mailbox(mansio, "bob")
    first = send(mansio, "bob@ex.test", sender="alice@ex.test")
    second = send(mansio, "x@full.test", sender="alice@ex.test")
    for id in (first, second):
        wait_for(lambda: shown(mansio, id)[0]["attempts"] >= 3, what="three attempts")
    (mansio.mail / "bob").unlink()
    delivered(mansio, first, "bob@ex.test")
    mansio.wait_log(f"{first} Completed")


def test_each_recipient_expires_by_its_own_rules(internet):
    dead(internet, "dead.test")
    mansio = start(internet, 'retry = "1s for 2s";', retry="1s for 4d")
    break_mailbox(mansio, "bob")
    began = time.time()
    id = send(mansio, "bob@ex.test", "x@dead.test", sender="alice@ex.test")
    expired(mansio, id, "bob@ex.test")
    assert 1.9 <= time.time() - began <= 15
    mansio.wait_mail(1, "alice")
    assert reports_to(mansio, "alice") == [("failed", ["bob@ex.test"], [None])]
    _, by = shown(mansio, id)
    assert {address: r["state"] for address, r in by.items()} == {"bob@ex.test": "failed", "x@dead.test": "waiting"}
    assert f"{id} ** x@dead.test" not in mansio.log()


def test_routes_that_share_a_dead_host_keep_their_own_ends(internet):
    """All of it waits for the one host that can't be reached; what the newsletter's route sends is given up soon."""
    dead(internet, "dead.test")
    mansio = start(internet, routes='{ name = "news"; domains = [ "*" ]; senders = [ "carol@ex.test" ]; transport = "internet"; retry = "1s for 3s"; },',
                            retry="1s for 4d")
    others = [send(mansio, f"x{n}@dead.test") for n in range(3)]
    news = [send(mansio, f"y{n}@dead.test", sender="carol@ex.test") for n in range(3)]
    for n, id in enumerate(news):
        expired(mansio, id, f"y{n}@dead.test", 30)
    assert not [id for id in others if f"{id} **" in mansio.log()] and len(mansio.wait_mail(3, "carol")) == 3


def test_notices_of_delay_are_by_route_and_each_sender_is_told_once_of_each(internet):
    dead(internet, "dead.test", "later.test", "quiet.test")
    mansio = start(
        internet, 'retry = "1s for 1h"; delay_warning = "1s";', retry="1s for 2h", warning="3s",
        extra='domain_settings = ( { domains = [ "later.test" ]; delay_warning = "4h"; }, { domains = [ "quiet.test" ]; delay_warning = "0s"; } );')
    break_mailbox(mansio, "bob")
    id = send(mansio, "bob@ex.test", "x@dead.test", "y@later.test", "z@quiet.test", sender="alice@ex.test")
    mansio.wait_mail(2, "alice", 30)
    attempts = shown(mansio, id)[0]["attempts"]
    wait_for(lambda: shown(mansio, id)[0]["attempts"] >= attempts + 2, what="two attempts more")
    [(first, addresses, until), (second, others, others_until)] = reports_to(mansio, "alice")
    assert (first, addresses, second, others) == ("delayed", ["bob@ex.test"], "delayed", ["x@dead.test"])
    assert until != others_until                     # an hour, two hours
    message, by = shown(mansio, id)
    assert message["delay_warned"] and {address: r["warned"] for address, r in by.items()} == {
        "bob@ex.test": True, "x@dead.test": True, "y@later.test": False, "z@quiet.test": False}
    # It is known after a restart, too.
    mansio.stop()
    mansio.start()
    wait_for(lambda: shown(mansio, id)[0]["attempts"] >= attempts + 4, what="attempts after the restart")
    assert len(mansio.maildir("alice")) == 2


def test_an_alias_to_elsewhere_waits_as_where_it_leads(internet):
    dead(internet, "dead.test")
    mansio = start(internet, 'retry = "1m for 1h";', retry="1h for 4d", extra='aliases = "aliases";')
    mansio.stop()
    (mansio.directory / "aliases").write_text("far: x@dead.test\n")
    mansio.start()
    id = send(mansio, "far@ex.test", sender="alice@ex.test")
    mansio.wait_log(f" {id} == x@dead.test ")
    wait_for(lambda: shown(mansio, id)[0]["attempts"] == 1, what="the end of the attempt")
    message, by = shown(mansio, id)
    assert by["far@ex.test"]["retry"]["setting"] == "retry[0]" and by["far@ex.test"]["route"] == "everywhere"
    assert message["expires"] == message["received"] + 4 * DAY
