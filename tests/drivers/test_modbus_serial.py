"""Serial lines, with real terminals and sockets: a late reply is taken for no other, and a line that cannot be used says why."""

import asyncio
import fcntl
import os
import struct
import time
import tty
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import pytest

from drivers.device import open_device
from drivers.fleet import Fleet
from drivers.frame import Scan
from drivers.modbus import frames
from drivers.modbus.frames import Request
from tests.foreign.driven import driven, modbus_profile, scanned

TWO_BLOCKS = modbus_profile({"a": {"table": "holding", "address": 0}, "b": {"table": "holding", "address": 100}})


class Unit:
    """Answers requests in order, each register with 1000 times its unit plus its address; late_s: the next answer comes so late."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write, self.late_s = write, 0.0
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(self) -> None:
        while True:
            request = await self.requests.get()
            late_s, self.late_s = self.late_s, 0.0
            await asyncio.sleep(late_s)
            unit, function, address, count = struct.unpack(">BBHH", request[:6])
            pdu = bytes((function | 0x80, 1))
            if function == 3:
                pdu = struct.pack(f">BB{count}H", 3, 2 * count, *(1000 * unit + address + n for n in range(count)))
            self.write(frames.rtu(Request(unit, pdu, 0, "")))


@contextmanager
def terminal() -> Generator[tuple[int, str]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


async def truth(scans: Callable[[], Awaitable[Scan]], unit: int, seconds: int) -> list[bool]:
    """Which scans were good, one a second; a good one holds what the unit holds."""
    found: list[bool] = []
    began_s = time.monotonic()
    for n in range(seconds):
        scan = await scans()
        found.append(scan.failure is None)
        if scan.failure is None:
            assert scan.frames[0].values.tolist() == [1000 * unit, 1000 * unit + 100], "wrong, but Good"
        await asyncio.sleep(max(0.0, began_s + n + 1 - time.monotonic()))
    return found


@pytest.mark.parametrize("late_s", [1.3, 2.05])
async def test_a_late_reply_on_a_serial_line_is_taken_for_no_other(late_s: float) -> None:
    with terminal() as (line, name):
        unit = Unit(lambda data: os.write(line, data))
        heard = bytearray()

        def hear() -> None:
            heard.extend(os.read(line, 4096))
            while len(heard) >= 8:
                unit.requests.put_nowait(bytes(heard[:8]))
                del heard[:8]

        asyncio.get_running_loop().add_reader(line, hear)
        answering = asyncio.create_task(unit.answer())
        try:
            async with driven(TWO_BLOCKS, f"modbus-serial://{name}/1?parity=N") as device:
                await scanned(device, lambda scan: scan.failure is None)
                unit.late_s = late_s
                good = await truth(lambda: device.scan(0), 1, 6)
                assert good[0] is False
                assert good[-2:] == [True, True]
        finally:
            asyncio.get_running_loop().remove_reader(line)
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


@asynccontextmanager
async def device_server(units: dict[int, Unit]) -> AsyncGenerator[int]:
    """Carries serial frames of 8 bytes between TCP and the units; answers go by the connection made last. Gives its port."""
    writers: list[asyncio.StreamWriter] = []
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader) -> None:
        try:
            while True:
                request = await reader.readexactly(8)
                units[request[0]].requests.put_nowait(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        serving.add(asyncio.create_task(serve(reader)))

    for unit in units:
        units[unit] = Unit(lambda data: writers[-1].write(data))
        serving.add(asyncio.create_task(units[unit].answer()))
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
async def test_a_late_reply_behind_a_device_server_is_taken_for_no_other(numbers: tuple[int, ...]) -> None:
    units = dict.fromkeys(numbers, Unit(len))
    async with device_server(units) as port:
        fleet = Fleet()
        devices = {
            n: open_device(f"D{n}", TWO_BLOCKS, f"modbus-rtu://127.0.0.1:{port}/{n}", time.time_ns, fleet)
            for n in numbers
        }
        keeping = [asyncio.create_task(device.run()) for device in devices.values()]
        for device in devices.values():
            await scanned(device, lambda scan: scan.failure is None)
        units[1].late_s = 1.3
        good = dict(
            zip(
                numbers,
                await asyncio.gather(*(truth(lambda d=d: d.scan(0), n, 6) for n, d in devices.items())),
                strict=True,
            )
        )
        assert False in good[1]
        assert all(one[-2:] == [True, True] for one in good.values())
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


async def test_a_line_that_does_not_take_its_parameters_is_a_sentence_and_is_let_go() -> None:
    with terminal() as (_, name):
        async with driven(TWO_BLOCKS, f"modbus-serial://{name}/1") as device:  # a pseudo terminal knows no parity
            scan = await scanned(device, lambda scan: "does not take" in str(scan.failure))
            assert "the line does not take 19200 baud, parity E and 1 stop bit" in str(scan.failure)
        other = os.open(name, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any more
        async with driven(TWO_BLOCKS, f"modbus-serial://{name}/1?parity=N") as device:
            await scanned(device, lambda scan: "another program holds the serial line" in str(scan.failure))
        os.close(other)
        async with driven(TWO_BLOCKS, f"modbus-serial://{name}/1?parity=N") as device:
            await scanned(device, lambda scan: "does not answer in time" in str(scan.failure))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("modbus-serial:///dev/no-such-line/1", "there is no such serial line"),
        ("modbus-serial:///dev/null/1", "that is no serial line"),
        ("modbus://127.0.0.1:9/1", "nothing listens there"),
        ("modbus://" + "a" * 64 + ".example:502/1", "cannot be the name of a host"),
        ("modbus://no-such-host.invalid:502/1", "nobody knows its name"),
    ],
)
async def test_what_cannot_be_reached_says_why_in_plain_words(address: str, said: str) -> None:
    async with driven(TWO_BLOCKS, address) as device:
        scan = await scanned(device, lambda scan: "cannot be reached" in str(scan.failure))
        assert said in str(scan.failure)
        assert "rrno" not in str(scan.failure)
