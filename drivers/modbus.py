"""A Modbus TCP device: planned blocks read each second, decoded in bulk; writes read back. pymodbus frames and connects.

pymodbus repeats a lost request by itself and waits up to 300 s between connects; both are switched off here, because a
scan has a deadline and the device's `run` decides when to connect (devices.md).
"""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from drivers.device import CONNECT_DEADLINE_S, SCAN_DEADLINE_S, Now, WriteFailed, backoff_s, layouts_of
from drivers.frame import Frame, Scan, bad_frame
from drivers.profile import Profile, ProfileTag, Register
from drivers.quality import BAD_COMMUNICATION_ERROR, BAD_NO_COMMUNICATION, BAD_TIMEOUT
from drivers.registers import Block, decode, decode_text, encode, plan

_EXCEPTIONS = {
    1: "it does not know this function",
    2: "it has no such register; compare the profile with the maker's register map",
    3: "it does not accept this count or value",
    4: "it reports a failure of its own",
    5: "it is still working on it",
    6: "it is busy",
    10: "the gateway has no path to this unit",
    11: "the unit behind the gateway does not answer",
}


class Refused(Exception):
    """The device answered with a Modbus exception; the text is a plain sentence."""


class ModbusDevice:
    """One unit at ``modbus://host:port/unit``."""

    def __init__(self, device: str, profile: Profile, address: str, now: Now) -> None:
        url = urlsplit(address)
        if not url.hostname:
            raise ValueError(f"{device}: the address {address} names no host; write modbus://host:port/unit")
        self.device, self.profile, self.now = device, profile, now
        self.host, self.port, self.unit = url.hostname, url.port or 502, int(url.path.strip("/") or 1)
        self.tags = profile.expanded()
        self.layouts = layouts_of(device, self.tags)
        self.failure: str | None = f"{device} at {self.host}:{self.port} is not connected yet"
        self._layout = next((x for x in self.layouts if not x.record), None)
        registers = [(name, tag) for name, tag in self.tags.items() if tag.register_ is not None]
        self._texts = [(name, _register(tag)) for name, tag in registers if tag.kind == "text"]
        numeric = [_register(tag) for _, tag in registers if tag.kind != "text"]
        self._registers: Sequence[Register] = [*numeric, *(r for _, r in self._texts), *self.extra_registers()]
        self._plan = plan(self._registers, profile.server)
        self._numeric = len(numeric)
        self._client: AsyncModbusTcpClient | None = None
        self._lost = asyncio.Event()

    def extra_registers(self) -> Sequence[Register]:
        """Registers that the machine itself needs beyond the tags."""
        return ()

    async def run(self) -> None:
        waits = backoff_s()
        while True:
            client = AsyncModbusTcpClient(
                self.host,
                port=self.port,
                timeout=SCAN_DEADLINE_S,
                retries=0,
                reconnect_delay=0,
                trace_connect=self._trace,
            )
            try:
                self._lost.clear()
                async with asyncio.timeout(CONNECT_DEADLINE_S):
                    connected = await client.connect()
                if connected:
                    self._client, self.failure = client, None
                    waits = backoff_s()
                    await self._lost.wait()
                    self.failure = self.failure or f"{self.device} at {self.host}:{self.port} closed the connection"
                else:
                    self.failure = f"{self.device} at {self.host}:{self.port} does not accept a connection"
            except (TimeoutError, OSError, ModbusException) as error:
                self.failure = f"{self.device} at {self.host}:{self.port} cannot be reached ({error or 'no answer'})"
            finally:
                self._client = None
                client.close()
            await asyncio.sleep(next(waits))

    def _trace(self, connected: bool) -> None:
        if not connected:
            self._lost.set()

    async def scan(self, slot_ns: int) -> Scan:
        client = self._client
        if client is None:
            return self._failed(slot_ns, BAD_NO_COMMUNICATION, self.failure)
        try:
            async with asyncio.timeout(SCAN_DEADLINE_S):
                image = await self._image(client)
                return await self.read_on(client, slot_ns, self._frames(slot_ns, image), image)
        except Refused as error:
            return self._failed(slot_ns, BAD_COMMUNICATION_ERROR, str(error))
        except TimeoutError:
            # A reply that comes after its deadline must never be taken for the next one: the connection goes with it.
            self.failure = f"{self.device} at {self.host}:{self.port} did not answer within {SCAN_DEADLINE_S} s"
            self._lost.set()
            return self._failed(slot_ns, BAD_TIMEOUT, self.failure)
        except (ModbusException, OSError) as error:
            self.failure = f"{self.device} at {self.host}:{self.port} lost the connection ({error})"
            self._lost.set()
            return self._failed(slot_ns, BAD_COMMUNICATION_ERROR, self.failure)

    async def read_on(self, client: AsyncModbusTcpClient, slot_ns: int, scan: Scan, image: NDArray[np.uint16]) -> Scan:
        """What a machine reads beyond the polled registers, given what they held; here nothing."""
        return scan

    async def _image(self, client: AsyncModbusTcpClient) -> NDArray[np.uint16]:
        image = np.zeros(self._plan.size, np.uint16)
        for block in self._plan.blocks:
            image[block.offset : block.offset + block.count] = await self.read_block(client, block)
        return image

    async def read_block(self, client: AsyncModbusTcpClient, block: Block) -> Sequence[int]:
        """The words (or bits) of one block. Raises Refused, ModbusException, OSError or TimeoutError."""
        address, count, unit = block.address, block.count, self.unit
        match block.table:
            case "coil":
                reply = await client.read_coils(address, count=count, device_id=unit)
            case "discrete":
                reply = await client.read_discrete_inputs(address, count=count, device_id=unit)
            case "holding":
                reply = await client.read_holding_registers(address, count=count, device_id=unit)
            case "input":
                reply = await client.read_input_registers(address, count=count, device_id=unit)
        if reply.isError():
            code: int = getattr(reply, "exception_code", 0)
            why = _EXCEPTIONS.get(code, "no reason given")
            raise Refused(
                f"{self.device} refused to read {block.table} {address}..{address + count - 1}: {why} (exception {code})"
            )
        found = reply.bits[:count] if block.table in ("coil", "discrete") else reply.registers
        if len(found) != count:
            raise Refused(f"{self.device} answered {len(found)} of {count} values of {block.table} {address}")
        return found

    def _frames(self, slot_ns: int, image: NDArray[np.uint16]) -> Scan:
        received_ns = self.now()
        values, quality = decode(self._plan, image)
        values = values[: self._numeric]
        if quality is not None:
            quality = quality[: self._numeric] if quality[: self._numeric].any() else None
        frames = (Frame(self._layout, slot_ns, received_ns, values, quality),) if self._layout else ()
        texts = {
            f"{self.device}.{name}": decode_text(self._plan, self._numeric + i, register, image)
            for i, (name, register) in enumerate(self._texts)
        }
        return Scan(frames, texts)

    def _failed(self, slot_ns: int, reason: int, failure: str | None) -> Scan:
        received_ns = self.now()
        frames = tuple(bad_frame(x, slot_ns, received_ns, reason) for x in self.layouts if not x.record)
        return Scan(frames, {f"{self.device}.{name}": None for name, _ in self._texts}, failure or "no connection")

    async def write(self, tag: str, value: float) -> float:
        name = tag.removeprefix(f"{self.device}.")
        register = _register(self.tags[name])
        client = self._client
        if client is None:
            raise WriteFailed(f"{tag} was not written: {self.failure}")
        try:
            async with asyncio.timeout(SCAN_DEADLINE_S):
                if register.table == "coil":
                    reply = await client.write_coil(register.address, bool(value), device_id=self.unit)
                else:
                    words = encode(register, value)
                    if len(words) == 1:
                        reply = await client.write_register(register.address, words[0], device_id=self.unit)
                    else:
                        reply = await client.write_registers(register.address, words, device_id=self.unit)
                if reply.isError():
                    why = _EXCEPTIONS.get(getattr(reply, "exception_code", 0), "no reason given")
                    raise WriteFailed(f"{tag} was refused by {self.device}: {why}")
                single = plan([register], self.profile.server)
                held = np.array(await self.read_block(client, single.blocks[0]), np.uint16)
                return float(decode(single, held)[0][0])
        except TimeoutError as error:
            self._lost.set()
            raise WriteFailed(f"{tag}: {self.device} did not answer the write within {SCAN_DEADLINE_S} s") from error
        except (Refused, ModbusException, OSError, ValueError) as error:
            raise WriteFailed(f"{tag} was not written: {error}") from error


def _register(tag: ProfileTag) -> Register:
    assert tag.register_ is not None
    return tag.register_
