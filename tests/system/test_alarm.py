"""From a fault in the plant to horn, page and person; silence, acknowledge and reset are three different acts."""

import asyncio
import time
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

from simulators.control import ask
from telemetry import places
from tests.system.demo import Demo, Refusal, until

REVERSAL = "L01-ISO.chamber.pressure.reversal"


def simulator(demo: Demo, request: dict[str, Any]) -> dict[str, Any]:
    """Asks the simulator itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELEMETRY_DATA_DIR", str(demo.data))
        return asyncio.run(ask(places.simulator_socket(), request))


def beacon_coil(demo: Demo, tag: str) -> bool:
    """The coil as it stands in the simulator."""
    return bool(simulator(demo, {"do": "look", "tag": tag})["true"])


def test_pressure_loss_sounds_and_shows_and_is_acknowledged(demo: Demo) -> None:
    assert demo.alarm(REVERSAL) is None
    began = time.monotonic()
    demo.run("fault", "L01-ISO", "pressure-loss", "--for", "6s")
    alarm = until(lambda: demo.alarm(REVERSAL), 2.0, "the reversal alarm")
    horn = until(lambda: beacon_coil(demo, "W1-BCN.horn"), 2.0, "the horn's coil")
    took_s = time.monotonic() - began
    assert horn
    until(lambda: beacon_coil(demo, "W1-BCN.lamp.red"), 1.0, "the red lamp")
    assert (
        alarm["state"] == "unacknowledged" and alarm["letter"] == "B" and alarm["active"] and not alarm["acknowledged"]
    )
    assert alarm["priority"] == 1 and alarm["equipment"] == "L01-ISO" and alarm["value"] < 0 and alarm["message"]["zh"]
    assert took_s < 2.0, f"from the command to the horn took {took_s:.2f} s"
    over_the_wire(demo)

    # Silence: the horn is off, the alarm is as unacknowledged as before.
    demo.ask("/api/v1/annunciator/silence", {"area": "W1"}, user="operator")
    until(lambda: not beacon_coil(demo, "W1-BCN.horn"), 2.0, "silence")
    silenced = demo.alarm(REVERSAL)
    assert silenced is not None and silenced["state"] in ("unacknowledged", "returned-unacknowledged")
    assert beacon_coil(demo, "W1-BCN.lamp.red")

    # Acknowledge names the occurrence; an older or newer one is refused.
    wrong = {"occurrence": alarm["occurrence"] + 1}
    with pytest.raises(Refusal) as refused:
        demo.ask(f"/api/v1/alarms/{REVERSAL}/acknowledge", wrong, user="operator")
    assert refused.value.status == 409
    right = {"occurrence": alarm["occurrence"], "comment": "supply damper closed"}
    acknowledged = demo.ask(f"/api/v1/alarms/{REVERSAL}/acknowledge", right, user="operator")
    assert acknowledged["acknowledged"]
    with pytest.raises(Refusal) as again:
        demo.ask(f"/api/v1/alarms/{REVERSAL}/acknowledge", right, user="operator")
    assert again.value.status == 409
    until(lambda: demo.alarm(REVERSAL) is None, 15.0, "the alarm is normal again")

    # Everything is on record with its person.
    def on_record() -> list[dict[str, Any]] | None:
        rows = demo.ask(f"/api/v1/alarms/history?alarm={REVERSAL}")
        return rows if {r["transition"] for r in rows} >= {"raised", "acknowledged", "cleared"} else None

    rows = until(on_record, 5.0, "the alarm's history")
    said = next(r for r in rows if r["transition"] == "acknowledged")
    assert (said["person"], said["comment"]) == ("operator", "supply damper closed")
    acts = demo.ask("/api/v1/events?kind=act")
    assert any(e["data"]["refused"] for e in acts) and any(not e["data"]["refused"] for e in acts)


def over_the_wire(demo: Demo) -> None:
    """The coil as any Modbus master sees it, at the simulator's own address."""
    from telemetry.plant import load

    url = simulator(demo, {"do": "addresses"})["addresses"]["W1-BCN"]
    register = load().tags["W1-BCN.horn"].spec.register_
    assert register is not None
    host, port = url.removeprefix("modbus://").split("/")[0].split(":")
    with ModbusTcpClient(host, port=int(port)) as client:
        assert client.read_coils(register.address, count=1, device_id=1).bits[0]


def test_interlock_trips_holds_and_is_reset_by_a_person(demo: Demo) -> None:
    demo.run("fault", "L02-ISO", "pressure-loss", "--for", "3s")

    def tripped() -> dict[str, Any] | None:
        rows = demo.ask("/api/v1/interlocks")
        return next((r for r in rows if r["equipment"] == "L02-ISO" and r["tripped"] and r["reset"] == "manual"), None)

    row = until(tripped, 3.0, "a tripped interlock")
    tag = row["effects"][0]["tag"]
    until(lambda: simulator(demo, {"do": "look", "tag": tag})["true"] == row["effects"][0]["value"], 2.0, "its effect")
    with pytest.raises(Refusal) as early:
        demo.ask(f"/api/v1/interlocks/{row['id']}/reset", {}, user="operator")
    assert early.value.status in (403, 409)


def test_who_may_not_act_is_refused_and_told_why(demo: Demo) -> None:
    act = {"occurrence": 1}
    with pytest.raises(Refusal) as anonymous:
        demo.ask(f"/api/v1/alarms/{REVERSAL}/acknowledge", act)
    assert anonymous.value.status == 401 and "session" in anonymous.value.body["detail"]
    with pytest.raises(Refusal) as administrator:
        demo.ask(f"/api/v1/alarms/{REVERSAL}/acknowledge", act, user="admin")
    assert administrator.value.status == 403 and "administrator" in administrator.value.body["detail"]
    with pytest.raises(Refusal) as unknown:
        demo.ask("/api/v1/alarms/L99-ISO.nothing/acknowledge", act, user="operator")
    assert unknown.value.status == 404
    with pytest.raises(Refusal) as wrong:
        demo.ask("/api/v1/session", {"user": "operator", "password": "guess"})
    assert wrong.value.status == 401


def test_a_device_that_is_lost_is_shown_as_lost_and_comes_back(demo: Demo) -> None:
    tag = "L03-PRC.temperature"
    demo.run("fault", "L03-PRC", "dropped-connection", "--for", "3s")
    bad = until(lambda: (row := demo.current(tag))["quality"] == "Bad" and row, 3.0, "Bad")
    assert bad["value"] is None and bad["reason"]
    neighbour = demo.current("L03-PAL.temperature")
    assert neighbour["quality"] == "Good"
    good = until(lambda: (row := demo.current(tag))["quality"] == "Good" and row, 9.0, "Good again")
    assert isinstance(good["value"], float)


def test_a_fault_that_does_not_exist_is_refused_with_what_does(demo: Demo) -> None:
    with pytest.raises(AssertionError) as refused:
        demo.run("fault", "L01-ISO", "earthquake")
    assert "pressure-loss" in str(refused.value)
