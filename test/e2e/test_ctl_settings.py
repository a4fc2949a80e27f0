"""mansioctl settings: each setting with its value, default, place and meaning, read from the files as they are."""
import pytest

EXTRA = 'limits = { hops = 30; recipients = 1000; };\n'


@pytest.fixture
def house(make_mansio):
    mansio = make_mansio(extra=EXTRA)
    (mansio.directory / "conf.d").mkdir()
    (mansio.directory / "conf.d" / "tls.conf").write_text('\ntls_policy = ( { domains = [ "a.test" ]; } );\n')
    return mansio          # not started: no daemon is needed


def line_of(house, text):
    lines = house.config.read_text().splitlines()
    return next(f"{house.config}:{n}" for n, line in enumerate(lines, 1) if text in line)


def test_what_differs_from_the_defaults_and_where_it_is_said(house):
    by = {one["name"]: one for one in house.ctl_json("settings")}
    assert by["limits.hops"]["value"] == "30" and by["limits.hops"]["default"] == "100" and by["limits.hops"]["place"] == line_of(house, "hops = 30")
    assert "limits.recipients" not in by, "given, but with the default"
    assert by["tls_policy[0].domains"]["place"] == f"{house.directory}/conf.d/tls.conf:2"
    assert by["transports.mailbox.path"]["value"] == f'"{house.directory}/mail/{{local}}"'
    assert all(one["differs"] and one["doc"] and one["type"] for one in by.values())
    everything = {one["name"]: one for one in house.ctl_json("settings", "--all")}
    assert set(by) < set(everything) and everything["limits.recipients"]["place"] == line_of(house, "hops = 30")
    assert everything["delay_warning"] == dict(everything["delay_warning"], value='"1d"', place="default", differs=False)


def test_settings_by_name_group_and_part(house):
    [hops] = house.ctl_json("settings", "limits.hops")
    assert hops["name"] == "limits.hops" and hops["type"] == "a whole number from 1 to 10000" or hops["type"].startswith("a whole number")
    assert {one["name"] for one in house.ctl_json("settings", "routes[1]")} == {f"routes[1].{key}" for key in ("name", "domains", "senders", "users", "transport", "retry", "delay_warning")}
    assert {one["name"] for one in house.ctl_json("settings", "transports.*.kind")} == {"transports.mailbox.kind", "transports.internet.kind"}
    text = house.ctl("settings", "limits.hops").stdout
    assert text.startswith("limits.hops = 30  [mansio.conf:") and "default: 100" in text and "type: a whole number" in text
    out = house.ctl("settings", "limits.hopps")
    assert out.returncode == 1 and 'did you mean "limits.hops"?' in out.stderr


def test_a_configuration_with_mistakes_is_told_with_each_of_them(house):
    house.config.write_text(house.config.read_text() + 'nonsense = 1;\nhost_nam = "x";\n')
    out = house.ctl("settings")
    assert out.returncode == 78 and out.stdout == ""
    assert 'unknown setting "nonsense"' in out.stderr and 'did you mean "host_name"?' in out.stderr
