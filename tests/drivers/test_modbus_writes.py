"""What is said of a Modbus write: `was not written` only where that is certain."""

import pytest

from drivers.device import WriteFailed
from tests.drivers.modbus_peer import Asked, peer
from tests.foreign.driven import driven, good, modbus_profile

TARGET = modbus_profile({"level": {"table": "input", "address": 3}, "target": {"table": "holding", "address": 10}})


@pytest.mark.parametrize(
    ("code", "not_done"),
    [
        (1, True),
        (2, True),
        (3, True),
        (4, False),
        (6, True),
        (7, True),
        (8, False),
        (10, True),
        (11, False),
        (99, False),
    ],
)
async def test_a_refused_write_is_denied_only_where_it_certainly_had_no_effect(code: int, not_done: bool) -> None:
    async def answer(asked: Asked) -> None:
        refused = asked.pdu[0] == 6
        asked.send(asked.reply(bytes((0x86, code))) if refused else asked.registers(1))

    async with peer(answer) as at, driven(TARGET, at.url()) as device:
        await good(device)
        with pytest.raises(WriteFailed) as failed:
            await device.write("D1.target", 5.0)
        assert ("D1.target was not written: " in str(failed.value)) is not_done
        assert ("D1.target was sent but is not confirmed, so it may hold or not: " in str(failed.value)) is not not_done
        assert [a.pdu[0] for a in at.asked].count(6) == 1


@pytest.mark.parametrize("holds", [5, 1])
async def test_a_write_accepted_and_still_worked_on_is_read_back(holds: int) -> None:
    written: list[bool] = []

    async def answer(asked: Asked) -> None:
        if asked.pdu[0] == 6:
            written.append(True)
            asked.send(asked.reply(b"\x86\x05"))
        else:
            asked.send(asked.registers(holds if written else 1))

    async with peer(answer) as at, driven(TARGET, at.url()) as device:
        await good(device)
        assert await device.write("D1.target", 5.0) == holds


async def test_a_write_that_cannot_be_read_back_is_not_confirmed() -> None:
    async def answer(asked: Asked) -> None:
        if asked.pdu[0] == 6:
            asked.send(asked.reply(asked.pdu))
        else:
            asked.send(asked.reply(b"\x83\x02") if asked.pdu[0] == 3 else asked.registers(1))

    async with peer(answer) as at, driven(TARGET, at.url()) as device:
        await good(device)
        with pytest.raises(
            WriteFailed, match="target was sent but is not confirmed, so it may hold or not: D1 refused to read"
        ):
            await device.write("D1.target", 5.0)


async def test_of_two_words_one_may_have_been_written() -> None:
    masked: list[bool] = []

    async def answer(asked: Asked) -> None:
        if asked.pdu[0] == 22:
            asked.send(asked.reply(b"\x96\x02" if masked else asked.pdu))
            masked.append(True)
        else:
            asked.send(asked.registers(1, 1))

    register = {"table": "holding", "address": 10, "type": "uint32", "bit": 14, "width": 4}
    profile = modbus_profile({"mode": register}, server={"mask_write": True})
    async with peer(answer) as at, driven(profile, at.url()) as device:
        await good(device)
        with pytest.raises(WriteFailed, match="mode was sent but is not confirmed"):
            await device.write("D1.mode", 9.0)


async def test_bits_that_cannot_be_read_first_are_not_written() -> None:
    async def answer(asked: Asked) -> None:
        asked.send(asked.reply(b"\x83\x04") if at.asked[1:] else asked.registers(0))

    profile = modbus_profile({"mode": {"table": "holding", "address": 10, "bit": 3}})
    async with peer(answer) as at, driven(profile, at.url()) as device:
        await good(device)
        with pytest.raises(WriteFailed, match="mode was not written: D1 refused to read"):
            await device.write("D1.mode", 1.0)
        assert {a.pdu[0] for a in at.asked} == {3}
