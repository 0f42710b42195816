"""The pace at which a fleet connects."""

import asyncio
import time

import pytest

from drivers.device import open_device
from drivers.fleet import CONNECTS_PER_S, Fleet
from drivers.opcua import session
from drivers.profile import Profile
from simulators.load.plant import Size, load_plant
from tests.simulators.small_plant import until

NAME = {"en": "test", "zh": "test"}


async def test_turns_are_spread_evenly_and_given_in_the_order_of_asking() -> None:
    fleet, begun = Fleet(connects_per_s=500), list[tuple[int, float]]()

    async def connect(number: int) -> None:
        await fleet.turn()
        begun.append((number, asyncio.get_running_loop().time()))

    await asyncio.gather(*(connect(n) for n in range(50)))
    assert [number for number, _ in begun] == list(range(50))
    assert begun[-1][1] - begun[0][1] >= 49 / 500 - 0.002, "50 connects at 500 a second take 98 ms"
    assert fleet.connects == 50


async def test_a_lone_device_does_not_wait() -> None:
    fleet = Fleet()
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    await fleet.turn()
    assert loop.time() - before_s < 0.5 / CONNECTS_PER_S


async def test_a_turn_that_is_cancelled_is_not_counted_as_a_connect() -> None:
    fleet = Fleet(connects_per_s=1)
    await fleet.turn()
    waiting = asyncio.ensure_future(fleet.turn())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert fleet.connects == 1


async def test_a_device_that_waits_long_for_its_turn_connects_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand devices wait up to 20 s for their turns; counted against a connect's deadline, 400 of them stayed dark."""
    monkeypatch.setattr(session, "CONNECT_DEADLINE_S", 0.4)
    profile = Profile.model_validate(
        {
            "profile": "load", "equipment_type": "load", "maker": "none", "source": "none", "name": NAME, "protocol": "opcua",
            "namespace": "urn:example:load", "tags": {"pressure1": {"name": NAME, "node": "s=pressure1"}},
        }
    )  # fmt: skip
    async with load_plant(Size(3, tags=1, opcua_share=1)) as plant:
        fleet = Fleet(connects_per_s=1 / 0.6)
        urls = [url for id_, url in plant.addresses.items() if id_ != "LOAD-BCN"]
        devices = [open_device(f"D{n}", profile, url, time.time_ns, fleet) for n, url in enumerate(urls)]
        running = [asyncio.create_task(device.run()) for device in devices]
        try:
            await until(lambda: not any(device.failure for device in devices))
            assert fleet.connects == 3
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
