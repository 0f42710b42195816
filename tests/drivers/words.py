"""A Modbus server that is not ours (pymodbus frames and answers), holding words that a test wrote down from a maker's map."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import yaml
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.device import Device, open_device
from drivers.frame import Frame, Scan
from drivers.profile import Profile, Table

PROFILES: Final = Path(__file__).resolve().parents[2] / "config" / "profiles"
UNIT: Final = 7
_TABLES: Final[Mapping[int, Table]] = {
    1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding", 15: "coil", 16: "holding",
}  # fmt: skip


class Words:
    """Words by table and address; an address that is not there is exception 2, as on a strict device.

    reads, writes: what was asked, in order. `written` is called after each write and may change the words; `before_read` at each
    read, before it is answered. delay_s: how long each answer takes.
    """

    def __init__(self, tables: Mapping[Table, Mapping[int, int]]) -> None:
        self.tables = {table: dict(words) for table, words in tables.items()}
        self.reads: list[tuple[Table, int, int]] = []
        self.writes: list[tuple[Table, int, list[int]]] = []
        self.written: Callable[[Table, int, list[int]], None] = lambda table, address, values: None
        self.before_read: Callable[[Table, int, int], None] = lambda table, address, count: None
        self.url = ""
        self.delay_s = 0.0
        self.read_only = False
        self._answering = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, table: Table, address: int, words: Sequence[int]) -> None:
        self.tables.setdefault(table, {}).update(enumerate(words, address))

    async def silent(self) -> None:
        """Until no answer is being made any more."""
        await self._idle.wait()
        await asyncio.sleep(0.01)

    async def async_getValues(self, device_id: int, func_code: int, address: int, count: int = 1) -> object:
        table = _TABLES[func_code]
        self._answering += 1
        self._idle.clear()
        await asyncio.sleep(self.delay_s)
        self._answering -= 1
        if not self._answering:
            self._idle.set()
        if func_code <= 4:
            self.reads.append((table, address, count))
            self.before_read(table, address, count)
        words = self.tables.get(table, {})
        if device_id != UNIT or not all(a in words for a in range(address, address + count)):
            return ExcCodes.ILLEGAL_ADDRESS
        found = [words[a] for a in range(address, address + count)]
        return [bool(word) for word in found] if table in ("coil", "discrete") else found

    async def async_setValues(
        self, device_id: int, func_code: int, address: int, values: Sequence[int] | Sequence[bool]
    ) -> ExcCodes | None:
        table, numbers = _TABLES[func_code], [int(value) for value in values]
        self.writes.append((table, address, numbers))
        if self.read_only or not all(a in self.tables.get(table, {}) for a in range(address, address + len(numbers))):
            return ExcCodes.ILLEGAL_ADDRESS
        self.put(table, address, numbers)  # pymodbus reads its answer from there
        self.written(table, address, numbers)
        return None


@asynccontextmanager
async def served(words: Words) -> AsyncGenerator[Words]:
    """The words behind a loopback port, at `words.url`."""
    server = ModbusTcpServer(SimDevice(UNIT, simdata=[SimData(0, datatype=DataType.REGISTERS)]))
    server.context = words
    listening = await asyncio.get_running_loop().create_server(server.handle_new_connection, "127.0.0.1", 0)
    words.url = f"modbus://127.0.0.1:{listening.sockets[0].getsockname()[1]}/{UNIT}"
    try:
        yield words
    finally:
        listening.close()
        await words.silent()


def profile(name: str) -> Profile:
    return Profile.model_validate(yaml.safe_load((PROFILES / f"{name}.yaml").read_text("utf-8")))


@asynccontextmanager
async def driven(
    model: Profile, url: str, now: Callable[[], int] = time.time_ns, name: str = "X"
) -> AsyncGenerator[Device]:
    """The driver of `model`, kept connected."""
    device = open_device(name, model, url, now)
    keeping = asyncio.create_task(device.run())
    try:
        yield device
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@asynccontextmanager
async def played(model: Profile | str, words: Words) -> AsyncGenerator[Device]:
    """The driver of a profile, at a server that holds `words`."""
    model = profile(model) if isinstance(model, str) else model
    async with served(words), driven(model, words.url) as device:
        yield device


async def scanned(device: Device, wanted: Callable[[Scan], bool], deadline_s: float = 6.0) -> Scan:
    """Scans until a scan is as wanted."""
    began = time.monotonic()
    while True:
        scan = await device.scan(time.time_ns() // 10**9 * 10**9)
        if wanted(scan):
            return scan
        assert time.monotonic() - began < deadline_s, f"not in time: {scan.failure} {scan.findings}"
        await asyncio.sleep(0.02)


def polled(scan: Scan) -> Frame:
    """The frame of the polled tags."""
    return next(frame for frame in scan.frames if not frame.layout.record)


def by_name(frame: Frame) -> dict[str, float]:
    return {tag.split(".", 1)[1]: value for tag, value in zip(frame.layout.tags, frame.values.tolist(), strict=True)}


def reasons(frame: Frame) -> dict[str, int]:
    """Quality codes by tag name, of those that are not Good."""
    if frame.quality is None:
        return {}
    codes = zip(frame.layout.tags, frame.quality.tolist(), strict=True)
    return {tag.split(".", 1)[1]: code for tag, code in codes if code}
