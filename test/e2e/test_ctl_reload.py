"""mansioctl reload: whoever asks learns what became of it, whatever else goes on."""
import signal
import threading
import time

from harness import Raw, wait_for
from test_reload import change, free_port, answers, send


def test_a_reload_says_what_is_in_use_and_an_open_session_goes_on(mansio):
    count = mansio.ctl_json("reload")[0]["aliases"]              # the machine's /etc/aliases
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250
        change(mansio, 'local = [ "ex.test" ]', 'local = [ "ex.test", "new.test" ]')
        done = mansio.ctl("reload")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{mansio.config} is in use, with {count} aliases\n", "")
        assert send(client, 2, ("bob@new.test",))[0] == 250       # at once, and in the same session
    assert mansio.ctl_json("reload") == [{"done": True, "refused": [], "problems": [], "aliases": count}]
    assert mansio.log().count("reload asked for by ") == 3


def test_a_mistake_is_told_to_who_asked_and_in_the_panic_log_and_nothing_changes(mansio):
    before = mansio.config.read_text()
    mansio.config.write_text(before.replace('local = [ "ex.test" ]', 'local = [ "new.test" ]') + "\nlistners = 1;\nlimits = { hops = 0; };\n")
    line = len(mansio.config.read_text().splitlines())
    told = [f'{mansio.config}:{line - 1}: unknown setting "listners" (did you mean "listeners"?)', f"{mansio.config}:{line}: "]
    done = mansio.ctl("reload")
    assert done.returncode == 78 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "mansioctl: " + told[0] and lines[1].startswith("mansioctl: " + told[1]), lines
    assert lines[2:] == ["mansioctl: nothing was changed: the daemon goes on with the configuration it had"]
    assert told[0] in mansio.wait_log("the old configuration stays in use", "paniclog").string
    mansio.config.write_text(before + "\nthis is no configuration\n")
    assert mansio.ctl("reload").returncode == 78 and mansio.log("paniclog").count("the old configuration stays in use") == 2
    mansio.config.write_text(before + "\nlistners = 1;\n")
    as_json = mansio.ctl("reload", "--json")
    assert as_json.returncode == 78 and '"done":false' in as_json.stdout and "listners" in as_json.stdout
    with mansio.connect() as client:
        assert send(client, 1, ehlo="c.test")[0] == 250
        assert send(client, 2, ("bob@new.test",))[0] == 550


def test_a_problem_that_hinders_nothing_else_is_told_and_the_rest_is_in_use(make_mansio, tmp_path):
    aliases = tmp_path / "aliases"
    aliases.write_text("joe: bob\n")
    mansio = make_mansio(extra=f'aliases = "{aliases}";')
    mansio.start()
    aliases.write_text("joe: bob\njim: carol\nbroken line\n")
    done = mansio.ctl("reload")
    assert done.returncode == 1, done
    assert f"{aliases}:3: " in done.stderr and "with 2 aliases" in done.stdout


def test_without_a_daemon_it_says_so(mansio):
    mansio.stop()
    done = mansio.ctl("reload")
    assert done.returncode == 69 and "the daemon doesn't run" in done.stderr


def test_listeners_come_with_the_last_of_many_reloads_and_all_who_asked_are_answered(mansio):
    """A hundred in a second, by command and by signal, under load; each answer is of a configuration that was read after
    the question."""
    stopping, sent, failed = threading.Event(), [], []

    def load(number):
        with mansio.connect() as client:
            for i in range(1_000_000):
                if stopping.is_set():
                    return
                try:
                    assert client.transaction("a@b.test", ("bob@ex.test",), b"Subject: %d.%d\r\n\r\nx\r\n" % (number, i),
                                              ehlo="c.test" if i == 0 else None)[0] == 250
                    sent.append(f"{number}.{i}")
                except Exception as error:             # noqa: BLE001: told below
                    failed.append(error)
                    return

    workers = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    text, ports = mansio.config.read_text(), []
    answers_seen = []
    askers = []
    for number in range(100):
        if number % 10 == 0:
            ports.append(free_port())
            rest = "".join(f', {{ address = "127.0.0.1"; port = {port}; }}' for port in ports[-1:])
            assert ");\n" in text
            at = text.index("listeners = (")
            end = text.index(");", at)
            changed = mansio.config.with_suffix(".new")
            changed.write_text(text[:end].rstrip() + rest + " " + text[end:])
            changed.replace(mansio.config)
        if number % 2:
            mansio.signal(signal.SIGHUP)
        else:
            asker = threading.Thread(target=lambda: answers_seen.append(mansio.ctl("reload")))
            asker.start()
            askers.append(asker)
        time.sleep(0.01)                               # the storm's pace, not to wait for anything
    for asker in askers:
        asker.join(60)
    last = mansio.ctl("reload")
    assert last.returncode == 0, last
    assert answers(ports[-1]) and not any(answers(port) for port in ports[:-1])     # at once: the answer means in use
    stopping.set()
    for worker in workers:
        worker.join(60)
    assert failed == []
    assert [a for a in answers_seen if a.returncode != 0] == [] and len(answers_seen) == 50
    seen = mansio.wait_mail(len(sent), timeout=60)
    subjects = sorted(line for mail in seen for line in mail.decode().splitlines() if line.startswith("Subject: "))
    assert subjects == sorted(f"Subject: {one}" for one in sent)
    assert mansio.log("paniclog") == ""
